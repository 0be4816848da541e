"""Mosaics of photos: real things on their own grounds, small, several and in known places.

Composed scenes show cut-outs, whose edges and grounds give them away; whole photos show one thing in the middle. A mosaic's
tiles are training photos whose thing is masked (things.object_masks), some with it painted in a known colour.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from colours import paint
from labels import COLOURS

GRIDS = [(1, 2), (2, 1), (2, 2), (1, 3), (3, 1), (2, 3), (3, 2)]  # rows, columns
PAINTED = 0.5  # share of the tiles whose thing is painted
SAME = 0.6  # share of the mosaics in which one thing is there several times


@dataclass
class Tile:
    word: str
    kind: tuple | None
    pixels: np.ndarray  # [S, S, 3] uint8
    mask: np.ndarray  # [S, S] uint8


def words_of(rng, tiles: dict[str, list[Tile]], n: int) -> list[str]:
    """The words of n tiles: all different, or one of them several times, as a rule one of which there are several photos."""
    words = [list(tiles)[i] for i in rng.choice(len(tiles), n, replace=False)]
    if rng.random() < SAME:
        many = [w for w in tiles if len(tiles[w]) > 2 and w not in words]
        again = int(rng.integers(2, n + 1))
        word = many[rng.integers(len(many))] if many and rng.random() < 0.7 else words[0]
        words = [word] * again + words[again:]
    return [words[i] for i in rng.permutation(n)]


def window(rng, mask: np.ndarray, aspect: float) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 of a part of the photo of that aspect (width by height) that keeps nearly all of the thing, else all of it."""
    size = mask.shape[0]
    for _ in range(12):
        area = rng.uniform(0.45, 1.0)
        w, h = size * min(1.0, (area * aspect) ** 0.5), size * min(1.0, (area / aspect) ** 0.5)
        x, y = int(rng.uniform(0, size - w + 1)), int(rng.uniform(0, size - h + 1))
        box = x, y, min(size, x + int(w)), min(size, y + int(h))
        if mask[box[1]:box[3], box[0]:box[2]].sum() > 0.9 * mask.sum():
            return box
    return 0, 0, size, size


def compose_mosaic(rng, tiles: dict[str, list[Tile]], size: int) -> tuple[np.ndarray, list[dict], list[np.ndarray]]:
    """(pixels [S, S, 3], objects as scenes.compose() tells them, the mask [S, S] of each)."""
    rows, columns = GRIDS[rng.integers(len(GRIDS))]
    words = words_of(rng, tiles, rows * columns)
    gap = int(rng.choice([0, 0, 0.007, 0.014, 0.028]) * size)
    canvas = np.full((size, size, 3), rng.integers(0, 256, 3), dtype=np.uint8)
    # Tiles of one row (column) are as high (wide) as one another, rows and columns not quite.
    cut = [np.round(np.cumsum(np.r_[0, s / s.sum()]) * size).astype(int) for s in (rng.uniform(0.8, 1.2, rows), rng.uniform(0.8, 1.2, columns))]
    objects, masks = [], []
    for i, word in enumerate(words):
        tile = tiles[word][rng.integers(len(tiles[word]))]
        y0, y1 = cut[0][i // columns] + gap // 2, cut[0][i // columns + 1] - gap // 2
        x0, x1 = cut[1][i % columns] + gap // 2, cut[1][i % columns + 1] - gap // 2
        colour = COLOURS[rng.integers(len(COLOURS))] if rng.random() < PAINTED else None
        pixels = tile.pixels if colour is None else (paint(tile.pixels / 255.0, tile.mask / 255.0, colour, rng) * 255).astype(np.uint8)
        box = window(rng, tile.mask, (x1 - x0) / (y1 - y0))
        part, shape = Image.fromarray(pixels).crop(box), Image.fromarray(tile.mask).crop(box)
        if rng.random() < 0.5:
            part, shape = (p.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for p in (part, shape))
        canvas[y0:y1, x0:x1] = np.asarray(part.resize((x1 - x0, y1 - y0), Image.Resampling.BICUBIC))
        mask = np.zeros((size, size), np.uint8)
        mask[y0:y1, x0:x1] = np.asarray(shape.resize((x1 - x0, y1 - y0), Image.Resampling.BILINEAR))
        down, across = np.where(mask.max(1) > 128)[0], np.where(mask.max(0) > 128)[0]
        if len(down) == 0:
            continue
        objects.append({"word": word, "colour": colour, "kind": tile.kind, "photo": True,
                        "x": float(across[0] + across[-1] + 1) / 2 / size, "y": float(down[0] + down[-1] + 1) / 2 / size,
                        "w": float(across[-1] + 1 - across[0]) / size, "h": float(down[-1] + 1 - down[0]) / size})
        masks.append(mask)
    light = rng.uniform(0.9, 1.1) * rng.uniform(0.97, 1.03, 3)
    return np.clip(canvas * light, 0, 255).astype(np.uint8), objects, masks
