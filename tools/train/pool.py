"""The question pool: every training picture's questions, their token features and the answers' embeddings."""

import hashlib
import json
from collections import Counter
from functools import cached_property

import numpy as np
import torch

from colours import rotated_name
from config import EMBED
from cores import on_all_cores
from data import TRAIN_PARTS, Setting
from labels import ACTIONS, COLOURS, KINDS, NUMBERS, PLACES, SCENES, Labels, read_notes
from questions import Asker
from swap import ClassSwap, class_weights, shown_class
from text import Text
from things import thing_word

RUN = 512  # pictures asked about by a process at a time
ROUNDS = 3  # questions of a class shown by renaming: so many times all that are known of it
LIMITS = {"recolour": 4, "cifar": 3, "scenes": 10, "mosaics": 10}  # questions kept a picture: wordings cost text-tower time


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


def even_share(task: np.ndarray) -> np.ndarray:
    """Probability of each question of a picture: a task asked ten times is not ten times as likely."""
    share = np.bincount(task)[task] ** -0.6
    return share / share.sum()


def ask_all(facts: list[dict], parts: list[str], labels: Labels, things: list[str], seed: int, renamed: dict) -> list[list[tuple]]:
    """The questions of every picture, asked on all cores. Every run of pictures has random numbers of its own: the same
    questions come of one core as of sixteen."""
    notes = read_notes()

    def ask(first: int):
        rng = np.random.default_rng([seed, first])
        asker = Asker(labels, rng, thing_words=things)
        # Of photos that can be renamed a class is only asked for when they are: their own they would learn by heart.
        return [limited(questions_for(facts[i], asker, notes, i not in renamed), LIMITS.get(parts[i]), rng)
                for i in range(first, min(first + RUN, len(facts)))]

    return [q for run in on_all_cores(ask, range(0, len(facts), RUN)) for q in run]


def evened(asked: list[list[tuple]], parts: list[str], seed: int, task: str = "count") -> list[list[tuple]]:
    """Without some of a task's questions whose answers are more common than others in a part: none stays more often than the mean
    answer. What mosaics show is mostly there twice; where that is learned, one large thing counts as two."""
    rng, thin = np.random.default_rng(seed), {}
    for part in dict.fromkeys(parts):
        answers = Counter(q[2] for qs, p in zip(asked, parts) if p == part for q in qs if q[0] == task)
        mean = sum(answers.values()) / max(len(answers), 1)
        thin |= {(part, a): mean / n for a, n in answers.items()}
    return [[q for q in qs if q[0] != task or rng.random() < thin[p, q[2]]] for qs, p in zip(asked, parts)]


def packed_places(places: list[int], count: int) -> np.ndarray:
    """Integers with a bit for each of `count` places -> uint8 [n, bytes], the lowest bit first."""
    width = -(-count // 8)
    return np.frombuffer(b"".join(p.to_bytes(width, "little") for p in places), dtype=np.uint8).reshape(len(places), width)


def what_lies(facts: list[dict], labels: Labels, places: int) -> tuple[list[str], torch.Tensor]:
    """Words of things, and at each place of a picture [n, places] which of them lies there, on top; -1: not known."""
    words, lies = {}, torch.full((len(facts), places), -1, dtype=torch.int16)
    for row, fact in zip(lies, facts):
        things = fact.get("objects", ())
        if fact["source"] == "recolour":
            word = thing_word(labels, fact["label"])
            things = [{"word": word, "cells": fact["cells"]}] if word else []
        for thing in things:
            row[[i for i in range(places) if thing["cells"] >> i & 1]] = words.setdefault(thing["word"], len(words))
    return list(words), lies


class Pool:
    """Pictures with questions, on `device`: `features` fp16 [n, T, 966 + 384]; for picture i rows start[i]:start[i+1] of `items`
    [m, 3] = question, answer, task, and of `shown` [m, bytes] = bits of the places that show what is asked about (scenes.cells; none: not known);
    entry n + c holds the questions of class c, asked of pictures renamed to it (swap.py). `lies` [n, T - 1]: which of `things` is at a place, -1: not known. Questions are read by `reader`, else by the setting's
    text tower. Answers: the first `base` compete always, captions only in their batch."""

    def __init__(self, setting: Setting, seed: int, device: str = "cpu", parts=tuple(TRAIN_PARTS), reader: Text | None = None):
        labels, self.device = setting.labels, device
        facts, self.part = [], []
        folders = [(p, setting.paths.work / p) for p in parts if (setting.paths.work / p / "facts.jsonl").exists()]
        for part, folder in folders:
            facts += [json.loads(line) for line in (folder / "facts.jsonl").read_text().splitlines()]
            self.part += [part] * (len(facts) - len(self.part))
        self.features = self._features([folder for _, folder in folders])
        self.shown_as = self._classes(folders, facts)  # class a picture can be renamed from, or -1
        self.things, lies = what_lies(facts, labels, self.features.shape[1] - 1)
        self.lies, self.thing_table = lies.to(device), setting.text.embed(self.things).to(device)
        things = sorted({o["word"] for f in facts if f["source"] == "scene" for o in f["objects"]})
        asked = ask_all(facts, self.part, labels, things, seed, set(np.flatnonzero(self.shown_as >= 0).tolist()))
        asked = evened(asked, self.part, seed)
        self.class_weights = torch.zeros(0)
        if (self.shown_as >= 0).any():
            asker = Asker(labels, np.random.default_rng(seed), thing_words=things)
            rounds = max(ROUNDS, round(ROUNDS * setting.times))
            asked += [[q for _ in range(rounds) for q in asker.photo(c, {})] for c in range(len(labels.raw))]
            self.swap = ClassSwap(setting.names, setting.stem["classifier.weight"], device)
            self.class_weights = torch.from_numpy(class_weights(labels)).float().to(device)
        self.tasks = sorted({q[0] for qs in asked for q in qs})
        captions = {q[2] for qs in asked for q in qs if q[0] == "caption"}
        base = {q[2] for qs in asked for q in qs if q[0] != "caption"} | set(labels.raw) | {k[1] for k in labels.kind if k}
        self.answers = sorted(base) + sorted(captions - base)
        self.base = len(base)
        self.questions = sorted({q[1] for qs in asked for q in qs})
        q_of, a_of, t_of = ({x: i for i, x in enumerate(xs)} for xs in (self.questions, self.answers, self.tasks))
        self.items = torch.tensor([(q_of[q[1]], a_of[q[2]], t_of[q[0]]) for qs in asked for q in qs], device=device)
        places = packed_places([q[3] if len(q) > 3 else 0 for qs in asked for q in qs], self.features.shape[1] - 1)
        self.shown = torch.from_numpy(places.copy()).to(device)
        self.start = torch.from_numpy(np.concatenate([[0], np.cumsum([len(qs) for qs in asked])])).to(device)
        self.candidates = self._candidates(labels, a_of, asked).to(device)
        digest = hashlib.sha256()
        for qs in asked:
            digest.update(json.dumps(qs).encode())
        self.digest = digest.hexdigest()[:16]
        self.answer_table = setting.text.embed(self.answers).to(device)
        self.tokens, self.first, self.length = self._tokens(reader or setting.text)
        self.share = self._share()

    def __deepcopy__(self, _) -> "Pool":
        return self  # copies of what trains on it share it

    def _features(self, folders) -> torch.Tensor:
        parts = [np.load(f / "features.npy", mmap_mode="r") for f in folders]
        out = torch.empty((sum(len(p) for p in parts), *parts[0].shape[1:]), dtype=torch.float16, device=self.device)
        at = 0
        for part in parts:
            for first in range(0, len(part), 4096):
                block = torch.from_numpy(np.array(part[first:first + 4096]))
                out[at:at + len(block)] = block.to(self.device)
                at += len(block)
        return out

    def _classes(self, folders, facts) -> np.ndarray:
        """Of pictures that can be renamed the class they show; `index`, `weight` [n', T + g*g, k] hold what is renamed, row
        `class_row` of a picture."""
        shown, row, index, weight, at = np.full(len(facts), -1), np.full(len(facts), -1), [], [], 0
        for part, folder in folders:
            count = self.part.count(part)
            if (folder / "classes.npz").exists():
                saved = np.load(folder / "classes.npz")
                shown[at:at + count] = [shown_class(f) for f in facts[at:at + count]]
                row[at:at + count] = np.arange(count) + sum(len(i) for i in index)
                index.append(torch.from_numpy(saved["index"]))
                weight.append(torch.from_numpy(saved["share"]))
            at += count
        if index:
            self.index, self.weight = torch.cat(index).to(self.device), torch.cat(weight).to(self.device)
            self.class_row = torch.from_numpy(row).to(self.device)
        self.from_class = torch.from_numpy(shown).to(self.device)
        return shown

    def _candidates(self, labels, a_of, asked) -> torch.Tensor:
        """[tasks, base] bool: which answers compete for a task."""
        used = {t: set() for t in self.tasks}
        for qs in asked:
            for q in qs:
                used[q[0]].add(q[2])
        fixed = {"colour": COLOURS, "count": NUMBERS, "position": PLACES, "yesno": ["yes", "no"], "relation": ["yes", "no"], "name": labels.raw,
                 "scene": SCENES, "action": ACTIONS, "inout": ["indoors", "outdoors"]}
        for group in KINDS:
            fixed[f"kind_{group}"] = {k[1] for k in labels.kind if k and k[0] == group}
        out = torch.zeros(len(self.tasks), self.base, dtype=torch.bool)
        for row, task in enumerate(self.tasks):
            if task != "caption":
                out[row, [a_of[a] for a in set(fixed.get(task, ())) | used[task] if a in a_of]] = True
        return out

    def _tokens(self, reader: Text):
        """Token features of all questions [*, 384] fp16, and of each the first row and the length; questions.* beside the
        tower's other results keeps those of earlier runs."""
        reader.cache.mkdir(parents=True, exist_ok=True)
        text, array = reader.cache / "questions.txt", reader.cache / "questions.npz"
        known = text.read_text().split("\n") if text.exists() else []
        tokens, length = torch.zeros(0, EMBED, dtype=torch.float16), np.zeros(0, np.int64)
        if known:
            saved = np.load(array)
            tokens, length = torch.from_numpy(saved["tokens"]), np.diff(saved["offset"])
        have = set(known)
        missing = [q for q in self.questions if q not in have]
        tokens = tokens.to(self.device)
        if missing:
            reader.to(self.device)
            order, more, lengths = reader.packed(missing)
            reader.to("cpu")
            known, length = known + [missing[i] for i in order], np.concatenate([length, lengths])
            tokens = torch.cat([tokens, more])
            np.savez(array, tokens=tokens.cpu().numpy(), offset=np.concatenate([[0], np.cumsum(length)]))
            text.write_text("\n".join(known))
        row = {q: i for i, q in enumerate(known)}
        rows = np.array([row[q] for q in self.questions])
        first = np.cumsum(length) - length
        return tokens, torch.from_numpy(first[rows]).to(self.device), torch.from_numpy(length[rows]).to(self.device)

    def _share(self) -> torch.Tensor:
        """[m] log of how likely each question of a picture is to be asked, as even_share."""
        count = self.start.diff()
        picture = torch.repeat_interleave(torch.arange(len(count), device=self.device), count)
        _, group, number = torch.unique(picture * len(self.tasks) + self.items[:, 2], return_inverse=True, return_counts=True)
        return -0.6 * number[group].float().log()

    def batch(self, step: list[int], pictures: int, each: int, weights: dict[str, float], tasks: dict[str, float], renamed: float, coarse: float = 0.0):
        """features [p, T, 966 + 384], question tokens [n, L, 384] padded, lengths [n], owner [n], answers [n], tasks [n], places [n, g*g], renamed [n],
        what lies where [p, g*g], which questions [n].

        A share `renamed` of the photos, and all of which nothing but their class is known, is shown as another class; a share `coarse` of
        the pictures without what their places say in the larger one. The
        random numbers are those of `step` = seed, step (on this kind of device).
        """
        random = torch.Generator(self.device).manual_seed(step[0] * 1_000_003 + step[1])
        rows = self.draw(random, pictures, weights)
        features, asks, number = self.features[rows].float(), rows, len(self.part)
        lies = self.lies[rows].long()
        if len(self.class_weights):
            silent = self.start[rows] == self.start[rows + 1]
            by = (self.from_class[rows] >= 0) & (silent | (torch.rand(pictures, generator=random, device=self.device) < renamed))
            to = torch.multinomial(self.class_weights, pictures, replacement=True, generator=random)
            at = by.nonzero()[:, 0]
            source = self.class_row[rows[at]]
            said = self.swap.semantics(self.index[source], self.weight[source], self.from_class[rows[at]], to[at])
            features[at, :, :EMBED], features[at, 1:, -EMBED:] = said[:, :features.shape[1]], said[:, features.shape[1]:]
            asks = torch.where(by, number + to, rows)
            lies[at] = -1
        plain = torch.rand(pictures, generator=random, device=self.device) < coarse
        features[..., -EMBED:] = torch.where(plain[:, None, None], features[..., :EMBED], features[..., -EMBED:])
        first, count = self.start[asks], self.start[asks + 1] - self.start[asks]
        within = torch.arange(int(count.max()), device=self.device)
        there = within[None] < count[:, None]
        item = torch.where(there, first[:, None] + within, first[:, None])
        favour = torch.tensor([tasks.get(t, 1.0) for t in self.tasks], device=self.device).log()
        # The largest of log-shares with Gumbel noise: a draw without replacement.
        noise = -torch.empty(item.shape, device=self.device).exponential_(generator=random).log()
        key = (self.share[item] + favour[self.items[item, 2]] + noise).masked_fill(~there, -torch.inf)
        best = key.topk(min(each, key.shape[1]), 1).indices
        kept = there.gather(1, best)
        chosen = item.gather(1, best)[kept]
        owner = torch.arange(pictures, device=self.device)[:, None].expand_as(best)[kept]
        question, answer, task = self.items[chosen].T.contiguous()
        length = self.length[question]
        longest = -(-int(length.max()) // 4) * 4  # few different shapes: PyTorch's memory grows with their number
        position = torch.arange(longest, device=self.device)
        inside = position[None] < length[:, None]
        token = torch.where(inside, self.first[question][:, None] + position, 0)
        words = self.tokens[token].float() * inside[..., None]
        bit = torch.arange(features.shape[1] - 1, device=self.device)
        shown = (self.shown[chosen][:, bit // 8] >> (bit % 8)) & 1
        return features, words, length, owner, answer, task, shown.bool(), chosen >= self.start[number], lies, question

    @cached_property
    def rows_of(self) -> dict[str, torch.Tensor]:
        """Which pictures of a part are drawn."""
        asked, part = (self.start.diff()[:len(self.part)] > 0) | (self.from_class >= 0), np.array(self.part)
        return {p: (asked & torch.from_numpy(part == p).to(self.device)).nonzero()[:, 0] for p in dict.fromkeys(self.part)}

    def only_with(self, task: str):
        """From now on only pictures are drawn that a question of this task is about."""
        rows = (self.items[:, 2] == self.tasks.index(task)).nonzero()[:, 0]
        asked = torch.searchsorted(self.start, rows, right=True) - 1
        self.rows_of = {p: own[torch.isin(own, asked)] for p, own in self.rows_of.items()}

    def draw(self, random: torch.Generator, n: int, weights: dict[str, float]) -> torch.Tensor:
        """Picture rows: a part by weight, then a picture of it that has questions or can be renamed."""
        parts = [p for p in self.rows_of if len(self.rows_of[p])]
        share = torch.tensor([weights.get(x, 0.0) for x in parts], device=self.device)
        pick = torch.multinomial(share, n, replacement=True, generator=random)
        size = torch.tensor([len(self.rows_of[p]) for p in parts], device=self.device)[pick]
        at = (torch.rand(n, generator=random, device=self.device) * size).long()
        rows = torch.empty(n, dtype=torch.long, device=self.device)
        for k, part in enumerate(parts):
            rows[pick == k] = self.rows_of[part][at[pick == k]]
        return rows
