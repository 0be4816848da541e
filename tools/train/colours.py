"""Named colours: samples for painting objects, and how a name moves when a photo's channels rotate."""

import colorsys

import numpy as np

# name -> list of (hue degrees low, high, saturation low, high, value low, high)
RANGES = {
    "red": [(348, 368, 0.7, 1.0, 0.45, 0.95)],
    "orange": [(16, 36, 0.75, 1.0, 0.8, 1.0)],
    "yellow": [(46, 61, 0.55, 1.0, 0.8, 1.0)],
    "green": [(80, 160, 0.4, 1.0, 0.25, 0.8), (65, 95, 0.45, 0.9, 0.3, 0.65)],
    "blue": [(195, 245, 0.45, 1.0, 0.3, 0.95)],
    "purple": [(262, 295, 0.35, 0.9, 0.3, 0.75)],
    "pink": [(312, 352, 0.25, 0.6, 0.85, 1.0)],
    "brown": [(12, 32, 0.45, 0.85, 0.22, 0.5), (20, 38, 0.3, 0.6, 0.4, 0.68)],
    "black": [(0, 360, 0.0, 0.25, 0.03, 0.16)],
    "white": [(0, 360, 0.0, 0.06, 0.9, 1.0), (25, 60, 0.0, 0.13, 0.82, 0.97)],
    "gray": [(0, 360, 0.0, 0.09, 0.36, 0.66)],
}
# Where a name goes when (r, g, b) becomes (b, r, g), hue + 120 degrees. Others have no plain name there.
ROTATED = {"red": "green", "green": "blue", "blue": "red", "black": "black", "white": "white", "gray": "gray"}


def sample(name: str, rng) -> np.ndarray:
    """A random colour that people call `name`, RGB in 0..1."""
    ranges = RANGES[name]
    h0, h1, s0, s1, v0, v1 = ranges[rng.integers(len(ranges))]
    return np.array(colorsys.hsv_to_rgb(rng.uniform(h0, h1) % 360 / 360, rng.uniform(s0, s1), rng.uniform(v0, v1)))


def paint(rgb: np.ndarray, mask: np.ndarray, name: str, rng) -> np.ndarray:
    """`rgb` [h,w,3] in 0..1 painted with a colour called `name` where `mask`; its shading stays."""
    target = sample(name, rng)
    luma = rgb @ np.array([0.299, 0.587, 0.114])
    inside = luma[mask > 0.5]
    if inside.size == 0:
        return rgb
    centre = np.median(inside)
    shade = (luma - centre) / max(float(inside.std()), 0.05)
    contrast = rng.uniform(0.05, 0.22)
    if name in ("black", "white"):
        contrast *= 0.5
    painted = target * (1 + contrast * shade[..., None])
    if name == "black":
        painted = target + 0.06 * np.clip(shade, -1, 2)[..., None]
    keep = rng.uniform(0.0, 0.15)  # a trace of the thing's own colours
    painted = np.clip((1 - keep) * painted + keep * rgb, 0, 1)
    return rgb + mask[..., None] * (painted - rgb)


def rotate(pixels: np.ndarray, turns: int) -> np.ndarray:
    """Hue + 120 degrees a turn, by moving channels."""
    return np.ascontiguousarray(np.roll(pixels, turns, axis=-1))


def rotated_name(name: str | None, turns: int) -> str | None:
    for _ in range(turns % 3):
        name = ROTATED.get(name)
    return name
