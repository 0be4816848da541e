"""The texts that the generator learns to write: captions in the recipe's own grammar, stamp captions, the answers themselves.

No picture is looked at: composed captions are drawn over all words that scenes, classes and answers use. One text in
twenty, by hash, is kept from training.
"""

import hashlib
import re
from pathlib import Path

import numpy as np

import vocabulary
from data import Setting, answer_vocabulary, cut_outs
from labels import ACTIONS, COLOURS, SCENES
from questions import PHOTO, Asker, plural, with_articles
from things import cut_out_notes

SEED = 20261
PLACES = {"mountains": "in the mountains", "lake": "at a lake", "beach": "at the beach", "sea": "at sea", "underwater": "under water",
          "snow": "in the snow", "street": "in the street", "farm": "on a farm", "grassland": "on the grass", "garden": "in the garden",
          "road": "on the road", "forest": "in the forest", "desert": "in the desert"}
CLEAN = re.compile(r"^[A-Za-z][A-Za-z ,'-]*[a-z.!]$")
MOST_PIECES = 3400  # rows of the generator's table, the end of a text included
MOST_LENGTH = 23  # pieces of a text; the end makes 24


def held_text(text: str) -> bool:
    return hashlib.sha256(b"text:" + text.encode()).digest()[0] < 13  # 13 of 256: one in twenty


def stamp_captions(folder: Path) -> list[str]:
    """The English lines beside the stamps, as far as they are plain words."""
    lines = (p.read_text(encoding="utf-8", errors="replace").splitlines() for p in sorted(folder.rglob("*.txt")))
    return [x[0].strip() for x in lines if x and CLEAN.match(x[0].strip()) and len(x[0].split()) <= 14]


class Captions:
    """Draws captions of composed scenes: one to three kinds of things, each in a number and perhaps a colour."""

    def __init__(self, setting: Setting, words: list[str]):
        self.rng, self.words = np.random.default_rng(SEED), words
        self.asker = Asker(setting.labels, self.rng)

    def one(self, options):
        return options[self.rng.integers(len(options))]

    def scene(self, words: list[str]) -> str:
        by_word = {}
        for word in words:
            n = 1 if self.rng.random() < 0.6 else int(self.rng.integers(2, 7))
            colour = self.one(COLOURS) if self.rng.random() < 0.55 else None
            by_word[word] = [{"colour": colour}] * n
        return with_articles(self.asker.describe(by_word))

    def scenes(self, groups: int, count: int) -> list[str]:
        return [self.scene([self.one(self.words) for _ in range(groups)]) for _ in range(count)]

    def placed(self, count: int) -> list[str]:
        out = []
        for _ in range(count):
            colour = self.one(COLOURS) + " " if self.rng.random() < 0.3 else ""
            lead = "a photo of " if self.rng.random() < 0.3 else ""
            out.append(with_articles(f"{lead}a {colour}{self.one(self.words)} {self.one(list(PLACES.values()))}"))
        return out


def thing_words(setting: Setting) -> list[str]:
    """What composed scenes and photos show: words of the cut-outs and of the classes."""
    cut = {c.word for c in cut_outs(setting)}
    return sorted((cut | set(cut_out_notes().values()) | {w.lower() for words in setting.labels.words for w in words}) - {""})


def common_answers(setting: Setting) -> list[str]:
    """What questions are answered with in training: never held out, and shown more often."""
    return [a.lower() for a in vocabulary.build(setting.labels, [], 0)]


def all_texts(setting: Setting) -> tuple[list[str], list[str]]:
    """(texts that must be writable, texts for more words): distinct, in a fixed order."""
    things = thing_words(setting)
    draw = Captions(setting, things)
    known = set(things)
    answers = [a.lower() for a in answer_vocabulary(setting)]
    first = common_answers(setting) + things + [with_articles(t.format(w)) for w in things for t in PHOTO]
    first += [draw.scene([w]) for w in things for _ in range(8)]
    first += draw.scenes(2, 30000) + draw.scenes(3, 14000) + draw.placed(6000)
    first += [plural(w) for w in things] + list(SCENES) + list(ACTIONS) + list(PLACES.values())
    more = answers + [x.lower() for x in stamp_captions(setting.paths.stamps)]
    more += [with_articles(t.format(a)) for a in answers if a not in known and a.isascii() for t in PHOTO]
    first = list(dict.fromkeys(first))
    have = set(first)
    return first, [t for t in dict.fromkeys(more) if t not in have]


def pieces_of(texts: list[list[int]], more: list[list[int]], most: int) -> list[int]:
    """The ids the table holds: all that `texts` need, then those that `more` needs, in its order, up to `most`."""
    pieces = dict.fromkeys(i for ids in texts for i in ids)
    for ids in more:
        pieces.update(dict.fromkeys(ids))
        if len(pieces) >= most:
            break
    return sorted(list(pieces)[:most])


def load_texts(setting: Setting) -> tuple[list[str], list[list[int]], list[int]]:
    """(texts, their ids without [CLS] and [SEP], the ids of the table). Texts with other pieces are left out."""
    first, more = all_texts(setting)
    ids_of = lambda texts: [x[1:-1] for x in setting.text.ids(texts)]
    a, b = ids_of(first), ids_of(more)
    pieces = pieces_of(a, b, MOST_PIECES - 1)
    inside = set(pieces) - {setting.text.tokenizer.token_to_id("[UNK]")}
    kept = [(t, i) for t, i in zip(first + more, a + b) if 0 < len(i) <= MOST_LENGTH and inside.issuperset(i)]
    return [t for t, _ in kept], [i for _, i in kept], pieces
