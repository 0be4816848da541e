"""The things on photos: their masks, and what is made of photo and mask."""

import numpy as np
import torch
from PIL import Image

from cutouts import CutOut, grab_cut
from data import Setting, photo_files
from labels import Labels, read_notes
from mosaics import Tile
from stem import Stem, load_picture, resize, stem_tensors


@torch.no_grad()
def object_masks(setting: Setting, split: str) -> dict[str, np.ndarray]:
    """GrabCut masks, of the fine size, of a split's photos whose object the package's stem sees, by file name."""
    cache = setting.paths.work / f"masks-{split}.npz"
    if not cache.exists():
        found = {}
        stem, g = Stem(setting.config, stem_tensors()), setting.config.grid
        weight = stem.tensor("classifier.weight")
        for path in photo_files(setting, split):
            pixels = load_picture(path, setting.config.image_size)
            _, head = stem(torch.tensor(pixels)[None])
            label = int(path.name[:3])
            if label not in stem.classify(head)[0].topk(3).indices.tolist():
                continue
            heat = (weight[label] @ head[0].flatten(1)).reshape(g, g).numpy()
            heat = np.clip((heat - np.percentile(heat, 20)) / (np.percentile(heat, 99) - np.percentile(heat, 20) + 1e-6), 0, 1)
            mask = grab_cut(pixels, heat)
            if mask is not None:
                found[path.name] = (mask * 255).astype(np.uint8)
        np.savez_compressed(cache, **found)
        print(f"{split} masks: {len(found)} of {len(photo_files(setting, split))} photos", flush=True)
    size = setting.config.fine_size
    return {name: np.asarray(Image.fromarray(mask).resize((size, size), Image.Resampling.BILINEAR)) for name, mask in np.load(cache).items()}


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


def thing_word(labels: Labels, label: int) -> str:
    """What the thing on a class's photos is called: its kind, or else its everyday name."""
    kind = labels.kind[label]
    return (kind[1] if kind else labels.words[label][-1]).lower()


def photo_cut_outs(setting: Setting, masks: dict) -> list[CutOut]:
    out = []
    for name, mask in masks.items():
        label = int(name[:3])
        pixels = load_picture(setting.paths.photos / name, setting.config.fine_size)
        rows, cols = np.where(mask.max(1) > 128)[0], np.where(mask.max(0) > 128)[0]
        box = (slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1))
        image = Image.fromarray(np.dstack([pixels, mask])[box], "RGBA")
        out.append(CutOut(thing_word(setting.labels, label), f"photos/{name}", image, setting.labels.kind[label], True))
    return out


def tiles_of(setting: Setting, masks: dict) -> dict[str, list[Tile]]:
    """Photos with their thing's mask by its kind, or else by its name; none of which several things are known to be there."""
    notes, labels = read_notes(), setting.labels
    tiles: dict[str, list[Tile]] = {}
    for name, mask in masks.items():
        label = int(name[:3])
        if any(n > 1 for n in notes.get(label, {"counts": {}})["counts"].values()):
            continue
        kind = labels.kind[label]
        word = (kind[1] if kind else labels.words[label][0]).lower()
        pixels = load_picture(setting.paths.photos / name, setting.config.fine_size)
        tiles.setdefault(word, []).append(Tile(word, kind, pixels, mask))
    return tiles
