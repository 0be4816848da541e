"""Builds the pictures of the recipe and caches what the stem says about each: features fp16 and facts.

WORK/<part>/features.npy [n, T, 966 + 384] and facts.jsonl (a line a picture). Parts: `photos`, `recolour`, `cifar`, `scenes`, `mosaics`,
`shapes` (the training half of easy-vqa) to train on; `dev`, `eval`, `cifar_held`, `scenes_held` (stamps and drawings of words kept
from training), `cuts_held` (things cut out of the evaluation photos), `shapes_held` (easy-vqa's test half) never. Photo
files are named NNN_class.jpg; classes that are multiples of five are only ever in `eval`. Without photos only scenes and
shapes exist.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance

from colours import paint, rotate
from config import ModelConfig, Paths
from cutouts import CutOut
from data import Setting, cut_outs, held_word, photo_files
from labels import COLOURS
from mosaics import compose_mosaic
from scenes import cells, compose
from stem import Features, load_picture, resize
from things import mask_cells, object_masks, photo_cut_outs, photo_grounds, tiles_of, zoomed
from writer import Writer, made

SEEDS = {"scenes": 13, "scenes_held": 14, "cuts_held": 15}  # of the composed pictures
REAL_SCENES = 0.5  # share of the composed training pictures whose things are all cut out of photos
SHAPES = ("circle", "rectangle", "triangle")
CIFAR = {"airplane": ("vehicle", "airplane"), "automobile": ("vehicle", "car"), "bird": ("animal", "bird"),
         "cat": ("animal", "cat"), "deer": ("animal", "deer"), "dog": ("animal", "dog"), "frog": ("animal", "frog"),
         "horse": ("animal", "horse"), "ship": ("vehicle", "boat"), "truck": ("vehicle", "truck")}


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
    size = setting.config.fine_size
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


def build_recolour(setting: Setting, features: Features):
    """Training photos with their object painted in a known colour, on its own ground."""
    writer, size = Writer(setting, features, "recolour", classes=True), setting.config.fine_size
    masks = {} if writer.done else object_masks(setting, "train")
    if not masks:
        return
    names, each = sorted(masks), setting.sizes["recolours"]

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


def cifar_files(setting: Setting, part: str) -> list[tuple[str, Path]]:
    """Class and file of a part's photos: of each class every tenth is held out. Nothing without CIFAR."""
    folder, held = setting.paths.cifar, part == "cifar_held"
    return [(word, path) for word in CIFAR for path in [p for n, p in enumerate(sorted((folder / word).iterdir())) if (n % 10 == 0) == held]
            [:setting.sizes[part] // 10]] if folder else []


def build_cifar(setting: Setting, features: Features):
    for part in ("cifar", "cifar_held"):
        writer = Writer(setting, features, part)
        found = [] if writer.done else cifar_files(setting, part)
        if not found:
            continue

        def draw(_, i):
            word, path = found[i]
            return (load_picture(path, setting.config.fine_size),
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
            return load_picture(path, setting.config.fine_size), {"source": "shapes", "file": Path(path).name, "asked": asked[picture]}

        writer.fill(made(draw, len(found), 18))


def by_word(cuts: list[CutOut]) -> dict[str, list[CutOut]]:
    words: dict[str, list[CutOut]] = {}
    for cut in cuts:
        words.setdefault(cut.word, []).append(cut)
    return words


def scene_drawer(setting: Setting, part: str):
    """draw(rng, i) -> (pixels, fact) of a part's composed pictures, from one or two tables of cut-outs: drawings and stamps, things
    from photos. None where the part's things are all from photos and there are none."""
    held = part != "scenes"
    real = by_word(photo_cut_outs(setting, "eval" if held else "train"))
    drawn = by_word([c for c in cut_outs(setting) if held_word(c.word) == held])
    share = {"scenes": REAL_SCENES if real else 0.0, "scenes_held": 0.0, "cuts_held": 1.0}[part]
    if share == 1.0 and not real:
        return None
    grounds = photo_grounds(setting, held)

    def draw(rng, _):
        pixels, objects = compose(rng, grounds, real if rng.random() < share else drawn)
        for o in objects:
            o["cells"] = cells([(o["x"], o["y"], o["w"], o["h"])], setting.config.grid)
        return pixels, {"source": "scene", "objects": objects}

    return draw


def build_scenes(setting: Setting, features: Features):
    for part, seed in SEEDS.items():
        writer = Writer(setting, features, part)
        draw = None if writer.done else scene_drawer(setting, part)
        if draw:
            writer.fill(made(draw, setting.sizes[part], seed))


def build_mosaics(setting: Setting, features: Features):
    writer = Writer(setting, features, "mosaics")
    tiles = {} if writer.done else tiles_of(setting, "train")
    if not tiles:
        return
    grid = setting.config.grid

    def draw(rng, _):
        pixels, objects, shapes = compose_mosaic(rng, tiles, setting.config.fine_size)
        for o, shape in zip(objects, shapes):
            o["cells"] = mask_cells(shape, grid)
        return pixels, {"source": "scene", "objects": objects}

    writer.fill(made(draw, setting.sizes["mosaics"], 16))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--photos", type=Path, help="folder of NNN_class.jpg photos (optional)")
    p.add_argument("--cifar", type=Path, help="folder with CIFAR-10's ten class folders (optional)")
    p.add_argument("--times", type=float, default=1.0, help="so many times the pictures of the training parts, 2.5 for the shipped file")
    p.add_argument("--prepare", action="store_true", help="only say where everything is, for tune_stem.py")
    a = p.parse_args()
    a.work.mkdir(parents=True, exist_ok=True)
    paths, config = Paths(work=a.work, photos=a.photos, cifar=a.cifar), ModelConfig()
    (a.work / "setting.json").write_text(json.dumps({
        "paths": {k: str(v) if v else None for k, v in vars(paths).items()}, "model": vars(config), "times": a.times}))
    setting, start = Setting(paths, config, a.times), time.time()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if a.prepare:
        return
    features = setting.features().to(device)
    with torch.no_grad():
        build_photos(setting, features)
        build_recolour(setting, features)
        build_scenes(setting, features)
        build_mosaics(setting, features)
        build_cifar(setting, features)
        build_shapes(setting, features)
    print(f"data: {time.time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
