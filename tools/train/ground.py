"""Trains a checkpoint's `Ground` (found.py), what says what lies at a picture's places, alone: tower and predictor stay as they are.
For a file that was made without one; train.py trains it beside everything else."""

import time

import numpy as np
import torch

from blocks import fuse
from config import TrainConfig
from data import load_setting
from found import closer
from pool import Pool
from train import ground_loss, load_checkpoint, optimiser, rate
from training import descend, part_arguments, save

PARTS = {"scenes": 0.5, "mosaics": 0.3, "recolour": 0.2}  # whose things are known place by place


def main():
    a = part_arguments(__doc__)
    c, device = TrainConfig(), "cuda" if torch.cuda.is_available() else "cpu"
    pool = Pool(load_setting(a.work), c.seed, device, reader=load_setting(a.work, distilled=True).text)
    net, saved = load_checkpoint(a.checkpoint)
    net = net.to(device).requires_grad_(False)
    ground = net.predictor.ground.requires_grad_(True).train()
    opt = optimiser(ground, c)
    fuse(device)
    clock, seen = time.time(), []
    for step in range(a.steps):
        for group in opt.param_groups:
            group["lr"] = rate(step, a.steps, c, c.learning_rate)
        features, *_, lies, _ = pool.batch([c.seed + 1, step], a.pictures, 1, PARTS, {}, 0.0)
        with torch.autocast(device, dtype=torch.bfloat16, enabled=c.bf16):
            with torch.no_grad():
                vision = net.vision(features)
            loss = ground_loss(ground(vision, closer(features)), lies, pool.thing_table, c)
        descend(ground, opt, loss)
        seen.append(loss.item())
        if (step + 1) % 25 == 0:
            print(f"ground {step + 1}/{a.steps} loss {np.mean(seen):.3f} {time.time() - clock:.0f} s", flush=True)
            seen = []
    save(a.checkpoint, {**saved, "net": net.state_dict()})


if __name__ == "__main__":
    main()
