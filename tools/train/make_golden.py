"""Dumps what every stage of the model gives for a few pictures and questions, for the runtime's tests.

One safetensors file: `pixels_u8` [n,S,S,3], `low` [n,S/16,S/16,112], `head_features` [n,places,1280],
`logits` [n,classes], `features_966` [n,T,966], `semantics` [n,T,384], and for both ways of running the
block linears (`float.`, `ternary.`) `tower_tokens` [n,T,d] and `predicted` [n,q,384]. Question k has
`question_ids.k` [L] and `question_tokens.k` [L,384]. The questions themselves are in the metadata.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from model import meanings
from stem import Features, load_picture
from text import Text

QUESTIONS = ["what is in the picture?", "What animal is this?", "what color is the cup", "How many people are there?"]


@torch.no_grad()
def golden(net, names: list[str], pictures: list[Path], text: Text, questions=QUESTIONS, small=False) -> dict:
    c = net.config
    pixels = torch.from_numpy(np.stack([load_picture(p, c.image_size) for p in pictures]))
    features, logits, low, head = Features(c, text.embed(names))(pixels)
    tokens, semantics = text.tokens(questions), meanings(features)
    out = {"pixels_u8": pixels.numpy(), "logits": logits, "features_966": features,
           "semantics": semantics}
    if not small:
        out["low"] = low.permute(0, 2, 3, 1)
        out["head_features"] = head.flatten(2).transpose(1, 2)
    for k, (ids, h) in enumerate(zip(text.ids(questions), tokens)):
        out[f"question_ids.{k}"] = np.asarray(ids, dtype=np.int32)
        out[f"question_tokens.{k}"] = h
    net.eval()
    for mode in ("float", "ternary"):
        net.set_ternary(mode == "ternary")
        vision = net.vision(features)
        predicted = [net.predictor(h[None].expand(len(pictures), -1, -1), torch.full((len(pictures),), len(h)),
                                   vision, semantics)[0] for h in tokens]
        out[f"{mode}.tower_tokens"] = vision
        out[f"{mode}.predicted"] = torch.stack(predicted, 1)
    return {k: np.ascontiguousarray(v.numpy() if torch.is_tensor(v) else v) for k, v in out.items()}


def main():
    from data import load_setting
    from train import load_checkpoint

    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--checkpoint", type=Path, help="default: WORK/ternary.pt")
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--small", action="store_true", help="leave the stem's large maps out")
    p.add_argument("pictures", type=Path, nargs="+")
    a = p.parse_args()
    setting = load_setting(a.work)
    net, _ = load_checkpoint(a.checkpoint or a.work / "ternary.pt")
    tensors = golden(net, setting.labels.names, a.pictures, setting.text, small=a.small)
    save_file(tensors, a.out, metadata={"questions": json.dumps(QUESTIONS), "pictures": json.dumps([x.name for x in a.pictures])})


if __name__ == "__main__":
    main()
