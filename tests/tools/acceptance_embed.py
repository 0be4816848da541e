#!/usr/bin/env python3
"""The full-size promise of `sterna embed`, by hand: 10,000 pictures of which 500 are broken in many
ways give 9,500 rows and 500 named failures, exit code 1; killed half way and resumed, the same rows.

usage: STERNA=build/release/bin/sterna tests/tools/acceptance_embed.py PHOTOS [COUNT]

PHOTOS: a folder of real JPEG photos; each is used with different bytes behind its end, which change
its hash but not its pixels, so that nothing is known by its content.
"""
import json
import os
import pathlib
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time

BROKEN = {
    "empty": lambda photo: b"",
    "text": lambda photo: b"This is no picture at all.\n",
    "head only": lambda photo: photo[:100],
    "cut in its header": lambda photo: photo[:300],
    "cut in its first rows": lambda photo: photo[:700],
    "zeros": lambda photo: bytes(5000),
    "a bomb": lambda photo: photo[:photo.index(b"\xff\xc0") + 5] + b"\xff\xff\xff\xff" +
    photo[photo.index(b"\xff\xc0") + 9:],
    "missing": None,
    "a folder": None,
    "random bytes": lambda photo: random.Random(len(photo)).randbytes(3000),
}


def make_pictures(folder, photos, count):
    """COUNT names, every twentieth of them broken; returns the names that must fail."""
    broken, kinds = [], list(BROKEN)
    names = []
    for i in range(count):
        name = folder / f"{i // 1000:02}" / f"{i:06}.jpg"
        name.parent.mkdir(exist_ok=True)
        names.append(str(name))
        photo = photos[i % len(photos)]
        if i % 20 != 7:
            name.write_bytes(photo + struct.pack("<Q", i))
            continue
        kind = kinds[len(broken) % len(kinds)]
        broken.append(str(name))
        if kind == "a folder":
            name.mkdir()
        elif kind != "missing":
            name.write_bytes(BROKEN[kind](photo))
    (folder / "list").write_text("\n".join(names) + "\n")
    return names, broken


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def main():
    sterna = os.path.abspath(os.environ["STERNA"])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    photos = [path.read_bytes() for path in sorted(pathlib.Path(sys.argv[1]).glob("*.jpg"))]
    # A bomb needs a baseline header to patch.
    photos = [photo for photo in photos if b"\xff\xc0" in photo]
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        names, broken = make_pictures(folder, photos, count)
        print(f"{count} pictures from {len(photos)} photos, {len(broken)} of them broken", flush=True)

        def command(out):
            return [sterna, "embed", f"@{folder}/list", "-o", str(folder / out), "--json"]

        start = time.monotonic()
        whole = subprocess.run(command("whole.npy"), capture_output=True, text=True)
        print(whole.stdout.strip())
        seconds = time.monotonic() - start
        rows, lines = read_rows(folder / "whole.npy"), read(folder / "whole.jsonl")
        failed = [line["input"] for line in lines if "error" in line]
        assert whole.returncode == 1, whole.stderr[-2000:]
        assert failed == broken, set(failed) ^ set(broken)
        assert rows == count - len(broken) == sum("row" in line for line in lines)
        assert len([line for line in whole.stderr.splitlines() if "whole.npy" not in line]) == len(broken)
        print(f"{rows} rows, {len(failed)} named failures, exit code 1, {seconds:.1f} s, "
              f"{(count - len(broken)) / seconds:.1f} pictures/s")

        process = subprocess.Popen(command("killed.npy"), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        part = folder / "killed.jsonl.part"
        while not part.exists() or part.read_bytes().count(b"\n") < count // 2:
            time.sleep(0.2)
            assert process.poll() is None, "it ended before it was killed"
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not (folder / "killed.npy").exists()
        again = subprocess.run(command("killed.npy"), capture_output=True, text=True)
        assert again.returncode == 1, again.stderr[-2000:]
        summary = json.loads(again.stdout)
        for end in ("npy", "jsonl"):
            assert (folder / f"whole.{end}").read_bytes() == (folder / f"killed.{end}").read_bytes()
        print(f"killed with SIGKILL at {summary['resumed']} of {count}, resumed: the same bytes in "
              ".npy and .jsonl, exit code 1")


def read_rows(path):
    data = path.read_bytes()
    shape = data[:128].split(b"'shape': (")[1].split(b")")[0]
    rows, cols = (int(number) for number in shape.split(b","))
    assert len(data) == 128 + 4 * rows * cols
    return rows


if __name__ == "__main__":
    main()
