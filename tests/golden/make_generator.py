#!/usr/bin/env python3
"""The tiny model of make_tower.py with a generator of random weights, and what PyTorch says it writes.

Writes generator/tiny.gguf (tower/tiny.gguf with generator.* added; float) and generator/tiny.safetensors:
  embedding [n,dim]                      what texts are written for, unit length
  <mode>.ids.<beams>.<k> i32 [found,L]   WordPiece ids of the texts for embedding k, best first, padded with -1
  <mode>.score.<beams>.<k> [found]       their mean log-probabilities
<mode> is float, or ternary: block linears as BitNet b1.58 with int8 activations.
The network here is written from the papers and shares no code with the training recipe.

pip install torch==2.* gguf safetensors numpy
"""
import math
from pathlib import Path

import gguf
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

HERE = Path(__file__).parent
DIM, WIDTH, HEADS, MLP, BLOCKS, PREFIX, LENGTH = 32, 24, 4, 40, 2, 2, 8
CUES, BEAMS = 8, (1, 3)

rng = np.random.default_rng(29)


def normal(*shape, sigma, mean=0.0):
    return torch.from_numpy((mean + sigma * rng.standard_normal(shape)).astype(np.float32))


def make_weights(rows):
    w = {"prefix.weight": normal(PREFIX * WIDTH, DIM, sigma=1.5), "position": normal(PREFIX + LENGTH - 1, WIDTH, sigma=0.3),
         "table": F.normalize(normal(rows, WIDTH, sigma=1.0), dim=1), "norm.weight": normal(WIDTH, sigma=0.2, mean=1.5)}
    for i in range(BLOCKS):
        for norm, width in (("attn_norm", WIDTH), ("attn_out_norm", WIDTH), ("mlp_norm", WIDTH), ("mlp_mid_norm", MLP)):
            w[f"blocks.{i}.{norm}.weight"] = normal(width, sigma=0.2, mean=1.0)
        for name, m, k in (("qkv", 3 * WIDTH, WIDTH), ("attn_out", WIDTH, WIDTH), ("mlp_up", MLP, WIDTH), ("mlp_down", WIDTH, MLP)):
            w[f"blocks.{i}.{name}.weight"] = normal(m, k, sigma=3 / math.sqrt(k))
    return w


def rms(x, gain):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * gain


def ternary(x, w):
    s = w.abs().mean(1, keepdim=True).half().float()
    q = (w / s).round().clamp(-1, 1)
    top = x.abs().amax(-1, keepdim=True).clamp(min=1e-12)
    a = (x * (127 / top)).round().clamp(-127, 127)
    return (a.double() @ q.double().T).float() * (top / 127) * s.T


def log_probabilities(weights, embedding, rows, mode):
    """Of the row after `rows`, from one causal pass over the whole text."""
    line = ternary if mode == "ternary" else (lambda x, w: x @ w.T)
    x = (weights["prefix.weight"] @ embedding).reshape(PREFIX, WIDTH)
    if rows:
        x = torch.cat([x, math.sqrt(WIDTH) * weights["table"][rows]])
    t = len(x)
    x = x + weights["position"][:t]
    later = torch.ones(t, t, dtype=torch.bool).triu(1)
    for i in range(BLOCKS):
        w = {k.removeprefix(f"blocks.{i}."): v for k, v in weights.items() if k.startswith(f"blocks.{i}.")}
        q, k, v = line(rms(x, w["attn_norm.weight"]), w["qkv.weight"]).split(WIDTH, -1)
        split = lambda y: y.reshape(t, HEADS, WIDTH // HEADS).transpose(0, 1)
        scores = split(q) @ split(k).transpose(1, 2) / math.sqrt(WIDTH // HEADS)
        o = (scores.masked_fill(later, -math.inf).softmax(-1) @ split(v)).transpose(0, 1).reshape(t, WIDTH)
        x = x + line(rms(o, w["attn_out_norm.weight"]), w["attn_out.weight"])
        u = line(rms(x, w["mlp_norm.weight"]), w["mlp_up.weight"]).relu().square()
        x = x + line(rms(u, w["mlp_mid_norm.weight"]), w["mlp_down.weight"])
    table = weights["table"] / weights["table"].norm(dim=1, keepdim=True)
    logits = table @ rms(x[-1], weights["norm.weight"])
    if not rows:
        logits[0] = -math.inf
    return logits.log_softmax(0)


def search(weights, embedding, beams, mode):
    """[(rows without the end, mean log-probability)], best first."""
    live, done = [((), 0.0)], []
    for _ in range(LENGTH):
        grown = []
        for rows, total in live:
            grown += [(rows + (r,), total + p) for r, p in enumerate(log_probabilities(weights, embedding, list(rows), mode).tolist())]
        grown = sorted(grown, key=lambda g: -g[1])[:beams]
        done += [(rows[:-1], total / len(rows)) for rows, total in grown if rows[-1] == 0]
        live = [(rows, total) for rows, total in grown if rows[-1] != 0]
        if len(done) >= beams or not live:
            break
    return sorted(done or [(rows, total / len(rows)) for rows, total in live], key=lambda g: -g[1])


def main():
    reader = gguf.GGUFReader(HERE / "tower" / "tiny.gguf")
    words = reader.fields["sterna.tokenizer.vocab"].contents()
    pieces = [i for i, word in enumerate(words) if not word.startswith("[")]
    weights = make_weights(1 + len(pieces))
    cues = F.normalize(normal(CUES, DIM, sigma=1.0), dim=1)
    golden = {"embedding": cues.numpy()}
    for mode in ("float", "ternary"):
        for beams in BEAMS:
            for k, cue in enumerate(cues):
                found = search(weights, cue, beams, mode)
                ids = np.full((len(found), LENGTH), -1, np.int32)
                for row, (rows, _) in zip(ids, found):
                    row[:len(rows)] = [pieces[r - 1] for r in rows]
                golden[f"{mode}.ids.{beams}.{k}"] = ids
                golden[f"{mode}.score.{beams}.{k}"] = np.array([s for _, s in found], np.float32)
                if beams == 3:
                    print(mode, k, " | ".join(" ".join(words[pieces[r - 1]] for r in rows) for rows, _ in found))
    out = HERE / "generator"
    out.mkdir(exist_ok=True)
    save_file(golden, out / "tiny.safetensors")

    w = gguf.GGUFWriter(str(out / "tiny.gguf"), "sterna")
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        value, kind = field.contents(), field.types[0]
        w.add_key_value(name, value, kind, field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None)
    g = "sterna.generator"
    w.add_string(f"{g}.kind", "ternary_causal")
    for key, value in {"width": WIDTH, "heads": HEADS, "mlp": MLP, "blocks": BLOCKS, "prefix": PREFIX, "length": LENGTH}.items():
        w.add_uint32(f"{g}.{key}", value)
    w.add_array(f"{g}.pieces", pieces)
    w.add_string(f"{g}.question", "what is in the picture?")
    w.add_float32(f"{g}.sure_threshold", 0.2)
    for t in reader.tensors:
        w.add_tensor(t.name, np.ascontiguousarray(t.data))
    for name, value in weights.items():
        w.add_tensor(f"generator.{name}", np.ascontiguousarray(value.numpy()))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


if __name__ == "__main__":
    main()
