#!/usr/bin/python3
"""What watching costs in instructions, where a machine has no counters of its own (virtual machines seldom do): runs
`sterna watch` under valgrind, which counts each one executed. Valgrind knows AVX2 and not AVX-512 or AMX, so these are
the instructions of `--isa avx2`, of one thread, with start-up (of a run of one frame, printed first) taken away.

    apt-get install valgrind
    STERNA=build/release/bin/sterna tests/perf/instructions.py [PHOTO.jpg...]

Each photo stands still for a second, at 8 frames a second: about half a minute of valgrind a tower pass.
"""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PHOTOS = Path(__file__).parents[2] / "tools/examples/photos"
FPS = 8
POLICIES = {"each frame encoded and put into words": ["--difference", "0", "--every", str(1 / FPS)],
            "unchanged frames spared, each put into words": ["--every", str(1 / FPS)],
            "unchanged frames spared, words where the meaning changes": []}


def instructions(folder, *options):
    """Of a whole run, and its last line."""
    run = subprocess.run(["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null",
                          os.environ["STERNA"], "watch", folder, "--fps", str(FPS), "--isa", "avx2", "--threads", "1",
                          *options], capture_output=True, text=True)
    found = re.search(r"I +refs: +([\d,]+)", run.stderr)
    if run.returncode != 0 or not found:
        sys.exit(run.stderr)
    summary = next(line for line in run.stderr.splitlines() if "looked at" in line)
    return int(found[1].replace(",", "")), re.search(r"\d+ frames looked at.*put into words", summary)[0]


def link(folder, photos):
    for i, photo in enumerate(photos):
        (Path(folder) / f"{i:03}.jpg").symlink_to(photo.resolve())


def main():
    photos = [Path(p) for p in sys.argv[1:]] or sorted(PHOTOS.glob("*.jpg"))
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as all_of_them:
        link(one, photos[:1])
        link(all_of_them, [p for p in photos for _ in range(FPS)])
        start, _ = instructions(one)
        print(f"start-up and one frame: {start / 1e6:.0f} million", flush=True)
        most = None
        for name, options in POLICIES.items():
            used, summary = instructions(all_of_them, *options)
            most = most or used - start
            print(f"{name}: {(used - start) / 1e6:.0f} million, {(used - start) / most:.3f} of the first ({summary})", flush=True)


if __name__ == "__main__":
    main()
