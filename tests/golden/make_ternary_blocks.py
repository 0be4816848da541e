#!/usr/bin/env python3
"""Makes tests/golden/quant/ternary.gguf: floats, and the same as TQ1_0 and TQ2_0 by the gguf package, with
what the package reads back from random bytes; tests/models/test_ternary_blocks.cpp compares.

    pip install gguf==0.19.0 numpy==2.4.6
    tests/golden/make_ternary_blocks.py
"""
import pathlib

import gguf
import numpy as np

random = np.random.default_rng(1)
rows, cols = 6, 512
w = (random.standard_normal((rows, cols)) * 0.02).astype(np.float32)
w[1] = random.integers(-1, 2, cols) * np.float32(0.037)     # ternary already, as a trained file is
w[2, :256] = 0                                             # a block of zeros
w[3, ::2] = w[3, 1::2] * np.float32(0.5)
w[3, :8] = [0.25, -0.25, 0.125, -0.125, 0.0625, 0.124, 0.126, -0.0]  # ties round away from zero
w[3, :256] = np.clip(w[3, :256], -0.25, 0.25)
w[4] *= np.float32(1000)

folder = pathlib.Path(__file__).parent / "quant"
folder.mkdir(exist_ok=True)
out = gguf.GGUFWriter(folder / "ternary.gguf", "ternary-blocks")
out.add_tensor("float", w)
for kind in (gguf.GGMLQuantizationType.TQ1_0, gguf.GGMLQuantizationType.TQ2_0):
    name = kind.name.lower()
    packed = gguf.quantize(w, kind)
    out.add_tensor(name, packed, raw_dtype=kind)
    out.add_tensor(name + ".read", gguf.dequantize(packed, kind))
    # Any bytes at all, with scales that are numbers.
    noise = random.integers(0, 256, packed.shape, dtype=np.uint8)
    size = gguf.GGML_QUANT_SIZES[kind][1]
    blocks = noise.reshape(-1, size)
    blocks[:, -2:] = (np.arange(1, len(blocks) + 1) / 8).astype(np.float16).view(np.uint8).reshape(-1, 2)
    out.add_tensor(name + ".noise", noise, raw_dtype=kind)
    out.add_tensor(name + ".noise.read", gguf.dequantize(noise, kind))
out.write_header_to_file()
out.write_kv_data_to_file()
out.write_tensors_to_file()
out.close()
