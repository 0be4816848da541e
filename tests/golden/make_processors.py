#!/usr/bin/env python3
"""Writes tests/golden/processors: preprocessor_config.json files as they lie in published folders
and variations on them, and what transformers' image processors make of synthetic pictures.

    pip install transformers==5.23.0 pillow==13.0.0 torch==2.15.* torchvision==0.29.2 numpy
    tests/golden/make_processors.py

NAME/*.json     one folder a processor
cases.tsv       folder, model_type, kind and seed of the picture (make_pixels.noise), its width and
                height, width and height of the result, FNV-1a of its bytes [h, w, 3] behind resize
                and crop, FNV-1a of its floats [3, h, w] (little-endian)
FOLDER.WxH.f32  the floats themselves, where a reference's are not matched bit for bit (DINOv3)

transformers' PIL backend is asked, or the torchvision one for the two that have no other: V-JEPA 2's
video processor, whose resize of bytes needs a processor with AVX2, and DINOv3's.
"""
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import PIL
import torch
import torchvision
import transformers
from make_pixels import fnv1a, noise
from PIL import Image
from transformers import AutoImageProcessor, VJEPA2VideoProcessor

OUT = Path(__file__).parent / "processors"
CLIP = {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
HALF = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
DO = {"do_resize": True, "do_rescale": True, "rescale_factor": 0.00392156862745098, "do_normalize": True}

# name: (model_type, config)
CONFIGS = {
    # As published: of old, with numbers for sizes, and of today.
    "clip_old": ("clip", {"crop_size": 224, "do_center_crop": True, "do_normalize": True, "do_resize": True,
                          "feature_extractor_type": "CLIPFeatureExtractor", "resample": 3, "size": 224, **CLIP}),
    "clip": ("clip", {"image_processor_type": "CLIPImageProcessor", "crop_size": {"height": 24, "width": 24},
                      "do_center_crop": True, "do_convert_rgb": True, "resample": 3,
                      "size": {"shortest_edge": 24}, **DO, **CLIP}),
    "clip_defaults": ("clip", {"image_processor_type": "CLIPImageProcessorFast", "do_convert_rgb": None}),
    "clip_padded": ("clip", {"image_processor_type": "CLIPImageProcessor", "crop_size": [31, 18],
                             "size": {"height": 20, "width": 25}, **DO, **CLIP}),
    "clip_uncropped": ("clip", {"do_center_crop": False, "size": {"shortest_edge": 19}, "do_normalize": False}),
    "siglip": ("siglip", {"image_processor_type": "SiglipImageProcessor", "processor_class": "SiglipProcessor",
                          "do_convert_rgb": None, "resample": 3, "size": {"height": 22, "width": 22}, **DO, **HALF}),
    "siglip_edge": ("siglip", {"image_processor_type": "SiglipImageProcessor", "size": 21}),
    "siglip2_naflex": ("siglip2", {"image_processor_type": "Siglip2ImageProcessorFast", "resample": 2,
                                   "do_convert_rgb": None, "default_to_square": True, "patch_size": 4,
                                   "max_num_patches": 30, "data_format": "channels_first", **DO, **HALF}),
    "vit_old": ("vit", {"do_normalize": True, "do_resize": True, "resample": 2, "size": 24, **HALF}),
    "vit_raw": ("vit", {"image_processor_type": "ViTImageProcessor", "size": {"height": 9, "width": 14},
                        "do_rescale": False, "do_normalize": False}),
    "vit_unscaled": ("vit", {"image_processor_type": "ViTImageProcessor", "size": [17, 12], "do_rescale": False,
                             "image_mean": 127.5, "image_std": [127.5, 120.25, 131]}),
    "deit": ("deit", {"feature_extractor_type": "DeiTFeatureExtractor", "crop_size": 20, "size": 23,
                      "do_center_crop": True, "resample": 3, **IMAGENET}),
    "beit": ("beit", {"image_processor_type": "BeitImageProcessor", "crop_size": {"height": 20, "width": 20},
                      "do_center_crop": False, "do_reduce_labels": False, "size": {"height": 20, "width": 20}}),
    "beit_cropped": ("beit", {"image_processor_type": "BeitImageProcessor", "do_center_crop": True, "crop_size": 11,
                              "resample": 5, "size": 18}),
    "dinov2": ("dinov2", {"image_processor_type": "BitImageProcessor", "crop_size": {"height": 28, "width": 28},
                          "do_center_crop": True, "do_convert_rgb": True, "resample": 3,
                          "size": {"shortest_edge": 32}, **DO, **IMAGENET}),
    "dinov2_published": ("dinov2", {"image_processor_type": "BitImageProcessor",
                                    "crop_size": {"height": 224, "width": 224}, "do_center_crop": True,
                                    "do_convert_rgb": True, "resample": 3, "size": {"shortest_edge": 256},
                                    **DO, **IMAGENET}),
    "two_edges": ("dinov2", {"image_processor_type": "BitImageProcessor", "do_center_crop": False,
                             "size": {"shortest_edge": 20, "longest_edge": 33}, "rescale_factor": 0.0078125}),
    "unresized": ("dinov2", {"image_processor_type": "BitImageProcessor", "do_resize": False, "crop_size": 20}),
    "ijepa": ("ijepa", {"image_processor_type": "ViTImageProcessor", "do_convert_rgb": None, "resample": 2,
                        "size": {"height": 28, "width": 28}, **DO, **IMAGENET}),
    **{f"filter_{i}": ("vit", {"image_processor_type": "ViTImageProcessor", "resample": i,
                               "size": {"height": 15, "width": 26}}) for i in range(6)},
    "vjepa2": ("vjepa2", {"video_processor_type": "VJEPA2VideoProcessor", "crop_size": {"height": 28, "width": 28},
                          "data_format": "channels_first", "default_to_square": True, "do_center_crop": True,
                          "do_convert_rgb": None, "do_pad": None, "resample": 2, "return_metadata": False,
                          "size": {"shortest_edge": 292}, **DO, **IMAGENET}),
    "vjepa2_published": ("vjepa2", {"video_processor_type": "VJEPA2VideoProcessor",
                                    "crop_size": {"height": 256, "width": 256}, "resample": 2, **DO, **IMAGENET}),
    "vjepa2_cubic": ("vjepa2", {"video_processor_type": "VJEPA2VideoProcessor", "crop_size": 20, "resample": 3}),
    "vjepa2_unresized": ("vjepa2", {"video_processor_type": "VJEPA2VideoProcessor", "crop_size": 20, "do_resize": False}),
    "dinov3": ("dinov3_vit", {"image_processor_type": "DINOv3ViTImageProcessorFast", "resample": 2,
                              "data_format": "channels_first", "default_to_square": True, "do_center_crop": None,
                              "size": {"height": 16, "width": 16}, **DO, **IMAGENET}),
    "dinov3_cubic": ("dinov3_vit", {"image_processor_type": "DINOv3ViTImageProcessorFast", "resample": 3,
                                    "size": {"height": 11, "width": 18}}),
}
# Odd, tiny, long, and already of the size: (kind, seed, width, height).
PICTURES = [("noise", 1, 37, 53), ("blocks", 2, 64, 41), ("noise", 3, 1, 1), ("noise", 4, 3, 2), ("blocks", 5, 24, 24),
            ("noise", 6, 7, 150), ("noise", 7, 201, 9), ("blocks", 8, 20, 33), ("noise", 9, 130, 127)]
LARGE = [("noise", 10, 321, 243), ("blocks", 11, 225, 400)]
EXACT = {"dinov3": False, "dinov3_cubic": False}


def processor_of(name, kind, backend="pil"):
    folder = OUT / name
    if kind == "vjepa2":
        return VJEPA2VideoProcessor.from_pretrained(folder)
    backend = "torchvision" if kind == "dinov3_vit" else backend
    if "image_processor_type" in CONFIGS[name][1] or "feature_extractor_type" in CONFIGS[name][1]:
        return AutoImageProcessor.from_pretrained(folder, backend=backend)
    with tempfile.TemporaryDirectory() as both:  # the type follows from config.json
        shutil.copytree(folder, both, dirs_exist_ok=True)
        (Path(both) / "config.json").write_text(json.dumps({"model_type": kind}))
        return AutoImageProcessor.from_pretrained(both, backend=backend)


def run(processor, kind, rgb, **options):
    """[3, h, w] of one picture."""
    if kind == "vjepa2":
        out = processor(torch.from_numpy(rgb).permute(2, 0, 1)[None], return_tensors="pt", **options)
        return out["pixel_values_videos"][0, 0].numpy()
    out = processor(Image.fromarray(rgb), return_tensors="np", **options)
    pixels = np.asarray(out["pixel_values"][0])
    if "spatial_shapes" in out:  # NaFlex: patches of rows, columns, channels
        rows, cols = (int(n) for n in np.asarray(out["spatial_shapes"])[0])
        p = int(round((pixels.shape[-1] / 3) ** 0.5))
        patches = pixels[:rows * cols].reshape(rows, cols, p, p, 3)
        pixels = patches.transpose(4, 0, 2, 1, 3).reshape(3, rows * p, cols * p)
    return pixels


def compare_backends():
    """How far transformers' torchvision backend is from its PIL backend, in bytes behind resize and crop."""
    levels, differ, total = 0, 0, 0
    for name in ("clip_old", "clip_defaults", "dinov2_published"):  # of the sizes in use
        kind = CONFIGS[name][0]
        for picture, seed, width, height in LARGE:
            rgb = noise(width, height, seed, picture)
            a, b = (run(processor_of(name, kind, backend), kind, rgb, do_rescale=False, do_normalize=False).astype(int)
                    for backend in ("pil", "torchvision"))
            levels, differ, total = max(levels, abs(a - b).max()), differ + (a != b).sum(), total + a.size
    print(f"torchvision backend: {differ / total:.2%} of the bytes differ from the PIL backend's, by {levels} at most")


def main():
    for package, version in ((transformers, "5.23.0"), (PIL, "13.0.0"), (torchvision, "0.29.2")):
        if package.__version__.split("+")[0] != version:
            sys.exit(f"expected {package.__name__} {version}, found {package.__version__}")
    if "AVX" not in torch.backends.cpu.get_cpu_capability():
        sys.exit("torchvision resizes bytes in another way on a processor without AVX2")
    shutil.rmtree(OUT, ignore_errors=True)
    lines = []
    for name, (kind, config) in CONFIGS.items():
        (OUT / name).mkdir(parents=True)
        file = "video_preprocessor_config.json" if kind == "vjepa2" else "preprocessor_config.json"
        (OUT / name / file).write_text(json.dumps(config, indent=2) + "\n")
        processor = processor_of(name, kind)
        large = name in ("clip_old", "clip_defaults", "dinov2_published", "vjepa2_published")
        for picture, seed, width, height in LARGE if large else PICTURES:
            rgb = noise(width, height, seed, picture)
            floats = run(processor, kind, rgb).astype("<f4")
            bytes_hash = "-"
            if EXACT.get(name, True):
                bytes_ = run(processor, kind, rgb, do_rescale=False, do_normalize=False)
                assert np.array_equal(bytes_, bytes_.astype(np.uint8)), name
                bytes_hash = fnv1a(bytes_.astype(np.uint8).transpose(1, 2, 0).tobytes())
            else:
                floats.tofile(OUT / f"{name}.{width}x{height}.f32")
            _, h, w = floats.shape
            lines.append([name, kind, picture, seed, width, height, w, h, bytes_hash, fnv1a(floats.tobytes())])
    (OUT / "cases.tsv").write_text("".join("\t".join(map(str, line)) + "\n" for line in lines))
    print(len(lines), "cases")
    compare_backends()


main()
