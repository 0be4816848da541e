"""What every training of the recipe shares: steps with averaged weights, and a checkpoint to go on from."""

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
