#!/usr/bin/env python3
"""Compares tools/train/bleu.py with sacrebleu on random texts. By hand: pip install sacrebleu==2.5.1"""
import pathlib
import random
import sys

import sacrebleu

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tools" / "train"))
from bleu import bleu4  # noqa: E402

rng = random.Random(4)
worst = 0.0
for trial in range(300):
    words = "a the red blue cat dog two and".split()
    text = lambda: " ".join(rng.choices(words, k=rng.randint(1, 9)))
    many = rng.randint(1, 3)
    references = [[text() for _ in range(many)] for _ in range(rng.randint(1, 30))]
    texts = [rng.choice(r) if rng.random() < 0.3 else text() for r in references]
    metric = sacrebleu.BLEU(tokenize="none", smooth_method="none")
    want = metric.corpus_score(texts, [list(r) for r in zip(*references)]).score / 100
    worst = max(worst, abs(want - bleu4(texts, references)))
print(f"300 corpora, largest difference {worst:.2e}")
sys.exit(worst > 1e-9)
