"""Collages: things pasted on photos by the device that trains on them, so many that none comes twice, and what lies where.

What scenes.py draws with Pillow, for tune_stem.py: no questions, and the shares of each place that each thing covers instead of boxes.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from colours import sample
from cutouts import CutOut
from labels import COLOURS
from scenes import count_scale, overlap

SPRITE = 224  # pixels of a thing's longer side
SLOTS = 6  # things on a collage, at most
LUMA = (0.299, 0.587, 0.114)


class Sprites:
    """Things cut out: `sharp` [n, 4, SPRITE, SPRITE] uint8 on `device`, RGBA, each in the middle of a square, and `soft` without what is
    lost when they are drawn small. `shape` [n, 2] width and height by the longer one; `of_word` the things of each word."""

    def __init__(self, cuts: list[CutOut], device: str):
        squares = np.zeros((len(cuts), SPRITE, SPRITE, 4), np.uint8)
        self.shape = np.zeros((len(cuts), 2))
        for n, cut in enumerate(cuts):
            k = SPRITE / max(cut.image.size)
            w, h = (max(1, round(v * k)) for v in cut.image.size)
            x, y = (SPRITE - w) // 2, (SPRITE - h) // 2
            squares[n, y:y + h, x:x + w] = np.asarray(cut.image.convert("RGBA").resize((w, h), Image.Resampling.BILINEAR))
            self.shape[n] = w / SPRITE, h / SPRITE
        self.sharp = torch.from_numpy(squares).to(device).permute(0, 3, 1, 2).contiguous()
        self.soft = torch.cat([F.interpolate(F.avg_pool2d(x.float(), 2), SPRITE, mode="bilinear").to(torch.uint8) for x in self.sharp.split(256)])
        self.of_word: dict[str, list[int]] = {}
        for n, cut in enumerate(cuts):
            self.of_word.setdefault(cut.word, []).append(n)


@dataclass
class Plan:
    """Of b collages, SLOTS things each: which (-1: none), the middle and the side of its square in parts of the picture, whether it is
    mirrored, the colour it is painted in (0..1) and how much of it (0: not at all); of each the ground's photo and window of it."""
    thing: np.ndarray  # [b, SLOTS]
    square: np.ndarray  # [b, SLOTS, 3] x, y, side
    mirrored: np.ndarray  # [b, SLOTS] bool
    paint: np.ndarray  # [b, SLOTS, 4]
    photo: np.ndarray  # [b]
    window: np.ndarray  # [b, 4] x, y, side, mirrored or not


def things_of(rng, tables: list[Sprites], firsts: list[int]) -> list[tuple[int, float]]:
    """(thing, side) of one collage: one thing, several, or one of them many times."""
    table = int(rng.integers(len(tables)))
    sprites, first = tables[table], firsts[table]
    words = list(sprites.of_word)

    def pick(word=None):
        return first + int(rng.choice(sprites.of_word[word or words[rng.integers(len(words))]]))

    plan = rng.choice(3, p=[0.3, 0.35, 0.35])
    if plan == 0:
        return [(pick(), rng.uniform(0.35, 0.95))]
    if plan == 1:
        return [(pick(), rng.uniform(0.22, 0.55)) for _ in range(int(rng.integers(2, 5)))]
    n, word = int(rng.integers(2, SLOTS + 1)), words[rng.integers(len(words))]
    side, thing = count_scale(n, rng), pick(word)
    same = rng.random() < 0.5
    return [(thing if same else pick(word), side * rng.uniform(0.85, 1.15)) for _ in range(n)]


def planned(rng, tables: list[Sprites], b: int, photos: int) -> Plan:
    firsts = np.cumsum([0] + [len(t.shape) for t in tables]).tolist()
    shape = np.concatenate([t.shape for t in tables])
    plan = Plan(np.full((b, SLOTS), -1), np.ones((b, SLOTS, 3)), rng.random((b, SLOTS)) < 0.5, np.zeros((b, SLOTS, 4)),
                rng.integers(0, photos, b), some_windows(rng, b, 0.5))
    for i in range(b):
        taken, coat = [], {}
        for slot, (thing, side) in enumerate(things_of(rng, tables, firsts)):
            w, h = shape[thing] * min(side, 0.97)
            for _ in range(20):
                x, y = rng.uniform(0, 1 - w), rng.uniform(0, 1 - h)
                if all(overlap((x, y, w, h), t) < 0.2 for t in taken):
                    taken.append((x, y, w, h))
                    plan.thing[i, slot], plan.square[i, slot] = thing, (x + w / 2, y + h / 2, min(side, 0.97))
                    if thing not in coat:  # copies of one thing share their paint
                        painted = rng.random() < 0.5
                        coat[thing] = (*sample(COLOURS[rng.integers(len(COLOURS))], rng), painted * rng.uniform(0.7, 1.0))
                    plan.paint[i, slot] = coat[thing]
                    break
    return plan


def some_windows(rng, count: int, least: float) -> np.ndarray:
    """[count, 4] as `windows` takes them, of at least `least` of a photo's side."""
    side = rng.uniform(least, 1.0, count)
    return np.stack([rng.random(count) * (1 - side), rng.random(count) * (1 - side), side, rng.random(count) < 0.5], 1)


def affine(x, y, wide, high, shape: list[int]) -> torch.Tensor:
    """Where pixels of `shape` [b, c, h, w] are read: for each of b the square about its middle, `wide` and `high` times it, moved by x and y."""
    theta = torch.zeros(len(x), 2, 3, device=x.device)
    theta[:, 0, 0], theta[:, 0, 2] = wide, x
    theta[:, 1, 1], theta[:, 1, 2] = high, y
    return F.affine_grid(theta, shape, align_corners=False)


def windows(photos: torch.Tensor, which: torch.Tensor, window: torch.Tensor, size: int) -> torch.Tensor:
    """Of photos [n, 3, s, s] uint8 the windows [b, 4] (x, y, side in parts of the photo, mirrored) of the photos `which` [b]: [b, 3, size, size] in 0..255."""
    x, y, side, mirrored = window.T
    grid = affine(2 * x + side - 1, 2 * y + side - 1, side * (1 - 2 * mirrored), side, [len(which), 3, size, size])
    return F.grid_sample(photos[which].float(), grid, "bilinear", "reflection", align_corners=False)


def pasted(plan: Plan, pixels: torch.Tensor, ground: torch.Tensor, places: int, light: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The collages on `ground` [b, 3, S, S], both under `light` [b, 3], as uint8 [b, S, S, 3], and what share of each of places x places the
    things cover, [b, SLOTS, places^2]: (collages, grounds, shares). `pixels` are all tables' things, sharp and then soft."""
    device, (b, _, size, _) = ground.device, ground.shape
    thing, square, paint = (torch.from_numpy(v).to(device) for v in (plan.thing, plan.square.astype(np.float32), plan.paint.astype(np.float32)))
    mirrored = torch.from_numpy(plan.mirrored).to(device).float()
    luma, picture, alphas = torch.tensor(LUMA, device=device)[None, :, None, None], ground, []
    for slot in range(SLOTS):
        x, y, side = square[:, slot].T
        turn = (1 - 2 * mirrored[:, slot]) / side
        grid = affine(-(2 * x - 1) * turn, -(2 * y - 1) / side, turn, 1 / side, [b, 4, size, size])
        at = thing[:, slot].clamp(min=0) + (side * size < 0.6 * SPRITE) * (len(pixels) // 2)
        sprite = F.grid_sample(pixels[at].float(), grid, "bilinear", "zeros", align_corners=False)
        rgb, alpha = sprite[:, :3], sprite[:, 3:] / 255 * (thing[:, slot] >= 0)[:, None, None, None]
        coat = 255 * paint[:, slot, :3, None, None] * (0.55 + 0.9 * (rgb * luma).sum(1, keepdim=True) / 255)
        rgb = rgb.lerp(coat.clamp(max=255), paint[:, slot, 3, None, None, None])
        picture = picture + alpha * (rgb - picture)
        alphas = [a * (1 - alpha) for a in alphas] + [alpha]
    share = F.adaptive_avg_pool2d(torch.cat(alphas, 1), places).flatten(2)
    finished = [(p * light[..., None, None]).clamp(0, 255).permute(0, 2, 3, 1).to(torch.uint8) for p in (picture, ground)]
    return finished[0], finished[1], share
