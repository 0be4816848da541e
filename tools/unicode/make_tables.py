#!/usr/bin/env python3
"""Writes language/unicode_tables.cpp: what Hugging Face `tokenizers` does to each code point.

The `tokenizers` crate mixes Unicode versions (categories of unicode_categories 0.1.1, decompositions
of unicode-normalization-alignments 0.1.12, case mapping and white space of the Rust it was built
with), so no Unicode library agrees with it: against Unicode 14 (utf8proc 2.8) 403 code points differ
in being non-spacing marks, 55 in lower case, 106 in being punctuation, and unassigned ones count as
text. So the tables are read off the pinned package itself, one code point at a time.

    pip install -r tools/unicode/requirements.txt
    tools/unicode/make_tables.py > language/unicode_tables.cpp
"""
import sys
import unicodedata

from tokenizers import __version__, normalizers, pre_tokenizers

SHIFT = 6
DROP, SPACE, WHITE, CJK, MARK, PUNCTUATION = (1 << i for i in range(6))


def bert(**on):
    flags = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**flags, **on}).normalize_str


CLEAN, CHINESE = bert(clean_text=True), bert(handle_chinese_chars=True)
STRIP, LOWER = bert(strip_accents=True), bert(lowercase=True)
NFD = normalizers.NFD().normalize_str
SPLIT = pre_tokenizers.BertPreTokenizer().pre_tokenize_str


def hangul(c):
    """Unicode 3.12, arithmetic decomposition mapping."""
    s = c - 0xAC00
    parts = [0x1100 + s // 588, 0x1161 + s % 588 // 28]
    return "".join(map(chr, parts + ([0x11A7 + s % 28] if s % 28 else [])))


def class_probes():
    """One mark for each combining class that `tokenizers` orders, ascending."""
    acute = "\u0301"
    marks = {}
    for mark in map(chr, range(0x110000)):
        value = unicodedata.combining(mark)
        if not value or NFD(mark) != mark:
            continue
        pair = acute + mark if value < 230 else mark + acute  # swapped if the package knows `mark`
        if value == 230 or NFD(pair) == pair[::-1]:
            marks.setdefault(value, mark)
    assert marks[230] == "\u0300"
    return sorted(marks.items())


PROBES = class_probes()


def combining_class(s):
    """Two marks are swapped exactly when the first has the higher class and the second is not 0."""
    def below(mark):  # 0 < class(s) < class(mark)
        return mark != s and NFD(mark + s) == s + mark

    def above(mark):  # class(s) > class(mark)
        return mark != s and NFD(s + mark) == mark + s

    if not below(PROBES[-1][1]) and not above(PROBES[0][1]):
        return 0
    equal = [value for value, mark in PROBES if not below(mark) and not above(mark)]
    assert len(equal) == 1, (hex(ord(s)), equal)
    return equal[0]


def properties(c, pool):
    """(flags, combining class, decomposition, lower case) of code point c."""
    s = chr(c)
    words = [word for word, _ in SPLIT("a" + s + "a")]
    assert words in (["a", s, "a"], ["a", "a"], ["a" + s + "a"]), hex(c)
    flags = PUNCTUATION if len(words) == 3 else WHITE if len(words) == 2 else 0
    cleaned = CLEAN(s)
    assert cleaned in ("", " ", s), hex(c)
    flags |= DROP if cleaned == "" else SPACE if cleaned == " " else 0
    assert CHINESE(s) in (s, " " + s + " "), hex(c)
    flags |= CJK if CHINESE(s) != s else 0
    decomposed, lowered = NFD(s), LOWER(s)
    if 0xAC00 <= c < 0xAC00 + 11172:
        assert decomposed == hangul(c), hex(c)
        decomposed = s
    flags |= MARK if decomposed == s and STRIP(s) == "" else 0

    def pooled(text):
        if text == s:
            return (0, 0)
        return (pool.setdefault(text, sum(map(len, pool)) if text not in pool else 0), len(text))

    return (flags, combining_class(s) if decomposed == s else 0, pooled(decomposed), pooled(lowered))


def lines(numbers, width=100):
    row = " "
    for n in numbers:
        item = f" {n},"
        if len(row) + len(item) > width:
            yield row
            row = " "
        row += item
    yield row


def main():
    pool, records, blocks, index = {}, {}, {}, []
    nothing = (0, 0, (0, 0), (0, 0))
    for first in range(0, 0x110000, 1 << SHIFT):
        block = []
        for c in range(first, first + (1 << SHIFT)):
            found = nothing if 0xD800 <= c < 0xE000 else properties(c, pool)
            block.append(records.setdefault(found, len(records)))
        index.append(blocks.setdefault(tuple(block), len(blocks)))
    assert len(blocks) <= 0xFFFF and len(records) <= 0xFFFF and sum(map(len, pool)) <= 0xFFFF

    out = [
        "// Made by tools/unicode/make_tables.py; do not edit.",
        f"// What tokenizers {__version__} does to each code point.",
        "// clang-format off",
        '#include "unicode.h"',
        "",
        "namespace sterna::language::unicode {",
        "",
        f"static_assert(kShift == {SHIFT});",
        f"const uint16_t kIndex[{len(index)}] = {{", *lines(index), "};", "",
        f"const uint16_t kBlocks[{len(blocks) << SHIFT}] = {{",
        *lines(r for block in blocks for r in block), "};", "",
        f"const Info kInfo[{len(records)}] = {{",
        *lines(f"{{{f},{k},{n[1]},{l[1]},{n[0]},{l[0]}}}" for f, k, n, l in records), "};", "",
        f"const char32_t kPool[{sum(map(len, pool))}] = {{",
        *lines(hex(ord(c)) for text in pool for c in text), "};", "",
        "}  // namespace sterna::language::unicode",
    ]
    sys.stdout.write("\n".join(out) + "\n")
    print(f"{len(blocks)} blocks, {len(records)} records, {len(pool)} mappings", file=sys.stderr)


if __name__ == "__main__":
    main()
