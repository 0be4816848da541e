"""Safetensors files by hand, for tests that break or convert them: name -> (dtype, shape, bytes)."""
import json
import struct


def load(file):
    data = file.read_bytes()
    (n,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + n])
    header.pop("__metadata__", None)
    return {k: (v["dtype"], v["shape"], data[8 + n:][slice(*v["data_offsets"])]) for k, v in header.items()}


def save(file, tensors):
    header, data = {}, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write_bytes(struct.pack("<Q", len(text)) + text + data)


def halved(dtype, content):
    """float32 bytes as bfloat16 (cut off) or float16."""
    if dtype == "BF16":
        return b"".join(content[i + 2:i + 4] for i in range(0, len(content), 4))
    return struct.pack(f"<{len(content) // 4}e", *struct.unpack(f"<{len(content) // 4}f", content))
