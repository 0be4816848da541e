#!/usr/bin/env python3
"""Gives the folders in tests/golden/checkpoints preprocessors, and writes what transformers makes of
synthetic pictures with both: from pixels to the embedding of a picture.

    pip install transformers==5.23.0 pillow==13.0.0 torch==2.15.* torchvision==0.29.2 numpy
    tests/golden/make_checkpoints.py && tests/golden/make_embeddings.py

checkpoints/NAME/preprocessor_config.json, V-JEPA 2's video_preprocessor_config.json
embeddings.tsv   folder, kind and seed of the picture (make_pixels.noise), width, height, and the
                 numbers of its embedding, of unit length
"""
import json
from pathlib import Path

import torch
from make_pixels import noise
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, VJEPA2VideoProcessor

HERE = Path(__file__).parent
HALF = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}


def square(side):
    return {"height": side, "width": side}


CONFIGS = {
    "clip": {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 16}, "crop_size": square(16)},
    "tinyclip": {"feature_extractor_type": "CLIPFeatureExtractor", "size": 12, "crop_size": 12},
    "siglip": {"image_processor_type": "SiglipImageProcessor", "size": square(12), **HALF},
    "siglip2": {"image_processor_type": "Siglip2ImageProcessor", "patch_size": 2, "max_num_patches": 24, **HALF},
    "vit": {"image_processor_type": "ViTImageProcessor", "size": square(20), **HALF},
    "deit": {"image_processor_type": "DeiTImageProcessor", "size": square(14), "crop_size": square(12), **IMAGENET},
    "dinov2": {"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 18}, "crop_size": square(16),
               "resample": 3, **IMAGENET},
    "dinov2_registers": {"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 14},
                         "crop_size": square(12), "resample": 3, **IMAGENET},
    "dinov3": {"image_processor_type": "DINOv3ViTImageProcessorFast", "size": square(16), **IMAGENET},
    "ijepa": {"image_processor_type": "ViTImageProcessor", "size": square(12), **IMAGENET},
    "vjepa2": {"video_processor_type": "VJEPA2VideoProcessor", "crop_size": square(12), **IMAGENET},
}
TIMM = ["timm_vit", "timm_registers"]  # whose config.json says it
PICTURES = [("blocks", 21, 33, 50), ("noise", 22, 64, 40)]


def embedding(name, model, processor, rgb):
    if name == "vjepa2":
        video = torch.from_numpy(rgb).permute(2, 0, 1)[None]
        inputs = processor(video, return_tensors="pt")
        return model(**inputs, skip_predictor=True).last_hidden_state.mean(1)
    inputs = processor(Image.fromarray(rgb), return_tensors="pt")
    if hasattr(model, "get_image_features"):
        out = model.get_image_features(**inputs)
        return out if torch.is_tensor(out) else out.pooler_output
    out = model(**inputs)
    return out.last_hidden_state.mean(1) if name == "ijepa" else out.pooler_output


def timm_lines(name):
    """By timm's own transform of the folder's pretrained_cfg, and pooled as its classifier has it."""
    import timm.data
    import timm.models.vision_transformer as v
    from safetensors.torch import load_file
    config = json.loads((HERE / "checkpoints" / name / "config.json").read_text())
    cfg = config["pretrained_cfg"]
    weights = load_file(HERE / "checkpoints" / name / "model.safetensors")
    blocks = sum(k.endswith("norm1.weight") for k in weights)
    registers = "reg_token" in weights
    model = v.VisionTransformer(img_size=cfg["input_size"][1], patch_size=weights["patch_embed.proj.weight"].shape[-1], depth=blocks,
                                embed_dim=config["num_features"], num_heads=6 if registers else 3, num_classes=config["num_classes"],
                                global_pool=config["global_pool"], **(dict(class_token=False, no_embed_class=True, reg_tokens=4,
                                init_values=1e-5, qkv_bias=False, fc_norm=True) if registers else {}))
    model.load_state_dict({k: w.float() for k, w in weights.items()})
    model.eval()
    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, pretrained_cfg=cfg))
    for kind, seed, width, height in PICTURES:
        pixels = transform(Image.fromarray(noise(width, height, seed, kind)))[None]
        x = model.forward_head(model.forward_features(pixels), pre_logits=True)[0]
        yield "\t".join([name, kind, str(seed), str(width), str(height), " ".join(f"{n:.9g}" for n in (x / x.norm()).tolist())])


@torch.no_grad()
def main():
    lines = []
    for name, config in CONFIGS.items():
        folder = HERE / "checkpoints" / name
        video = name == "vjepa2"
        file = folder / ("video_preprocessor_config.json" if video else "preprocessor_config.json")
        file.write_text(json.dumps(config, indent=2) + "\n")
        model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
        processor = (VJEPA2VideoProcessor.from_pretrained(folder) if video else
                     AutoImageProcessor.from_pretrained(folder, backend="torchvision" if name == "dinov3" else "pil"))
        for kind, seed, width, height in PICTURES:
            x = embedding(name, model, processor, noise(width, height, seed, kind))[0]
            x = (x / x.norm()).tolist()
            lines.append("\t".join([name, kind, str(seed), str(width), str(height), " ".join(f"{v:.9g}" for v in x)]))
    for name in TIMM:
        lines += timm_lines(name)
    (HERE / "embeddings.tsv").write_text("\n".join(lines) + "\n")
    print(len(lines), "embeddings")


if __name__ == "__main__":
    main()
