"""Pictures made on all cores, run through the stem and kept as features and facts."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator

import numpy as np

from cores import on_all_cores
from data import Setting
from stem import Features

BLOCK = 32  # pictures made by a process at a time


def made(draw: Callable, count: int, seed: int) -> Iterator[tuple[np.ndarray, dict]]:
    """(pixels of the fine size, fact) = draw(rng, i) for i in 0..count, made on all cores. Every block of pictures has random numbers of its
    own: the same pictures come of one core as of sixteen."""
    def block(first: int):
        rng = np.random.default_rng([seed, first])
        return [draw(rng, i) for i in range(first, min(first + BLOCK, count))]

    for pictures in on_all_cores(block, range(0, count, BLOCK)):
        yield from pictures


class Writer:
    """Runs pictures through the stem in batches and appends features and facts; a part is written whole.

    With `classes` the top classes of every place and their probabilities are kept too (swap.py renames them).
    """

    def __init__(self, setting: Setting, features: Features, part: str, classes: bool = False):
        self.folder = setting.paths.work / part
        self.done = (self.folder / "facts.jsonl").exists() and (not classes or (self.folder / "classes.npz").exists())
        self.features, self.pixels, self.facts, self.rows = features, [], [], []
        self.together = 256 if features.class_embedding.is_cuda else BLOCK  # pictures run through the stem at a time
        self.classes = [] if classes else None

    def add(self, pixels: np.ndarray, fact: dict):
        self.pixels.append(pixels)
        self.facts.append(fact)
        if len(self.pixels) == self.together:
            self.flush()

    def flush(self):
        if not self.pixels:
            return
        out, logits = self.features.of(self.pixels)
        top, index = (x.tolist() for x in logits[:, 0].softmax(-1).topk(5, -1))
        if self.classes is not None:
            self.classes.append([x.cpu().numpy() for x in self.features.top_classes(logits)])
        for i in range(len(out)):
            self.facts[len(self.facts) - len(out) + i]["top5"] = [
                [c, round(p, 4)] for c, p in zip(index[i], top[i])]
        self.rows.append(out.half().cpu().numpy())
        self.pixels = []
        if len(self.facts) % 512 == 0:
            print(f"{self.folder.name}: {len(self.facts)}, {time.process_time():.0f} s of CPU", flush=True)

    def fill(self, pictures: Iterator[tuple[np.ndarray, dict]]):
        """All pictures of the part, and its files."""
        for pixels, fact in pictures:
            self.add(pixels, fact)
        self.flush()
        self.folder.mkdir(parents=True, exist_ok=True)
        np.save(self.folder / "features.npy", np.concatenate(self.rows))
        if self.classes is not None:
            np.savez(self.folder / "classes.npz", index=np.concatenate([i for i, _ in self.classes]).astype(np.int16),
                     share=np.concatenate([s for _, s in self.classes]).astype(np.float16))
        text = "".join(json.dumps(f) + "\n" for f in self.facts)
        (self.folder / "facts.jsonl").write_text(text)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        print(f"{self.folder.name}: {len(self.facts)} pictures, facts sha256 {digest}", flush=True)
