#!/usr/bin/env python3
"""Makes a safetensors file of a PyTorch checkpoint: pytorch_model.bin, *.pt, *.pth.

    tools/convert_pt.py IN... OUT.safetensors [--strip PREFIX] [--key NAME[=PREFIX]]...
    tools/convert_pt.py FOLDER              # pytorch_model*.bin -> FOLDER/model.safetensors

`sterna` reads no PyTorch files: they are pickles, which are programs. This helper reads them with
torch.load(weights_only=True), which runs none, and writes what is in them: a state dict, or the
dict under --key ("state_dict", "model"), without --strip from the front of names. Several dicts
of one file go together with prefixes, as V-JEPA 2.1's: --key ema_encoder=encoder. --key
predictor=predictor. Tensors that share memory are written apart. Then: sterna model convert FOLDER
OUT.gguf

Needs PyTorch alone. Exit codes: 0 done, 2 bad usage, 3 a file that can't be used.
"""
import argparse
import itertools
import json
import os
import pathlib
import struct
import sys
import tempfile

DTYPES = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32",
          "int8": "I8", "uint8": "U8", "bool": "BOOL"}


def fail(text):
    print(f"convert_pt.py: {text}", file=sys.stderr)
    sys.exit(3)


def tensors_of(torch, file, key, strip):
    """name -> tensor of one file; `key` may end in =PREFIX."""
    key, _, prefix = key.partition("=")
    try:
        state = torch.load(file, map_location="cpu", weights_only=True, mmap=zipped(file))
    except Exception as e:  # pickle's, zipfile's and torch's own have no common class
        fail(f"{file}: expected a PyTorch file of weights alone, found: {str(e).splitlines()[0]}")
    for name in filter(None, key.split(".")):
        if not isinstance(state, dict) or name not in state:
            fail(f"{file}: expected a dict with {name!r}, found {describe(state)}")
        state = state[name]
    if not isinstance(state, dict):
        fail(f"{file}: expected a dict of tensors, found {describe(state)}")
    out = {}
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            fail(f"{file}: expected names and tensors, found {name!r}: {describe(tensor)} (is the state dict under a "
                 "--key?)")
        dtype = str(tensor.dtype).removeprefix("torch.")
        if dtype not in DTYPES or tensor.is_sparse or tensor.is_quantized:
            fail(f"{file}: tensor {name!r}: expected one of {', '.join(DTYPES)}, found {dtype}, {tensor.layout}")
        out[prefix + name.removeprefix(strip)] = tensor.detach().contiguous()
    return out


def zipped(file):
    with open(file, "rb") as f:
        return f.read(2) == b"PK"


def describe(value):
    if isinstance(value, dict):
        return "a dict of " + ", ".join(map(repr, list(value)[:5])) + (", ..." if len(value) > 5 else "")
    return type(value).__name__


def write(torch, tensors, out):
    """The format of github.com/huggingface/safetensors: 8 bytes of header length, JSON, data. Streams."""
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, t in tensors.items():
        size = t.numel() * t.element_size()
        header[name] = {"dtype": DTYPES[str(t.dtype).removeprefix("torch.")], "shape": list(t.shape),
                        "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    out = pathlib.Path(out)
    with tempfile.NamedTemporaryFile(dir=out.parent, prefix=out.name + ".tmp-", delete=False) as f:
        try:
            f.write(struct.pack("<Q", len(text)) + text)
            for t in tensors.values():
                if t.numel():
                    f.write(t.reshape(-1).view(torch.uint8).numpy().data)
            f.flush()
            os.fsync(f.fileno())
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(f.name, 0o666 & ~umask)
            os.replace(f.name, out)
        except BaseException:
            os.unlink(f.name)
            raise


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("files", nargs="+", metavar="FILE")
    p.add_argument("--strip", default="", help="taken off the front of names, e.g. module.")
    p.add_argument("--key", action="append", metavar="NAME[=PREFIX]",
                   help="where a state dict lies, e.g. state_dict or checkpoint.model, and what to put before its names")
    args = p.parse_args()
    *files, out = args.files
    if not files:
        folder = pathlib.Path(out)
        if not folder.is_dir():
            p.error("expected IN... and OUT.safetensors, or a folder")
        files = sorted(folder.glob("pytorch_model*.bin"))
        out = folder / "model.safetensors"
        if not files:
            fail(f"{folder}: expected pytorch_model*.bin, found none")
    try:
        import torch
    except ImportError:
        fail("PyTorch is missing (pip install torch)")
    tensors = {}
    for file, key in itertools.product(files, args.key or [""]):
        for name, tensor in tensors_of(torch, file, key, args.strip).items():
            if name in tensors:
                fail(f"{file}: tensor {name!r} occurs twice")
            tensors[name] = tensor
    if not tensors:
        fail(f"{files[0]}: expected tensors, found none")
    try:
        write(torch, tensors, out)
    except OSError as e:
        fail(f"{out}: cannot write: {e.strerror}")
    print(f"{out}: {len(tensors)} tensors, {sum(t.numel() for t in tensors.values())} numbers")


if __name__ == "__main__":
    main()
