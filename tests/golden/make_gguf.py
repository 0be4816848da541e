#!/usr/bin/env python3
"""Makes tests/golden/models/package.gguf and package.safetensors with the packages that other programs
write these formats with; tests/models/test_interop.cpp knows what is inside.

    pip install gguf==0.19.0 safetensors==0.8.0 numpy==2.4.6
    tests/golden/make_gguf.py
"""
import pathlib

import gguf
import numpy as np
from safetensors.numpy import save_file

folder = pathlib.Path(__file__).parent / "models"
folder.mkdir(exist_ok=True)

w = gguf.GGUFWriter(folder / "package.gguf", "sterna")
w.add_uint8("k.u8", 200)
w.add_int8("k.i8", -100)
w.add_uint16("k.u16", 60000)
w.add_int16("k.i16", -30000)
w.add_uint32("k.u32", 4000000000)
w.add_int32("k.i32", -2000000000)
w.add_uint64("k.u64", 2**63 + 1)
w.add_int64("k.i64", -(2**62))
w.add_float32("k.f32", 0.25)
w.add_float64("k.f64", 1e-300)
w.add_bool("k.bool", True)
w.add_string("k.string", "Küstenseeschwalbe \U0001f426")
w.add_array("k.words", ["[PAD]", "the", "", "鳥"])
w.add_array("k.ints", [3, -1, 2])
w.add_array("k.floats", [0.5, -0.5])
w.add_array("k.bools", [True, False])
w.add_tensor("m.f32", np.arange(6, dtype=np.float32).reshape(2, 3))
w.add_tensor("m.f16", (np.arange(8) / 4).astype(np.float16).reshape(2, 2, 2))
w.add_tensor("m.i8", np.arange(-3, 4, dtype=np.int8))
w.add_tensor("m.i32", np.array([[7]], dtype=np.int32))
w.add_tensor("m.q8_0", gguf.quantize(np.linspace(-1, 1, 64, dtype=np.float32).reshape(2, 32),
                                     gguf.GGMLQuantizationType.Q8_0),
             raw_dtype=gguf.GGMLQuantizationType.Q8_0)
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()

save_file({"a.f32": np.arange(6, dtype=np.float32).reshape(2, 3),
           "b.f16": (np.arange(4) / 4).astype(np.float16),
           "c.i64": np.array([-(2**40), 5], dtype=np.int64),
           "d.bool": np.array([True, False]),
           "e.u8": np.zeros((0, 4), dtype=np.uint8),
           "f.f64": np.array(1e300)},
          folder / "package.safetensors", metadata={"format": "pt", "ü": "ö"})
