#!/usr/bin/env python3
"""A tiny language model as llama.cpp's files hold it, with random weights, and what transformers makes of it behind a prefix.

Writes language_model/llama.gguf (maps in q4_0, q4_1, q5_0, q5_1, q8_0, f16, bf16), language_model/prefix.gguf (prefix.*
and sterna.prefix.* alone, for embeddings of generator/tiny.gguf's width) and language_model/golden.safetensors:
  embedding [n,dim]                what texts are written for, unit length
  ids.<beams>.<k> i32 [found,L]    pieces of the texts for embedding k, best first, padded with -1
  score.<beams>.<k> [found]        their mean log-probabilities
  <tensor> [8,k]                   what the gguf package reads of the first rows of block 0's maps and the table
Also the fuzzer's seeds, a language model of one narrow block in each kind of blocks.

    pip install torch==2.* transformers==5.23.0 accelerate==1.15.0 gguf==0.19.0 safetensors numpy
    tests/golden/make_language_model.py
"""
import math
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from safetensors.numpy import save_file
from transformers import AutoModelForCausalLM, GgufConfig

HERE = Path(__file__).parent
OUT = HERE / "language_model"
DIM, WIDTH, HEADS, KV_HEADS, MLP, BLOCKS, PREFIX, LENGTH, END = 32, 64, 4, 2, 96, 2, 3, 8, 2
CUES, BEAMS = 8, (1, 3)
SPECIAL = ["<|pad|>", "<|start|>", "<|end|>"]
MAPS = {"attn_q": (WIDTH, WIDTH, Type.Q4_1), "attn_k": (WIDTH // 2, WIDTH, Type.Q5_0), "attn_v": (WIDTH // 2, WIDTH, Type.Q4_0),
        "attn_output": (WIDTH, WIDTH, Type.Q5_1), "ffn_gate": (MLP, WIDTH, Type.F16), "ffn_up": (MLP, WIDTH, Type.BF16),
        "ffn_down": (WIDTH, MLP, Type.Q4_1)}

rng = np.random.default_rng(31)


def normal(*shape, sigma=1.0, mean=0.0):
    return (mean + sigma * rng.standard_normal(shape)).astype(np.float32)


def letters():
    """GPT-2's letters of the 256 bytes (its encoder.py, bytes_to_unicode)."""
    printed = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printed]
    table = {b: chr(b) for b in printed} | {b: chr(256 + i) for i, b in enumerate(others)}
    return [table[b] for b in range(256)]


def write_language_model():
    pieces = SPECIAL + letters() + ["th", "\u0120a", "an", "\u0120th", "\u00c3\u00bc"]  # the last is one letter of two bytes
    w = gguf.GGUFWriter(OUT / "llama.gguf", "llama")
    w.add_name("Tiny llama")
    w.add_block_count(BLOCKS), w.add_embedding_length(WIDTH), w.add_feed_forward_length(MLP), w.add_context_length(64)
    w.add_head_count(HEADS), w.add_head_count_kv(KV_HEADS), w.add_layer_norm_rms_eps(1e-5)
    w.add_rope_freq_base(1000.0), w.add_rope_dimension_count(WIDTH // HEADS), w.add_vocab_size(len(pieces))
    w.add_tokenizer_model("gpt2"), w.add_token_list(pieces)
    w.add_token_types([gguf.TokenType.CONTROL] * len(SPECIAL) + [gguf.TokenType.NORMAL] * (len(pieces) - len(SPECIAL)))
    w.add_token_merges(["t h", "\u0120 a", "a n", "\u0120 th", "\u00c3 \u00bc"])
    read = {}

    def add(name, value, kind=Type.F32):
        packed = gguf.quantize(value, kind)
        w.add_tensor(name, packed, raw_dtype=kind)
        read[name] = gguf.dequantize(packed, kind)

    table = normal(len(pieces), WIDTH, sigma=0.4)
    table[END] *= 2  # so that texts of other lengths than the most end
    add("token_embd.weight", table, Type.Q8_0)
    for i in range(BLOCKS):
        for name in ("attn_norm", "ffn_norm"):
            add(f"blk.{i}.{name}.weight", normal(WIDTH, sigma=0.2, mean=1))
        for name, (m, k, kind) in MAPS.items():
            add(f"blk.{i}.{name}.weight", normal(m, k, sigma=2 / math.sqrt(k)), kind)
    add("output_norm.weight", normal(WIDTH, sigma=0.2, mean=1))
    w.write_header_to_file(), w.write_kv_data_to_file(), w.write_tensors_to_file(), w.close()
    return pieces, {n: v[:8] for n, v in read.items() if n.startswith(("blk.0.", "token_embd")) and v.ndim == 2}, fnv1a(read["output_norm.weight"].tobytes())


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value:016x}"


def write_prefix(pieces, weight, bias, digest):
    w = gguf.GGUFWriter(OUT / "prefix.gguf", "sterna")
    w.add_string("sterna.prefix.kind", "llama")
    w.add_string("sterna.prefix.model", "Tiny llama")
    w.add_string("sterna.prefix.question", "what is it?")
    for key, value in {"positions": PREFIX, "width": WIDTH, "vocabulary": len(pieces), "end": END, "length": LENGTH}.items():
        w.add_uint32(f"sterna.prefix.{key}", value)
    w.add_string("sterna.prefix.digest", digest)
    w.add_float32("sterna.prefix.sure_threshold", 0.1)
    w.add_tensor("prefix.weight", weight)
    w.add_tensor("prefix.bias", bias)
    w.write_header_to_file(), w.write_kv_data_to_file(), w.write_tensors_to_file(), w.close()


def write_seed(kind):
    w = gguf.GGUFWriter(HERE.parent / f"fuzz/corpus/language_model/{kind.name.lower()}.gguf", "llama")
    w.add_name("seed"), w.add_block_count(1), w.add_embedding_length(32), w.add_feed_forward_length(32), w.add_head_count(2)
    w.add_head_count_kv(1), w.add_layer_norm_rms_eps(1e-5), w.add_rope_dimension_count(16), w.add_tokenizer_model("gpt2")
    w.add_token_list(["<e>", "a", "b", "\u0120c"]), w.add_token_types([gguf.TokenType.CONTROL] + 3 * [gguf.TokenType.NORMAL])
    for name, rows in (("token_embd", 4), ("blk.0.attn_q", 32), ("blk.0.attn_k", 16), ("blk.0.attn_v", 16), ("blk.0.attn_output", 32),
                       ("blk.0.ffn_gate", 32), ("blk.0.ffn_up", 32), ("blk.0.ffn_down", 32)):
        w.add_tensor(name + ".weight", gguf.quantize(normal(rows, 32), kind), raw_dtype=kind)
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        w.add_tensor(name + ".weight", normal(32))
    w.write_header_to_file(), w.write_kv_data_to_file(), w.write_tensors_to_file(), w.close()


@torch.no_grad()
def log_probabilities(net, lead, rows):
    table = net.get_input_embeddings().weight
    x = torch.cat([lead, table[list(rows)]])
    logits = net(inputs_embeds=x[None], use_cache=False).logits[0, -1]
    for closed in range(len(SPECIAL)):
        if closed != END or not rows:
            logits[closed] = -math.inf
    return logits.log_softmax(0).tolist()


def search(net, lead, beams):
    """[(pieces without the end, mean log-probability)], best first."""
    live, done = [((), 0.0)], []
    for _ in range(LENGTH):
        grown = [(rows + (r,), total + p) for rows, total in live for r, p in enumerate(log_probabilities(net, lead, rows))]
        grown = sorted(grown, key=lambda g: -g[1])[:beams]
        done += [(rows[:-1], total / len(rows)) for rows, total in grown if rows[-1] == END]
        live = [(rows, total) for rows, total in grown if rows[-1] != END]
        if len(done) >= beams or not live:
            break
    done = done or [(rows, total / len(rows)) for rows, total in live]
    return sorted(done, key=lambda d: -d[1])[:beams]


def main():
    OUT.mkdir(exist_ok=True)
    pieces, golden, digest = write_language_model()
    weight, bias = normal(PREFIX * WIDTH, DIM, sigma=1.0), normal(PREFIX * WIDTH, sigma=0.3)
    write_prefix(pieces, weight, bias, digest)
    net = AutoModelForCausalLM.from_pretrained(OUT, gguf_file="llama.gguf", dtype=torch.float32,
                                               quantization_config=GgufConfig(dequantize=True)).eval()
    cues = normal(CUES, DIM)
    golden["embedding"] = cues = cues / np.linalg.norm(cues, axis=1, keepdims=True)
    for k, cue in enumerate(cues):
        lead = torch.from_numpy((weight @ cue + bias).reshape(PREFIX, WIDTH))
        for beams in BEAMS:
            found = search(net, lead, beams)
            longest = max(len(rows) for rows, _ in found)
            ids = np.full((len(found), longest), -1, np.int32)
            for i, (rows, _) in enumerate(found):
                ids[i, :len(rows)] = rows
            golden[f"ids.{beams}.{k}"], golden[f"score.{beams}.{k}"] = ids, np.float32([s for _, s in found])
            print(beams, k, found)
    for kind in (Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0):
        write_seed(kind)
    save_file(golden, OUT / "golden.safetensors")


if __name__ == "__main__":
    main()
