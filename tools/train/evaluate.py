"""Prints, question type by question type, how often the answer is right: training-free ConSE, the float network, the ternary one.

Beside them the majority answer and the question alone (the picture replaced by the average training picture).
Every question has its choices; types without own choices compete among all answers of their type. 95 % Wilson intervals.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from data import load_setting
from measure import calibration_error, confidence, cosines, from_jsonl, held_out, predict, wilson
from train import load_checkpoint


def right_rows(setting, out, items) -> np.ndarray:
    return np.array([i.choices[int(s.argmax())] == i.answer for s, i in zip(cosines(setting, out, items), items)])


def average_picture(setting) -> torch.Tensor:
    folder = next(setting.paths.work / p for p in ("photos", "scenes") if (setting.paths.work / p / "facts.jsonl").exists())
    return torch.from_numpy(np.load(folder / "features.npy", mmap_mode="r")[::7].astype(np.float32).mean(0))


def report(name: str, setting, nets: dict, features, items, scale: float, slope: float) -> list[dict]:
    if not items:
        return []
    rights = {"conse": right_rows(setting, features[[i.picture for i in items], 0, :384], items)}
    outs = {mode: predict(net, setting, features, items) for mode, net in nets.items()}
    rights.update({mode: right_rows(setting, out, items) for mode, out in outs.items()})
    last = list(nets)[-1]
    blind = predict(nets[last], setting, average_picture(setting).expand(len(features), -1, -1), items)
    rights["question_only"] = right_rows(setting, blind, items)
    sure = confidence(cosines(setting, outs[last], items), scale, slope)
    rows = []
    for task in sorted({i.task for i in items}) + ["all"]:
        at = np.array([task in (i.task, "all") for i in items])
        answers = Counter(i.answer for i, k in zip(items, at) if k)
        row = {"set": name, "task": task, "n": int(at.sum()), "majority": answers.most_common(1)[0][1] / int(at.sum())}
        row.update({mode: float(r[at].mean()) for mode, r in rights.items()})
        row["ci95"] = wilson(int(rights[last][at].sum()), int(at.sum()))
        row["ece"] = calibration_error(sure[at], rights[last][at])
        rows.append(row)
    return rows


def show(rows: list[dict], modes: list[str]):
    head = ["set", "task", "n", "majority", "question_only", "conse", *modes, "ci95", "ece"]
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        cells = [f"{v[0]:.2f}-{v[1]:.2f}" if isinstance(v, tuple) else f"{v:.3f}" if isinstance(v, float) else str(v)
                 for v in (row[h] for h in head)]
        print("| " + " | ".join(cells) + " |")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--checkpoints", type=Path, nargs="*", help="default: WORK/float.pt and WORK/ternary.pt")
    p.add_argument("--questions", type=Path, help="JSONL of hand-written questions on the evaluation photos")
    p.add_argument("--parts", nargs="*", default=["eval", "dev", "cifar_held", "scenes_held", "cuts_held", "shapes_held"])
    p.add_argument("--most", type=int, default=1500, help="questions drawn from a part (default 1500)")
    p.add_argument("--json", type=Path)
    p.add_argument("--distilled", action="store_true", help="with the ternary text tower (ternary_text.py), as the file has it")
    a = p.parse_args()
    setting = load_setting(a.work, a.distilled)
    paths = a.checkpoints or [q for q in (a.work / "float.pt", a.work / "ternary.pt") if q.exists()]
    nets = {q.stem: load_checkpoint(q)[0] for q in paths}
    found = a.work / "calibration.json"
    fitted = json.loads(found.read_text()) if found.exists() else {"choice_scale": 20.0, "choice_slope": 1.0}
    fit = fitted["choice_scale"], fitted["choice_slope"]
    rows = []
    if a.questions:
        rows += report("hand-written", setting, nets, *from_jsonl(setting, a.questions, setting.paths.photos), *fit)
    for part in a.parts:
        features, items = held_out(setting, part)
        if len(items) > a.most:
            items = [items[i] for i in sorted(np.random.default_rng(0).choice(len(items), a.most, replace=False))]
        rows += report(part, setting, nets, features, items, *fit)
    show(rows, list(nets))
    if a.json:
        a.json.write_text("".join(json.dumps(r) + "\n" for r in rows))


if __name__ == "__main__":
    main()
