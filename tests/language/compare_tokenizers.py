#!/usr/bin/env python3
"""Compares WordPiece with Hugging Face `tokenizers`, id for id; exits 1 on the first difference.

    compare_tokenizers.py BUILD/bin/tokenize_file tokenizer.json [--count 300000] [--seed 1]

Strings: tests/language/strings.py, without and with a token limit; then every code point alone,
between letters, after a capital with an accent, and before a mark; then lines of 10 MB.
"""
import argparse
import struct
import subprocess
import sys
import time

from tokenizers import Tokenizer

import strings


def ours(driver, tokenizer, texts, limit):
    data = b"".join(struct.pack("<I", len(t)) + t for t in texts)
    out = subprocess.run([driver, tokenizer, str(limit)], input=data, stdout=subprocess.PIPE,
                         check=True).stdout
    at, all_ids = 0, []
    for _ in texts:
        n, = struct.unpack_from("<I", out, at)
        all_ids.append(list(struct.unpack_from(f"<{n}I", out, at + 4)))
        at += 4 + 4 * n
    assert at == len(out)
    return all_ids


def compare(what, driver, path, reference, texts, limit=0):
    reference.no_truncation()
    if limit:
        reference.enable_truncation(limit)
    start = time.time()
    decoded = [t.decode("utf-8", "replace") for t in texts]
    theirs = [e.ids for e in reference.encode_batch(decoded)]
    middle = time.time()
    mine = ours(driver, path, texts, limit)
    wrong = [i for i, (a, b) in enumerate(zip(theirs, mine)) if a != b]
    for i in wrong[:10]:
        print(f"  {texts[i][:200]!r}: expected {theirs[i][:40]}, found {mine[i][:40]}")
    print(f"{what}: {len(texts)} strings, {sum(map(len, theirs))} ids, {len(wrong)} differ "
          f"(tokenizers {middle - start:.1f} s, ours {time.time() - middle:.1f} s)", flush=True)
    return len(wrong)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("driver")
    parser.add_argument("tokenizer")
    parser.add_argument("--count", type=int, default=300000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--line", type=int, default=10_000_000, help="bytes of the long lines")
    parser.add_argument("--only-lines", action="store_true")
    args = parser.parse_args()
    reference = Tokenizer.from_file(args.tokenizer)
    reference.no_padding()

    def check(what, texts, limit=0):
        return compare(what, args.driver, args.tokenizer, reference, texts, limit)

    wrong = 0
    step = 100000
    if args.only_lines:
        args.count = 0
    for first in range(0, args.count, step):
        texts = strings.strings(min(step, args.count - first), args.seed + first)
        wrong += check(f"varied from {first}", texts)
        wrong += check(f"varied from {first}, at most 12 ids", texts, 12)
    points = [chr(c) for c in range(0x110000)
              if not 0xD800 <= c < 0xE000 and not args.only_lines]
    for what, form in [("alone", "{}"), ("between letters", "a{}b"), ("after E acute", "É{}"),
                       ("between marks", "k\u0323{}\u302e\u0301\u0b3e"), ("twice, upper", "AB{0}{0}C")]:
        for first in range(0, len(points), 400000):
            part = [form.format(c).encode() for c in points[first:first + 400000]]
            wrong += check(f"every code point {what} from {first}", part)
    words = (" ".join(strings.WORDS) + " ").encode()
    for what, unit in [("words", words), ("one word", b"a"), ("spaces", b" "),
                       ("accents", "é̂".encode()), ("spacing marks", "\u302e".encode()),
                       ("ideographs", "語".encode()), ("bad bytes", b"\xff\xc3"),
                       ("brackets", b"[MASK")]:
        wrong += check(f"a line of {args.line} bytes of {what}", [unit * (args.line // len(unit))])
    print("all equal" if wrong == 0 else f"{wrong} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
