"""Weights between two checkpoints of one network (WiSE-FT: Wortsman et al., arXiv 2109.01903): what was learned last, without all of what it
made worse. Master weights are mixed, so that a ternary network stays one; a tensor that only the second has is taken as it is."""

import argparse
from pathlib import Path

import torch

from training import save


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--first", type=Path, required=True, help="the checkpoint that was gone on from")
    p.add_argument("--second", type=Path, required=True, help="what came of it")
    p.add_argument("--share", type=float, default=0.7, help="of the second's weights (default 0.7)")
    p.add_argument("--out", type=Path, required=True)
    a = p.parse_args()
    first, second = (torch.load(q, map_location="cpu", weights_only=False) for q in (a.first, a.second))
    net = {name: first["net"][name].float().lerp(w.float(), a.share) if name in first["net"] else w for name, w in second["net"].items()}
    save(a.out, {**second, "net": net})


if __name__ == "__main__":
    main()
