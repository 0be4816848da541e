"""Tunes the stem: each place of its grid says what lies there, small things and pictures of few pixels too -> WORK/tuned.pt.

EfficientNet-Lite0 was trained to name what fills 224 pixels. Asked place by place (stem.py) it sees small things badly and says of
places beside a thing what the thing is. Here it is its own teacher, as in CLIPSelf (arXiv 2310.01403): of a collage (collage.py) the
places that a thing covers learn what the package's stem says of that thing's whole photo, the bare ones what it says of the ground
alone; of nine windows on photos, shown together a third as large, what it says of each; on photos it keeps what it said, of the
picture and, from twice the pixels, of the places; photos reduced to some 32 pixels learn what the sharp ones are. Drawings, which no
class shows, and CIFAR's photos learn their words. What is learned is mixed with what was there before (`--share`; WiSE-FT, arXiv
2109.01903): unmixed, names of classes that no training photo shows are lost. `places.py` says what came of it.
"""

import argparse
import copy
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from build import CIFAR, cifar_files
from collage import Plan, Sprites, pasted, planned, some_windows, windows
from config import TuneConfig
from cores import on_all_cores
from data import Setting, cut_outs, held_word, load_setting, photo_files
from stem import Features, load_picture, stem_tensors
from things import photo_cut_outs
from train import rate
from training import Training, save

COVERED, BARE = 0.4, 0.03  # of a place, by a thing, by all things
TILES = 3  # windows a side, shown together
CHECKPOINT_EVERY = 60.0  # seconds


def probabilities(features: Features, pixels: torch.Tensor, low: bool) -> torch.Tensor:
    """What the stem says of pixels [n, S, S, 3] and of each of its places: log-probabilities [n, 1 + g*g, classes]."""
    with torch.autocast(pixels.device.type, dtype=torch.bfloat16, enabled=low):
        _, head = features.stem(pixels)
    return features.logits(head.float()).log_softmax(-1)


def halved(said: torch.Tensor, places: int) -> torch.Tensor:
    """Log-probabilities of places [n, (2 g)^2, classes] -> those of g x g places, each the mean of four."""
    x = said.exp().reshape(len(said), places, 2, places, 2, -1)
    return x.mean((2, 4)).flatten(1, 2).clamp(min=1e-9).log()


def divergence(wanted: torch.Tensor, said: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
    """KL(wanted || said) of log-probabilities [..., classes], the mean weighted by `weight` [...]."""
    kl = (wanted.exp() * (wanted - said)).sum(-1)
    return kl.mean() if weight is None else (kl * weight).sum() / weight.sum().clamp(min=1e-6)


def enlarged(pixels: torch.Tensor, size: int) -> torch.Tensor:
    """uint8 [n, s, s, 3] -> [n, size, size, 3], larger or smaller, as Pillow's bicubic does it."""
    x = F.interpolate(pixels.permute(0, 3, 1, 2).float(), size, mode="bicubic", antialias=True)
    return x.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def together(tiles: torch.Tensor) -> torch.Tensor:
    """Pixels [n TILES^2, 3, s, s] -> n pictures of as many tiles each, row by row, uint8 [n, s, s, 3]."""
    x = F.avg_pool2d(tiles, TILES).round()
    _, c, h, w = x.shape
    x = x.reshape(-1, TILES, TILES, c, h, w).permute(0, 1, 4, 2, 5, 3)
    return x.reshape(-1, TILES * h, TILES * w, c).to(torch.uint8)


def of_tiles(x: torch.Tensor, places: int) -> torch.Tensor:
    """[n, g*g, classes] of the places -> [n TILES^2, (g / TILES)^2, classes], tile by tile."""
    each = places // TILES
    x = x.reshape(len(x), TILES, each, TILES, each, -1).transpose(2, 3)
    return x.reshape(-1, each * each, x.shape[-1])


class Chance(NamedTuple):
    """What chance decides about a step: a function of seed and step."""
    collages: Plan
    light: np.ndarray  # of the collages
    photos: np.ndarray
    windows: np.ndarray  # on `photos`
    mixed: np.ndarray  # how much of its neighbour each of `photos` shows
    few: list[int]  # pixels a side that some of them are reduced to
    tiles: np.ndarray  # photos
    tile_windows: np.ndarray
    cifar: np.ndarray


def squares(files: list[Path], size: int) -> torch.Tensor:
    """[n, 3, size, size] uint8, made on all cores."""
    return torch.from_numpy(np.stack(list(on_all_cores(lambda p: load_picture(p, size), files)))).permute(0, 3, 1, 2).contiguous()


class Lessons:
    """What the stem learns from: photos, things with what the teacher says of their photos or with their words, CIFAR's photos."""

    def __init__(self, setting: Setting, teacher: Features, c: TuneConfig, device: str):
        self.size, self.places, self.c, self.device = setting.config.image_size, setting.config.grid, c, device
        files = photo_files(setting, "train")
        self.photos = squares(files, 2 * self.size).to(device)
        real = photo_cut_outs(setting, "train", every=True)  # the teacher needs no words of them
        drawn = [cut for cut in cut_outs(setting) if not held_word(cut.word)]
        self.tables = [Sprites(cuts, device) for cuts in (real, drawn)]
        self.pixels = torch.cat([t.sharp for t in self.tables] + [t.soft for t in self.tables])
        row, words = {f"photos/{f.name}": n for n, f in enumerate(files)}, sorted({cut.word for cut in drawn})
        self.photo_of = torch.tensor([row[cut.source] for cut in real] + [-1] * len(drawn), device=device)
        self.word_of = torch.tensor([-1] * len(real) + [words.index(cut.word) for cut in drawn], device=device)
        self.words = setting.minilm.embed(words).to(device)
        with torch.no_grad():
            whole = [F.avg_pool2d(p.float(), 2).round().to(torch.uint8).permute(0, 2, 3, 1) for p in self.photos.split(32)]
            self.said = torch.cat([probabilities(teacher, p, c.bf16)[:, 0] for p in whole])
        self.cifar, found = torch.zeros(0), cifar_files(setting, "cifar")
        if found:
            self.cifar = torch.from_numpy(np.stack([np.asarray(Image.open(p).convert("RGB")) for _, p in found])).to(device)
            self.cifar_word = torch.tensor([list(CIFAR).index(word) for word, _ in found], device=device)
            self.cifar_words = setting.minilm.embed([word for _, word in CIFAR.values()]).to(device)

    def drawn(self, step: int) -> Chance:
        rng = np.random.default_rng([self.c.seed, step])
        b, p, t, photos = self.c.pictures, self.c.pictures // 2, self.c.pictures // 8 * TILES ** 2, len(self.photos)
        return Chance(planned(rng, self.tables, b, photos), rng.uniform(0.85, 1.1, (b, 1)) * rng.uniform(0.96, 1.04, (b, 3)),
                      rng.integers(0, photos, p), some_windows(rng, p, 0.5), np.where(rng.random(p) < 0.3, rng.uniform(0, 0.5, p), 0),
                      [int(v) for v in np.exp(rng.uniform(np.log(24), np.log(112), 3))],
                      rng.integers(0, photos, t), some_windows(rng, t, 0.4), rng.integers(0, max(len(self.cifar), 1), b // 4))

    def tensor(self, x: np.ndarray) -> torch.Tensor:
        x = torch.from_numpy(np.ascontiguousarray(x)).to(self.device)
        return x.float() if x.dtype == torch.float64 else x

    def view(self, photos: np.ndarray, window: np.ndarray, size: int) -> torch.Tensor:
        return windows(self.photos, self.tensor(photos), self.tensor(window), size)

    def losses(self, student: Features, teacher: Features, chance: Chance) -> dict[str, torch.Tensor]:
        c, low, plan = self.c, self.c.bf16, chance.collages
        collages, grounds, share = pasted(plan, self.pixels, self.view(plan.photo, plan.window, self.size), self.places, self.tensor(chance.light))
        sharp = self.view(chance.photos, chance.windows, 2 * self.size)
        sharp = sharp.lerp(sharp.roll(1, 0), self.tensor(chance.mixed)[:, None, None, None]).round().clamp(0, 255)
        tiles = self.view(chance.tiles, chance.tile_windows, self.size).round().clamp(0, 255)
        photos, sharp = (x.permute(0, 2, 3, 1).to(torch.uint8) for x in (F.avg_pool2d(sharp, 2).round(), sharp))
        p, seen = len(photos), photos.clone()
        for n, size in enumerate(chance.few):  # half of them are seen in few pixels
            part = slice(n * p // 6, (n + 1) * p // 6)
            seen[part] = enlarged(enlarged(photos[part], size), self.size)
        with torch.no_grad():
            bare, kept = probabilities(teacher, torch.cat([grounds, photos]), low).split([len(grounds), p])
            tile = torch.cat([probabilities(teacher, x.permute(0, 2, 3, 1), low)[:, 0] for x in tiles.split(64)])
            finer = halved(probabilities(teacher, sharp, low)[:, 1:], self.places)
            fine = torch.logaddexp(kept[:, 1:], finer) - np.log(2)
        shown = [collages, seen, together(tiles)]
        if len(self.cifar):
            shown.append(enlarged(self.cifar[self.tensor(chance.cifar)], self.size))
        collage, photo, tiled, *rest = probabilities(student, torch.cat(shown), low).split([len(s) for s in shown])
        losses = self.of_collages(student, collage[:, 1:], bare[:, 1:], share, self.tensor(plan.thing)) | {
            "tiles": c.tile_weight * divergence(tile[:, None], of_tiles(tiled[:, 1:], self.places)),
            "photo": c.photo_weight * divergence(kept[:, 0], photo[:, 0]), "photo's places": c.place_weight * divergence(fine, photo[:, 1:])}
        if rest:
            losses["cifar"] = self.of_words(student, rest[0][:, 0], self.cifar_words, self.cifar_word[self.tensor(chance.cifar)], c.cifar_weight)
        return losses

    def of_collages(self, student: Features, said, bare, share, thing) -> dict[str, torch.Tensor]:
        """`said` of the collages' places and `bare` of their grounds' [b, g*g, classes], `share` [b, SLOTS, g*g] covered by `thing` [b, SLOTS]."""
        c, there = self.c, thing >= 0
        best = share.amax(-1, keepdim=True)
        covered = ((share >= COVERED) | ((share == best) & (best > 0.1))) * share * there[..., None]
        weight = covered / covered.sum(-1, keepdim=True).clamp(min=1e-6)  # every thing counts the same
        photo, word = (torch.where(there, of[thing.clamp(min=0)], -1) for of in (self.photo_of, self.word_of))
        of, thing_at, place = (weight * (photo >= 0)[..., None]).nonzero().T
        things = divergence(self.said[photo[of, thing_at]], said[of, place], weight[of, thing_at, place])
        ground = divergence(bare, said, (share.sum(1) < BARE).float())
        at = (word >= 0) & (weight.sum(-1) > 0)
        mixed = (weight[at][:, None] @ said.exp()[at.nonzero()[:, 0]])[:, 0].clamp(min=1e-9).log()
        words = self.of_words(student, mixed, self.words, word[at], c.word_weight)
        return {"things": c.thing_weight * things, "ground": c.ground_weight * ground, "words": words}

    def of_words(self, student: Features, said, words, which, weight: float) -> torch.Tensor:
        """InfoNCE between what the places' classes mean, as the tower reads them, and words [m, 384]."""
        meaning = student.semantics(said)[..., :words.shape[1]]
        return weight * F.cross_entropy(meaning @ words.T / self.c.temperature, which)


def tune(setting: Setting, c: TuneConfig, stop: int):
    torch.manual_seed(c.seed)
    device, clock = "cuda" if torch.cuda.is_available() else "cpu", time.time()
    torch.backends.cudnn.benchmark = True
    teacher, student = (Features(setting.config, setting.names, stem_tensors()).to(device) for _ in range(2))
    lessons = Lessons(setting, teacher, c, device)
    print(f"tune: {time.time() - clock:.0f} s, {len(lessons.photos)} photos, {[len(t.shape) for t in lessons.tables]} things, {len(lessons.cifar)} of CIFAR",
          flush=True)
    student.stem.requires_grad_(True)
    average = copy.deepcopy(student.stem)
    # With batch norms folded in, tensors are of sizes that differ a hundredfold: each learns at a rate in parts of its own.
    size = {p: p.detach().square().mean().sqrt().item() for p in student.stem.parameters()}
    opt = torch.optim.Adam([{"params": [p], "size": v} for p, v in size.items()], betas=(0.9, 0.98))
    training, clock, seen = Training(student.stem, average, opt, setting.paths.work / "tuned.last.pt", c.ema), time.time(), []
    first, saved_at = training.done, time.time()
    with ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(lessons.drawn, first)
        for step in range(first, stop):
            now, coming = coming.result(), ahead.submit(lessons.drawn, step + 1)
            for group in opt.param_groups:
                group["lr"] = group["size"] * rate(step, c.steps, c, c.learning_rate)
            losses = lessons.losses(student, teacher, now)
            training.step(sum(losses.values()))
            seen.append({k: v.detach() for k, v in losses.items()})
            if (step + 1) % 20 == 0:
                print(f"tune {step + 1}/{c.steps} " + " ".join(f"{k} {torch.stack([s[k] for s in seen]).mean():.3f}" for k in losses)
                      + f" {len(seen) * c.pictures / (time.time() - clock):.1f} collages/s", flush=True)
                seen, clock = [], time.time()
            if time.time() - saved_at > CHECKPOINT_EVERY or step + 1 == stop:
                saved_at = time.time()
                training.save()
                clock = time.time()
    before, after = stem_tensors(), average.cpu().tensors()
    weights = {name: before[name].lerp(after[name].contiguous(), c.share) for name in before}
    save(setting.paths.work / "tuned.pt", {"config": vars(c), "step": training.done, "weights": weights})


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--steps", type=int, default=TuneConfig.steps)
    p.add_argument("--stop", type=int, help="end after so many of the steps (default: after all)")
    p.add_argument("--pictures", type=int, default=TuneConfig.pictures, help="collages of a step; half as many photos, a quarter of CIFAR's")
    p.add_argument("--share", type=float, default=TuneConfig.share, help="of what is learned in the weights that are kept")
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    setting = load_setting(a.work)
    if not photo_files(setting, "train"):
        raise SystemExit("tune_stem.py: expected photos (build.py --photos), found none")
    tune(setting, TuneConfig(steps=a.steps, pictures=a.pictures, share=a.share), min(a.stop or a.steps, a.steps))


if __name__ == "__main__":
    main()
