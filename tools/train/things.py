"""The things on photos: their masks, and what is made of photo and mask."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from cutouts import CutOut, kind_of
from data import Setting, photo_files
from labels import Labels, read_notes, read_table
from mosaics import Tile
from salient import salient_maps
from stem import Stem, load_picture, open_picture, resize, stem_tensors

CUT_OUT_NOTES = Path(__file__).with_name("cutout_notes.tsv")
LEAST, MOST = 0.02, 0.75  # of the picture, covered by its thing
BESIDE = 0.2  # of the largest part: smaller ones are crumbs
WARM = 0.5  # of the warmest part's heat: colder ones are something else
MEANT = 0.3  # heat, at least, of what a photo's class is about
EMPTY = 0.04  # of a photo that nothing stands out on, at most


def parts_of(shown: np.ndarray, heat: np.ndarray) -> list[np.ndarray]:
    """Masks [S,S] uint8 of the parts of what stands out, `shown` [S,S] uint8, that the class activation map `heat` [g,g] in 0..1 is
    about, the warmest first."""
    import cv2

    size = shown.shape[0]
    solid = cv2.morphologyEx((shown > 128).astype(np.uint8), cv2.MORPH_OPEN, np.ones((size // 96, size // 96), np.uint8))
    count, label, stats, _ = cv2.connectedComponentsWithStats(solid)
    warm = cv2.resize(heat.astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    area = stats[:, cv2.CC_STAT_AREA]
    parts = [n for n in range(1, count) if area[n] > BESIDE * area[1:].max()]
    warmth = {n: float(warm[label == n].mean()) for n in parts}
    parts = [n for n in parts if warmth[n] > WARM * max(warmth.values())]
    share = sum(area[n] for n in parts) / size ** 2
    if not parts or not LEAST < share < MOST or sum(area[n] * warmth[n] for n in parts) < MEANT * share * size ** 2:
        return []
    margin = np.ones((size // 64, size // 64), np.uint8)
    return [np.where(cv2.dilate((label == n).astype(np.uint8), margin) > 0, shown, 0).astype(np.uint8)
            for n in sorted(parts, key=lambda n: -warmth[n])]


@torch.no_grad()
def object_parts(setting: Setting, split: str) -> dict[str, list[np.ndarray]]:
    """By file name the masks, of the fine size, of what stands out on a split's photos whose object the package's stem sees: as a rule one a
    photo, more where things stand apart."""
    cache = setting.paths.work / f"parts-{split}.npz"
    if not cache.exists():
        found = {}
        stem, g, shown = Stem(setting.config, stem_tensors()), setting.config.grid, salient_maps(setting, split)
        weight = stem.tensor("classifier.weight")
        for path in photo_files(setting, split):
            _, head = stem(torch.tensor(load_picture(path, setting.config.image_size))[None])
            label = int(path.name[:3])
            if label not in stem.classify(head)[0].topk(3).indices.tolist():
                continue
            heat = (weight[label] @ head[0].flatten(1)).reshape(g, g).numpy()
            heat = np.clip((heat - np.percentile(heat, 20)) / (np.percentile(heat, 99) - np.percentile(heat, 20) + 1e-6), 0, 1)
            parts = parts_of(shown[path.name], heat)
            if parts:
                found[path.name] = np.stack(parts)
        np.savez_compressed(cache, **found)
        print(f"{split}: things of {len(found)} of {len(photo_files(setting, split))} photos", flush=True)
    return {name: list(parts) for name, parts in np.load(cache).items()}


def object_masks(setting: Setting, split: str) -> dict[str, np.ndarray]:
    """All parts of object_parts() together."""
    return {name: np.max(parts, axis=0) for name, parts in object_parts(setting, split).items()}


def zoomed(pixels: np.ndarray, mask: np.ndarray, rng) -> tuple[np.ndarray, np.ndarray]:
    """Half of the time a crop of pixels [S,S,3] in 0..1 and mask [S,S] that keeps most of the masked object, enlarged to S x S."""
    size = mask.shape[0]
    if rng.random() < 0.5:
        return pixels, mask
    for _ in range(10):
        side = int(size * rng.uniform(0.55, 0.95))
        x, y = (int(v) for v in rng.integers(0, size - side + 1, 2))
        inner = mask[y:y + side, x:x + side]
        if inner.sum() > 0.8 * mask.sum():
            crop = Image.fromarray((np.ascontiguousarray(pixels[y:y + side, x:x + side]) * 255).astype(np.uint8))
            return resize(crop, size) / 255.0, np.asarray(Image.fromarray(inner).resize((size, size), Image.Resampling.NEAREST))
    return pixels, mask


def mask_cells(mask: np.ndarray, grid: int) -> int:
    """Bits, as `scenes.cells`, of the places at least a third of which `mask` [S,S] covers; else of the best one."""
    p = mask.shape[0] // grid
    share = mask[:p * grid, :p * grid].reshape(grid, p, grid, p).mean((1, 3)).ravel()
    return sum(1 << i for i in np.flatnonzero(share >= min(1 / 3, share.max())).tolist())


@cache
def cut_out_notes() -> dict[int, str]:
    return {int(label): word for label, word in read_table(CUT_OUT_NOTES).items()}


def class_word(labels: Labels, label: int) -> str:
    """A class's kind, else its name."""
    kind = labels.kind[label]
    return kind[1] if kind else labels.words[label][0].lower()


def thing_word(labels: Labels, label: int) -> str | None:
    """What the thing on a class's photo is called: as CUT_OUT_NOTES say, else class_word(). None if it is not one thing that can be told."""
    return cut_out_notes().get(label, class_word(labels, label)) or None


def named_things(labels: Labels, parts: dict[str, list[np.ndarray]], every: bool = False) -> list[tuple[str, np.ndarray, str, tuple | None]]:
    """(file name, mask, word, kind) of each photo's warmest part, where that is one thing that can be told; of the others, if `every` is
    wanted, with class_word()."""
    out = []
    for name, masks in parts.items():
        label = int(name[:3])
        if word := thing_word(labels, label) or (class_word(labels, label) if every else None):
            out.append((name, masks[0], word, kind_of(word, labels) if label in cut_out_notes() else labels.kind[label]))
    return out


def photo_cut_outs(setting: Setting, split: str, every: bool = False) -> list[CutOut]:
    """The things of named_things(), cut out."""
    out = []
    for name, mask, word, kind in named_things(setting.labels, object_parts(setting, split), every):
        pixels = load_picture(setting.paths.photos / name, setting.config.fine_size)
        rows, cols = np.where(mask.max(1) > 128)[0], np.where(mask.max(0) > 128)[0]
        box = (slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1))
        out.append(CutOut(word, f"photos/{name}", Image.fromarray(np.dstack([pixels, mask])[box], "RGBA"), kind, True))
    return out


def photo_grounds(setting: Setting, held: bool) -> list[tuple[Image.Image, np.ndarray]]:
    """Photos with what stands out on them, for things to be pasted beside it: those to train on, or those `held` out. Not those on which nothing
    stands out though they do not show a scene: their thing fills them or is hidden."""
    out = []
    for split in ("dev", "eval") if held else ("train",):
        shown = salient_maps(setting, split)
        for path in photo_files(setting, split):
            if shown[path.name].mean() > EMPTY * 255 or setting.labels.scene[int(path.name[:3])]:
                out.append((open_picture(path), np.ascontiguousarray(shown[path.name][::4, ::4])))
    return out


def tiles_of(setting: Setting, split: str) -> dict[str, list[Tile]]:
    """Photos with the mask of their thing, by what it is called; none of which several things are known to be there."""
    notes, tiles, parts = read_notes(), {}, object_parts(setting, split)
    for name, mask, word, kind in named_things(setting.labels, {n: p for n, p in parts.items() if len(p) == 1}):
        if any(n > 1 for n in notes.get(int(name[:3]), {"counts": {}})["counts"].values()):
            continue
        pixels = load_picture(setting.paths.photos / name, setting.config.fine_size)
        tiles.setdefault(word, []).append(Tile(word, kind, pixels, mask))
    return tiles
