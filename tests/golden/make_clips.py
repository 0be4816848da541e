#!/usr/bin/env python3
"""Writes what transformers makes of synthetic clips, with the folders that make_embeddings.py gave
preprocessors: V-JEPA 2 sees the frames as one clip, of other towers the embeddings are averaged.

    pip install transformers==5.23.0 pillow==13.0.0 torch==2.15.* torchvision==0.29.2 numpy
    tests/golden/make_clips.py

clips.tsv   folder, kind of the frames and their seeds (make_pixels.noise), width, height, and the
            numbers of the clip's embedding, of unit length
"""
from pathlib import Path

import torch
from make_pixels import noise
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, VJEPA2VideoProcessor

HERE = Path(__file__).parent
# Tubelets of two: one frame is repeated, a third or a seventh is not seen.
CASES = [("vjepa2", n, *size) for n, size in ((1, (33, 50)), (2, (64, 40)), (3, (33, 50)), (4, (64, 40)), (7, (40, 40)))]
CASES += [(name, 3, 64, 40) for name in ("clip", "siglip", "siglip2", "vit", "dinov2", "dinov3", "ijepa")]


def unit(x):
    return x / x.norm(dim=-1, keepdim=True)


def picture_embedding(name, model, processor, rgb):
    inputs = processor(Image.fromarray(rgb), return_tensors="pt")
    if hasattr(model, "get_image_features"):
        out = model.get_image_features(**inputs)
        return (out if torch.is_tensor(out) else out.pooler_output)[0]
    out = model(**inputs)
    return out.last_hidden_state.mean(1)[0] if name == "ijepa" else out.pooler_output[0]


@torch.no_grad()
def main():
    lines = []
    for i, (name, n, width, height) in enumerate(CASES):
        folder = HERE / "checkpoints" / name
        model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
        kind, seeds = ("blocks", "noise")[i % 2], [50 + 10 * i + k for k in range(n)]
        frames = [noise(width, height, seed, kind) for seed in seeds]
        if name == "vjepa2":
            video = torch.stack([torch.from_numpy(f).permute(2, 0, 1) for f in frames])
            inputs = VJEPA2VideoProcessor.from_pretrained(folder)(video, return_tensors="pt")
            x = unit(model(**inputs, skip_predictor=True).last_hidden_state.mean(1)[0])
        else:
            processor = AutoImageProcessor.from_pretrained(
                folder, backend="torchvision" if name == "dinov3" else "pil")
            x = unit(torch.stack([unit(picture_embedding(name, model, processor, f)) for f in frames]).mean(0))
        lines.append("\t".join([name, kind, ",".join(map(str, seeds)), str(width), str(height),
                                " ".join(f"{v:.9g}" for v in x.tolist())]))
    (HERE / "clips.tsv").write_text("\n".join(lines) + "\n")
    print(len(lines), "clips")


main()
