#!/usr/bin/env python3
"""Compares our tokenizers with Hugging Face `tokenizers`, id for id; exits 1 if any differ.

    compare_tokenizers.py BUILD/bin/tokenize_file [--count 1000000] [--seed 1] [--family NAME ...]
    compare_tokenizers.py BUILD/bin/tokenize_file --tokenizer tokenizer.json

Of each family (families.py) the tokenizers are trained on the spot. A family sees `count` strings
(strings.py: pipeline_strings), its tokenizers in turn, the first time with a token limit too; then every
code point alone, between letters, after a capital with an accent, before a mark and in a row; then lines of
1 MB.
"""
import argparse
import glob
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import time

from tokenizers import Tokenizer

import families
import strings

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONTEXTS = [("alone", "{}"), ("between letters", "a{}b"), ("after E acute", "É{}"),
            ("between marks", "k\u0323{}\u302e\u0301\u0b3e"), ("twice, upper", "AB{0}{0}C"),
            ("in a row", " '{0} {0}1{0}\n{0}\u0340")]
LINES = [("words", (" ".join(strings.WORDS) + " ").encode()), ("one word", b"a"), ("spaces", b" "),
         ("accents", "é̂".encode()), ("spacing marks", "\u302e".encode()), ("ideographs", "語".encode()),
         ("bad bytes", b"\xff\xc3"), ("brackets", b"[MASK"), ("digits", b"0123"), ("newlines", b"\n \n\n")]


def ours(driver, path, texts, limit):
    data = b"".join(struct.pack("<I", len(t)) + t for t in texts)
    out = subprocess.run([driver, path, str(limit)], input=data, stdout=subprocess.PIPE, check=True).stdout
    at, all_ids = 0, []
    for _ in texts:
        n, = struct.unpack_from("<I", out, at)
        all_ids.append(list(struct.unpack_from(f"<{n}I", out, at + 4)))
        at += 4 + 4 * n
    assert at == len(out)
    return all_ids


class Compared:
    """One tokenizer: a file for ours, an object for theirs."""

    def __init__(self, name, driver, path):
        self.name, self.driver, self.path = name, driver, path
        self.reference = Tokenizer.from_file(path)
        self.reference.no_padding()

    def check(self, what, texts, limit=0):
        self.reference.no_truncation()
        if limit:
            self.reference.enable_truncation(limit)
        start = time.time()
        decoded = [t.decode("utf-8", "replace") for t in texts]
        theirs = [e.ids for e in self.reference.encode_batch_fast(decoded)]
        middle = time.time()
        mine = ours(self.driver, self.path, texts, limit)
        wrong = [i for i, (a, b) in enumerate(zip(theirs, mine)) if a != b]
        for i in wrong[:5]:
            print(f"  {texts[i][:200]!r}: expected {theirs[i][:40]}, found {mine[i][:40]}")
        print(f"{self.name}: {what}: {len(texts)} strings, {sum(map(len, theirs))} ids, {len(wrong)} differ "
              f"(tokenizers {middle - start:.1f} s, ours {time.time() - middle:.1f} s)", flush=True)
        return len(wrong)


def corpus(count=20000):
    """Text to train on: this repository's, and strings like those compared, of another seed."""
    texts = [t.decode("utf-8", "replace") for t in strings.pipeline_strings(count, 987654321)]
    for path in sorted(glob.glob(str(ROOT / "*.md")) + glob.glob(str(ROOT / "*" / "*.md")) +
                       glob.glob(str(ROOT / "language" / "*.h"))):
        texts += open(path, encoding="utf-8").read().splitlines(keepends=True)
    return texts


def check_points(compared):
    points = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    wrong = 0
    for what, form in CONTEXTS:
        for first in range(0, len(points), 400000):
            part = [form.format(c).encode() for c in points[first:first + 400000]]
            wrong += compared.check(f"every code point {what} from {first}", part)
    return wrong


def check_strings(groups, count, seed, step=50000):
    """{family: strings that differ}"""
    wrong = dict.fromkeys(groups, 0)
    for turn, first in enumerate(range(0, count, step)):
        texts = strings.pipeline_strings(min(step, count - first), seed + first)
        for family, members in groups.items():
            compared = members[turn % len(members)]
            wrong[family] += compared.check(f"varied from {first}", texts)
            if turn < len(members):
                wrong[family] += compared.check(f"varied from {first}, at most 12 ids", texts[:10000], 12)
    return wrong


def check_lines(compared, size):
    return sum(compared.check(f"a line of {size} bytes of {what}", [unit * (size // len(unit))])
               for what, unit in LINES)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("driver")
    parser.add_argument("--tokenizer")
    parser.add_argument("--family", action="append", choices=list(families.FAMILIES))
    parser.add_argument("--vocabulary", type=int, default=4000)
    parser.add_argument("--count", type=int, default=1000000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--line", type=int, default=1_000_000, help="bytes of the long lines")
    parser.add_argument("--parts", default="strings,points,lines")
    args = parser.parse_args()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    parts = args.parts.split(",")

    with tempfile.TemporaryDirectory() as folder:
        if args.tokenizer:
            groups = {"file": [Compared(args.tokenizer, args.driver, args.tokenizer)]}
        else:
            texts, groups = corpus(), {}
            for family in args.family or families.FAMILIES:
                groups[family] = []
                for name, tokenizer in families.FAMILIES[family](texts, args.vocabulary):
                    path = os.path.join(folder, f"{family}{len(groups[family])}.json")
                    tokenizer.save(path)
                    groups[family].append(Compared(name, args.driver, path))
        wrong = check_strings(groups, args.count if "strings" in parts else 0, args.seed)
        for family, members in groups.items():
            for compared in members:
                wrong[family] += check_points(compared) if "points" in parts else 0
                wrong[family] += check_lines(compared, args.line) if "lines" in parts else 0
    for family, n in wrong.items():
        print(f"{family}: {args.count if 'strings' in parts else 0} strings, {n} differ")
    return 1 if any(wrong.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
