#!/usr/bin/env python3
"""Goldens of the stream gate: Ward trees of short sequences under a chain, from scikit-learn.

usage: make_stream.py            writes decoder/ward_*.txt beside this file
needs: numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1

A file is words separated by blanks: n d, the n*d embeddings (float32, shortest decimals), then
n-1 merges "boundary height" in order, then the number of cuts and for each "count K" or "height H",
and n labels numbered in the order of time.
"""
import importlib.metadata
import pathlib

import numpy as np
from scipy.cluster.hierarchy import fcluster
from scipy.sparse import diags
from sklearn.cluster import ward_tree
from sklearn.cluster._agglomerative import _hc_cut

PINNED = {"numpy": "2.4.6", "scipy": "1.17.1", "scikit-learn": "1.9.1"}
FOLDER = pathlib.Path(__file__).parent / "decoder"


def in_order_of_time(labels):
    """Renumbers labels of a chain so that the first segment is 0, the next 1, ..."""
    return np.concatenate([[0], np.cumsum(labels[1:] != labels[:-1])])


def write(name, x, counts):
    x = np.ascontiguousarray(x, dtype=np.float32)
    n, d = x.shape
    chain = diags([np.ones(n - 1), np.ones(n - 1)], [-1, 1], format="csr")
    children, _, leaves, _, heights = ward_tree(
        x.astype(np.float64), connectivity=chain, return_distance=True)
    assert leaves == n

    first = list(range(n)) + [0] * (n - 1)  # of each node of the tree
    boundaries = []
    for i, (a, b) in enumerate(children):
        boundaries.append(max(first[a], first[b]))
        first[n + i] = min(first[a], first[b])

    cuts = [(f"count {k}", _hc_cut(k, children, n)) for k in counts]
    sizes = [1] * n
    linkage = np.zeros((n - 1, 4))
    for i, (a, b) in enumerate(children):
        sizes.append(sizes[a] + sizes[b])
        linkage[i] = [min(a, b), max(a, b), heights[i], sizes[-1]]
    for share in (0.3, 0.6, 0.9):
        at = int(share * (n - 2))
        low, high = np.append(np.sort(heights), np.inf)[at:at + 2]
        if np.isinf(high):
            high = low + 1
        if high - low > 1e-9:  # never at a height itself
            height = float((low + high) / 2)
            cuts.append((f"height {height!r}", fcluster(linkage, height, criterion="distance")))

    with open(FOLDER / f"ward_{name}.txt", "w") as f:
        f.write(f"{n} {d}\n")
        for row in x:
            f.write(" ".join(np.format_float_positional(v, trim="-") for v in row) + "\n")
        for boundary, height in zip(boundaries, heights):
            f.write(f"{boundary} {float(height)!r}\n")
        f.write(f"{len(cuts)}\n")
        for what, labels in cuts:
            f.write(what + "\n" + " ".join(map(str, in_order_of_time(labels))) + "\n")
    drops = int(np.sum(np.diff(heights) < 0))
    print(f"ward_{name}.txt: n={n} d={d} merges that cost less than the one before: {drops}")


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def main():
    for package, version in PINNED.items():
        found = importlib.metadata.version(package)
        if found != version:
            raise SystemExit(f"{package}: expected {version}, found {found}")
    rng = np.random.default_rng(20260722)
    FOLDER.mkdir(exist_ok=True)
    # Scenes with cuts: unit vectors round a few directions.
    scenes = unit(rng.normal(size=(7, 12)))
    lengths = [9, 3, 17, 1, 12, 6, 16]
    write("scenes", unit(np.repeat(scenes, lengths, axis=0) + 0.1 * rng.normal(size=(64, 12))),
          (1, 2, 7, 20, 64))
    # A walk without any structure.
    write("walk", np.cumsum(rng.normal(size=(80, 5)), axis=0), (3, 11, 40))
    # To and fro between two places: many merges cost less than the one before.
    swing = np.where(np.arange(48)[:, None] % 2 == 0, [0.0, 0.0], [1.0, 0.4])
    write("swing", swing + 0.05 * rng.normal(size=(48, 2)), (2, 9, 25))
    # Frames that repeat exactly.
    write("repeats", np.repeat(rng.normal(size=(10, 4)), [1, 4, 2, 1, 3, 5, 1, 1, 6, 2], axis=0),
          (4, 10))
    write("two", np.array([[0.0, 1.0], [1.0, 0.5]]), (1, 2))


if __name__ == "__main__":
    main()
