"""Prints how often the float network and its ternary twin are right about the same questions, and the difference with its 95 % interval.

A point can't be told of a few dozen questions. So photos are asked about in many views (crops, mirrored, other light, as `photos` are
drawn to train on), and composed pictures are drawn anew, many more of them. Questions about one photo, or
one composed picture, are no independent draws: intervals take the differences photo by photo (clustered standard errors).
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from build import photo_variant, scene_drawer
from data import load_setting
from evaluate import right_rows
from measure import items_of, predict, read_questions
from train import load_checkpoint
from writer import made

CHUNK = 256  # composed pictures drawn and asked about at a time


class Pairs:
    """Of every task: (whose picture, float right, ternary right) of each question asked."""

    def __init__(self, setting, nets):
        self.setting, self.nets, self.rows = setting, nets, {}

    def ask(self, features, items, owner):
        """owner[picture]: what the picture is a view of."""
        rights = [right_rows(self.setting, predict(net, self.setting, features, items), items) for net in self.nets]
        for item, *right in zip(items, *rights):
            self.rows.setdefault(item.task, []).append((owner[item.picture], *right))

    def asked(self) -> Counter:
        return Counter({task: len(rows) for task, rows in self.rows.items()})

    def show(self, name: str):
        everything = [r for rows in self.rows.values() for r in rows]
        for task, rows in [*sorted(self.rows.items()), ("all", everything)]:
            owner, a, b = (np.array(x) for x in zip(*rows))
            difference, half = clustered(owner, b.astype(float) - a)
            print(f"| {name} | {task} | {len(set(owner.tolist()))} | {len(a)} | {a.mean():.3f} | {b.mean():.3f} | {difference:+.3f} | ± {half:.3f} |", flush=True)


def clustered(owner: np.ndarray, x: np.ndarray) -> tuple[float, float]:
    """Mean of x and half its 95 % interval, where values of one owner are no independent draws."""
    mean = x.mean()
    _, group = np.unique(owner, return_inverse=True)
    return float(mean), float(1.96 * np.sqrt(np.square(np.bincount(group, x - mean)).sum()) / len(x))


def photo_views(setting, features, names: list[str], view: int) -> torch.Tensor:
    """View 0 is the whole photo, 1 its mirror image, the others crops."""
    pixels = []
    for i, name in enumerate(names):
        with Image.open(setting.paths.photos / name) as file:
            pixels.append(photo_variant(file.convert("RGB"), np.random.default_rng([29, view, i]), view, setting.config.fine_size)[0])
    return torch.cat([features.of(pixels[i:i + 32])[0] for i in range(0, len(pixels), 32)])


def photos(setting, features, nets, name: str, names: list[str], items, views: int):
    pairs = Pairs(setting, nets)
    for view in range(views):
        pairs.ask(photo_views(setting, features, names, view), items, names)
    pairs.show(name)


def composed(setting, features, nets, part: str, pictures: int, most: int):
    """Asks every task `most` times, as far as so many pictures go."""
    pairs, chunk, facts = Pairs(setting, nets), [], []
    for i, (pixels, fact) in enumerate(made(scene_drawer(setting, part), pictures, 31)):
        chunk.append(pixels)
        facts.append(fact)
        if len(chunk) < CHUNK:
            continue
        asked, items = pairs.asked(), []
        for item in items_of(setting, facts, 37 + i):
            if asked[item.task] < most:
                items.append(item)
                asked[item.task] += 1
        shown = torch.cat([features.of(chunk[at:at + 32])[0] for at in range(0, CHUNK, 32)])
        pairs.ask(shown, items, list(range(i + 1 - CHUNK, i + 1)))
        chunk, facts = [], []
    pairs.show(part)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--checkpoints", type=Path, nargs=2, help="float and ternary (default: WORK/float.pt WORK/ternary.pt)")
    p.add_argument("--questions", type=Path, help="JSONL of hand-written questions on the evaluation photos")
    p.add_argument("--views", type=int, default=16, help="of a photo (default 16)")
    p.add_argument("--pictures", type=int, default=6144, help="composed ones of a set (default 6144)")
    p.add_argument("--most", type=int, default=4000, help="questions of a task about composed pictures (default 4000)")
    p.add_argument("--distilled", action="store_true", help="with the ternary text tower (ternary_text.py), as the file has it")
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    setting = load_setting(a.work, a.distilled)
    nets = [load_checkpoint(q)[0] for q in a.checkpoints or (a.work / "float.pt", a.work / "ternary.pt")]
    features = setting.features()
    print("| set | task | photos or pictures | n | float | ternary | difference | 95 % |\n|" + "---|" * 8, flush=True)
    if a.questions:
        photos(setting, features, nets, "hand-written", *read_questions(a.questions), a.views)
    facts = [json.loads(line) for line in (a.work / "eval" / "facts.jsonl").read_text().splitlines()]
    photos(setting, features, nets, "generated", [f["file"] for f in facts], items_of(setting, facts, 5), a.views)
    for part in ("scenes_held", "cuts_held"):
        composed(setting, features, nets, part, a.pictures, a.most)


if __name__ == "__main__":
    main()
