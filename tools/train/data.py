"""Builds the pictures of the recipe and caches what the frozen stem says about each: features fp16 and facts.

WORK/<part>/features.npy [n, T, 966] and facts.jsonl (a line a picture). Parts: `photos`, `recolour`, `cifar`, `scenes`, `shapes`
(the training half of easy-vqa) to train on; `dev`, `eval`, `cifar_held`, `scenes_held` (stamps and drawings of words kept
from training), `cuts_held` (things cut out of the evaluation photos), `shapes_held` (easy-vqa's test half) never. Photo
files are named NNN_class.jpg; classes that are multiples of five are only ever in `eval`. Without photos only scenes and
shapes exist.
"""

import argparse
import hashlib
import json
import multiprocessing
import pickle
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance

import vocabulary
from colours import paint, rotate
from config import ModelConfig, Paths
from cutouts import CutOut, clipart, grab_cut, stamps
from labels import COLOURS, Labels, load_labels, read_notes
from mosaics import Tile, compose_mosaic
from scenes import cells, compose
from stem import Features, load_picture, resize
from text import Text

TRAIN_PARTS = ["photos", "recolour", "cifar", "scenes", "mosaics", "shapes"]
# How many pictures; those that --times multiplies, and those that stay the same whatever is trained on.
TIMES = {"photo_variants": 12, "recolours": 8, "cifar": 4000, "scenes": 16000, "mosaics": 6000}
SIZES = {"cifar_held": 400, "scenes_held": 400, "cuts_held": 800}
BLOCK = 32  # pictures made by a process at a time, and run through the stem at a time
AHEAD = 96  # blocks made before they are asked for, at most
REAL_SCENES = 0.5  # share of the composed training pictures whose things are all cut out of photos
SHAPES = ("circle", "rectangle", "triangle")
CIFAR = {"airplane": ("vehicle", "airplane"), "automobile": ("vehicle", "car"), "bird": ("animal", "bird"),
         "cat": ("animal", "cat"), "deer": ("animal", "deer"), "dog": ("animal", "dog"), "frog": ("animal", "frog"),
         "horse": ("animal", "horse"), "ship": ("vehicle", "boat"), "truck": ("vehicle", "truck")}


@dataclass
class Setting:
    """What every step of the recipe shares: folders, labels, the text tower."""

    paths: Paths
    config: ModelConfig
    times: float = 1.0  # so many times the pictures of the training parts

    @property
    def sizes(self) -> dict[str, int]:
        return SIZES | {k: max(1, round(n * self.times)) for k, n in TIMES.items()}

    @cached_property
    def labels(self) -> Labels:
        return load_labels(self.paths.wordnet)

    @cached_property
    def text(self) -> Text:
        return Text(self.paths.work / "text")


def load_setting(work: Path) -> Setting:
    saved = json.loads((work / "setting.json").read_text())
    paths = Paths(**{k: Path(v) if v else None for k, v in saved["paths"].items()})
    return Setting(paths, ModelConfig(**saved["model"]), saved.get("times", 1.0))


def answer_vocabulary(setting: Setting) -> list[str]:
    return vocabulary.build(setting.labels, [])


def split_of(path: Path) -> str:
    index = int(path.name[:3])
    return "eval" if index % 5 == 0 else "dev" if index % 20 == 3 else "train"


def photo_files(setting: Setting, split: str) -> list[Path]:
    folder = setting.paths.photos
    return [p for p in sorted(folder.glob("*.jpg")) if split_of(p) == split] if folder else []


def held_word(word: str) -> bool:
    return hashlib.sha256(word.encode()).digest()[0] % 10 == 0


def cut_outs(setting: Setting) -> list[CutOut]:
    cache = setting.paths.work / "cutouts.pickle"
    if not cache.exists():
        found = list(stamps(setting.paths.stamps, setting.labels)) + list(clipart(setting.paths.clipart, setting.labels))
        cache.write_bytes(pickle.dumps(found))
    return pickle.loads(cache.read_bytes())


def made(draw: Callable, count: int, seed: int) -> Iterator[tuple[np.ndarray, dict]]:
    """(pixels, fact) = draw(rng, i) for i in 0..count, made on all cores. Every block of pictures has random numbers of its
    own: the same pictures come of one core as of sixteen."""
    global _block

    def _block(first: int):  # found again by the forked processes: what `draw` holds need not be pickled
        rng = np.random.default_rng([seed, first])
        return [draw(rng, i) for i in range(first, min(first + BLOCK, count))]

    with multiprocessing.get_context("fork").Pool() as workers:
        coming: deque = deque()  # not all at once: the stem may be slower than they are
        for first in range(0, count, BLOCK):
            coming.append(workers.apply_async(_run_block, (first,)))
            if len(coming) > AHEAD:
                yield from coming.popleft().get()
        for block in coming:
            yield from block.get()


def _run_block(first: int):
    return _block(first)


class Writer:
    """Runs pictures through the stem in batches and appends features and facts; a part is written whole.

    With `classes` the top classes of every place and their probabilities are kept too (swap.py renames them).
    """

    def __init__(self, setting: Setting, features: Features, part: str, classes: bool = False):
        self.folder = setting.paths.work / part
        self.done = (self.folder / "facts.jsonl").exists() and (not classes or (self.folder / "classes.npz").exists())
        self.features, self.pixels, self.facts, self.rows = features, [], [], []
        self.classes = [] if classes else None

    def add(self, pixels: np.ndarray, fact: dict):
        self.pixels.append(pixels)
        self.facts.append(fact)
        if len(self.pixels) == BLOCK:
            self.flush()

    def flush(self):
        if not self.pixels:
            return
        device = self.features.class_embedding.device
        out, logits, _, head = self.features(torch.from_numpy(np.stack(self.pixels)).to(device))
        top, index = logits.softmax(-1).topk(5, -1)
        if self.classes is not None:
            self.classes.append([x.cpu().numpy() for x in self.features.top_classes(head)])
        for i in range(len(out)):
            self.facts[len(self.facts) - len(out) + i]["top5"] = [
                [int(c), round(float(p), 4)] for c, p in zip(index[i], top[i])]
        self.rows.append(out.half().cpu().numpy())
        self.pixels = []
        if len(self.facts) % 512 == 0:
            print(f"{self.folder.name}: {len(self.facts)}, {time.process_time():.0f} s of CPU", flush=True)

    def fill(self, pictures: Iterator[tuple[np.ndarray, dict]]):
        """All pictures of the part, and its files."""
        for pixels, fact in pictures:
            self.add(pixels, fact)
        self.flush()
        self.folder.mkdir(parents=True, exist_ok=True)
        np.save(self.folder / "features.npy", np.concatenate(self.rows))
        if self.classes is not None:
            np.savez(self.folder / "classes.npz", index=np.concatenate([i for i, _ in self.classes]).astype(np.int16),
                     share=np.concatenate([s for _, s in self.classes]).astype(np.float16))
        text = "".join(json.dumps(f) + "\n" for f in self.facts)
        (self.folder / "facts.jsonl").write_text(text)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        print(f"{self.folder.name}: {len(self.facts)} pictures, facts sha256 {digest}", flush=True)


def photo_variant(image: Image.Image, rng, variant: int, size: int, turned: bool = False) -> tuple[np.ndarray, dict]:
    """Variant 0 is the whole photo; others crop, flip, shift light; the hues of `turned` ones turn too."""
    fact = {"area": 1.0, "flip": False, "turns": 0}
    if variant > 0:
        if variant > 1:
            area = rng.uniform(0.35, 1.0)
            aspect = rng.uniform(0.8, 1.25)
            w = min(image.width, int(image.width * (area * aspect) ** 0.5))
            h = min(image.height, int(image.height * (area / aspect) ** 0.5))
            x, y = rng.integers(image.width - w + 1), rng.integers(image.height - h + 1)
            image = image.crop((int(x), int(y), int(x) + w, int(y) + h))
            fact["area"] = area
        if variant == 1 or rng.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            fact["flip"] = True
        for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
            image = enhance(image).enhance(rng.uniform(0.85, 1.15))
    pixels = resize(image, size)
    if turned:
        fact["turns"] = int(rng.integers(1, 3))
        pixels = rotate(pixels, fact["turns"])
    return pixels, fact


def build_photos(setting: Setting, features: Features):
    """Of a training photo the whole and crops of it, the last quarter of them with turned hues; of the others the whole."""
    size = setting.config.image_size
    for part, split in (("photos", "train"), ("dev", "dev"), ("eval", "eval")):
        writer = Writer(setting, features, part, classes=split == "train")
        files, variants = photo_files(setting, split), setting.sizes["photo_variants"] if split == "train" else 1
        if writer.done or not files:
            continue

        def draw(rng, i):
            path, variant = files[i // variants], i % variants
            with Image.open(path) as file:
                pixels, fact = photo_variant(file.convert("RGB"), rng, variant, size, variant > 0 and variant >= variants * 3 // 4)
            return pixels, {"source": "photo", "file": path.name, "label": int(path.name[:3]), **fact}

        writer.fill(made(draw, len(files) * variants, 11))


def object_masks(setting: Setting, features: Features, split: str) -> dict[str, np.ndarray]:
    """GrabCut masks of a split's photos whose object the stem sees, by file name."""
    cache = setting.paths.work / f"masks-{split}.npz"
    if not cache.exists():
        found = {}
        stem, g = features.stem, setting.config.grid
        weight = stem.tensor("classifier.weight")
        for path in photo_files(setting, split):
            pixels = load_picture(path, setting.config.image_size)
            _, head = stem(torch.tensor(pixels)[None].to(weight.device))
            label = int(path.name[:3])
            if label not in stem.classify(head)[0].topk(3).indices.tolist():
                continue
            heat = (weight[label] @ head[0].flatten(1)).reshape(g, g).cpu().numpy()
            heat = np.clip((heat - np.percentile(heat, 20)) / (np.percentile(heat, 99) - np.percentile(heat, 20) + 1e-6), 0, 1)
            mask = grab_cut(pixels, heat)
            if mask is not None:
                found[path.name] = (mask * 255).astype(np.uint8)
        np.savez_compressed(cache, **found)
        print(f"{split} masks: {len(found)} of {len(photo_files(setting, split))} photos", flush=True)
    return dict(np.load(cache))


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


def build_recolour(setting: Setting, features: Features, masks: dict):
    """Training photos with their object painted in a known colour, on its own ground."""
    writer, names, size = Writer(setting, features, "recolour", classes=True), sorted(masks), setting.config.image_size
    if writer.done or not masks:
        return
    each = setting.sizes["recolours"]

    def draw(rng, i):
        name = names[i // each]
        pixels, mask = load_picture(setting.paths.photos / name, size), masks[name]
        colour = COLOURS[rng.integers(len(COLOURS))]
        out, where = paint(pixels / 255.0, mask / 255.0, colour, rng), mask > 128
        if rng.random() < 0.5:
            out, where = out[:, ::-1], where[:, ::-1]
        out, where = zoomed(out, where, rng)
        return ((np.ascontiguousarray(out) * 255).astype(np.uint8),
                {"source": "recolour", "file": name, "label": int(name[:3]), "colour": colour, "area": 1.0, "turns": 0,
                 "cells": mask_cells(where, setting.config.grid)})

    writer.fill(made(draw, len(names) * each, 12))


def build_cifar(setting: Setting, features: Features):
    folder = setting.paths.cifar
    if not folder:
        return
    for part, held in (("cifar", False), ("cifar_held", True)):
        writer = Writer(setting, features, part)
        if writer.done:
            continue
        found = [(word, path) for word in CIFAR
                 for path in [p for n, p in enumerate(sorted((folder / word).iterdir())) if (n % 10 == 0) == held][:setting.sizes[part] // 10]]

        def draw(_, i):
            word, path = found[i]
            return (load_picture(path, setting.config.image_size),
                    {"source": "cifar", "file": path.name, "word": word, "kind": CIFAR[word], "area": 1.0, "turns": 0})

        writer.fill(made(draw, len(found), 17))


def build_shapes(setting: Setting, features: Features):
    """Coloured shapes on coloured ground, 64 x 64, with the questions that the package asks about them."""
    import easy_vqa

    for part, paths, questions in (("shapes", easy_vqa.get_train_image_paths, easy_vqa.get_train_questions),
                                   ("shapes_held", easy_vqa.get_test_image_paths, easy_vqa.get_test_questions)):
        writer = Writer(setting, features, part)
        if writer.done:
            continue
        asked: dict[int, list] = {}
        for question, answer, picture in zip(*questions()):
            task = "yesno" if answer in ("yes", "no") else "shape" if answer in SHAPES else "shape_colour"
            asked.setdefault(picture, []).append((task, question, answer))
        found = sorted(paths().items())

        def draw(_, i):
            picture, path = found[i]
            return load_picture(path, setting.config.image_size), {"source": "shapes", "file": Path(path).name, "asked": asked[picture]}

        writer.fill(made(draw, len(found), 18))


def photo_cut_outs(setting: Setting, masks: dict) -> list[CutOut]:
    out = []
    for name, mask in masks.items():
        label = int(name[:3])
        pixels = load_picture(setting.paths.photos / name, setting.config.image_size)
        rows, cols = np.where(mask.max(1) > 128)[0], np.where(mask.max(0) > 128)[0]
        box = (slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1))
        image = Image.fromarray(np.dstack([pixels, mask])[box], "RGBA")
        kind = setting.labels.kind[label]
        word = kind[1] if kind else setting.labels.words[label][-1]
        out.append(CutOut(word.lower(), f"photos/{name}", image, kind, True))
    return out


def by_word(cuts: list[CutOut]) -> dict[str, list[CutOut]]:
    words: dict[str, list[CutOut]] = {}
    for cut in cuts:
        words.setdefault(cut.word, []).append(cut)
    return words


def build_scenes(setting: Setting, features: Features):
    """Each part draws its pictures from one or two tables of cut-outs: drawings and stamps, things from photos."""
    for part, seed in (("scenes", 13), ("scenes_held", 14), ("cuts_held", 15)):
        writer = Writer(setting, features, part)
        if writer.done:
            continue
        held = part != "scenes"
        real = by_word(photo_cut_outs(setting, object_masks(setting, features, "eval" if held else "train")))
        drawn = by_word([c for c in cut_outs(setting) if held_word(c.word) == held])
        share = {"scenes": REAL_SCENES if real else 0.0, "scenes_held": 0.0, "cuts_held": 1.0}[part]
        if share == 1.0 and not real:
            continue
        photos = []
        for path in photo_files(setting, "dev" if held else "train"):
            with Image.open(path) as file:
                photos.append(file.convert("RGB"))

        def draw(rng, _):
            pixels, objects = compose(rng, photos, real if rng.random() < share else drawn)
            for o in objects:
                o["cells"] = cells([(o["x"], o["y"], o["w"], o["h"])], setting.config.grid)
            return pixels, {"source": "scene", "objects": objects}

        writer.fill(made(draw, setting.sizes[part], seed))


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
        pixels = load_picture(setting.paths.photos / name, setting.config.image_size)
        tiles.setdefault(word, []).append(Tile(word, kind, pixels, mask))
    return tiles


def build_mosaics(setting: Setting, features: Features, masks: dict):
    writer = Writer(setting, features, "mosaics")
    if writer.done or not masks:
        return
    tiles, grid = tiles_of(setting, masks), setting.config.grid

    def draw(rng, _):
        pixels, objects, shapes = compose_mosaic(rng, tiles, setting.config.image_size)
        for o, shape in zip(objects, shapes):
            o["cells"] = mask_cells(shape, grid)
        return pixels, {"source": "scene", "objects": objects}

    writer.fill(made(draw, setting.sizes["mosaics"], 16))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--photos", type=Path, help="folder of NNN_class.jpg photos (optional)")
    p.add_argument("--cifar", type=Path, help="folder with CIFAR-10's ten class folders (optional)")
    p.add_argument("--times", type=float, default=1.0, help="so many times the pictures of the training parts, say 6 on a GPU")
    a = p.parse_args()
    a.work.mkdir(parents=True, exist_ok=True)
    paths, config = Paths(work=a.work, photos=a.photos, cifar=a.cifar), ModelConfig()
    (a.work / "setting.json").write_text(json.dumps({
        "paths": {k: str(v) if v else None for k, v in vars(paths).items()}, "model": vars(config), "times": a.times}))
    setting, start = Setting(paths, config, a.times), time.time()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    features = Features(config, setting.text.embed(setting.labels.names)).to(device)
    with torch.no_grad():
        build_photos(setting, features)
        build_recolour(setting, features, object_masks(setting, features, "train"))
        build_scenes(setting, features)
        build_mosaics(setting, features, object_masks(setting, features, "train"))
        build_cifar(setting, features)
        build_shapes(setting, features)
    print(f"data: {time.time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
