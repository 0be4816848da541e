#!/usr/bin/env python3
"""Compares the text towers of two model files by the cosine of embeddings, on the texts of sentences.py.

    compare_models.py STERNA FLOAT.gguf SMALL.gguf [LEAST]

Prints mean and least cosine and the worst texts; exits 1 if one is below LEAST (0.999). Needs Python's standard
library alone. How SMALL.gguf is made: `sterna model quantize FLOAT.gguf SMALL.gguf --calibrate
tools/train/calibration.txt`, whose texts are others than these.
"""
import array
import json
import pathlib
import subprocess
import sys
import tempfile

import sentences


def embed(sterna, model, texts):
    """Unit vectors of the texts."""
    with tempfile.TemporaryDirectory() as folder:
        source, out = pathlib.Path(folder, "texts"), pathlib.Path(folder, "out.jsonl")
        source.write_bytes(b"".join(text.encode() + b"\0" for text in texts))
        subprocess.run([sterna, "embed", "--model", model, "--text-file", source, "-0", "-o", out],
                       check=True, stderr=subprocess.DEVNULL)
        rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["input"] for row in rows] == texts, "rows are not in the order of the texts"
    return [array.array("f", row["embedding"]) for row in rows]


def main():
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    sterna, *models = sys.argv[1:4]
    least = float(sys.argv[4]) if len(sys.argv) == 5 else 0.999
    texts = [text for text in sentences.sentences() if text.strip()]  # embed refuses blank ones
    pairs = zip(*(embed(sterna, model, texts) for model in models))
    cosines = sorted((sum(x * y for x, y in zip(a, b)), text) for (a, b), text in zip(pairs, texts))
    below = sum(cosine < least for cosine, _ in cosines)
    print(f"{len(texts)} texts: cosine mean {sum(c for c, _ in cosines) / len(texts):.6f}, "
          f"least {cosines[0][0]:.6f}, {below} below {least}")
    for cosine, text in cosines[:5]:
        print(f"  {cosine:.6f}  {text[:60]!r}")
    return below > 0


if __name__ == "__main__":
    sys.exit(main())
