"""The pointing game (Zhang et al., arXiv 1608.00507, section 4.1) for `sterna ask --where`, on composed pictures with known boxes.

Held-out cut-outs (words never trained on) on grounds of held-out photos. For each picture one thing whose word is there once: "what is
in the picture?" with its word as the answer, and if it was painted "what color is the ...?" with its colour. A hit: the middle of the
place with the highest support lies in the thing's box. Beside it: always the middle of the picture, and a place drawn at random (the
share of places whose middle lies in the box). `frame`: overlap (intersection over union) of the answer's frame with the thing's box.
95 % Wilson intervals. The right answer is given, so that finding is measured and not answering; --own-answer lets the model answer among
all words (or colours) of the run and counts the answers that are right.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from data import cut_outs, held_word, load_setting
from labels import COLOURS
from measure import wilson
from scenes import compose
from things import photo_grounds


def inside(box, x: float, y: float) -> bool:
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def overlap(a, b) -> float:
    """Intersection over union of two boxes x0, y0, x1, y1."""
    both = max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def write_pictures(setting, folder: Path, n: int, seed: int, own_answer: bool) -> Path:
    """n pictures and questions.jsonl, whose lines tell the box beside the question."""
    cuts = [c for c in cut_outs(setting) if held_word(c.word)]
    words: dict[str, list] = {}
    for cut in cuts:
        words.setdefault(cut.word, []).append(cut)
    grounds = photo_grounds(setting, held=True)
    rng, lines, made = np.random.default_rng(seed), [], 0
    while made < n:
        pixels, objects = compose(rng, grounds, words)
        there = [o["word"] for o in objects]
        lone = [o for o in objects if there.count(o["word"]) == 1]
        if not lone:
            continue
        thing, name = lone[rng.integers(len(lone))], f"{made:05}.png"
        Image.fromarray(pixels).save(folder / name)
        made += 1
        x, y, w, h = (thing[k] for k in "xywh")
        line = {"image": name, "box": [x - w / 2, y - h / 2, x + w / 2, y + h / 2], "things": len(objects)}
        asked = [("name", "what is in the picture?", thing["word"], sorted(words))]
        if thing["colour"]:
            asked.append(("colour", f"what color is the {thing['word']}?", thing["colour"], COLOURS))
        lines += [line | {"task": task, "question": question, "truth": truth, "choices": every if own_answer else [truth]}
                  for task, question, truth, every in asked]
    path = folder / "questions.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def judge(line: dict) -> dict:
    rows, columns = line["where"]["grid"]
    peak = int(np.argmax(line["where"]["support"]))
    middles = [((i % columns + 0.5) / columns, (i // columns + 0.5) / rows) for i in range(rows * columns)]
    frame = line["where"]["box"]
    return {"hit": inside(line["box"], *middles[peak]), "centre": inside(line["box"], 0.5, 0.5),
            "random": np.mean([inside(line["box"], *m) for m in middles]), "frame": overlap(line["box"], frame) if frame else 0.0}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, required=True, help="the folder train.sh made")
    p.add_argument("--sterna", default="build/release/bin/sterna")
    p.add_argument("--model", help="default: the program's own")
    p.add_argument("-n", type=int, default=300, help="pictures (default 300)")
    p.add_argument("--seed", type=int, default=77)
    p.add_argument("--own-answer", action="store_true")
    p.add_argument("--keep", type=Path, help="leave pictures, questions and answers here")
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = a.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        questions = write_pictures(load_setting(a.work), folder, a.n, a.seed, a.own_answer)
        command = [a.sterna, "ask", "--batch", questions, "--where", "--json"] + (["--model", a.model] if a.model else [])
        out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        (folder / "answers.jsonl").write_text(out)
    lines = [json.loads(line) for line in out.splitlines()]
    right = [line for line in lines if line["answer"] == line["truth"]]
    if a.own_answer:
        print(f"{len(right)} of {len(lines)} answers are right")
    print("| task | things | n | hit | 95 % | centre | random | frame |\n|---|---|---|---|---|---|---|---|")
    for task in ("name", "colour", "all"):
        for things, fits in (("1", lambda n: n == 1), ("2 or more", lambda n: n > 1)):
            rows = [judge(line) for line in right if task in (line["task"], "all") and fits(line["things"])]
            if not rows:
                continue
            mean = {k: float(np.mean([r[k] for r in rows])) for k in rows[0]}
            low, high = wilson(sum(r["hit"] for r in rows), len(rows))
            print(f"| {task} | {things} | {len(rows)} | {mean['hit']:.2f} | {low:.2f}-{high:.2f} | {mean['centre']:.2f} | "
                  f"{mean['random']:.2f} | {mean['frame']:.2f} |")


if __name__ == "__main__":
    main()
