"""Compares answers of the shipped file (lines of `sterna ask --batch FILE --json`) with this recipe's own, question by question."""

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path

from data import load_setting
from measure import cosines, from_jsonl, predict
from train import load_checkpoint


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--checkpoint", type=Path, help="default: WORK/ternary.pt")
    p.add_argument("--distilled", action="store_true", help="with the ternary text tower (ternary_text.py), as the shipped file has it")
    p.add_argument("--questions", type=Path, required=True)
    p.add_argument("--pictures", type=Path, help="folder of the questions' pictures (default: the photos)")
    p.add_argument("answers", type=Path, help="what `sterna ask --batch QUESTIONS --json` printed")
    a = p.parse_args()
    setting = load_setting(a.work, a.distilled)
    net, _ = load_checkpoint(a.checkpoint or a.work / "ternary.pt")
    features, items = from_jsonl(setting, a.questions, a.pictures or setting.paths.photos)
    said = [json.loads(line) for line in a.answers.read_text().splitlines()]
    if len(said) != len(items):
        sys.exit(f"{a.answers}: expected {len(items)} answers, found {len(said)}")
    same, ours, theirs = 0, defaultdict(list), defaultdict(list)
    for score, item, line in zip(cosines(setting, predict(net, setting, features, items), items), items, said):
        mine = item.choices[int(score.argmax())]
        same += mine == line["answer"]
        for task in (item.task, "all"):
            ours[task].append(mine == item.answer)
            theirs[task].append(line["answer"] == item.answer)
    for task in ours:
        print(f"{task}: {len(ours[task])} questions, recipe {sum(ours[task]) / len(ours[task]):.3f}, shipped file {sum(theirs[task]) / len(theirs[task]):.3f}")
    print(f"same answer: {same} of {len(items)}")


if __name__ == "__main__":
    main()
