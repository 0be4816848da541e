#!/usr/bin/env python3
"""Writes tests/golden/language/tokenizers: small tokenizers of every family, and their ids.

    pip install -r tests/language/requirements.txt
    tests/golden/make_tokenizers.py

strings.bin  strings of tests/language/strings.py (pipeline_strings): uint32 size, bytes, for each
NAME.json    a tokenizer of tests/language/families.py, trained on this repository's text
NAME.ids     of each string: uint16 count, uint16 ids; as `tokenizers` gives them
points.bin   for each 1,024 code points five uint32: CRC-32 of what NFC, NFD, NFKC, NFKD and a charsmap of
             all bytes (tools/unicode/make_class_tables.py: it shows where graphemes break) make of each in CONTEXT
Also tests/fuzz/corpus/tokenizer/NAME.json: the same with a still smaller vocabulary.
"""
import pathlib
import struct
import sys
import zlib

ROOT = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT.parent / "language"))
from tokenizers import normalizers  # noqa: E402

import compare_tokenizers  # noqa: E402
import families  # noqa: E402
import strings  # noqa: E402

OUT = ROOT / "language" / "tokenizers"
SEEDS = ROOT.parent / "fuzz" / "corpus" / "tokenizer"


CONTEXT = "A{0}\u0323{0}\u0301 {0}\u1161\u11a8e\u0301{0}\u00a9\u0301{0}\u200d{0}\u0301\u0915\u094d{0}\u0915\u0301 {0}\u0340"


def write_points():
    units = [256 << 10] + [0] * 767
    for byte in range(1, 256):
        units[256 ^ byte] = 768 << 10 | 1 << 8 | byte
    every_byte = normalizers.Precompiled(struct.pack("<I768I", 768 * 4, *units) + b"X\0")
    makers = [n.normalize_str for n in (normalizers.NFC(), normalizers.NFD(), normalizers.NFKC(), normalizers.NFKD(),
                                        every_byte)]
    out = b""
    for first in range(0, 0x110000, 1024):
        texts = [CONTEXT.format(chr(c)) for c in range(first, first + 1024) if not 0xD800 <= c < 0xE000]
        for make in makers:
            out += struct.pack("<I", zlib.crc32("".join(make(t) + "\n" for t in texts).encode()))
    (OUT / "points.bin").write_bytes(out)


def small(tokenizer):
    """Compact text of a tokenizer."""
    return tokenizer.to_str(pretty=False)


def made(corpus, size):
    families.CHARSMAP_END = 0x250  # code points that the charsmap maps
    for family in families.FAMILIES.values():
        for name, tokenizer in family(corpus, size):
            yield name.replace(", ", "-").replace(" ", "-").replace("'", ""), tokenizer


def main():
    OUT.mkdir(exist_ok=True)
    write_points()
    corpus = compare_tokenizers.corpus(2000)
    texts = strings.pipeline_strings(250, 20261)
    (OUT / "strings.bin").write_bytes(b"".join(struct.pack("<I", len(t)) + t for t in texts))
    for name, tokenizer in made(corpus, 700):
        out = b""
        (OUT / f"{name}.json").write_text(small(tokenizer), encoding="utf-8")
        tokenizer = type(tokenizer).from_file(str(OUT / f"{name}.json"))  # scores as a file gives them
        for text in texts:
            ids = tokenizer.encode(text.decode("utf-8", "replace")).ids
            out += struct.pack(f"<H{len(ids)}H", len(ids), *ids)
        (OUT / f"{name}.ids").write_bytes(out)
    for name, tokenizer in made(corpus, 320):
        (SEEDS / f"{name}.json").write_text(small(tokenizer), encoding="utf-8")


if __name__ == "__main__":
    main()
