"""Shared by calibration and evaluation: held-out questions, predictions, and the statistics of answers."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from data import Setting, answer_vocabulary
from found import closer, meanings
from labels import COLOURS, KINDS, NUMBERS, PLACES, SCENES, read_notes
from model import Net
from pool import questions_for
from questions import Asker


@dataclass
class Item:
    picture: int  # row of the feature array
    question: str
    answer: str
    choices: list[str]
    task: str


def choices_of(task: str, setting: Setting, used: dict[str, set]) -> list[str]:
    """The answers that compete when the question brings no choices."""
    labels = setting.labels
    fixed = {"colour": COLOURS, "count": NUMBERS, "position": PLACES, "yesno": ["yes", "no"], "relation": ["yes", "no"], "name": labels.raw,
             "inout": ["indoors", "outdoors"], "category": sorted({c for c in labels.category if c})}
    for group in KINDS:
        fixed[f"kind_{group}"] = sorted({k[1] for k in labels.kind if k and k[0] == group})
    extra = SCENES if task == "scene" else ()
    return list(dict.fromkeys(fixed.get(task) or sorted(used[task] | set(extra))))


def items_of(setting: Setting, facts: list[dict], seed: int, cifar: bool = False) -> list[Item]:
    """Questions in unseen wordings about pictures of which these facts are known."""
    things = sorted({o["word"] for f in facts if f["source"] == "scene" for o in f["objects"]})
    asker = Asker(setting.labels, np.random.default_rng(seed), held=True, thing_words=things)
    asked = [[q for q in questions_for(f, asker, read_notes()) if q[0] not in ("caption", "object")] for f in facts]
    if cifar:
        asked = [[("cifar", q[1], q[2]) for q in qs if q[0] == "name"][:1] for qs in asked]
    used: dict[str, set] = {}
    for qs in asked:
        for task, _, answer, *_ in qs:
            used.setdefault(task, set()).add(answer)
    return [Item(i, q[1], q[2], choices_of(q[0], setting, used), q[0]) for i, qs in enumerate(asked) for q in qs
            if q[2] in choices_of(q[0], setting, used)]


def held_out(setting: Setting, part: str, seed: int = 5) -> tuple[torch.Tensor, list[Item]]:
    """Questions in unseen wordings about pictures of a part that was never trained on."""
    folder = setting.paths.work / part
    if not (folder / "facts.jsonl").exists():
        return torch.zeros(0), []
    facts = [json.loads(line) for line in (folder / "facts.jsonl").read_text().splitlines()]
    items = items_of(setting, facts, seed, cifar=part == "cifar_held")
    return torch.from_numpy(np.load(folder / "features.npy")).float(), items


def read_questions(path: Path) -> tuple[list[str], list[Item]]:
    """A file of hand-written questions (image, question, answer, choices, task): names of the photos, and what is asked about them."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    names = list(dict.fromkeys(Path(r["image"]).name for r in rows))
    return names, [Item(names.index(Path(r["image"]).name), r["question"], r["answer"], r["choices"], r["task"]) for r in rows]


def from_jsonl(setting: Setting, path: Path, photos: Path) -> tuple[torch.Tensor, list[Item]]:
    """Hand-written questions about files of `photos`, and the features of these."""
    names, items = read_questions(path)
    features = setting.features()
    out = [features.of_file(photos / n)[0] for n in names]
    return torch.cat(out), items


@torch.no_grad()
def predict(net: Net, setting: Setting, features: torch.Tensor, items: list[Item], batch: int = 64) -> torch.Tensor:
    """Embedding of every answer [n, 384], float32 throughout."""
    net.eval()
    features = features.float()
    vision, semantics = (torch.cat([f(part) for part in features.split(batch)]) for f in (net.vision, meanings))
    ground = torch.cat([net.predictor.ground(v, closer(f)) for v, f in zip(vision.split(batch), features.split(batch))])
    distinct = list(dict.fromkeys(i.question for i in items))
    tokens = dict(zip(distinct, setting.text.tokens(distinct)))
    order = sorted(range(len(items)), key=lambda i: len(tokens[items[i].question]))
    out = torch.zeros(len(items), 384)
    for start in range(0, len(order), batch):
        part = order[start:start + batch]
        length = torch.tensor([len(tokens[items[i].question]) for i in part])
        question = torch.zeros(len(part), int(length.max()), 384)
        for row, i in enumerate(part):
            question[row, :length[row]] = tokens[items[i].question]
        owner = [items[i].picture for i in part]
        out[part] = net.predictor(question, length, vision[owner], semantics[owner], ground[owner])[0]
    return out


def choice_embeddings(setting: Setting, texts: list[str]) -> dict[str, torch.Tensor]:
    """As the runtime has them: with the ternary text tower, the file's own answers are those that MiniLM gave it."""
    table = dict(zip(texts, setting.text.embed(texts)))
    if setting.distilled:
        answers = set(answer_vocabulary(setting))
        known = [t for t in texts if t in answers or t.lower() in answers]
        table |= zip(known, setting.minilm.embed(known))
    return table


def cosines(setting: Setting, out: torch.Tensor, items: list[Item]) -> list[torch.Tensor]:
    """Cosine of every prediction with its own choices."""
    distinct = sorted({c for i in items for c in i.choices} | {i.answer for i in items})
    table = choice_embeddings(setting, distinct)
    stacked: dict[tuple, torch.Tensor] = {}
    result = []
    for row, item in zip(out, items):
        key = tuple(item.choices)
        if key not in stacked:
            stacked[key] = torch.stack([table[c] for c in item.choices])
        result.append(stacked[key] @ row)
    return result


def with_slope(p: np.ndarray, slope: float) -> np.ndarray:
    """sigmoid(slope * logit(p)) of probabilities between 0 and 1."""
    return 1 / (1 + (1 / p - 1) ** slope)


def confidence(scores: list[torch.Tensor], scale: float, slope: float) -> np.ndarray:
    """The best one's probability, as decoder/nearest.h: sigmoid(slope * logit(p)), p its softmax of scale * cosine."""
    p = np.array([float(torch.softmax(s * scale, 0).max()) for s in scores]).clip(1e-6, 1 - 1e-6)
    return with_slope(p, slope)


def wilson(right: int, n: int) -> tuple[float, float]:
    """95 % interval of a proportion."""
    if n == 0:
        return 0.0, 1.0
    z, p = 1.96, right / n
    centre, half = p + z * z / (2 * n), z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    return (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error over equal-width bins."""
    at = np.minimum((confidence * bins).astype(int), bins - 1)
    return float(sum(abs(confidence[at == b].mean() - right[at == b].mean()) * (at == b).mean() for b in range(bins) if (at == b).any()))
