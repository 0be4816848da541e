"""Fits the head's weight beside the pointer, scale and slope of the two confidences on held-out photos of the training side (never
on evaluation photos).

The head learns rare facts from few training photos and is too sure of them on others: scaled down, the pointer's reading
of the stem decides where the two disagree. The scale goes into the checkpoint (`head_scale`), export folds it in. Among the whole
vocabulary a name competes with its own kind, and only the head knows which was asked for: there it gets another scale.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from data import answer_vocabulary, load_setting
from measure import calibration_error, confidence, cosines, held_out, predict, with_slope
from train import load_checkpoint
from training import save

SCALES = np.geomspace(2, 200, 120)
SLOPES = np.geomspace(0.2, 1, 21)
SURE = 0.5  # from this probability on an answer is right more often than wrong: it is calibrated
HEAD_SCALES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0)


def nll(scale: float, scores: list[torch.Tensor], target: list[int]) -> float:
    return float(np.mean([-torch.log_softmax(s * scale, 0)[t].item() for s, t in zip(scores, target)]))


def best_scale(scores, target) -> float:
    return float(min(SCALES, key=lambda s: nll(s, scores, target)))


def even_weights(items) -> np.ndarray:
    """Each task counts as much as another: the photos' questions are not asked as often as people ask."""
    tasks = Counter(i.task for i in items)
    return np.array([1 / tasks[i.task] if tasks[i.task] >= 10 else 0.0 for i in items])


def best_confidence(scores, target, weight) -> tuple[float, float]:
    """Scale and slope under which "the best one is right" is least surprising (log loss, weighted)."""
    right, found = np.array([int(s.argmax()) == t for s, t in zip(scores, target)]), {}
    for scale in SCALES[::3]:
        p = confidence(scores, scale, 1.0)
        for slope in SLOPES:
            c = with_slope(p, slope)
            found[float(scale), float(slope)] = -(weight * np.log(np.where(right, c, 1 - c))).sum()
    return min(found, key=found.get)


def best_head_scale(net, setting, features, items, table=None, target=None) -> float:
    """The scale with the least loss on the questions' own choices, or with `table` [answers, 384] on the whole vocabulary
    (`target`: each question's row of it). The mean over tasks of ten or more: common ones do not decide alone, and those
    of two or three questions not at all."""
    target = target or [i.choices.index(i.answer) for i in items]
    tasks = [t for t, n in Counter(i.task for i in items).items() if n >= 10]
    loss = {}
    for scale in HEAD_SCALES:
        net.predictor.head_scale = scale
        out = predict(net, setting, features, items)
        scores = cosines(setting, out, items) if table is None else list(out @ table.T)
        wide = best_scale(scores, target)
        rows = {t: [k for k, i in enumerate(items) if i.task == t] for t in tasks}
        loss[scale] = float(np.mean([nll(wide, [scores[k] for k in at], [target[k] for k in at]) for at in rows.values()]))
        right = np.mean([int(s.argmax()) == t for s, t in zip(scores, target)])
        print(f"head scale {scale}: loss {loss[scale]:.4f}, right {right:.3f}", flush=True)
    return min(loss, key=loss.get)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--checkpoint", type=Path, help="default: WORK/ternary.pt")
    p.add_argument("--distilled", action="store_true", help="with the ternary text tower (ternary_text.py), as the file has it")
    a = p.parse_args()
    setting = load_setting(a.work, a.distilled)
    checkpoint = a.checkpoint or a.work / "ternary.pt"
    net, saved = load_checkpoint(checkpoint)
    answers = answer_vocabulary(setting)
    table = setting.minilm.embed(answers)  # those that the file holds
    features, items = held_out(setting, "dev" if setting.paths.photos else "scenes_held", seed=6)
    asked = [i for i in items if i.answer in answers]
    target, wide_target = [i.choices.index(i.answer) for i in items], [answers.index(i.answer) for i in asked]
    open_scale = best_head_scale(net, setting, features, asked, table, wide_target)
    net.predictor.head_scale = open_scale
    wide = list(predict(net, setting, features, asked) @ table.T)
    net.predictor.head_scale = head_scale = best_head_scale(net, setting, features, items)
    scores = cosines(setting, predict(net, setting, features, items), items)
    choice = best_confidence(scores, target, even_weights(items))
    vocabulary = best_confidence(wide, wide_target, even_weights(asked))
    sure = confidence(scores, *choice)
    right = np.array([int(s.argmax()) == t for s, t in zip(scores, target)])
    save(checkpoint, {**saved, "head_scale": head_scale})
    result = {"head_scale": head_scale, "vocabulary_head_scale": open_scale / head_scale, "choice_scale": choice[0],
              "choice_slope": choice[1], "vocabulary_scale": vocabulary[0], "vocabulary_slope": vocabulary[1],
              "sure_threshold": SURE, "questions": len(scores), "ece": calibration_error(sure, right)}
    name = "calibration.json" if checkpoint.stem == "ternary" else f"{checkpoint.stem}.calibration.json"
    (a.work / name).write_text(json.dumps(result))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
