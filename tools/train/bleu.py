"""BLEU (Papineni et al., ACL 2002): corpus level, up to 4-grams, several references, without smoothing."""

import math
from collections import Counter


def ngrams(words: list[str], n: int) -> Counter:
    return Counter(tuple(words[i:i + n]) for i in range(len(words) - n + 1))


def bleu4(texts: list[str], references: list[list[str]]) -> float:
    """0..1; words are what blanks divide. Of equally near reference lengths the shorter counts.
    The numbers are sacrebleu's with tokenize="none" and smooth_method="none" (tests/train/compare_bleu.py)."""
    right, total, length, wanted = [0] * 4, [0] * 4, 0, 0
    for text, refs in zip(texts, references):
        words, others = text.split(), [r.split() for r in refs]
        length += len(words)
        wanted += min((abs(len(o) - len(words)), len(o)) for o in others)[1]
        for n in range(1, 5):
            found, most = ngrams(words, n), Counter()
            for other in others:
                most |= ngrams(other, n)
            right[n - 1] += sum((found & most).values())
            total[n - 1] += sum(found.values())
    if min(right) == 0:
        return 0.0
    brevity = 1.0 if length > wanted else math.exp(1 - wanted / length)
    return brevity * math.exp(sum(math.log(r / t) for r, t in zip(right, total)) / 4)
