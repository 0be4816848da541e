#!/usr/bin/env python3
"""The recipe's questions about composed pictures name what they ask about, and their answers are true. Nothing but Python is needed."""
import random
import sys
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools/train"))
sys.dont_write_bytecode = True

import wordings  # noqa: E402
from questions import Asker, plural, with_articles  # noqa: E402

WORDS = ["apple", "harp", "big cat", "orange juice", "mouse", "wolf"]  # none is part of another or of a wording
ABSENT = ["lamp", "boot"]
SIDES = {"left": (-1, 0), "right": (1, 0), "above": (0, -1), "over": (0, -1), "below": (0, 1), "under": (0, 1)}


class Numbers:
    """What the recipe wants of numpy's generator."""

    def __init__(self, seed: int):
        self.source = random.Random(seed)

    def integers(self, low: int, high: int | None = None) -> int:
        return self.source.randrange(low) if high is None else self.source.randrange(low, high)

    def random(self) -> float:
        return self.source.random()

    def choice(self, n: int, count: int, replace: bool) -> list[int]:
        assert not replace
        return self.source.sample(range(n), count)


class Plain(Asker):
    """Without typing errors and politeness, so that words can be found."""

    def manner(self, text: str) -> str:
        return text


def picture(numbers: random.Random) -> list[dict]:
    words = numbers.sample(WORDS, numbers.randint(1, 3))
    there = [w for w in words for _ in range(numbers.choice([1, 1, 1, 2, 4]))]
    return [{"word": w, "colour": numbers.choice([None, "red", "blue"]), "kind": None, "photo": True, "x": numbers.random(), "y": numbers.random(),
             "w": 0.2, "h": 0.2, "cells": 1 << i} for i, w in enumerate(there)]


def named(text: str) -> list[str]:
    """The words in a question, in its order."""
    at = {w: min(i for i in (text.find(w), text.find(plural(w)), len(text)) if i >= 0) for w in WORDS}
    return sorted((w for w in WORDS if at[w] < len(text)), key=at.get)


def check(objects: list[dict], task: str, text: str, answer: str, where: int):
    about = f"{task}: {text!r} -> {answer!r}, {[(o['word'], o['colour'], round(o['x'], 2), round(o['y'], 2)) for o in objects]}"
    assert "{" not in text and "}" not in text, about
    words = named(text)
    of = {w: [o for o in objects if o["word"] == w] for w in WORDS}
    if task == "position":
        assert len(words) == 1 and len(of[words[0]]) == 1, about
        o = of[words[0]][0]
        x, y = o["x"] - 0.5, o["y"] - 0.5
        true = {"left": x < 0 and -x > abs(y), "right": x > 0 and x > abs(y), "top": y < 0 and -y > abs(x), "bottom": y > 0 and y > abs(x),
                "center": max(abs(x), abs(y)) < 0.1}
        assert true[answer] and where == o["cells"], about
    elif task in ("relation", "thing"):
        side = max(SIDES, key=lambda s: text.rfind(s, 0, text.rfind(words[-1])))  # the last before the thing it is a side of
        a, b = (answer, words[0]) if task == "thing" else words[:2]
        assert len(of[a]) == len(of[b]) == 1, about
        apart = sum((of[a][0][k] - of[b][0][k]) * d for k, d in zip("xy", SIDES[side]))
        assert (apart > 0) == (answer != "no"), about
    elif task == "count":
        count = len(of[words[0]]) if words else 0 if any(plural(w) in text for w in ABSENT) else len(objects)
        assert answer == str(count), about
    elif task == "colour":
        colours = {o["colour"] for o in (of[words[0]] if words else objects)}
        assert colours == {answer}, about
    elif task == "caption":
        for w in words[:1]:
            colours = {o["colour"] for o in of[w]}
            said = [c for c in ("red", "blue") if f"{c} {w}" in answer or f"{c} {plural(w)}" in answer]
            assert said == ([] if len(colours) > 1 or None in colours else [colours.pop()]), about


def main():
    labels = SimpleNamespace(kind=[], category=[], words=[["lamp"]] * 1000)
    asked: dict[str, int] = {}
    for held in (False, True):
        numbers = random.Random(5)
        asker = Plain(labels, Numbers(6), held=held, thing_words=ABSENT)
        for _ in range(1500):
            objects = picture(numbers)
            for task, text, answer, *where in asker.scene(objects):
                check(objects, task, text, answer, where[0] if where else 0)
                asked[task] = asked.get(task, 0) + 1
                if task == "caption":
                    words = named(answer)
                    assert words and set(words) <= {o["word"] for o in objects}, answer
                    check(objects, task, words[0], answer, 0)
    for task in ("position", "relation", "thing", "count", "colour", "yesno", "caption"):
        assert asked.get(task, 0) > 200, (task, asked)

    # A wording that is kept from training is kept from it; every task has some of both.
    lists = {name: value for name, value in vars(wordings).items() if name.isupper() and isinstance(value, list) and name not in ("PICTURE", "ANY_KIND")}
    lists |= {f"KIND.{group}": value for group, value in wordings.KIND.items()}
    for name, templates in lists.items():
        assert len(set(templates)) == len(templates) >= 30, (name, len(templates))
        assert 0 < sum(map(wordings.held_template, templates)) < len(templates) / 3, name

    for text, right in (("a apple", "an apple"), ("a Australian terrier", "an Australian terrier"), ("an unicorn", "a unicorn"), ("a lamp", "a lamp")):
        assert with_articles(text) == right, with_articles(text)
    print(f"{sum(asked.values())} questions are as their pictures")


main()
