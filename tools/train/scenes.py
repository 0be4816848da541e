"""Composed pictures with known contents: cut-outs painted, scaled, repeated and placed on backgrounds."""

import numpy as np
from PIL import Image, ImageFilter

from colours import paint, sample
from config import ModelConfig
from labels import COLOURS

SIZE = ModelConfig.image_size * ModelConfig.detail  # the fine size
UNIT = ModelConfig.detail  # pixels of it for one of the tower's


CALM = 0.02  # of a ground may stand out

Ground = tuple[Image.Image, np.ndarray]  # a photo and what stands out on it (salient.py), uint8 of any size, stretched


def calm_window(rng, grounds: list[Ground], tries: int = 40) -> Image.Image | None:
    """A window of a photo in which next to nothing stands out: things of its own would be counted, and asked for, too."""
    for _ in range(tries):
        photo, shown = grounds[rng.integers(len(grounds))]
        side = int(min(photo.size) * rng.uniform(0.4, 1.0))
        x, y = int(rng.integers(photo.width - side + 1)), int(rng.integers(photo.height - side + 1))
        down, across = shown.shape[0] / photo.height, shown.shape[1] / photo.width
        if shown[int(y * down):int((y + side) * down), int(x * across):int((x + side) * across)].mean() < CALM * 255:
            return photo.crop((x, y, x + side, y + side))
    return None


def background(rng, grounds: list[Ground]) -> Image.Image:
    """A calm window of a photo (sometimes blurred), or a plain or shaded wall."""
    out = calm_window(rng, grounds) if grounds and rng.random() < 0.8 else None
    if out:
        out = out.resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        if rng.random() < 0.35:
            out = out.filter(ImageFilter.GaussianBlur(UNIT * rng.uniform(1.5, 6)))
        if rng.random() < 0.5:
            out = out.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return out
    a, b = (sample(COLOURS[rng.integers(len(COLOURS))], rng) for _ in range(2))
    if rng.random() < 0.5:
        b = a
    ramp = np.linspace(0, 1, SIZE)[:, None, None] if rng.random() < 0.5 else np.linspace(0, 1, SIZE)[None, :, None]
    wall = a + (b - a) * ramp + np.zeros((SIZE, SIZE, 3))
    wall += rng.normal(0, rng.uniform(0, 0.03), wall.shape)
    return Image.fromarray((np.clip(wall, 0, 1) * 255).astype(np.uint8))


def painted(image: Image.Image, colour: str, rng) -> Image.Image:
    x = np.asarray(image, dtype=np.float32) / 255.0
    rgb = paint(x[..., :3], (x[..., 3] > 0.3).astype(np.float32), colour, rng)
    return Image.fromarray((np.concatenate([rgb, x[..., 3:]], -1) * 255).astype(np.uint8), "RGBA")


def place(rng, taken: list, side_w: int, side_h: int, tries: int = 30):
    """A corner for a box that overlaps the ones placed by less than a fifth."""
    for _ in range(tries):
        x, y = int(rng.integers(0, SIZE - side_w + 1)), int(rng.integers(0, SIZE - side_h + 1))
        if all(overlap((x, y, side_w, side_h), t) < 0.2 for t in taken):
            return x, y
    return None


def overlap(a, b) -> float:
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return max(w, 0) * max(h, 0) / min(a[2] * a[3], b[2] * b[3])


def cells(boxes: list[tuple], grid: int) -> int:
    """Bit y * grid + x is set for the places whose middle lies in one of `boxes` (x, y, w, h: middle and size, of 1),
    and for the one that holds a box's middle."""
    found = 0
    for x, y, w, h in boxes:
        columns = [c for c in range(grid) if abs((c + 0.5) / grid - x) <= w / 2] or [min(int(x * grid), grid - 1)]
        rows = [r for r in range(grid) if abs((r + 0.5) / grid - y) <= h / 2] or [min(int(y * grid), grid - 1)]
        found |= sum(1 << (r * grid + c) for r in rows for c in columns)
    return found


def count_scale(n: int, rng) -> float:
    """Size of one of `n` things: as large as fits, as in photos of several things; what fills less than a tenth of the
    picture the stem does not recognise (its guesses at the place are of the background)."""
    low, high = {1: (0.45, 0.95), 2: (0.4, 0.62), 3: (0.34, 0.52), 4: (0.28, 0.46)}.get(n, (0.25, 0.4))
    return rng.uniform(low, high)


def compose(rng, grounds: list[Ground], words: dict) -> tuple[np.ndarray, list[dict]]:
    """(pixels [S,S,3], objects). `words` maps an object word to its cut-outs. Three plans: a few painted
    things, one thing repeated (counting), or several different things (places, relations)."""
    picture = background(rng, grounds)
    plan = rng.choice(["colour", "count", "several"], p=[0.35, 0.4, 0.25])
    wanted: list[tuple] = []  # (cut-out, colour or None, scale)
    vocabulary = list(words)

    def pick(word=None):
        group = words[word or vocabulary[rng.integers(len(vocabulary))]]
        return group[rng.integers(len(group))]

    def colour(p):
        return COLOURS[rng.integers(len(COLOURS))] if rng.random() < p else None

    if plan == "colour":
        for i in range(int(rng.choice([1, 1, 1, 2, 2, 3]))):
            wanted.append((pick(), colour(0.92), rng.uniform(0.4, 0.95) if i == 0 else rng.uniform(0.3, 0.5)))
    elif plan == "count":
        n, cut, c = int(rng.integers(1, 7)), pick(), colour(0.5)
        scale = count_scale(n, rng)
        same = rng.random() < 0.5
        for _ in range(n):
            wanted.append((cut if same else pick(cut.word), c, scale * rng.uniform(0.85, 1.15)))
        for _ in range(int(rng.choice([0, 0, 1]))):
            wanted.append((pick(), colour(0.5), rng.uniform(0.25, 0.4)))
    else:
        for _ in range(int(rng.integers(2, 4))):
            wanted.append((pick(), colour(0.4), rng.uniform(0.35, 0.6)))
    objects, taken, sprites = [], [], {}
    for cut, c, scale in wanted:
        key = (id(cut), c)
        if key not in sprites:  # copies of one thing share their paint
            sprites[key] = painted(cut.image, c, rng) if c else cut.image
        image = sprites[key]
        if rng.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        k = min(scale, 0.97) * SIZE / max(image.size)
        w, h = max(int(image.width * k), 12 * UNIT), max(int(image.height * k), 12 * UNIT)
        corner = place(rng, taken, w, h)
        if corner is None:
            continue
        image = image.resize((w, h), Image.Resampling.BILINEAR)
        if rng.random() < 0.3:
            shadow = Image.new("RGBA", image.size, (0, 0, 0, 0))
            shadow.putalpha(image.getchannel("A").point(lambda v: v // 3))
            picture.paste(shadow, (corner[0] + 4 * UNIT, corner[1] + 5 * UNIT), shadow)
        picture.paste(image, corner, image)
        taken.append((*corner, w, h))
        objects.append({"word": cut.word, "colour": c, "kind": cut.kind, "photo": cut.photo,
                        "x": (corner[0] + w / 2) / SIZE, "y": (corner[1] + h / 2) / SIZE,
                        "w": w / SIZE, "h": h / SIZE})
    pixels = np.asarray(picture, dtype=np.float32)
    pixels = pixels * rng.uniform(0.85, 1.1) * rng.uniform(0.96, 1.04, 3)  # light and white balance
    return np.clip(pixels, 0, 255).astype(np.uint8), objects
