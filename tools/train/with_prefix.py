"""Copies a model file and adds what lets a language model write for it: WORK/prefix.pt as prefix.*, sterna.prefix.*.

With WORK/prefix.json of captions.py --calibrate. Everything else stays byte for byte what it is; `sterna model quantize --types prefix.weight=t5,*=keep` packs what is new.
"""

import argparse
import json
from pathlib import Path

import gguf
import numpy as np
import torch

from config import CAPTION_QUESTION, EMBED
from prefix import PrefixConfig

SKIPPED = {"GGUF.version", "GGUF.tensor_count", "GGUF.kv_count", "general.architecture"}  # GGUFWriter's own


def copied(source: gguf.GGUFReader, path: Path) -> gguf.GGUFWriter:
    """A writer with the metadata and the tensors of `source`, but for an older prefix."""
    w = gguf.GGUFWriter(str(path), source.fields["general.architecture"].contents())
    w.add_custom_alignment(source.alignment)
    for name, field in source.fields.items():
        if name in SKIPPED or name == "general.alignment" or name.startswith(("sterna.prefix.", "sterna.tensor.prefix.", "sterna.card.prefix")):
            continue
        kind = field.types[0]
        w.add_key_value(name, field.contents(), kind, field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None)
    for tensor in source.tensors:
        if not tensor.name.startswith("prefix."):
            w.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    return w


def digest(data: bytes) -> str:
    """FNV-1a, 64 bits: the last norm, which every precision of a language model has in f32, tells which model it is."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2 ** 64
    return f"{value:016x}"


def prefix_weights(saved: dict, length: float) -> dict[str, np.ndarray]:
    """[P d, 384] for a unit embedding and [P d], in the pieces' own length (`Prefix.forward`)."""
    net = saved["net"]
    return {"prefix.weight": (net["map.weight"] * length * EMBED ** 0.5).numpy(), "prefix.bias": (net["bias"] * length).numpy()}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--language-model", type=Path, required=True, help="the GGUF that WORK/prefix.pt was trained with")
    p.add_argument("--model", type=Path, required=True, help="the model file to copy")
    p.add_argument("--out", type=Path, required=True)
    a = p.parse_args()
    saved = torch.load(a.work / "prefix.pt", map_location="cpu", weights_only=False)
    c, language = PrefixConfig(**saved["config"]), gguf.GGUFReader(a.language_model)
    found = a.work / "prefix.json"
    fitted = json.loads(found.read_text()) if found.exists() else {"sure_threshold": 0.5}
    table = next(t for t in language.tensors if t.name == "token_embd.weight")
    rows = gguf.dequantize(table.data, table.tensor_type)
    w, s = copied(gguf.GGUFReader(a.model), a.out), "sterna.prefix"
    w.add_string(f"{s}.kind", language.fields["general.architecture"].contents())
    w.add_string(f"{s}.model", language.fields["general.name"].contents())
    w.add_string(f"{s}.sha256", saved["language"])
    w.add_string(f"{s}.question", CAPTION_QUESTION)
    for key, value in {"positions": c.prefix, "width": rows.shape[1], "vocabulary": rows.shape[0], "end": 0, "length": c.length}.items():
        w.add_uint32(f"{s}.{key}", value)
    for key, value in fitted.items():
        w.add_float32(f"{s}.{key}", float(value))
    norm = next(t for t in language.tensors if t.name == "output_norm.weight")
    w.add_string(f"{s}.digest", digest(norm.data.astype("<f4").tobytes()))
    w.add_string("sterna.card.prefix", json.dumps({"seed": c.seed, "steps": saved["step"], "texts": saved["texts"]}))
    for name, value in prefix_weights(saved, float(np.sqrt(np.mean(rows.astype(np.float64) ** 2)))).items():
        w.add_tensor(name, np.ascontiguousarray(value))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    print(f"{a.out}: {a.out.stat().st_size / 1e6:.1f} MB, {c.prefix} positions for {language.fields['general.name'].contents()}")


if __name__ == "__main__":
    main()
