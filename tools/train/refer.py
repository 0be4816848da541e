"""Trains a checkpoint's `Referents` (referents.py), what a question's named things are to each other, alone: everything else stays as it is. For a file
that was made without them. In a training of everything few questions are about two things, and these learn nothing for hundreds of steps; where a third
are, they learn it within a hundred, and keep it in what follows (train.py)."""

import time

import torch
import torch.nn.functional as F

from blocks import fuse
from config import TrainConfig
from data import load_setting
from found import closer, meanings
from pool import Pool
from train import load_checkpoint, loss_of, optimiser, rate
from training import descend, part_arguments, save

PARTS = {"scenes": 0.75, "mosaics": 0.25}  # that show several things
TASKS = {"relation": 30.0, "thing": 20.0, "position": 4.0, "count": 4.0, "yesno": 2.0, "colour": 2.0, "caption": 0.05}
BETWEEN = ("relation", "thing")  # that ask how two things lie
RATE = 0.004


def main():
    a = part_arguments(__doc__)
    net, saved = load_checkpoint(a.checkpoint)
    if saved.get("referents"):
        print(f"{a.checkpoint}: has learned its referents")
        return
    c, device = TrainConfig(), "cuda" if torch.cuda.is_available() else "cpu"
    pool = Pool(load_setting(a.work), c.seed, device, tuple(PARTS), load_setting(a.work, distilled=True).text)
    pool.only_with("relation")
    net = net.to(device).requires_grad_(False)
    net.predictor.head_scale = 1.0  # calibration comes after
    referents = net.predictor.referents.requires_grad_(True)
    opt = optimiser(referents, c)
    fuse(device)
    of_two = torch.tensor([pool.tasks.index(t) for t in BETWEEN], device=device)
    relation, clock, seen = pool.tasks.index("relation"), time.time(), []
    for step in range(a.steps):
        for group in opt.param_groups:
            group["lr"] = rate(step, a.steps, c, RATE)
        features, question, length, owner, answer, task, *_ = pool.batch([c.seed + 2, step], a.pictures, 6, PARTS, TASKS, 0.0)
        with torch.autocast(device, dtype=torch.bfloat16, enabled=c.bf16):
            with torch.no_grad():
                vision, semantics = net.vision(features), meanings(features)
                ground = net.predictor.ground(vision, closer(features))
            out, _ = net.predictor(question, length, vision[owner], semantics[owner], ground[owner])
        inside = torch.arange(question.shape[1], device=device)[None] < length[:, None]
        _, between = referents.scores(question, inside)
        loss, among, *_ = loss_of(out.float(), pool.answer_table, pool.base, pool.candidates, answer, task, c)
        about, two = task == relation, torch.isin(task, of_two)
        descend(referents, opt, loss + F.binary_cross_entropy_with_logits(between[:, 0], two.float()))
        said = (out.detach().float() @ pool.answer_table[:pool.base].T).masked_fill(~pool.candidates[task], -1e4).argmax(1)
        seen.append((among.item(), int((said == answer)[about].sum()), int(about.sum()), len(task)))
        if (step + 1) % 25 == 0:
            loss, right, asked, every = (sum(x) for x in zip(*seen))
            print(f"referents {step + 1}/{a.steps} loss {loss / len(seen):.3f}, relations right {right / max(asked, 1):.3f} of {asked} "
                  f"({asked / every:.2f} of all) {time.time() - clock:.0f} s", flush=True)
            seen = []
    save(a.checkpoint, {**saved, "net": net.state_dict(), "referents": a.steps})


if __name__ == "__main__":
    main()
