#!/usr/bin/env python3
"""tools/convert_pt.py on a golden checkpoint that is saved as PyTorch does: convert_pt.py STERNA GOLDEN_CHECKPOINTS

Exits with 77, which ctest shows as skipped, where PyTorch is missing.
"""
import pathlib
import pickle
import shutil
import subprocess
import sys
import tempfile

import safetensors_file

try:
    import torch
except ImportError as e:
    print(f"skipped: {e} (pip install torch, and set STERNA_INTEROP_PYTHON)")
    sys.exit(77)

sterna, golden = sys.argv[1], pathlib.Path(sys.argv[2])
helper = pathlib.Path(__file__).resolve().parents[2] / "tools" / "convert_pt.py"


def run(*args, code=0):
    p = subprocess.run([sys.executable, helper, *map(str, args)], capture_output=True, text=True)
    assert p.returncode == code, (args, p)
    return p.stderr if code else p.stdout


def load(file):
    types = {"F32": torch.float32, "I64": torch.int64}
    return {name: torch.frombuffer(bytearray(content), dtype=types[dtype]).reshape(shape)
            for name, (dtype, shape, content) in safetensors_file.load(file).items()}


with tempfile.TemporaryDirectory() as scratch:
    folder = pathlib.Path(scratch) / "m"
    shutil.copytree(golden / "bert", folder)
    file = folder / "model.safetensors"
    weights = load(file)
    file.unlink()
    # Two files, as of a model that is saved in pieces; a type of its own, a scalar, a shared view.
    names = list(weights)
    half = dict.fromkeys(names[::2])
    torch.save({n: weights[n] for n in half}, folder / "pytorch_model-00001-of-00002.bin")
    rest = {n: weights[n] for n in names if n not in half}
    rest |= {"extra.bf16": torch.ones(3, dtype=torch.bfloat16), "extra.scalar": torch.tensor(2.5),
             "extra.view": torch.arange(12.0).reshape(3, 4).t(), "extra.none": torch.zeros(0, 4)}
    torch.save(rest, folder / "pytorch_model-00002-of-00002.bin")
    print(run(folder), end="")
    expected = golden / "bert.golden.safetensors"
    check = subprocess.run([sterna, "model", "check", folder, "--golden", expected], capture_output=True, text=True)
    assert check.returncode == 0, check
    before = subprocess.run([sterna, "model", "check", golden / "bert", "--golden", expected], capture_output=True,
                            text=True)
    assert check.stdout == before.stdout
    subprocess.run([sterna, "model", "convert", folder, folder / "m.gguf"], check=True, capture_output=True)
    check = subprocess.run([sterna, "model", "check", folder / "m.gguf", "--golden", expected], capture_output=True,
                           text=True)
    assert check.stdout == before.stdout, check

    # Under a key, with a prefix; what is no state dict, and what would run code, is refused by name.
    state = {"state_dict": {"module." + n: t for n, t in weights.items()}, "epoch": 3}
    torch.save(state, folder / "lightning.pt")
    run(folder / "lightning.pt", folder / "model.safetensors", "--key", "state_dict", "--strip", "module.")
    assert set(load(folder / "model.safetensors")) == set(weights)
    half = len(weights) // 2
    torch.save({"a": dict(list(weights.items())[:half]), "b": {"x": dict(list(weights.items())[half:])}}, folder / "two.pt")
    run(folder / "two.pt", folder / "model.safetensors", "--key", "a", "--key", "b.x")
    assert set(load(folder / "model.safetensors")) == set(weights)
    run(folder / "two.pt", folder / "model.safetensors", "--key", "a=left.", "--key", "b.x=right.")
    assert {n.split(".")[0] for n in load(folder / "model.safetensors")} == {"left", "right"}
    assert "occurs twice" in run(folder / "two.pt", folder / "no", "--key", "a", "--key", "a", code=3)
    assert "is the state dict under a --key?" in run(folder / "lightning.pt", folder / "no", code=3)
    assert "expected a dict with 'x'" in run(folder / "lightning.pt", folder / "no", "--key", "x", code=3)

    class Evil:
        def __reduce__(self):
            return (pathlib.Path.touch, (folder / "evil",))

    (folder / "evil.pt").write_bytes(pickle.dumps({"a": Evil()}))
    assert "evil.pt: expected a PyTorch file of weights alone" in run(folder / "evil.pt", folder / "no", code=3)
    torch.save({"a": Evil()}, folder / "evil2.pt")
    assert "evil2.pt: expected" in run(folder / "evil2.pt", folder / "no", code=3)
    (folder / "cut.pt").write_bytes((folder / "lightning.pt").read_bytes()[:1000])
    assert "cut.pt: expected" in run(folder / "cut.pt", folder / "no", code=3)
    assert "No such file" in run(folder / "missing.pt", folder / "no", code=3)
    assert not (folder / "evil").exists() and not (folder / "no").exists()
    run(folder / "missing", code=2)
print("ok")
