#!/usr/bin/env python3
"""Whether the `gguf` package reads what `sterna model quantize` and `convert` write:
interop.py STERNA GOLDEN.gguf GOLDEN_CHECKPOINTS

Exits with 77, which ctest shows as skipped, where the package is missing
(pip install gguf==0.19.0; point -DSTERNA_INTEROP_PYTHON at that interpreter).
"""
import json
import pathlib
import subprocess
import sys
import tempfile

try:
    import gguf
    import numpy as np
except ImportError as e:
    print(f"skipped: {e} (pip install gguf==0.19.0, and set STERNA_INTEROP_PYTHON)")
    sys.exit(77)

sterna, golden, checkpoints = sys.argv[1:]
with tempfile.TemporaryDirectory() as folder:
    out = pathlib.Path(folder) / "out.gguf"
    subprocess.run([sterna, "model", "quantize", golden, out, "--types", "m.f32=t5"], check=True)
    before, after = gguf.GGUFReader(golden), gguf.GGUFReader(out)

    assert after.alignment == 64, after.alignment
    for key, field in before.fields.items():
        if key.startswith("GGUF."):
            continue
        assert after.fields[key].types == field.types, key
        same = after.fields[key].contents() == field.contents()
        assert same, (key, after.fields[key].contents())
    for key, value in {"type": "t5", "rows": 2, "cols": 3, "group": 0}.items():
        assert after.fields[f"sterna.tensor.m.f32.{key}"].contents() == value, key

    tensors = {t.name: t for t in after.tensors}
    for t in before.tensors:
        assert tensors[t.name].data_offset % 64 == 0, t.name
        if t.name == "m.f32":
            continue
        assert tensors[t.name].tensor_type == t.tensor_type, t.name
        assert list(tensors[t.name].shape) == list(t.shape), t.name
        assert np.array_equal(tensors[t.name].data, t.data), t.name
    packed, scale = tensors["m.f32"], tensors["m.f32.scale"]
    assert packed.tensor_type == gguf.GGMLQuantizationType.I8 and list(packed.shape) == [64]
    # Row 0 is 0, 1, 2 with scale 1; row 1 is 3, 4, 5 with scale 4.
    assert scale.data.tolist() == [1.0, 4.0], scale.data
    lanes = packed.data.view(np.uint8)
    # Five trits a byte, code = weight + 1: byte j of a row's lane holds input j (and zeros).
    assert lanes[:8].tolist() == [121, 122, 122, 121, 122, 122, 122, 121], lanes[:8]
    print("the gguf package reads", len(tensors), "tensors and", len(after.fields), "fields")

    # A converted folder: texts, and every tensor with its shape and numbers.
    for name in ("composed", "vjepa2"):
        folder = pathlib.Path(checkpoints) / name
        subprocess.run([sterna, "model", "convert", folder, out], check=True, stdout=subprocess.DEVNULL)
        reader = gguf.GGUFReader(out)
        for key, field in reader.fields.items():
            field.contents()
        assert reader.fields["general.architecture"].contents() == "sterna-folder"
        found = {}
        for t in reader.tensors:
            alias = reader.fields.get(f"sterna.tensor.{t.name}.name")
            shape = reader.fields.get(f"sterna.tensor.{t.name}.shape")
            shape = shape.contents() if shape else [int(d) for d in reversed(t.shape)]
            found[alias.contents() if alias else t.name] = list(shape), t.data.tobytes()
        count = 0
        for file in folder.rglob("*.json"):
            inside = file.relative_to(folder).as_posix()
            assert reader.fields[f"sterna.file.{inside}"].contents() == file.read_text(encoding="utf-8"), inside
        for file in folder.rglob("model.safetensors"):
            prefix = file.parent.relative_to(folder).as_posix()
            data = file.read_bytes()
            size = int.from_bytes(data[:8], "little")
            header = json.loads(data[8:8 + size])
            for key, entry in header.items():
                if key == "__metadata__":
                    continue
                begin, end = entry["data_offsets"]
                key = key if prefix == "." else f"{prefix}/{key}"
                assert found[key] == (entry["shape"], data[8 + size:][begin:end]), key
                count += 1
        assert count == len(found), (count, len(found))
        print("the gguf package reads", count, "tensors of", name)
