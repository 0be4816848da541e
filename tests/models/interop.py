#!/usr/bin/env python3
"""Whether the `gguf` package reads what `sterna model quantize` writes: interop.py STERNA GOLDEN.gguf

Exits with 77, which ctest shows as skipped, where the package is missing
(pip install gguf==0.19.0; point -DSTERNA_INTEROP_PYTHON at that interpreter).
"""
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

sterna, golden = sys.argv[1:]
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
