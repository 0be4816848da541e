"""Makes checkpoints of a model file again, to go on training where it was shipped: a GGUF -> WORK/shipped.pt, WORK/generator.pt,
WORK/text.pt and WORK/tuned.pt, the stem, which build.py then shows its pictures to.

The file is first widened: `sterna model quantize sterna-nano.gguf shipped-f32.gguf --types '*=f32'`. Ternary maps hold -1, 0, +1 times a
scale a row, no master weights: those are drawn again, so that they become the very same ternary weights. Of the others only what was
rounded away is lost. Training photos tell the features' standardisation, which the file has folded in.
"""

import argparse
import json
import math
from pathlib import Path

import gguf
import numpy as np
import torch

from blocks import TernaryLinear, ternary_weight
from config import EMBED, GeneratorConfig
from data import Setting, load_setting, photo_files
from export import language_of, stem_of
from generator import Generator
from model import HEAD_GAIN, Net
from training import save

DEVIATION = math.sqrt(math.pi / 2)  # of normal weights whose mean magnitude is 1


def quantile(p: torch.Tensor) -> torch.Tensor:
    """Of the magnitude of a standard normal variable."""
    return math.sqrt(2) * torch.erfinv(p)


def master_weights(w: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Weights [out, in] whose ternary_weight() is `w`: of normal magnitudes, drawn on the side of the threshold (half the scale) that
    each is on, those beyond it stretched so that the row's mean magnitude is the scale again."""
    scale, one = w.abs().amax(1, keepdim=True).double(), w != 0
    inner = torch.erf(torch.tensor(0.5 / DEVIATION / math.sqrt(2), dtype=torch.double))
    drawn = torch.rand(w.shape, generator=random, dtype=torch.double)
    small = DEVIATION * quantile(inner * drawn) * 0.98
    beyond = DEVIATION * quantile(inner + (1 - inner) * 0.999 * drawn) - 0.5
    count = one.sum(1, keepdim=True)
    missing = w.shape[1] - torch.where(one, 0.5, small).sum(1, keepdim=True)
    stretch = missing / torch.where(one, beyond, 0).sum(1, keepdim=True).clamp(min=1e-9)
    sign = torch.where(one, w.sign(), (torch.rand(w.shape, generator=random) < 0.5) * 2.0 - 1)
    out = sign * scale * torch.where(one, 0.5 + stretch * beyond, small)
    return torch.where(count > 0, out, torch.zeros_like(out)).float()


def tensors_of(path: Path) -> tuple[dict[str, torch.Tensor], dict]:
    file = gguf.GGUFReader(path)
    wrong = [t.name for t in file.tensors if t.tensor_type != gguf.GGMLQuantizationType.F32]
    if wrong:
        raise SystemExit(f"{path}: expected f32 alone (sterna model quantize {path} OUT --types '*=f32'), found {wrong[0]}")
    return ({t.name: torch.from_numpy(np.array(t.data).reshape(t.shape[::-1].tolist())) for t in file.tensors},
            {name: field.contents() for name, field in file.fields.items()})


def with_masters(net: torch.nn.Module, state: dict[str, torch.Tensor], random: torch.Generator) -> torch.nn.Module:
    """`net` with the weights of `state`, master weights for its ternary ones; what is not in `state` it keeps."""
    for name, module in net.named_modules():
        if isinstance(module, TernaryLinear) and f"{name}.weight" in state:
            w = state[f"{name}.weight"]
            master = master_weights(w, random)
            if not torch.equal(ternary_weight(master), w):
                raise SystemExit(f"{name}.weight: expected ternary weights of a scale a row, found others")
            state[f"{name}.weight"] = master
    net.load_state_dict(net.state_dict() | state)
    return net


def some_features(setting: Setting) -> torch.Tensor:
    files, features = photo_files(setting, "train")[::4], setting.features()
    if not files:
        raise SystemExit("from_file.py: expected photos (build.py --prepare --photos), found none")
    return torch.cat([features.of_file(f)[0] for f in files])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--file", type=Path, required=True, help="a GGUF of f32 alone")
    a = p.parse_args()
    tensors, about = tensors_of(a.file)
    random = torch.Generator().manual_seed(0)
    setting = load_setting(a.work)
    save(a.work / "tuned.pt", {"weights": stem_of(tensors)})
    net = Net(setting.config)
    net.standardise(some_features(setting))
    state = {name: tensors[name] for name in net.state_dict() if name in tensors}  # all but the standardisation; older files have no predictor.ground, no predictor.referents
    shift, scale = net.vision.shift, net.vision.scale
    folded = state["vision.tokens.weight"]
    state["vision.tokens.weight"] = folded / scale
    state["vision.tokens.bias"] = (state["vision.tokens.bias"].double() + folded.double() @ shift.double()).float()
    # Calibration made the head smaller, beside choices; among the whole vocabulary it is as it was.
    head = HEAD_GAIN / about["sterna.decoder.vocabulary_head_scale"]
    for part in ("weight", "bias"):
        state[f"predictor.head.{part}"] = state[f"predictor.head.{part}"] / head
    net = with_masters(net, state, random)
    steps = int(about["sterna.card.steps"])
    save(a.work / "shipped.pt", {"model": vars(setting.config), "mode": "ternary", "seed": int(about["sterna.card.seed"]), "steps": steps, "step": steps,
                                 "hashes": json.loads(about["sterna.card.data_hashes"]), "net": net.state_dict()})
    c = GeneratorConfig()
    writer = Generator(c, about["sterna.generator.pieces"])
    state = {name: tensors[f"generator.{name}"] for name in writer.state_dict()}
    state["prefix.weight"] = state["prefix.weight"] / EMBED ** 0.5
    writer = with_masters(writer, state, random)
    written = json.loads(about["sterna.card.generator"])
    save(a.work / "generator.pt", {"config": vars(c), "pieces": writer.pieces, "texts": written["texts"], "step": written["steps"],
                                             "net": writer.state_dict()})
    if "sterna.card.text_tower" in about:
        distilled = json.loads(about["sterna.card.text_tower"])
        save(a.work / "text.pt", {"config": {"seed": distilled["seed"]}, "step": distilled["steps"], "weights": language_of(tensors)})
    print(f"{a.work / 'shipped.pt'}: {steps} steps, head scaled back by {head / HEAD_GAIN:.3f}; {a.work / 'generator.pt'}")


if __name__ == "__main__":
    main()
