"""What every training of the recipe shares: steps with averaged weights, and a checkpoint to go on from."""

import argparse
from pathlib import Path

import torch
from torch import nn


def save(path: Path, content: dict):
    """Whole or not at all: a file beside it takes its name when it is written."""
    torch.save(content, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").replace(path)


def descend(net: nn.Module, opt: torch.optim.Optimizer, loss: torch.Tensor):
    """A step of `opt` down the gradient of `loss`, clipped to length 1."""
    opt.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    opt.step()


def part_arguments(about: str) -> argparse.Namespace:
    """Of a script that trains one part of a checkpoint (ground.py, refer.py); PyTorch runs on as many threads as they say."""
    p = argparse.ArgumentParser(description=about)
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--checkpoint", type=Path, required=True, help="rewritten with what is learned")
    p.add_argument("--steps", type=int, default=250)
    p.add_argument("--pictures", type=int, default=64, help="of a step")
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    return a


class Training:
    """A network in training, its averaged weights (`average`, a copy of it), its optimiser, and the file that a run goes on from."""

    def __init__(self, net: nn.Module, average: nn.Module, opt: torch.optim.Optimizer, last: Path, ema: float):
        self.net, self.average, self.opt, self.last, self.ema, self.done = net, average, opt, last, ema, 0
        if last.exists():
            saved = torch.load(last, map_location=next(net.parameters()).device, weights_only=False)
            net.load_state_dict(saved["net"])
            average.load_state_dict(saved["average"])
            opt.load_state_dict(saved["opt"])
            self.done = saved["step"]
            print(f"resumed at step {self.done}", flush=True)

    def step(self, loss: torch.Tensor):
        """descend(); the averaged weights follow, faster at first."""
        descend(self.net, self.opt, loss)
        keep = min(self.ema, (1 + self.done) / (10 + self.done))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.net.parameters()), 1 - keep)
        self.done += 1

    def save(self):
        save(self.last, {"net": self.net.state_dict(), "average": self.average.state_dict(), "opt": self.opt.state_dict(),
                         "step": self.done})
