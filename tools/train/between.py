"""Weights between two checkpoints of one network (WiSE-FT: Wortsman et al., arXiv 2109.01903): what was learned last, without all of what it
made worse. Of two ternary networks master weights are mixed; of a ternary one and the float one that went on from it (train.py --mode float) the
weights that they compute with. A tensor that only the second has is taken as it is."""

import argparse
from pathlib import Path

import torch

from blocks import TernaryLinear, ternary_weight
from config import ModelConfig
from model import Net
from training import save


def computed(saved: dict) -> dict[str, torch.Tensor]:
    """A ternary checkpoint's weights as the network computes with them."""
    ternary = {f"{name}.weight" for name, module in Net(ModelConfig(**saved["model"])).named_modules() if isinstance(module, TernaryLinear)}
    return {name: ternary_weight(w.float()) if name in ternary else w for name, w in saved["net"].items()}


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--first", type=Path, required=True, help="the checkpoint that was gone on from")
    p.add_argument("--second", type=Path, required=True, help="what came of it")
    p.add_argument("--share", type=float, default=0.7, help="of the second's weights (default 0.7)")
    p.add_argument("--out", type=Path, required=True)
    a = p.parse_args()
    first, second = (torch.load(q, map_location="cpu", weights_only=False) for q in (a.first, a.second))
    before = computed(first) if (first["mode"], second["mode"]) == ("ternary", "float") else first["net"]
    net = {name: before[name].float().lerp(w.float(), a.share) if name in before else w for name, w in second["net"].items()}
    save(a.out, {**second, "net": net})


if __name__ == "__main__":
    main()
