"""Strings that try a BERT tokenizer: every plane of Unicode, and what people and programs write."""
import random

ASSIGNED = [(0x20, 0x7F), (0xA0, 0x250), (0x250, 0x370), (0x370, 0x530), (0x530, 0x780),
            (0x900, 0x1100), (0x1100, 0x1200), (0x1E00, 0x2000), (0x2000, 0x2070), (0x20A0, 0x2600),
            (0x3000, 0x3100), (0x3130, 0x3190), (0x3400, 0x4DC0), (0x4E00, 0xA000), (0xA640, 0xA960),
            (0xAC00, 0xD7B0), (0xF900, 0xFB00), (0xFB50, 0xFE00), (0xFE00, 0xFFFF),
            (0x1D100, 0x1D200), (0x1D400, 0x1D800), (0x1F300, 0x1FB00), (0x20000, 0x20100),
            (0x2F800, 0x2FA20), (0xE0100, 0xE01F0)]
MARKS = [c for r in [(0x300, 0x370), (0x483, 0x488), (0x591, 0x5BE), (0x64B, 0x660), (0x93C, 0x94E),
                     (0xE38, 0xE4C), (0xF71, 0xF85), (0x1AB0, 0x1AC0), (0x1DC0, 0x1E00),
                     (0x20D0, 0x20F1), (0x302A, 0x3030), (0xFE20, 0xFE30), (0x1D165, 0x1D1AE)]
         for c in range(*r)]
ODD = list("\0\t\n\r\x0b\x0c\x1f\x7f\x85\xa0\xad\u034f\u115f\u200b\u200c\u200d\u2028\u2029\u202e\u2060"
           "\u3000\ufe0f\ufeff\ufffc\ufffd\ufffe\U0001f468\u200d\U0001f469\u0130\u0131\u1e9e\u00df\ufb01"
           "\u01c5\u03c2\u03a3\u0345\u1ffc\u212b\u2126\uac00\ud7a3\u1100\u1161\u11a8\U0002f800\ue000"
           "\U000f0000\U0010ffff")
SPECIAL = ["[CLS]", "[SEP]", "[MASK]", "[UNK]", "[PAD]", "[cls]", "[MASK", "MASK]", "[[MASK]]",
           "[unused1]", "##ing", "##", "[", "]"]
WORDS = """what animal is this a dog running on the beach with red ball naïve café Ångström façade
coöperate unaffable tokenization embeddings 2,500 3.14 $5.00 U.S.A. don't rock'n'roll e-mail
http://example.com/a?b=c&d=%20 x_y_z C++ #hashtag @user 東京 日本語 한국어 สวัสดี नमस्ते مرحبا שלום Привет
Ελληνικά Việt ﬁligree ½ ² № ™ 😀 👨‍👩‍👧 🇫🇷 ☃️ … “quoted” —dash– ǅ İstanbul ſtrange ẞ straße""".split()


def character(rng):
    kind = rng.random()
    if kind < 0.35:
        return chr(rng.randrange(0x20, 0x7F))
    if kind < 0.65:
        return chr(rng.randrange(*rng.choice(ASSIGNED)))
    if kind < 0.75:
        return chr(rng.choice(MARKS))
    if kind < 0.83:
        return rng.choice(ODD)
    while True:
        c = rng.randrange(0x110000)
        if not 0xD800 <= c < 0xE000:
            return chr(c)


def text(rng):
    """One string, as bytes; about one in twelve is not UTF-8."""
    kind = rng.random()
    if kind < 0.30:
        s = " ".join(rng.choice(WORDS) for _ in range(rng.randrange(1, 12)))
        if rng.random() < 0.3:
            s = "".join(c.upper() if rng.random() < 0.3 else c for c in s)
    elif kind < 0.60:
        s = "".join(character(rng) for _ in range(rng.randrange(0, 25)))
    elif kind < 0.72:
        s = "".join(rng.choice([rng.choice(WORDS), character(rng), " ", rng.choice(SPECIAL)])
                    for _ in range(rng.randrange(1, 12)))
    elif kind < 0.80:
        s = rng.choice("aeiouAÉk한が") + "".join(chr(rng.choice(MARKS)) for _ in range(rng.randrange(1, 9)))
        s += rng.choice(["", "b", " c", s])
    elif kind < 0.84:
        s = rng.choice(WORDS + ["é", "x̂", "ﷺ"]) * rng.randrange(1, 60)
    elif kind < 0.88:
        n = rng.choice([98, 99, 100, 101, 102])
        s = "".join(rng.choice("abé한़") for _ in range(n)) + rng.choice(["", " z", "!"])
    elif kind < 0.92:
        s = "".join(chr(rng.randrange(0xAC00, 0xD7A4)) for _ in range(rng.randrange(1, 6)))
    else:
        raw = bytearray("".join(character(rng) for _ in range(rng.randrange(1, 10))).encode())
        for _ in range(rng.randrange(1, 4)):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        return bytes(raw)
    return s.encode("utf-8")


PIPELINE = ["<|endoftext|>", "<|startoftext|>", "<|begin_of_text|>", "<|im_start|>", "<s>", "</s>", "<mask>", "<unk>",
            "<pad>", "<bos>", "<eos>", "<0x0A>", "<table>", "<unused0>", "<tool_call>", "<extra_id_0>", "<sep>", "</w>",
            "[MASK]", "Ångström", "ångström", "Café", "cafe\u0301", "dog", "dogs", "▁", "▁▁", "▁▁▁", "``", "Ġ", "Ċ"]
SPACES = [" ", " ", " ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", "\u00a0", "\u3000", "\u2028", "\x85", "\x0b",
          "\u200b", " \n ", "\n" * 5, " " * 9]
ENDINGS = ["'s", "'S", "'\u017f", "'t", "'re", "'RE", "'ve", "'m", "'LL", "'ll", "'d", "'x", "'", "\u2019s"]


def pipeline_text(rng):
    """One string that tries splits, spaces, digits, added tokens and normal forms, as bytes."""
    if rng.random() < 0.3:
        return text(rng)
    parts = []
    for _ in range(rng.randrange(1, 14)):
        kind = rng.random()
        if kind < 0.25:
            parts.append(rng.choice(WORDS))
        elif kind < 0.33:
            parts.append("".join(c.upper() if rng.random() < 0.5 else c for c in rng.choice(WORDS)))
        elif kind < 0.55:
            parts.append(rng.choice(SPACES))
        elif kind < 0.63:
            parts.append(rng.choice(PIPELINE))
        elif kind < 0.69:
            parts.append(rng.choice(ENDINGS))
        elif kind < 0.75:
            parts.append("".join(rng.choice("0123456789٣५Ⅷ½²") for _ in range(rng.randrange(1, 8))))
        elif kind < 0.80:
            parts.append("".join(rng.choice("!?.,;:-_/\\()[]{}<>|@#$%^&*~`\"'=+") for _ in range(rng.randrange(1, 6))))
        elif kind < 0.86:
            parts.append(rng.choice("aeoKかがक©☃\u1100\u0600") + "".join(
                rng.choice([chr(rng.choice(MARKS)), rng.choice(ODD), rng.choice("\u0340\u094d\u200d\u0915\u1161\u11a8")])
                for _ in range(rng.randrange(1, 4))))
        else:
            parts.append("".join(character(rng) for _ in range(rng.randrange(1, 6))))
    return "".join(parts).encode("utf-8")


def pipeline_strings(count, seed):
    rng = random.Random(seed)
    return [pipeline_text(rng) for _ in range(count)]


def strings(count, seed):
    rng = random.Random(seed)
    return [text(rng) for _ in range(count)]
