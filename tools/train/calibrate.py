"""Fits the two softmax scales and the "sure" threshold on held-out photos of the training side (never on evaluation photos)."""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from data import answer_vocabulary, load_setting
from measure import calibration_error, cosines, held_out, predict
from train import load_checkpoint

SCALES = np.geomspace(2, 200, 120)


def nll(scale: float, scores: list[torch.Tensor], target: list[int]) -> float:
    return float(np.mean([-torch.log_softmax(s * scale, 0)[t].item() for s, t in zip(scores, target)]))


def best_scale(scores, target) -> float:
    return float(min(SCALES, key=lambda s: nll(s, scores, target)))


def sure_threshold(confidence: np.ndarray, right: np.ndarray) -> float:
    """The confidence from which on answers are right more often than wrong, summed over all above it."""
    order = np.argsort(-confidence)
    gain = np.cumsum(np.where(right[order], 1, -1))
    return float(confidence[order][int(gain.argmax())])


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--checkpoint", type=Path, help="default: WORK/ternary.pt")
    a = p.parse_args()
    setting = load_setting(a.work)
    net, _ = load_checkpoint(a.checkpoint or a.work / "ternary.pt")
    parts = ["dev"] if setting.paths.photos else ["scenes_held"]
    scores, target, wide, wide_target = [], [], [], []
    answers = answer_vocabulary(setting)
    table = setting.text.embed(answers)
    for part in parts:
        features, items = held_out(setting, part, seed=6)
        out = predict(net, setting, features, items)
        scores += cosines(setting, out, items)
        target += [i.choices.index(i.answer) for i in items]
        open_rows = [r for r, i in enumerate(items) if i.answer in answers]
        wide += list(out[open_rows] @ table.T)
        wide_target += [answers.index(items[r].answer) for r in open_rows]
    choice, vocabulary = best_scale(scores, target), best_scale(wide, wide_target)
    confidence = np.array([float(torch.softmax(s * choice, 0).max()) for s in scores])
    right = np.array([int(s.argmax()) == t for s, t in zip(scores, target)])
    result = {"choice_scale": choice, "vocabulary_scale": vocabulary, "sure_threshold": sure_threshold(confidence, right),
              "questions": len(scores), "ece": calibration_error(confidence, right)}
    (a.work / "calibration.json").write_text(json.dumps(result))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
