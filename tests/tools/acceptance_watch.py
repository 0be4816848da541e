#!/usr/bin/env python3
"""The full-size promises of `sterna watch`, by hand: memory that stays flat over two hours of stream,
and what a fixed camera costs. Prints one JSON object a promise; exit code 1 if one is not kept.

usage: STERNA=build/release/bin/sterna tests/tools/acceptance_watch.py [HOURS]

memory: HOURS (2) of stream at 8 frames a second, given as fast as it is taken: raw frames of plain
scenes with noise, another scene every few seconds, with a report and saved embeddings. Resident
memory after each twentieth part; it may grow by 2 MB from the first of them on.

static: 640 x 480 at 30 frames a second for 30 s, in time, nothing but noise; the processor's share of
one core is 60 % at most. moving: the same with every frame looked at encoded: 8 embeddings a second,
and nothing dropped.
"""
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

STERNA = os.environ.get("STERNA", "build/release/bin/sterna")
ONE_THREAD = ["--threads", "1", "--json"]


def noisy(rng, colour, pixels, levels):
    """A raw RGB frame of a colour with noise of some levels."""
    planes = [rng.randbytes(pixels).translate(bytes(min(255, c + n % levels) for n in range(256)))
              for c in colour]
    frame = bytearray(3 * pixels)
    for i, plane in enumerate(planes):
        frame[i::3] = plane
    return bytes(frame)


def resident(process):
    """Bytes of memory that a process has in use."""
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no VmRSS: the process has ended")


def watch(folder, *arguments, **options):
    return subprocess.Popen([STERNA, "watch", "-", *ONE_THREAD, *arguments], cwd=folder,
                            stdin=subprocess.PIPE, **options)


def memory(folder, hours):
    width, height, fps = 96, 72, 8
    rng = random.Random(1)
    frames = round(hours * 3600 * fps)
    with open(folder / "events.jsonl", "wb") as out:
        process = watch(folder, "--raw", f"{width}x{height}@{fps}", "--fps", "0", "--report",
                        "r.html", "--save", "e.npy", stdout=out)
        levels, sent = [], 0
        while sent < frames:
            colour = [rng.randrange(250) for _ in range(3)]
            for _ in range(min(rng.randrange(8, 64), frames - sent)):
                process.stdin.write(noisy(rng, colour, width * height, 3))
                sent += 1
                if sent % (frames // 20) == 0:
                    levels.append(resident(process))
        process.stdin.close()
        code = process.wait()
    *_, summary = [json.loads(line) for line in open(folder / "events.jsonl")]
    grown = (max(levels) - levels[0]) / 2**20
    return {"promise": "memory", "kept": code == 0 and grown <= 2, "hours": hours,
            "resident_mb": [round(level / 2**20, 1) for level in levels],
            "grown_mb": round(grown, 2), **summary}


def camera(folder, name, seconds, *arguments):
    """A camera's frames, in time."""
    rng = random.Random(2)
    frames = [noisy(rng, (120, 90, 60), 640 * 480, 7) for _ in range(8)]
    process = watch(folder, "--raw", "640x480@30", "--live", *arguments, stdout=subprocess.PIPE)
    time.sleep(1)  # the model is open
    start = time.monotonic()
    for i in range(seconds * 30):
        time.sleep(max(0, start + i / 30 - time.monotonic()))
        process.stdin.write(frames[i % len(frames)])
    process.stdin.close()
    *_, summary = [json.loads(line) for line in process.stdout]
    took = time.monotonic() - start
    _, status, used = os.wait4(process.pid, 0)
    return {"promise": name, "code": os.waitstatus_to_exitcode(status),
            "core_share": round((used.ru_utime + used.ru_stime) / took, 3),
            "embeddings_per_second": round(summary["embedded"] / took, 2), **summary}


def main():
    hours = float(sys.argv[1]) if len(sys.argv) > 1 else 2
    global STERNA
    STERNA = os.path.abspath(STERNA)
    kept = True
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        still = camera(folder, "static", 30)
        still["kept"] = still["code"] == 0 and still["core_share"] <= 0.6
        moving = camera(folder, "moving", 30, "--difference", "0")
        moving["kept"] = moving["code"] == 0 and moving["embeddings_per_second"] >= 7.8
        for result in still, moving, memory(folder, hours):
            print(json.dumps(result), flush=True)
            kept = kept and result["kept"]
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
