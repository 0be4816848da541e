"""Writes the questions of a held-out part as JSONL, for `sterna eval` and `sterna model quantize --calibrate`.

`dev` are the 50 calibration photos, `eval` the evaluation photos, `cifar_held` 400 of CIFAR-10's, `shapes_held` easy-vqa's test half; the composed
pictures of `cuts_held` and `scenes_held` are drawn again, into a folder beside OUT. Wordings are those that calibrate.py (dev) and evaluate.py (others) ask.
"""

import argparse
import json
import os
from pathlib import Path

import numpy as np
from PIL import Image

from build import SEEDS, scene_drawer
from data import Setting, load_setting
from measure import held_out, items_of
from writer import made


def picture_folder(setting: Setting, part: str) -> Path:
    if part == "cifar_held":
        return setting.paths.cifar
    if part != "shapes_held":
        return setting.paths.photos
    import easy_vqa

    return Path(next(iter(easy_vqa.get_test_image_paths().values()))).parent


def drawn(setting: Setting, part: str, folder: Path) -> tuple[list[dict], list]:
    """A part's composed pictures as files of `folder`: what is on them, named by `file`, and the questions about them."""
    folder.mkdir(parents=True, exist_ok=True)
    draw, facts = scene_drawer(setting, part), []
    for i, (pixels, fact) in enumerate(made(draw, setting.sizes[part], SEEDS[part])):
        facts.append({**fact, "file": f"{i:05}.png"})
        Image.fromarray(pixels).save(folder / facts[-1]["file"])
    return facts, items_of(setting, facts, 5)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--part", choices=("dev", "eval", "cifar_held", "shapes_held", "cuts_held", "scenes_held"), default="dev")
    p.add_argument("--most", type=int, help="questions drawn (default: all)")
    p.add_argument("--out", type=Path, required=True)
    a = p.parse_args()
    setting = load_setting(a.work)
    if a.part in SEEDS:
        pictures = a.out.with_suffix("")
        facts, items = drawn(setting, a.part, pictures)
    else:
        pictures, (_, items) = picture_folder(setting, a.part), held_out(setting, a.part, seed=6 if a.part == "dev" else 5)
        facts = [json.loads(line) for line in (setting.paths.work / a.part / "facts.jsonl").read_text().splitlines()]
    if a.most and len(items) > a.most:
        items = [items[i] for i in sorted(np.random.default_rng(0).choice(len(items), a.most, replace=False))]
    files = [f"{f['word']}/{f['file']}" if a.part == "cifar_held" else f["file"] for f in facts]
    folder = os.path.relpath(pictures, a.out.parent)
    with a.out.open("w") as out:
        for i in items:
            out.write(json.dumps({"image": f"{folder}/{files[i.picture]}", "question": i.question, "answer": i.answer,
                                  "choices": i.choices, "task": i.task}) + "\n")
    print(f"{a.out}: {len(items)} questions about {len({i.picture for i in items})} pictures")


if __name__ == "__main__":
    main()
