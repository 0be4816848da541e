#!/usr/bin/env python3
"""Prints how every family of checkpoints agrees with transformers, its blocks in float32, bf16 and int8:
for each output the largest error over the largest expected value in float32, and the cosines.

    tests/models/agreement.py build/release/bin/sterna [NAME...]
"""
import json
import pathlib
import subprocess
import sys

FOLDER = pathlib.Path(__file__).parents[1] / "golden" / "checkpoints"
LEAST = {"f32": 0.99999, "bf16": 0.9995, "i8": 0.998}


def check(sterna, golden, weights):
    name = golden.name.removesuffix(".golden.safetensors")
    p = subprocess.run([sterna, "model", "check", FOLDER / name.split(".")[0], "--golden", golden,
                        "--weights", weights, "--min-cosine", "-1", "--json"], capture_output=True, text=True)
    if p.returncode != 0:
        sys.exit(p.stderr)
    return {x["output"]: x for x in map(json.loads, p.stdout.splitlines())}


def main():
    sterna, names = sys.argv[1], sys.argv[2:]
    goldens = sorted(g for g in FOLDER.glob("*.golden.safetensors") if not names or g.name.split(".")[0] in names)
    print(f"{'golden':26} {'output':24} {'f32 error':>9} {'f32 cosine':>10} {'bf16':>9} {'i8':>9}")
    worst, bad = dict.fromkeys(LEAST, 1.0), 0
    for golden in goldens:
        found = {w: check(sterna, golden, w) for w in LEAST}
        for output, exact in found["f32"].items():
            cosines = {w: found[w][output]["cosine"] for w in LEAST}
            worst = {w: min(worst[w], cosines[w]) for w in LEAST}
            low = [w for w in LEAST if cosines[w] < LEAST[w]] + ["error"] * (exact["max_rel_err"] > 1e-4)
            bad += bool(low)
            print(f"{golden.name.removesuffix('.golden.safetensors'):26} {output:24} {exact['max_rel_err']:9.1e} "
                  f"{cosines['f32']:10.7f} {cosines['bf16']:9.6f} {cosines['i8']:9.6f}" + "  LOW: " * bool(low) + " ".join(low))
    print("lowest", " ".join(f"{w} {worst[w]:.6f} (at least {LEAST[w]})" for w in LEAST))
    sys.exit(bad != 0)


if __name__ == "__main__":
    main()
