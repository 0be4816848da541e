"""How well photos are found by their class's name: recall at 1 and 5 among all photos, by model files, with `sterna embed`.

Photos of training are among them, whose names their embeddings learned: for comparing files, not for judging one.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from data import load_setting

WORDINGS = ("{}", "a photo of a {}", "show me pictures with a {} in them")


def embedded(sterna: Path, model: Path, out: Path, *what) -> np.ndarray:
    subprocess.run([sterna, "embed", *what, "-o", out, "--model", model], check=True, capture_output=True)
    return np.load(out)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--sterna", type=Path, default="sterna")
    p.add_argument("--models", type=Path, nargs="+", required=True)
    a = p.parse_args()
    setting = load_setting(a.work)
    print("| model | photos are called | n | R@1 | R@5 |\n|---|---|---|---|---|")
    for model in a.models:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder)
            pictures = embedded(a.sterna, model, out / "pictures.npy", setting.paths.photos)
            files = [json.loads(line)["input"] for line in (out / "pictures.jsonl").read_text().splitlines()]
            for wording in WORDINGS:
                names = [setting.labels.names[int(Path(f).name[:3])] for f in files]
                (out / "texts.txt").write_text("\n".join(wording.format(n) for n in names) + "\n")
                score = embedded(a.sterna, model, out / "texts.npy", "--text-file", out / "texts.txt") @ pictures.T
                rank = (score > score.diagonal()[:, None]).sum(1)
                print(f"| {model.name} | {wording} | {len(files)} | {(rank < 1).mean():.3f} | {(rank < 5).mean():.3f} |", flush=True)


if __name__ == "__main__":
    main()
