"""What the tests of the command line share: running the program, and making pictures.

Environment: STERNA names the program, STERNA_TEST_MODEL a small model, STERNA_SOURCE the source tree.
"""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

STERNA = os.environ["STERNA"]
MODEL = os.environ["STERNA_TEST_MODEL"]
SOURCE = pathlib.Path(os.environ["STERNA_SOURCE"])
CAT = SOURCE / "tools/examples/photos/cat.jpg"
COFFEE = SOURCE / "tools/examples/photos/coffee.jpg"

DONE, SOME_FAILED, BAD_USAGE, UNUSABLE = 0, 1, 2, 3


def environment(**more):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("STERNA")}
    return clean | {"STERNA_MODEL": MODEL, "NO_COLOR": "1"} | more


def start(*arguments, **options):
    options = {"env": environment(), "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen([STERNA, *arguments], **options)


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out.decode("utf-8"), err.decode("utf-8")
        self.lines = self.out.splitlines()

    def json(self):
        return [json.loads(line) for line in self.lines]


def png(width, height, seed=0):
    """A colourful PNG, another for every seed."""
    rows = b"".join(
        b"\0" + bytes((37 * seed + channel * x + 5 * y * (seed % 7)) % 256
                      for x in range(width) for channel in (1, 2, 3))
        for y in range(height))
    return png_of(width, height, zlib.compress(rows, 1))


def flat_jpeg(width, height):
    """A grey JPEG of any size in a few bytes: of every block a DC difference of 0 and the end, a bit each."""
    def segment(marker, body):
        return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body
    one = bytes([1] + [0] * 15 + [0])  # one code, of one bit, for 0
    blocks = -(-width // 8) * -(-height // 8)
    return (b"\xFF\xD8" + segment(0xDB, bytes([0] + [1] * 64))
            + segment(0xC0, struct.pack(">BHHB", 8, height, width, 1) + bytes([1, 0x11, 0]))
            + segment(0xC4, b"\x00" + one) + segment(0xC4, b"\x10" + one)
            + segment(0xDA, bytes([1, 1, 0, 0, 63, 0])) + bytes(-(-2 * blocks // 8)) + b"\xFF\xD9")


def png_of(width, height, data):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(
            ">I", zlib.crc32(kind + body))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def read_npy(path):
    """The rows of a float32 .npy file, as tuples; asserts everything NumPy would."""
    data = pathlib.Path(path).read_bytes()
    assert data[:8] == b"\x93NUMPY\x01\x00", data[:8]
    (length,) = struct.unpack("<H", data[8:10])
    assert (10 + length) % 64 == 0 and data[9 + length:10 + length] == b"\n"
    header = eval(data[10:10 + length].decode(), {"__builtins__": {}})  # a dictionary of literals
    assert set(header) == {"descr", "fortran_order", "shape"}, header
    assert header["descr"] == "<f4" and header["fortran_order"] is False, header
    rows, cols = header["shape"]
    body = data[10 + length:]
    assert len(body) == 4 * rows * cols, (len(body), header)
    return [struct.unpack_from(f"<{cols}f", body, 4 * cols * i) for i in range(rows)]


def read_jsonl(path):
    return [json.loads(line) for line in pathlib.Path(path).read_text("utf-8").splitlines()]


class CommandTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sterna-test-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def run_sterna(self, *arguments, stdin=b"", **options):
        process = start(*arguments, stdin=subprocess.PIPE, cwd=options.pop("cwd", self.folder),
                        **options)
        out, err = process.communicate(stdin, timeout=300)
        return Result(process.returncode, out, err)

    def check(self, code, *arguments, **options):
        """Runs the program and expects an exit code; returns the result."""
        result = self.run_sterna(*arguments, **options)
        self.assertEqual(result.code, code, f"{arguments}\n{result.out}\n{result.err}")
        return result

    def check_error(self, code, names, *arguments, **options):
        """... and one line on standard error that names all of `names`."""
        result = self.check(code, *arguments, **options)
        self.assertEqual(len(result.err.splitlines()), 1, result.err)
        self.assertTrue(result.err.startswith("sterna"), result.err)
        for name in [names] if isinstance(names, str) else names:
            self.assertIn(name, result.err)
        return result

    def write(self, name, data):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def pictures(self, folder, count):
        return [self.write(f"{folder}/{i:05}.png", png(9 + i % 5, 7 + i % 3, i))
                for i in range(count)]


def main():
    unittest.main(verbosity=0, buffer=True, argv=[sys.argv[0], *sys.argv[1:]])
