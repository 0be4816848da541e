#!/usr/bin/env python3
"""Times decode and bicubic resize here and in Pillow, in turns of the same run: the fastest
of each, since other work on the machine only ever adds.

    tests/perf/pixels_against_pillow.py build/release/bin/perf_pixels [PICTURE] [SIZE]

Without PICTURE a 640 x 480 JPEG is made from the bundled coffee photograph.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import PIL
from PIL import Image, ImageOps

REPEATS, TURNS = 100, 3


def pillow(path, size):
    def decode():
        return ImageOps.exif_transpose(Image.open(path)).convert("RGB")

    def timed(f):
        times = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            f()
            times.append((time.perf_counter() - start) * 1e3)
        return min(times)

    image = decode()
    bicubic = Image.Resampling.BICUBIC
    return {"decode": timed(decode), "resize": timed(lambda: image.resize((size, size), bicubic)),
            "decode+resize": timed(lambda: decode().resize((size, size), bicubic))}


def main():
    program, size = sys.argv[1], int(sys.argv[3]) if len(sys.argv) > 3 else 224
    with tempfile.TemporaryDirectory() as folder:
        path = sys.argv[2] if len(sys.argv) > 2 else str(Path(folder) / "640x480.jpg")
        if len(sys.argv) <= 2:
            photo = Path(__file__).resolve().parents[2] / "tools/examples/photos/coffee.jpg"
            Image.open(photo).resize((640, 480)).save(path, quality=90)
        ours, theirs = {}, {}
        for _ in range(TURNS):
            lines = subprocess.run([program, path, str(size), str(REPEATS)], check=True,
                                   capture_output=True, text=True).stdout.splitlines()
            for line in map(json.loads, lines):
                ours.setdefault((line["step"], line["isa"]), []).append(line["ms"])
            for step, ms in pillow(path, size).items():
                theirs.setdefault(step, []).append(ms)
    for (step, isa), times in ours.items():
        ms, other = min(times), min(theirs[step])
        print(json.dumps({"step": step, "isa": isa, "ms": round(ms, 4),
                          f"pillow_{PIL.__version__}_ms": round(other, 4),
                          "ratio": round(other / ms, 2)}))


if __name__ == "__main__":
    main()
