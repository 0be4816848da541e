#!/usr/bin/env python3
"""`sterna model convert`, and quantize, info and check of what it writes, as users meet them:
convert_cli.py STERNA GOLDEN_CHECKPOINTS"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from safetensors_file import halved, load, save

sterna, golden = sys.argv[1], pathlib.Path(sys.argv[2])


def run(*args, code=0):
    p = subprocess.run([sterna, "model", *map(str, args)], capture_output=True, text=True, timeout=120)
    assert p.returncode == code, (args, p.returncode, p.stdout, p.stderr)
    if code in (2, 3):
        assert p.stdout == "" and p.stderr.startswith("sterna model: ") and p.stderr.count("\n") == 1, p
    return p.stderr if code else p.stdout


def check(model, expected, *more):
    return run("check", model, "--golden", expected, "--min-cosine", "-1", "--json", *more)


with tempfile.TemporaryDirectory() as scratch:
    scratch = pathlib.Path(scratch)
    out = scratch / "m.gguf"
    name = golden / "open_vljepa"
    expected = golden / "open_vljepa.golden.safetensors"

    # The file says of itself what it came from, and gives what the folder gives.
    report = json.loads(run("convert", name, out, "--json"))
    assert report["in"] == str(name) and report["file_after"] == out.stat().st_size
    assert report["left_out"] == [] and "config.json" in report["texts"], report
    assert all(t["from"] == t["to"] for t in report["tensors"])
    assert check(out, expected) == check(name, expected)
    assert "texts: config.json" in run("convert", name, out)
    run("check", out, "--golden", expected)

    # What counts as what, of the folder and of the file.
    of_folder, of_file = (json.loads(run("info", x, "--json")) for x in (name, out))
    assert of_folder["parts"] == of_file["parts"] and of_folder["problem"] is None
    assert set(of_file["parts"]) == {"predictor", "tower", "text", "table"}, of_file["parts"]
    assert {t["name"]: t["part"] for t in of_folder["tensors"]} == {t["name"]: t["part"] for t in of_file["tensors"]}
    text = run("info", name)
    assert "folder of safetensors" in text and "predictor" in text and "can't be run" not in text

    # Every kind of container: halves, shards, a scalar, integers, and types that GGUF lacks.
    folder = scratch / "folder"
    shutil.copytree(name, folder)
    for file in folder.iterdir():
        file.chmod(0o644)
    weights = load(folder / "model.safetensors")
    for dtype in ("BF16", "F16"):
        half = {k: (dtype, s, halved(dtype, c)) for k, (_, s, c) in weights.items()}
        save(folder / "model.safetensors", half)
        run("convert", folder, out)
        assert check(out, expected) == check(folder, expected)
        info = json.loads(run("info", out, "--json"))
        tables = sum(t["weights"] for t in info["tensors"] if t["part"] == "table")
        all_of_it = sum(t["weights"] for t in info["tensors"])
        assert info["widened_bytes"] == 4 * (all_of_it - (tables if dtype == "F16" else 0)), info["widened_bytes"]
        run("convert", folder, out, "--type", "@maps=bf16", "--type", "@tables=f16")
        after = json.loads(run("info", out, "--json"))["widened_bytes"]
        assert after < info["widened_bytes"] / 4, after
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    odd = {"long." + "x" * 80: ("F32", [2], b"\0" * 8), "scale": ("F32", [], b"\0" * 4),
           "ids": ("I64", [1, 3], b"\1" * 24), "mask": ("BOOL", [2], b"\0\1"), "none": ("F32", [0, 4], b"")}
    save(folder / "a.safetensors", {k: weights[k] for k in names[::2]})
    save(folder / "b.safetensors", {k: weights[k] for k in names[1::2]} | odd)
    index = {k: "a.safetensors" for k in names[::2]} | {k: "b.safetensors" for k in [*names[1::2], *odd]}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    (folder / "tokenizer.json").write_text('{"version": "1.0", "model": {"vocab": {"\u9ce5": 0}}}', encoding="utf-8")
    (folder / "preprocessor_config.json").write_text('{"size": 16}')
    report = json.loads(run("convert", folder, out, "--json"))
    assert sorted(report["left_out"]) == ["mask", "none"], report["left_out"]
    assert set(report["texts"]) == {"config.json", "tokenizer.json", "preprocessor_config.json"}
    assert check(out, expected) == check(golden / "open_vljepa", expected)
    listed = {t["name"]: t for t in json.loads(run("info", out, "--json"))["tensors"]}
    assert set(listed) == set(names) | {"long." + "x" * 80, "scale", "ids"}
    assert listed["long." + "x" * 80]["part"] == "other" and listed["ids"]["type"] == "i64"
    conv = [n for n, (_, s, _) in weights.items() if len(s) == 5]
    assert conv and all(listed[n]["shape"] == weights[n][1] for n in conv), conv

    # Quantising: by words, with what it costs; calibrated ternary with all three errors.
    run("convert", name, out)
    small = scratch / "small.gguf"
    report = json.loads(run("quantize", out, small, "--type", "@maps=i8", "--type", "@tables=i8", "--golden", expected,
                            "--json"))
    assert {o["output"] for o in report["outputs"]} == {"predicted", "target", "vision_tokens",
                                                        "vision_tokens_one_frame"}, report["outputs"]
    assert all(o["before"] >= 0.99999 and 0.99 <= o["after"] < 1 for o in report["outputs"]), report["outputs"]
    text = run("quantize", out, small, "--type", "@predictor=t5/64", "--calibrate", expected)
    assert "least squares" in text and "cosine before" in text and "predictor.layers." in text, text
    lines = [x for x in text.splitlines() if x.startswith(("predictor.layers.", "mean"))]
    assert len(lines) > 7
    for line in lines:
        error, fitted, nearest = (float(x) for x in line.replace("%", "").split()[1:])
        assert error <= fitted <= nearest, line
    run("check", small, "--golden", expected, "--min-cosine", "0")
    copy = json.loads(run("quantize", out, small, "--types", "*=keep", "--json"))
    assert all(o["after"] > 0.999999 for o in copy["outputs"]), copy["outputs"]

    # Nonsense and bad usage.
    assert "numbers that are no linear map" in run("convert", name, small, "--type", "*norm*=t5", code=3)
    assert "--type: rule \"*=q9\": expected type keep" in run("convert", name, small, "--type", "*=q9", code=2)
    assert "@everything" in run("quantize", out, small, "--type", "@everything=i8", code=2)
    run("convert", name, code=2)
    assert "expected a folder, found a GGUF" in run("convert", out, small, code=3)
    assert "--golden: expected an IN that" in run("quantize", golden.parent / "models" / "package.gguf", small,
                                                  "--golden", expected, code=2)
    assert "PATTERN" in run("convert", "--help")

    # What is read is not written over; a file made beside it before is.
    own = scratch / "own"
    shutil.copytree(name, own)
    for read in ("model.safetensors", "config.json"):
        whole = (own / read).read_bytes()
        assert f"input {own / read}" in run("convert", own, own / read, code=2)
        assert (own / read).read_bytes() == whole
    for _ in range(2):
        run("convert", own, own / "model.gguf")
    for option in ("--golden", "--calibrate"):
        copied = shutil.copy(expected, scratch / "copied.safetensors")
        assert "copied.safetensors" in run("quantize", out, copied, "--type", "@predictor=t5", option, copied, code=2)
        assert pathlib.Path(copied).read_bytes() == pathlib.Path(expected).read_bytes()

    # A full disk leaves nothing behind, and the old file as it was.
    before = out.read_bytes()
    if os.path.exists("/dev/full"):
        p = subprocess.run(["bash", "-c", 'ulimit -f 8; trap "" XFSZ; "$@"', "-", sterna, "model", "convert", name, out],
                           capture_output=True, text=True)
        assert p.returncode == 3 and "m.gguf: cannot write" in p.stderr, p
        assert out.read_bytes() == before and not list(scratch.glob("*.tmp-*"))
print("ok")
