"""Rounds the stem's 1x1 convolutions and its classifier to 4 bits, as q4_0 holds them: -> WORK/stem.pt, which export.py takes.

GPTQ (arXiv 2210.17323) map by map in the order of the network, on training photos, sharp ones and CIFAR's: a column's error is made good by the columns after
it, given how the inputs vary where all maps before are rounded already; biases then give each output the mean that it had before. Scales
are those that `sterna model quantize` finds, so that it stores these very numbers. Small maps and those whose inputs are no multiple of 32 stay as
they are.
"""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F

from build import CIFAR
from data import load_setting, photo_files
from stem import Stem, flat_blocks, load_picture, same_conv
from training import save

BLOCK = 32
FEW = 30000  # weights of a map that may as well take 8 bits
CODES = (-8, -7, -6, -5, -4, 4, 5, 6, 7)  # that the largest weight of a block may become
DAMPING = 0.01  # of the mean variance of the inputs


def block_step(w: torch.Tensor) -> torch.Tensor:
    """w [m, 32] -> d [m, 1]: of the fp16 scales that make the largest an exact code, that of the least squared error."""
    top = w.gather(1, w.abs().argmax(1, keepdim=True))
    best, least = torch.zeros_like(top), torch.full_like(top, torch.inf)
    for code in CODES:
        d = (top / code).half().to(w.dtype)
        error = (codes(w, d) * d - w).square().sum(1, keepdim=True)
        better = (error < least) & (d != 0)
        best, least = torch.where(better, d, best), torch.where(better, error, least)
    return best


def codes(w: torch.Tensor, d: torch.Tensor) -> torch.Tensor:
    return torch.where(d == 0, 0, (w / torch.where(d == 0, 1, d)).round().clamp(-8, 7))


def rounded(w: torch.Tensor, covariance: torch.Tensor) -> torch.Tensor:
    """W [m, k] on the grid of q4_0, its columns' errors made good by those to the right."""
    w, k = w.double().clone(), w.shape[1]
    h = covariance.double() + DAMPING * covariance.diagonal().mean() * torch.eye(k, dtype=torch.double)
    inverse = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(h)), upper=True)
    out = torch.empty_like(w)
    for first in range(0, k, BLOCK):
        last = first + BLOCK
        d, error = block_step(w[:, first:last]), torch.empty(len(w), BLOCK, dtype=torch.double)
        for c in range(first, last):
            out[:, c:c + 1] = codes(w[:, c:c + 1], d) * d
            error[:, c - first] = (w[:, c] - out[:, c]) / inverse[c, c]
            w[:, c + 1:last] -= error[:, c - first:c - first + 1] * inverse[c, c + 1:last]
        w[:, last:] -= error @ inverse[first:last, last:]
    return out.float()


def positions(batches: list[torch.Tensor]) -> torch.Tensor:
    """[n, c, h, w] each -> the places of all, [*, c]."""
    return torch.cat([x.permute(0, 2, 3, 1).flatten(0, 2) for x in batches])


def rounded_map(w: torch.Tensor, bias: torch.Tensor, rows: torch.Tensor, wanted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """W and its bias for inputs `rows`, where the mean of W's inputs was `wanted` before."""
    mean = rows.mean(0)
    centred = rows - mean
    q = rounded(w, centred.T @ centred / len(rows))
    return q, bias + w @ wanted - q @ mean


class Rounding:
    """The photos on their way through the stem as it was (`before`) and as it is now (`now`), one pair a photo batch."""

    def __init__(self, stem: Stem, pixels: torch.Tensor):
        self.stem, self.changed = stem, {}
        x = (pixels.permute(0, 3, 1, 2).float() - 127.0) / 128.0
        self.now = list(F.relu6(stem.conv(x, "conv", 2)).split(16))
        self.before = [x.clone() for x in self.now]

    def parameters(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        return self.changed.get(name, (self.stem.tensor(f"{name}.weight"), self.stem.tensor(f"{name}.bias")))

    def map(self, name: str, activate: bool):
        """Rounds the 1x1 convolution `name` if it can be, and takes both sides through it."""
        weight, bias = self.stem.tensor(f"{name}.weight"), self.stem.tensor(f"{name}.bias")
        w = weight.flatten(1)
        if w.shape[1] % BLOCK == 0 and w.numel() >= FEW:
            rows = positions(self.now)
            q, bias = rounded_map(w, bias, rows, positions(self.before).mean(0))
            self.changed[name] = q.reshape(weight.shape), bias
            centred = rows - rows.mean(0)
            error = ((centred @ (q - w).T).square().mean() / (centred @ w.T).square().mean()).item()
            print(f"{name} {list(w.shape)}: error {error:.5f} of what it puts out", flush=True)
        self.through(name, 1, 1, activate)

    def through(self, name: str, stride: int, groups: int, activate: bool):
        end = F.relu6 if activate else lambda y: y
        self.before = [end(self.stem.conv(x, name, stride, groups)) for x in self.before]
        self.now = [end(same_conv(x, *self.parameters(name), stride, groups)) for x in self.now]


@torch.no_grad()
def round_stem(stem: Stem, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
    r = Rounding(stem, pixels)
    for n, (_, stride, expand, cin, cout, _) in enumerate(flat_blocks()):
        into = r.before, r.now
        if expand != 1:
            r.map(f"blocks.{n}.expand", True)
        r.through(f"blocks.{n}.depthwise", stride, cin * expand, True)
        r.map(f"blocks.{n}.project", False)
        if stride == 1 and cin == cout:
            r.before, r.now = ([x + y for x, y in zip(a, b)] for a, b in zip(into, (r.before, r.now)))
    r.map("head", True)
    # The classifier is linear: what it says of a place is what it says of the picture.
    weight, bias = stem.tensor("classifier.weight"), stem.tensor("classifier.bias")
    rows, wanted = positions(r.now), positions(r.before)
    r.changed["classifier"] = q, _ = rounded_map(weight, bias, rows, wanted.mean(0))
    same = ((wanted @ weight.T + bias).argmax(1) == (rows @ q.T + r.changed["classifier"][1]).argmax(1)).float().mean().item()
    print(f"classifier: the same class at {same:.3f} of {len(rows)} places")
    return {f"{name}.{part}": value for name, pair in r.changed.items() for part, value in zip(("weight", "bias"), pair)}


def some(files: list[Path], count: int) -> list[Path]:
    return files[::max(1, len(files) // count)][:count]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--photos", type=int, default=256)
    a = p.parse_args()
    setting = load_setting(a.work)
    files = some(photo_files(setting, "train"), a.photos)
    if setting.paths.cifar:  # blurred beyond recognition of detail, which rounding must bear as well
        files += some([p for word in CIFAR for n, p in enumerate(sorted((setting.paths.cifar / word).iterdir())) if n % 10], a.photos // 2)
    if not files:
        raise SystemExit("round_stem.py: expected photos to round on (build.py --photos), found none")
    pixels = torch.stack([torch.from_numpy(load_picture(f, setting.config.image_size).copy()) for f in files])
    save(a.work / "stem.pt", round_stem(Stem(setting.config, setting.stem).eval(), pixels))


if __name__ == "__main__":
    main()
