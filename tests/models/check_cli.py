#!/usr/bin/env python3
"""`sterna model check` as its users meet it, on whole folders and on broken ones:
check_cli.py STERNA GOLDEN_CHECKPOINTS"""
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

from safetensors_file import halved, load, save

sterna, golden = sys.argv[1], pathlib.Path(sys.argv[2])


def run(*args, code=0):
    p = subprocess.run([sterna, "model", "check", *map(str, args)], capture_output=True, text=True, timeout=60)
    assert p.returncode == code, (args, p.returncode, p.stdout, p.stderr)
    if code in (2, 3):  # one line on standard error that says who speaks
        assert p.stdout == "" and p.stderr.startswith("sterna model: ") and p.stderr.count("\n") == 1, p
    return p.stderr if code in (2, 3) else p.stdout


with tempfile.TemporaryDirectory() as scratch:
    folder = pathlib.Path(scratch) / "m"
    shutil.copytree(golden / "open_vljepa", folder)
    file, config = folder / "model.safetensors", folder / "config.json"
    expected = golden / "open_vljepa.golden.safetensors"
    weights, settings = load(file), json.loads(config.read_text())
    inputs = load(expected)
    config.chmod(0o644), file.chmod(0o644)

    lines = [json.loads(x) for x in run(folder, "--golden", expected, "--json").splitlines()]
    assert [x["output"] for x in lines] == ["predicted", "target", "vision_tokens", "vision_tokens_one_frame"]
    assert all(set(x) == {"output", "cosine", "max_rel_err"} for x in lines)
    assert all(x["cosine"] >= 0.99999 and x["max_rel_err"] <= 1e-4 for x in lines), lines
    text = run("--model", folder, "--golden", expected, "--threads", 1)
    assert text.count("\n") == 4 and "predicted" in text

    # Numbers are of this model: others are noticed, and so is each of the golden's outputs.
    off = dict(inputs)
    dtype, shape, content = off["predicted"]
    off["predicted"] = (dtype, shape, content[4:] + content[:4])
    save(folder / "off.safetensors", off)
    p = subprocess.run([sterna, "model", "check", folder, "--golden", folder / "off.safetensors", "--json"],
                       capture_output=True, text=True)
    assert p.returncode == 1 and "predicted: the cosine is below" in p.stderr, p
    assert json.loads(p.stdout.splitlines()[0])["cosine"] < 0.9
    run(folder, "--golden", folder / "off.safetensors", "--min-cosine", "-1")

    # Other containers of the same weights: halves, shards, an unaligned file.
    for dtype, least in (("BF16", 0.999), ("F16", 0.99999)):
        save(file, {k: (dtype, s, halved(dtype, c)) for k, (_, s, c) in weights.items()})
        run(folder, "--golden", expected, "--min-cosine", least)
    save(file, {"x": ("U8", [1], b"?")} | weights)
    run(folder, "--golden", expected)
    file.unlink()
    names, shards = sorted(weights), {}
    for part in range(3):
        shard = f"model-{part + 1:05}-of-00003.safetensors"
        save(folder / shard, {k: weights[k] for k in names[part::3]})
        shards |= {k: shard for k in names[part::3]}
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": shards}))
    run(folder, "--golden", expected)

    def index_fault(text, says):
        index.write_text(text)
        error = run(folder, "--golden", expected, code=3)
        assert says in error and str(folder) in error, error
    index_fault(json.dumps({"weight_map": shards | {names[0]: "../m/" + shards[names[0]]}}), "in this folder")
    index_fault(json.dumps({"weight_map": shards | {names[0]: "/etc/passwd"}}), "in this folder")
    index_fault(json.dumps({"weight_map": shards | {names[0]: "gone.safetensors"}}), "gone.safetensors")
    index_fault(json.dumps({"weight_map": shards | {names[0]: shards[names[1]]}}), "is missing")
    index_fault('{"weight_map": {"a": "x", "a": "y"}}', "occurs twice")
    index_fault('{"weight_map": {"a": 5}}', "expected the name of a file")
    index_fault('{"weight_map": ' + "[" * 100000, "nesting")
    index_fault("[]", "expected an object")
    index_fault("{}", "expected tensors, found none")
    index_fault("{", "expected JSON")
    index.unlink()

    for weights_type, least in (("f32", 0.99999), ("bf16", 0.9995), ("i8", 0.998)):
        save(file, weights)
        run(folder, "--golden", expected, "--weights", weights_type, "--min-cosine", least)
        run(folder, "--golden", expected, "--weights", weights_type)
    assert "q4" in run(folder, "--golden", expected, "--weights", "q4", code=2)

    # Broken weights.
    def weights_fault(tensors, *says):
        save(file, tensors)
        error = run(folder, "--golden", expected, code=3)
        assert "model.safetensors" in error and all(x in error for x in says), (says, error)
    for name in names:
        if name.startswith("x_encoder.model.predictor."):
            continue  # V-JEPA 2's own head is not this model's
        dtype, shape, content = weights[name]
        weights_fault({k: v for k, v in weights.items() if k != name}, f'"{name}" is missing')
        rest = {k: v for k, v in weights.items() if k != name}
        weights_fault(rest | {name: ("I32", shape, content)}, f'"{name}": expected', "found I32")
        weights_fault(rest | {name: (dtype, [1, *shape], content)}, f'"{name}": expected')
        if shape[0] > 1:
            less = len(content) // shape[0]
            weights_fault(rest | {name: (dtype, [shape[0] - 1, *shape[1:]], content[less:])}, f'"{name}": expected')
    save(file, weights)
    whole = file.read_bytes()
    for percent in range(0, 100, 7):
        file.write_bytes(whole[:len(whole) * percent // 100])
        assert "model.safetensors" in run(folder, "--golden", expected, code=3)
    file.write_bytes(whole)

    # Broken settings.
    def config_fault(text, says):
        config.write_text(text if isinstance(text, str) else json.dumps(text))
        error = run(folder, "--golden", expected, code=3)
        assert "config.json" in error and says in error, (says, error)

    def other(part, key, value):
        changed = json.loads(json.dumps(settings))
        changed[part][key] = value
        return changed
    for key, value in [("hidden_size", 2**63), ("hidden_size", -1), ("hidden_size", 1.5), ("hidden_size", "24"),
                       ("num_attention_heads", 0), ("num_attention_heads", 5), ("num_hidden_layers", 10**9),
                       ("patch_size", 10**6), ("tubelet_size", 0), ("crop_size", 1), ("mlp_ratio", 1e300),
                       ("hidden_act", "mish"), ("in_chans", 4), ("layer_norm_eps", "x"), ("qkv_bias", 1)]:
        config_fault(other("x_encoder", key, value), f"x_encoder.{key}: expected")
    config_fault(other("x_encoder", "model_type", "resnet"), "x_encoder.model_type: expected")
    for key, value in [("num_key_value_heads", 3), ("head_dim", 4096), ("vocab_size", 2**40), ("n_keep_layers", 99),
                       ("proj_dim", 0), ("rope_parameters", 5), ("intermediate_size", 0),
                       ("rope_parameters", {"rope_type": "yarn"})]:
        config_fault(other("predictor", key, value), f"predictor.{key}")
    for key, value in [("sliding_window", 0), ("layer_types", ["x"]), ("query_pre_attn_scalar", 0),
                       ("attn_logit_softcapping", 50), ("hidden_activation", 7), ("proj_dim", 21)]:
        config_fault(other("y_encoder", key, value), f"y_encoder.{key}: expected")
    config_fault({"model_type": "mamba"}, 'model_type: expected one of bert, clip')
    config_fault({}, "model_type: expected")
    config_fault("[1]", "expected an object")
    config_fault("not json", "expected JSON, found a fault at byte")
    config_fault("\0\1\2", "expected JSON")
    config_fault('{"a":' * 100000, "levels of nesting")
    config_fault('{"model_type": "\xff"}'.encode("latin-1").decode("utf-8", "surrogateescape").encode(
        "utf-8", "surrogateescape").decode("latin-1"), "config.json")
    config.write_text("")
    assert "config.json: file is empty" in run(folder, "--golden", expected, code=3)
    config.unlink()
    assert "config.json" in run(folder, "--golden", expected, code=3)
    config.write_text(json.dumps(settings))

    # Golden files that don't fit.
    broken = folder / "broken.safetensors"

    def golden_fault(tensors, *says):
        save(broken, tensors)
        error = run(folder, "--golden", broken, code=3)
        assert str(broken) in error and all(x in error for x in says), (says, error)
    without = lambda *names: {k: v for k, v in inputs.items() if k not in names}
    golden_fault(without("pixels"), '"pixels" is missing')
    golden_fault(without("query_ids"), '"query_ids" is missing')
    golden_fault(without("predicted", "target", "vision_tokens", "vision_tokens_one_frame"), "found none")
    golden_fault(inputs | {"logits": ("F32", [1], b"\0" * 4)}, '"logits"', "another name")
    dtype, shape, content = inputs["vision_tokens"]
    golden_fault(inputs | {"vision_tokens": (dtype, [shape[1], shape[0], shape[2]], content)}, '"vision_tokens"')
    dtype, shape, content = inputs["query_ids"]
    for number in (-1, 40, 2**31 - 1, 2**62):
        ids = struct.pack("<q", number) + content[8:]
        golden_fault(inputs | {"query_ids": (dtype, shape, ids)}, "token id", str(number))
    golden_fault(inputs | {"query_mask": ("F32", [1, 1], b"\0" * 4)}, '"query_mask"')
    golden_fault(inputs | {"query_ids": ("F32", [1, 1], b"\0" * 4)}, '"query_ids"')
    golden_fault(inputs | {"pixels": ("F32", [1, 1, 3, 2, 2], b"\0" * 48)}, "pictures of at least 4 x 4")
    golden_fault(inputs | {"pixels": ("F32", [1, 1, 1, 4, 4], b"\0" * 64)}, '"pixels"')
    golden_fault(inputs | {"pixels": ("F32", [0, 4, 3, 12, 12], b"")}, '"pixels"')
    broken.write_bytes(b"nothing like it")
    assert str(broken) in run(folder, "--golden", broken, code=3)
    assert "gone" in run(folder, "--golden", folder / "gone", code=3)

    # A GGUF with float weights: pictures are normalised pixels, texts are padded.
    tower = load(golden.parent / "tower" / "tiny.safetensors")
    rgb = tower["pixels"][2]
    pixels = [(rgb[3 * i + c] - mean) / std for c, (mean, std) in
              enumerate(((120, 64), (127, 128), (130, 100))) for i in range(64 * 64)]
    texts = [struct.unpack(f"<{len(x) // 4}i", x) for x in (tower[f"ids.{k}"][2] for k in range(3))]
    long = max(map(len, texts)) + 2
    ids = [i for text in texts for i in (*text, *[0] * (long - len(text)))]
    mask = [float(i < len(text)) for text in texts for i in range(long)]
    width = tower["text.0"][1][0]
    tokens = tower["vision.float"]
    same = {"pixels": ("F32", [3, 1, 3, 64, 64], struct.pack("<12288f", *pixels) * 3),
            "vision_tokens": ("F32", [3, *tokens[1]], tokens[2] * 3),
            "predicted": ("F32", [3, width], tower["predicted.float"][2]),
            "target": ("F32", [3, width], b"".join(tower[f"text.{k}"][2] for k in range(3)))}
    for what in ("query", "target"):
        same |= {f"{what}_ids": ("I64", [3, long], struct.pack(f"<{len(ids)}q", *ids)),
                 f"{what}_mask": ("F32", [3, long], struct.pack(f"<{len(mask)}f", *mask))}
    save(broken, same)
    lines = [json.loads(x) for x in run(golden.parent / "tower" / "tiny.gguf", "--golden", broken, "--json").splitlines()]
    assert len(lines) == 3 and all(x["cosine"] >= 0.99999 and x["max_rel_err"] <= 1e-4 for x in lines), lines
    assert "tiny.gguf" not in run(golden.parent / "tower" / "tiny.gguf", "--golden", expected, code=3)
    assert "model.safetensors" in run(file, "--golden", expected, code=3)

    run(code=2)
    run(folder, code=2)
    run(folder, folder, "--golden", expected, code=2)
    run(folder, "--golden", expected, "--min-cosine", "2", code=2)
print("ok")
