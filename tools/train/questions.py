"""Turns what is known about a picture into questions with answers: many wordings a task, some held out.

A question is (task, text, answer) or (task, text, answer, where). The task decides which answers compete (train.py's
candidate sets); `where` has the bits of the places that show what is asked about (scenes.cells), as far as that is known.
"""

import re

from labels import COLOURS, KINDS, Labels
from wordings import (ACTION, BESIDE, BREED, CAPTION, CATEGORY, COLOUR, COUNT, INDOORS, IS_COLOUR, IS_IT, IS_STUFF, IS_THERE, KIND,
                      NAMING, PICTURE, RELATION, SCENE, WHERE, WHERE_IO, held_template)

RELATIONS = {"to the left of": (-1, 0), "to the right of": (1, 0), "left of": (-1, 0), "right of": (1, 0), "above": (0, -1), "over": (0, -1), "below": (0, 1), "under": (0, 1)}
PAIRS = 3  # of a training picture's lone things: how they lie to each other is learned of few pictures otherwise
PHOTO = ["a photo of a {}", "a picture of a {}", "a {}", "there is a {}"]  # the photos' captions
STUFF = {"w": "water", "s": "snow", "f": "flowers", "g": "grass", "t": "trees", "k": "sky"}


def plural(word: str) -> str:
    irregular = {"man": "men", "woman": "women", "child": "children", "person": "people", "mouse": "mice", "goose": "geese", "fish": "fish", "sheep": "sheep",
                 "deer": "deer", "ox": "oxen", "foot": "feet", "tooth": "teeth", "knife": "knives", "wolf": "wolves", "leaf": "leaves", "scissors": "scissors"}
    head, _, last = word.rpartition(" ")
    lead = head + " " if head else ""
    if last in irregular:
        return lead + irregular[last]
    if last.endswith(("s", "x", "z", "ch", "sh")):
        return word if last.endswith("s") and not last.endswith("ss") else word + "es"
    if last.endswith("y") and last[-2:-1] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"


def with_articles(text: str) -> str:
    """"a apple" -> "an apple", as far as letters tell."""
    text = re.sub(r"\ba (?=[aeiouAEIOU])(?!(?i:uni|use|uro|eu|one|u-))", "an ", text)
    return re.sub(r"\ban (?=(?i:uni(?!n)|use|uro|eu|one|u-))", "a ", text)


def located(questions: list[tuple], where: int) -> list[tuple]:
    return [(*q[:3], where) for q in questions]


class Asker:
    """Generates questions; `held=True` uses only the wordings kept from training."""

    def __init__(self, labels: Labels, rng, held: bool = False, thing_words: list[str] | None = None):
        self.labels, self.rng, self.held = labels, rng, held
        self.things = thing_words or []
        self.pairs = 1 if held else PAIRS
        self.kinds = {g: sorted({k[1] for k in labels.kind if k and k[0] == g}) for g in KINDS}
        self.categories = sorted({c for c in labels.category if c})

    def one(self, options):
        return options[self.rng.integers(len(options))]

    def word(self, templates: list[str], tail: bool = True, **fill) -> str:
        pool = [t for t in templates if held_template(t) == self.held] or templates
        text = self.one(pool)
        for key, value in fill.items():
            text = text.replace("{" + key + "s}", plural(value)).replace("{" + key + "}", value)
        if "{" in text:
            raise ValueError(f"expected a word for every blank of a wording, found {text!r}")
        text = re.sub(r"\ba (?=[aeio])", "an ", text)
        if tail and " in " not in text and "picture" not in text and "photo" not in text:
            text += self.one(PICTURE)
        return self.manner(text)

    def manner(self, text: str) -> str:
        """Free-form wording: case, question mark, politeness, typing errors."""
        r = self.rng.random()
        if r < 0.05:
            text = self.one(["please tell me: ", "can you say ", "tell me, ", "hey, ", "i want to know: "]) + text
        elif r < 0.09 and len(text) > 12:
            at = int(self.rng.integers(3, len(text) - 2))
            text = text[:at] + text[at + 1:] if self.rng.random() < 0.5 else text[:at] + text[at + 1] + text[at] + text[at + 2:]
        return text + ("?" if self.rng.random() < 0.75 else "")

    # What a class or word is -------------------------------------------------

    def naming(self, name: str, words: list[str], kind, category: str | None, main: bool = True):
        """Name, kind, category and yes/no about the main thing; `words` are everyday names for it."""
        out = [("name", self.word(NAMING), name), ("object", self.word(NAMING), self.one(words))]
        if kind:
            group, k = kind
            out.append((f"kind_{group}", self.word(KIND[group]), k))
            if name != k:
                out.append(("name", self.word(BREED, k=k), name))
            out.append(self.is_it(k, self.kinds[group]))
        if category:
            out.append(("category", self.word(CATEGORY), category))
            out.append(self.is_it(category, self.categories))
        out.append(self.is_it(self.one(words), None, [name] + words))
        out.append(("caption", self.word(CAPTION, tail=False), with_articles(self.one(PHOTO).format(name))))
        return out

    def is_it(self, word: str, others: list[str] | None, never: list[str] = ()):
        if self.rng.random() < 0.5:
            return "yesno", self.word(IS_IT, x=word), "yes"
        for _ in range(20):
            other = self.one(others) if others else self.one(self.labels.words[self.rng.integers(1000)])
            if other != word and other not in never:
                return "yesno", self.word(IS_IT, x=other), "no"
        return "yesno", self.word(IS_IT, x=word), "yes"

    def photo(self, label: int, fact: dict):
        """What follows from a photo's class."""
        lab = self.labels
        out = self.naming(lab.raw[label], lab.words[label], lab.kind[label], lab.category[label])
        if fact.get("area", 1) > 0.6:
            if lab.scene[label]:
                out.append(("scene", self.word(SCENE, tail=False), lab.scene[label]))
            if lab.action[label]:
                out.append(("action", self.word(ACTION), lab.action[label]))
        return out

    def painted(self, label: int, fact: dict):
        """The colour that the photo's object was painted in."""
        lab = self.labels
        words = ["object", "main object", "thing"] + lab.words[label] * 2 + ([lab.kind[label][0], lab.kind[label][1]] if lab.kind[label] else [])
        return located(self.coloured(words, fact["colour"]), fact["cells"])

    def coloured(self, words: list[str], colour: str):
        """Colour by every name, and yes/no about it."""
        out = [("colour", self.word(COLOUR, x=self.one(words)), colour) for _ in range(3)]
        said = colour if self.rng.random() < 0.5 else self.one([c for c in COLOURS if c != colour])
        out.append(("yesno", self.word(IS_COLOUR, x=self.one(words), c=said), "yes" if said == colour else "no"))
        return out

    # What was noted about a photo --------------------------------------------

    def noted(self, note: dict, turns_colour):
        """`note`: colours {noun: colour}, counts {noun: n}, scene, flags. `turns_colour` maps a colour or drops it."""
        out = []
        for noun, colour in note["colours"].items():
            moved = turns_colour(colour)
            if moved:
                out += self.coloured([noun], moved)
        for noun, n in note["counts"].items():
            if n <= 6:  # most photos show one of a thing: asked as often as shown, one would be the answer to everything
                rounds = 3 if n != 1 else int(self.rng.random() < 0.35)
                out += [("count", self.word(COUNT, tail=False, x=noun), str(n)) for _ in range(rounds)]
                out.append(("yesno", self.word(IS_THERE, x=noun), "yes" if n else "no"))
        if note["scene"]:
            out += [("scene", self.word(SCENE, tail=False), note["scene"]) for _ in range(2)]
        flags = note["flags"]
        outside = "outdoors" if "o" in flags else "indoors" if "i" in flags else None
        if outside:
            said = self.one(["outdoors", "indoors", "outside", "inside"])
            out.append(("yesno", self.word(INDOORS, tail=False, x=said), "yes" if (said in ("outdoors", "outside")) == (outside == "outdoors") else "no"))
            out.append(("inout", self.word(WHERE_IO, tail=False), outside))
        present = [v for k, v in STUFF.items() if k in flags]
        absent = [v for k, v in STUFF.items() if k not in flags]
        for pool, answer in ((present, "yes"), (absent, "no")):
            if pool:
                out.append(("yesno", self.word(IS_STUFF, x=self.one(pool)), answer))
        who = self.one(["person", "person", "human", "man or woman"])
        out.append(("yesno", self.word(IS_THERE, x=who), "yes" if "p" in flags else "no"))
        out.append(("yesno", self.word(IS_THERE, x="animal"), "yes" if "a" in flags else "no"))
        if "p" not in flags:
            out.append(("count", self.word(COUNT, tail=False, x="person"), "0"))
        return out

    # Composed scenes ----------------------------------------------------------

    def scene(self, objects: list[dict]):
        out, by_word = [], {}
        for o in objects:
            by_word.setdefault(o["word"], []).append(o)
        for word, group in by_word.items():
            first, where, asked = group[0], 0, []
            for o in group:
                where |= o["cells"]
            names = [word] * 3
            kind = first["kind"]
            if kind and sum(1 for o in objects if o["kind"] and o["kind"][0] == kind[0]) == len(group):
                names += [kind[1], kind[0]]
            if len(by_word) == 1:
                names += ["object", "thing"]
            if first["colour"] and all(o["colour"] == first["colour"] for o in group):
                asked += self.coloured(names, first["colour"])
            # Most words name one thing: asked as often as the others, "one" would be the answer to everything.
            rounds = 2 if len(group) > 1 else int(self.rng.random() < 0.2)
            asked += [("count", self.word(COUNT, tail=False, x=self.one(names)), str(len(group))) for _ in range(rounds)]
            asked.append(("yesno", self.word(IS_THERE, x=word), "yes"))
            if len(group) == 1:
                asked += self.position(first)
            out += located(asked, where)
        absent = [w for w in (self.one(self.things) for _ in range(6)) if w not in by_word] if self.things else []
        for word in absent[:len(by_word)]:
            out.append(("yesno", self.word(IS_THERE, x=word), "no"))
        if absent and self.rng.random() < 0.12:
            out.append(("count", self.word(COUNT, tail=False, x=absent[0]), "0"))
        if len(by_word) == 1 and objects and objects[0]["w"] * objects[0]["h"] * len(objects) > 0.12:
            kind = objects[0]["kind"]
            if kind:
                out += located([(f"kind_{kind[0]}", self.word(KIND[kind[0]]), kind[1])], where)
        singles = [g[0] for g in by_word.values() if len(g) == 1]
        if len(singles) >= 2:
            for _ in range(min(self.pairs, len(singles) * (len(singles) - 1))):
                out += self.relations(singles)
        if objects:
            out.append(("caption", self.word(CAPTION, tail=False), with_articles(self.describe(by_word))))
        return out

    def position(self, o: dict):
        dx, dy = o["x"] - 0.5, o["y"] - 0.5
        if max(abs(dx), abs(dy)) < 0.08:
            place = "center"
        elif abs(dx) > 0.17 and abs(dx) > 1.5 * abs(dy):
            place = "left" if dx < 0 else "right"
        elif abs(dy) > 0.17 and abs(dy) > 1.5 * abs(dx):
            place = "top" if dy < 0 else "bottom"
        else:
            return []
        return [("position", self.word(WHERE, x=o["word"]), place)]

    def relations(self, singles: list[dict]):
        i, j = self.rng.choice(len(singles), 2, replace=False)
        x, y, out = singles[i], singles[j], []
        for relation in (self.one(list(RELATIONS)), self.one(list(RELATIONS))):
            ax, ay = RELATIONS[relation]
            along = (x["x"] - y["x"]) * ax + (x["y"] - y["y"]) * ay
            if abs(along) > 0.15:
                out.append(("relation", self.word(RELATION, x=x["word"], y=y["word"], r=relation), "yes" if along > 0 else "no",
                            x["cells"] | y["cells"]))
            if along > 0.2 and len(singles) == 2:
                out.append(("thing", self.word(BESIDE, y=y["word"], r=relation), x["word"], x["cells"]))
        return out

    def describe(self, by_word: dict) -> str:
        parts = []
        for word, group in by_word.items():
            colours = {o["colour"] for o in group}
            colour = f"{colours.pop()} " if len(colours) == 1 and None not in colours else ""
            n = len(group)
            parts.append(f"a {colour}{word}" if n == 1 else f"{['', '', 'two', 'three', 'four', 'five', 'six'][min(n, 6)]} {colour}{plural(word)}")
        return " and ".join(parts[:3])
