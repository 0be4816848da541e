"""Copies a model file and adds what lets a language model write for it: WORK/prefix.pt as prefix.*, sterna.prefix.*.

With WORK/prefix.json of captions.py --calibrate. Everything else stays byte for byte what it is; `sterna model quantize --types prefix.weight=t5,*=keep` packs what is new.
`--of` takes the prefix of another model file instead, as it lies there (but for the head's weight, which is told beside the file's own): of the
one that was gone on from, say.
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


PREFIX = ("sterna.prefix.", "sterna.tensor.prefix.", "sterna.card.prefix")


HEAD = "sterna.decoder.vocabulary_head_scale"  # 1 / the head's weight beside choices, which export folds into the head


def copy(w: gguf.GGUFWriter, source: gguf.GGUFReader, prefix: bool, heads: float = 1.0):
    """The prefix of `source`, whose head is folded `heads` times as large as w's, or everything else of it."""
    for name, field in source.fields.items():
        if name in SKIPPED or name == "general.alignment" or name.startswith(PREFIX) != prefix:
            continue
        kind, value = field.types[0], field.contents()
        w.add_key_value(name, value * heads if name == "sterna.prefix.caption_head_scale" else value, kind, field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None)
    for tensor in source.tensors:
        if tensor.name.startswith("prefix.") == prefix:
            w.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)


def copied(source: gguf.GGUFReader, path: Path) -> gguf.GGUFWriter:
    """A writer with the metadata and the tensors of `source`, but for an older prefix."""
    w = gguf.GGUFWriter(str(path), source.fields["general.architecture"].contents())
    w.add_custom_alignment(source.alignment)
    copy(w, source, False)
    return w


def write(w: gguf.GGUFWriter):
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


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
    p.add_argument("--work", type=Path)
    p.add_argument("--language-model", type=Path, help="the GGUF that WORK/prefix.pt was trained with")
    p.add_argument("--of", type=Path, help="a model file with a prefix (instead of --work and --language-model)")
    p.add_argument("--model", type=Path, required=True, help="the model file to copy")
    p.add_argument("--out", type=Path, required=True)
    a = p.parse_args()
    if bool(a.of) == bool(a.work and a.language_model):
        p.error("expected either --of or both --work and --language-model")
    if a.of:
        model, of = gguf.GGUFReader(a.model), gguf.GGUFReader(a.of)
        w = copied(model, a.out)
        copy(w, of, True, model.fields[HEAD].contents() / of.fields[HEAD].contents())
        write(w)
        print(f"{a.out}: {a.out.stat().st_size / 1e6:.1f} MB, the prefix of {a.of}")
        return
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
    write(w)
    print(f"{a.out}: {a.out.stat().st_size / 1e6:.1f} MB, {c.prefix} positions for {language.fields['general.name'].contents()}")


if __name__ == "__main__":
    main()
