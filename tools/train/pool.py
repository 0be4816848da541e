"""The question pool: every training picture's questions, their token features and the answers' embeddings."""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch

from colours import rotated_name
from config import EMBED
from data import TRAIN_PARTS, Setting
from labels import ACTIONS, COLOURS, KINDS, NUMBERS, PLACES, SCENES
from questions import Asker
from stem import stem_tensors
from swap import ClassSwap, class_weights, shown_class

ROUNDS = 3  # questions of a class shown by renaming: so many times all that are known of it
LIMITS = {"recolour": 4, "cifar": 3, "scenes": 7}  # questions kept a picture: wordings cost text-tower time
NOTES = Path(__file__).with_name("photo_notes.tsv")


def read_notes() -> dict[int, dict]:
    """What was noted, looking at thumbnails, of the photos that are not for evaluation: class index -> colours, counts, scene, flags."""
    notes = {}
    for line in NOTES.read_text().splitlines() if NOTES.exists() else []:
        if line.startswith("#") or not line.strip():
            continue
        index, colours, counts, scene, flags = (line.split("\t") + [""] * 5)[:5]
        pairs = lambda text: dict(p.split("=") for p in text.split(",") if "=" in p)
        notes[int(index)] = {"colours": pairs(colours),
                             "counts": {k: int(v) for k, v in pairs(counts).items()},
                             "scene": scene.strip("- "), "flags": flags.strip()}
    return notes


def questions_for(fact: dict, asker: Asker, notes: dict, of_class: bool = True) -> list[tuple]:
    """All questions of one picture; those that follow from a photo's class only if `of_class`. A crop is named by its file's
    class only while the stem still sees it."""
    if fact["source"] == "scene":
        return asker.scene(fact["objects"])
    if fact["source"] == "cifar":
        return asker.naming(fact["word"], [fact["word"]], tuple(fact["kind"]), fact["kind"][0])
    if fact["source"] == "shapes":
        return [tuple(q) for q in fact["asked"]]
    label, shown = fact["label"], shown_class(fact)
    out = asker.photo(shown, fact if shown == label else {**fact, "area": 0.0}) if of_class and shown >= 0 else []
    if fact.get("colour") and shown >= 0:
        out += asker.painted(shown, fact)
    if fact["source"] == "photo" and label in notes and fact["area"] > 0.6:
        note = notes[label]
        if fact["turns"]:  # turned hues keep only what a turn leaves true
            note = {**note, "flags": "".join(c for c in note["flags"] if c not in "gtk")}
            noted = asker.noted(note, lambda c: rotated_name(c, fact["turns"]))
            out += [q for q in noted if not any(w in q[1] for w in ("grass", "tree", "sky"))]
        else:
            out += asker.noted(note, lambda c: c)
    return out


def limited(asked: list[tuple], most: int | None, rng) -> list[tuple]:
    """At most `most` of a picture's questions, tasks asked often not drawn as often."""
    if most is None or len(asked) <= most:
        return asked
    share = even_share(np.unique([q[0] for q in asked], return_inverse=True)[1])
    return [asked[i] for i in rng.choice(len(asked), most, replace=False, p=share)]


def even_share(task: np.ndarray, favour: np.ndarray | None = None) -> np.ndarray:
    """Probability of each question of a picture: a task asked ten times is not ten times as likely."""
    share = np.bincount(task)[task] ** -0.6
    if favour is not None:
        share = share * favour[task]
    return share / share.sum()


def packed_places(places: list[int], count: int) -> np.ndarray:
    """Integers with a bit for each of `count` places -> uint8 [n, bytes], the lowest bit first."""
    width = -(-count // 8)
    return np.frombuffer(b"".join(p.to_bytes(width, "little") for p in places), dtype=np.uint8).reshape(len(places), width)


class Pool:
    """Pictures with questions: `features` fp16 [n, T, 966]; for picture i rows start[i]:start[i+1] of `items`
    [m, 3] = question, answer, task, and of `shown` [m, bytes] = bits of the places that show what is asked about (scenes.cells; none: not known);
    entry n + c holds the questions of class c, asked of pictures renamed to it (swap.py). Answers: the first `base` compete always, captions only in their batch."""

    def __init__(self, setting: Setting, seed: int, parts=tuple(TRAIN_PARTS)):
        rng, labels = np.random.default_rng(seed), setting.labels
        facts, features, self.part, self.classes = [], [], [], {}
        for part in parts:
            folder = setting.paths.work / part
            if (folder / "facts.jsonl").exists():
                found = [json.loads(line) for line in (folder / "facts.jsonl").read_text().splitlines()]
                if (folder / "classes.npz").exists():
                    saved = np.load(folder / "classes.npz")
                    for i, (fact, index, share) in enumerate(zip(found, saved["index"], saved["share"])):
                        if shown_class(fact) >= 0:
                            self.classes[len(facts) + i] = (shown_class(fact), torch.from_numpy(index), torch.from_numpy(share))
                facts += found
                self.part += [part] * len(found)
                features.append(np.load(folder / "features.npy"))
        self.features = torch.from_numpy(np.concatenate(features))
        things = sorted({o["word"] for f in facts if f["source"] == "scene" for o in f["objects"]})
        asker, notes = Asker(labels, rng, thing_words=things), read_notes()
        # Of photos that can be renamed a class is only asked for when they are: their own they would learn by heart.
        asked = [limited(questions_for(f, asker, notes, i not in self.classes), LIMITS.get(part), rng)
                 for i, (f, part) in enumerate(zip(facts, self.part))]
        if self.classes:
            asked += [[q for _ in range(ROUNDS) for q in asker.photo(c, {})] for c in range(len(labels.raw))]
            self.swap = ClassSwap(setting.text.embed(labels.names), stem_tensors()["classifier.weight"])
            self.class_weights = class_weights(labels)
        self.tasks = sorted({q[0] for qs in asked for q in qs})
        captions = {q[2] for qs in asked for q in qs if q[0] == "caption"}
        base = {q[2] for qs in asked for q in qs if q[0] != "caption"} | set(labels.raw) | {k[1] for k in labels.kind if k}
        self.answers = sorted(base) + sorted(captions - base)
        self.base = len(base)
        self.questions = sorted({q[1] for qs in asked for q in qs})
        q_of, a_of = ({x: i for i, x in enumerate(xs)} for xs in (self.questions, self.answers))
        t_of = {t: i for i, t in enumerate(self.tasks)}
        self.items = np.array([(q_of[q[1]], a_of[q[2]], t_of[q[0]]) for qs in asked for q in qs], dtype=np.int64)
        self.shown = packed_places([q[3] if len(q) > 3 else 0 for qs in asked for q in qs], self.features.shape[1] - 1)
        self.start = np.concatenate([[0], np.cumsum([len(qs) for qs in asked])])
        self.candidates = self._candidates(labels, a_of, asked)
        self.digest = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]
        self.answer_table = setting.text.embed(self.answers)
        self.tokens, self.span = self._tokens(setting)

    def _candidates(self, labels, a_of, asked) -> torch.Tensor:
        """[tasks, base] bool: which answers compete for a task."""
        used = {t: {q[2] for qs in asked for q in qs if q[0] == t} for t in self.tasks}
        fixed = {"colour": COLOURS, "count": NUMBERS, "position": PLACES, "yesno": ["yes", "no"], "relation": ["yes", "no"], "name": labels.raw,
                 "scene": SCENES, "action": ACTIONS, "inout": ["indoors", "outdoors"]}
        for group in KINDS:
            fixed[f"kind_{group}"] = {k[1] for k in labels.kind if k and k[0] == group}
        out = torch.zeros(len(self.tasks), self.base, dtype=torch.bool)
        for row, task in enumerate(self.tasks):
            if task != "caption":
                out[row, [a_of[a] for a in set(fixed.get(task, ())) | used[task] if a in a_of]] = True
        return out

    def _tokens(self, setting: Setting):
        """Token features of all questions, one after another, fp16; WORK/questions.* keeps those of earlier runs."""
        text, array = setting.paths.work / "questions.txt", setting.paths.work / "questions.npz"
        known = text.read_text().split("\n") if text.exists() else []
        tokens, offset = np.zeros((0, 384), np.float16), np.zeros(1, np.int64)
        if known:
            saved = np.load(array)
            tokens, offset = saved["tokens"], saved["offset"]
        have = set(known)
        missing = [q for q in self.questions if q not in have]
        if missing:
            parts = [h.half().numpy() for h in setting.text.tokens(missing)]
            tokens = np.concatenate([tokens, *parts])
            offset = np.concatenate([offset, offset[-1] + np.cumsum([len(h) for h in parts])])
            np.savez(array, tokens=tokens, offset=offset)
            text.write_text("\n".join(known + missing))
        row = {q: i for i, q in enumerate(known + missing)}
        rows = np.array([row[q] for q in self.questions])
        return torch.from_numpy(tokens), np.stack([offset[rows], offset[rows + 1]])

    def batch(self, rng, pictures: int, each: int, weights: dict[str, float], tasks: dict[str, float], renamed: float):
        """features [p, T, 966], question tokens [n, L, 384] padded, lengths [n], owner [n], answers [n], tasks [n], places [n, g*g], renamed [n].

        A share `renamed` of the photos, and all of which nothing but their class is known, is shown as another class.
        """
        rows = self.draw(rng, pictures, weights)
        features = self.features[rows].float()
        favour = np.array([tasks.get(t, 1.0) for t in self.tasks])
        chosen, owner = [], []
        for k, i in enumerate(rows):
            if i in self.classes and (rng.random() < renamed or self.start[i] == self.start[i + 1]):
                a, index, share = self.classes[i]
                b = int(rng.choice(len(self.class_weights), p=self.class_weights))
                features[k, :, :EMBED] = self.swap.semantics(index, share, a, b)
                i = len(self.part) + b
            lo, hi = self.start[i], self.start[i + 1]
            take = rng.choice(hi - lo, min(each, hi - lo), replace=False, p=even_share(self.items[lo:hi, 2], favour))
            chosen += [lo + t for t in take]
            owner += [k] * len(take)
        items = self.items[chosen]
        first, last = self.span[:, items[:, 0]]
        length = last - first
        longest = -(-int(length.max()) // 4) * 4  # few different shapes: PyTorch's memory grows with their number
        question = torch.zeros(len(items), longest, self.tokens.shape[1])
        for row, (at, n) in enumerate(zip(first, length)):
            question[row, :n] = self.tokens[at:at + n].float()
        shown = torch.from_numpy(np.unpackbits(self.shown[chosen], axis=1, count=features.shape[1] - 1, bitorder="little")).bool()
        return (features, question, torch.from_numpy(length), torch.tensor(owner),
                torch.from_numpy(items[:, 1].copy()), torch.from_numpy(items[:, 2].copy()), shown, torch.tensor(chosen) >= int(self.start[len(self.part)]))

    def draw(self, rng, n: int, weights: dict[str, float]) -> np.ndarray:
        """Picture rows: a part by weight, then a picture of it that has questions or can be renamed."""
        if not hasattr(self, "rows_of"):
            asked = np.diff(self.start)[:len(self.part)] > 0
            asked[list(self.classes)] = True
            part = np.array(self.part)
            self.rows_of = {p: np.where((part == p) & asked)[0] for p in dict.fromkeys(self.part)}
        parts = [p for p in self.rows_of if len(self.rows_of[p])]
        p = np.array([weights.get(x, 0.0) for x in parts])
        pick = rng.choice(len(parts), n, p=p / p.sum())
        return np.array([self.rows_of[parts[k]][rng.integers(len(self.rows_of[parts[k]]))] for k in pick])
