#!/usr/bin/env python3
"""Writes language/unicode_class_tables.cpp: what the parts of Hugging Face `tokenizers` that BERT does
not use make of each code point. Like make_tables.py it reads the pinned package, not a Unicode version:
categories are those of its regular expressions (Oniguruma), "word" those of Rust's regex, "numeric" of
Rust's char, compatibility mappings and compositions of unicode-normalization-alignments, grapheme
breaks of unicode-segmentation, seen through a `Precompiled` normaliser that makes "X" of a whole
grapheme of up to five bytes and of each code point of a longer one.

    pip install -r tools/unicode/requirements.txt
    tools/unicode/make_class_tables.py > language/unicode_class_tables.cpp
"""
import struct
import sys

from tokenizers import Regex, __version__, normalizers, pre_tokenizers

from make_tables import lines

CATEGORIES = ["Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe",
              "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Co"]
WORD, NUMERIC, MARK, SPACE = (1 << i for i in range(4))
(OTHER, CONTROL, EXTEND, LINKER, CONJUNCT_EXTEND, JOINER, SPACING, PREPEND, PICTURE, CONSONANT, L, V, T, LV,
 LVT) = range(15)
POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
TEXT = "".join(map(chr, POINTS))
NFC, NFD, NFKC, NFKD = (getattr(normalizers, n)().normalize_str for n in ("NFC", "NFD", "NFKC", "NFKD"))


def matched(pre_tokenizer):
    """The code points that a pre-tokenizer leaves when the others are its delimiters."""
    found = set()
    for _, (begin, end) in pre_tokenizer.pre_tokenize_str(TEXT):
        found.update(POINTS[begin:end])
    return found


def expression(pattern):
    return matched(pre_tokenizers.Split(Regex(pattern), "removed", invert=True))


def grapheme_counter():
    """A double array whose keys are all single bytes, with the value "X"."""
    units = [256 << 10] + [0] * 767
    for byte in range(1, 256):
        units[256 ^ byte] = 768 << 10 | 1 << 8 | byte
    blob = struct.pack("<I768I", 768 * 4, *units) + b"X\0"
    normalize = normalizers.Precompiled(blob).normalize_str
    return lambda text: len(normalize(text))


COUNT = grapheme_counter()
KA, VIRAMA, ACUTE, ZWJ, COPYRIGHT = "\u0915", "\u094d", "\u0301", "\u200d", "\u00a9"


def grapheme_class(c):
    """UAX 29's Grapheme_Cluster_Break with Extended_Pictographic and Indic_Conjunct_Break."""
    s = chr(c)
    small = len(s.encode()) < 4
    if c == 0:
        return CONTROL
    if c == 0x200D:
        return JOINER
    if 0xAC00 <= c < 0xAC00 + 11172:
        return LV if (c - 0xAC00) % 28 == 0 else LVT
    if COUNT("a" + s) == 1:
        if COUNT(COPYRIGHT + s + ZWJ + COPYRIGHT + ACUTE) == 4:
            return SPACING
        if COUNT(KA + s + KA + ACUTE) == 4:
            return LINKER
        return CONJUNCT_EXTEND if COUNT(KA + s + VIRAMA + KA + ACUTE) == 5 else EXTEND
    if COUNT(s + (ACUTE if small else ACUTE * 2)) == 2:
        return CONTROL
    if COUNT(s + "a") == 1:
        return PREPEND
    if COUNT(COPYRIGHT + ZWJ + s + ACUTE) == 4:
        return PICTURE
    if COUNT(s + VIRAMA + KA + ACUTE) == 4 and COUNT(s + KA + ACUTE) < 3:
        return CONSONANT
    if 0x1100 <= c < 0x1200 or 0xA960 <= c < 0xA980 or 0xD7B0 <= c < 0xD800:
        after_l, after_v, after_t = (COUNT(h + s + ACUTE) == 3 for h in "\u1100\u1161\u11a8")
        kind = {(True, False, False): L, (True, True, False): V, (False, True, True): T}
        return kind.get((after_l, after_v, after_t), OTHER)
    return OTHER


def compatibility():
    """Singleton mappings as runs {first, count, target}, the others as {code, size, targets...}."""
    runs, longer = [], []
    for c in POINTS:
        target = NFKD(chr(c))
        if 0xAC00 <= c < 0xAC00 + 11172 or target == NFD(chr(c)):
            continue
        if len(target) > 1:
            longer += [c, len(target), *map(ord, target)]
            continue
        if runs and c == runs[-1][0] + runs[-1][1] and ord(target) == runs[-1][2] + runs[-1][1]:
            runs[-1][1] += 1
        else:
            runs.append([c, 1, ord(target)])
    return [n for run in runs for n in run], longer


def main():
    categories = {}
    for index, name in enumerate(CATEGORIES):
        for c in expression(rf"\p{{{name}}}"):
            assert c not in categories, hex(c)
            categories[c] = index
    spaces, whitespace = expression(r"\s"), set(POINTS) - matched(pre_tokenizers.WhitespaceSplit())
    split = pre_tokenizers.Whitespace().pre_tokenize_str
    word = {c for c in POINTS if len(split("a" + chr(c))) == 1 and c not in whitespace}
    digits = pre_tokenizers.Digits(individual_digits=False).pre_tokenize_str
    numeric = {c for c in POINTS if len(digits("1" + chr(c))) == 1}
    strip = normalizers.StripAccents().normalize_str
    marks = {c for c in POINTS if strip(chr(c)) == ""}

    classes, runs, previous = {}, [], None
    for c in range(0x110000):
        if 0xD800 <= c < 0xE000:
            found = (0, 0, CONTROL)
        else:
            flags = WORD * (c in word) | NUMERIC * (c in numeric) | MARK * (c in marks) | SPACE * (c in spaces)
            found = (categories.get(c, 0), flags, grapheme_class(c))
        index = classes.setdefault(found, len(classes))
        if index == previous and runs[-2] < 0xFFFF:
            runs[-2] += 1
        else:
            runs += [1, index]
        previous = index
    assert len(classes) <= 256
    excluded = [c for c in POINTS if len(NFD(chr(c))) > 1 and NFC(chr(c)) != chr(c)]
    singles, longer = compatibility()

    def array(kind, name, numbers):
        return [f"const {kind} {name}[] = {{", *lines(numbers), "};"]

    def table(kind, name, numbers):
        return [*array(kind, name, numbers), f"const size_t {name}Size = {len(numbers)};", ""]

    out = [
        "// Made by tools/unicode/make_class_tables.py; do not edit.",
        f"// What tokenizers {__version__} takes each code point for.",
        "// clang-format off",
        '#include "unicode_classes.h"',
        "",
        "namespace sterna::language::unicode::tables {",
        "",
        f"const Class kClasses[{len(classes)}] = {{",
        *lines(f"{{{k},{f},{g}}}" for k, f, g in classes), "};", "",
        *array("uint16_t", "kRuns", runs), "",
        *table("char32_t", "kNotComposed", excluded),
        *table("char32_t", "kCompatibilityRuns", singles),
        *table("char32_t", "kCompatibility", longer),
        "}  // namespace sterna::language::unicode::tables",
    ]
    sys.stdout.write("\n".join(out) + "\n")
    print(f"{len(classes)} classes, {len(runs) // 2} runs, {len(excluded)} excluded, {len(singles) // 3} runs and "
          f"{len(longer)} numbers of compatibility mappings; Rust's white space beside: "
          f"{sorted(map(hex, spaces ^ whitespace))}", file=sys.stderr)


if __name__ == "__main__":
    main()
