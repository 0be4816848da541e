#!/usr/bin/env python3
"""`sterna model` as its users meet it: model_cli.py STERNA GOLDEN_FOLDER"""
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

sterna, golden = sys.argv[1], pathlib.Path(sys.argv[2])


def run(*args, code=0):
    p = subprocess.run([sterna, "model", *map(str, args)], capture_output=True, text=True, timeout=60)
    assert p.returncode == code, (args, p.returncode, p.stdout, p.stderr)
    if code != 0:  # one line on standard error that says who speaks
        assert p.stdout == "", p.stdout
        assert p.stderr.startswith("sterna model: ") and p.stderr.count("\n") == 1, p.stderr
    return p.stdout if code == 0 else p.stderr


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    small = folder / "small.gguf"
    report = json.loads(run("quantize", golden / "package.gguf", small, "--types",
                            "m.f32=t5,m.f16=f32", "--json"))
    assert report["file_after"] == small.stat().st_size
    assert {t["name"]: t["to"] for t in report["tensors"]} == {
        "m.f32": "t5", "m.f16": "f32", "m.i8": "i8", "m.i32": "i32", "m.q8_0": "q8_0"}
    assert "t5" in run("quantize", golden / "package.gguf", small, "--types", "m.f32=t5")

    # Rules of one's own that match nothing are told of, those of `shipped` are not.
    p = subprocess.run([sterna, "model", "quantize", golden / "package.gguf", small, "--type",
                        "m.f23=t5", "--type", "m.f*=f32", "--types", "x?=i8/64,shipped"],
                       capture_output=True, text=True)
    assert p.returncode == 0 and p.stderr.splitlines() == [
        'sterna model: no tensor matches "m.f23=t5"', 'sterna model: no tensor matches "x?=i8/64"'], p
    run("quantize", golden / "package.gguf", small, "--types", "m.f32=t5,m.f16=f32")

    info = json.loads(run("info", small, "--json"))
    tensors = {t["name"]: t for t in info["tensors"]}
    assert len(tensors) == 5 and info["file_bytes"] == small.stat().st_size
    assert tensors["m.f32"] == {"name": "m.f32", "type": "t5", "shape": [2, 3], "weights": 6,
                                "bytes": 68, "bits_per_weight": 90.6667, "part": "other"}, tensors
    assert info["bytes"] == sum(t["bytes"] for t in tensors.values())
    assert info["parts"]["other"]["tensors"] == 5
    # Metadata as values: strings whole, made UTF-8; numbers; arrays, of long ones the length.
    def text(b):
        return struct.pack("<Q", len(b)) + b

    def array(kind, values):
        return struct.pack("<IQ", kind, len(values)) + b"".join(values)

    stored = [(b"general.architecture", 8, text(b"sterna")), (b"long", 8, text(b'"' + 200 * b"x\n")),
              (b"latin1", 8, text(b"caf\xe9")), (b"yes", 7, b"\1"), (b"n", 4, struct.pack("<I", 7)),
              (b"minus", 11, struct.pack("<q", -5)), (b"half", 6, struct.pack("<f", 0.5)),
              (b"none", 9, array(4, [])), (b"words", 9, array(8, [text(b"a"), text(b"b c")])),
              (b"bits", 9, array(7, [b"\1", b"\0"])), (b"reals", 9, array(12, [struct.pack("<d", 0.1)])),
              (b"few", 9, array(5, [struct.pack("<i", -i) for i in range(64)])),
              (b"many", 9, array(0, [b"\1"] * 65))]
    (folder / "values.gguf").write_bytes(
        b"GGUF" + struct.pack("<IQQ", 3, 0, len(stored)) +
        b"".join(text(key) + struct.pack("<I", kind) + value for key, kind, value in stored))
    values = json.loads(run("info", folder / "values.gguf", "--json"))["metadata"]
    assert values == {
        "general.architecture": "sterna", "long": '"' + 200 * "x\n", "latin1": "caf\ufffd",
        "yes": True, "n": 7, "minus": -5, "half": 0.5, "none": [], "words": ["a", "b c"],
        "bits": [True, False], "reals": [0.1], "few": [-i for i in range(64)],
        "many": {"array": 65}}, values
    lines = run("info", folder / "values.gguf").splitlines()
    for key, shown in ("general.architecture", '"sterna"'), ("n", "7"), ("words", "array of 2"):
        assert f"{key:36} {shown}" in lines, lines
    assert json.loads(run("info", golden.parent / "checkpoints" / "clip", "--json"))["metadata"][
        "model_type"] == "clip"

    text = run("info", small)
    assert "m.q8_0" in text and "bits/weight" in text and "of FP16" in text and "\x1b" not in text
    assert json.loads(run("info", golden / "package.safetensors", "--json"))["format"] == "safetensors"

    # Files that are no models, or broken ones: exit code 3, and the name of the file.
    whole = (golden / "package.gguf").read_bytes()
    for percent in range(100):
        cut = folder / "cut.gguf"
        cut.write_bytes(whole[:len(whole) * percent // 100])
        p = subprocess.run([sterna, "model", "info", cut], capture_output=True, text=True)
        # Only the padding behind the last tensor can be missing: 28 bytes of 992.
        assert p.returncode == 3 or percent >= 97, (percent, p)
        assert p.returncode in (0, 3) and (p.returncode == 0 or str(cut) in p.stderr), (percent, p)
    assert "No such file" in run("info", folder / "missing.gguf", code=3)
    assert "found a directory" in run("info", folder, code=3)
    (folder / "empty.gguf").touch()
    assert "file is empty" in run("info", folder / "empty.gguf", code=3)
    (folder / "text.gguf").write_text("not a model at all\n")
    assert "expected a GGUF or safetensors file" in run("info", folder / "text.gguf", code=3)
    before = sorted(folder.iterdir())
    assert "no/out.gguf" in run("quantize", small, folder / "no" / "out.gguf", code=3)
    assert "m.i8" in run("quantize", small, folder / "out.gguf", "--types", "m.i8=t5", code=3)
    assert sorted(folder.iterdir()) == before  # nothing half-written

    # Calibration: reads texts, writes the same layout, names what is wrong with the texts.
    tower, texts = golden.parent / "tower" / "tiny.gguf", folder / "texts.txt"
    texts.write_text("a dog\n\nwhat is this?\r\n猫\n!!\n", encoding="utf-8")
    int8 = ("--types", "language.*.bias=keep,language.blocks.*norm.weight=f16,language.blocks.*.weight=i8,shipped")
    run("quantize", tower, folder / "plain.gguf", *int8)
    report = json.loads(run("quantize", tower, folder / "calibrated.gguf", "--calibrate", texts, "--json", *int8))
    assert report["file_after"] == (folder / "plain.gguf").stat().st_size
    assert len(report["calibrated"]) == 8
    assert all(0 <= m["error"] <= m["nearest"] for m in report["calibrated"]), report["calibrated"]
    text = run("quantize", tower, folder / "calibrated.gguf", "--calibrate", texts, "--threads", "2", *int8)
    assert "to nearest" in text and "language.blocks.1.mlp_down.weight" in text

    def refused(content):
        if content is not None:
            (folder / "bad.txt").write_bytes(content)
        return run("quantize", tower, folder / "no.gguf", "--calibrate", folder / "bad.txt", *int8, code=3)

    assert "bad.txt: can't be opened: No such file" in refused(None)
    assert "bad.txt: the file is empty" in refused(b"")
    assert "blank lines alone" in refused(b" \n\t\r\n\n")
    assert "bad.txt: line 2: expected UTF-8" in refused(b"fine\nnot \xff fine\n")
    assert "found a folder" in run("quantize", tower, folder / "no.gguf", "--calibrate", folder, code=3)
    assert "calibration: expected" in run("quantize", folder / "plain.gguf", folder / "no.gguf",
                                          "--calibrate", texts, *int8, code=3)
    assert not (folder / "no.gguf").exists()
    run("quantize", tower, folder / "no.gguf", "--calibrate", texts, "--threads", "-1", code=2)

    # On pictures and questions, the blocks of vision tower and predictor; with texts, both.
    picture = (golden.parent / "pixels" / "base.jpg").resolve()
    (folder / "base.jpg").write_bytes(picture.read_bytes())
    asked = folder / "asked.jsonl"
    asked.write_text('{"image": "base.jpg", "question": "what is this?", "answer": "a dog"}\n\n'
                     f'{{"image": "{picture}", "question": "a dog?", "choices": ["yes", "no"]}}\n'
                     '{"image": "base.jpg", "question": "red"}\n', encoding="utf-8")
    calibrated = folder / "calibrated.gguf"
    report = json.loads(run("quantize", tower, calibrated, "--calibrate", asked, "--json", *int8))
    assert report["file_after"] == (folder / "plain.gguf").stat().st_size
    assert len(report["calibrated"]) == 16
    assert all(0 <= m["error"] <= m["refitted"] <= m["nearest"] for m in report["calibrated"])
    both = json.loads(run("quantize", tower, calibrated, "--calibrate", texts, "--calibrate", asked, "--json", *int8))
    assert [m["name"] for m in both["calibrated"][8:]] == [m["name"] for m in report["calibrated"]]
    assert "least squares" in run("quantize", tower, calibrated, "--calibrate", asked, "--threads", "2")
    reply = subprocess.run([sterna, "ask", picture, "what is this?", "--model", calibrated, "--json"],
                           capture_output=True, text=True, timeout=60)
    assert json.loads(reply.stdout)["answer"], reply

    def unasked(content):
        (folder / "bad.jsonl").write_text(content, encoding="utf-8")
        return run("quantize", tower, folder / "no.gguf", "--calibrate", folder / "bad.jsonl", code=3)

    line = '{"image": "base.jpg", "question": "red"}\n'
    assert "bad.jsonl: the file is empty" in unasked("")
    assert "bad.jsonl: expected pictures and questions to calibrate on, found none" in unasked("\n \n")
    assert "bad.jsonl:2: expected a JSON object, found no JSON" in unasked(line + "{")
    assert 'bad.jsonl:2: "question" is missing' in unasked(line + '{"image": "base.jpg"}\n')
    assert 'bad.jsonl:1: "question" is empty' in unasked('{"image": "base.jpg", "question": ""}\n')
    assert 'bad.jsonl:1: "image" is missing' in unasked('{"question": "red"}\n')
    assert "gone.jpg: can't be opened: No such file" in unasked(line + '{"image": "gone.jpg", "question": "red"}\n')
    assert "texts.txt" in unasked('{"image": "texts.txt", "question": "red"}\n')
    assert "expected rules that store f32 maps" in run(
        "quantize", folder / "plain.gguf", folder / "no.gguf", "--calibrate", asked, *int8, code=3)
    assert "one file of inputs" in run("quantize", tower, folder / "no.gguf", "--calibrate", "a.safetensors",
                                       "--calibrate", "b.safetensors", code=2)
    assert not (folder / "no.gguf").exists()

    # The committed texts are not those that the result is measured on.
    root = golden.parent.parent.parent
    sys.path.insert(0, str(root / "tests" / "language"))
    import sentences
    shipped = (root / "tools" / "train" / "calibration.txt").read_text(encoding="utf-8").splitlines()
    assert len(shipped) >= 300 and not set(shipped) & set(sentences.sentences())

    # Bad usage: exit code 2.
    run(code=2)
    run("frobnicate", code=2)
    run("quantize", small, code=2)
    assert "q9" in run("quantize", small, folder / "out.gguf", "--types", "*=q9", code=2)
    assert "--types" in run("quantize", "--help")
print("ok")
