#!/usr/bin/env python3
"""Makes tests/golden/checkpoints: tiny models of random weights in the folders transformers saves
(config.json, model.safetensors), and beside each NAME.golden.safetensors with inputs and what
transformers gives for them. Norms, biases and scales are perturbed so that each matters; pictures
have odd sizes, texts are padded left, right and in the middle.

    pip install torch==2.15.* transformers==5.23.0 safetensors==0.8.0 sentence-transformers==6.2.0 timm==1.0.31
    tests/golden/make_checkpoints.py [NAME...]
"""
import sys

import dual_checkpoints as dual
import predictor_checkpoints as predictor
import text_checkpoints as text
from tiny_checkpoint import OUT
import torch
import vision_checkpoints as vision
import vjepa2_checkpoints as vjepa2

# The place in the list is the seed: new ones go to its end.
MAKERS = [text.bert, vision.vit, vision.dinov2, vision.dinov2_registers, dual.clip, dual.siglip, vjepa2.vjepa2, text.gemma3,
          predictor.open_vljepa, text.xlm_roberta, text.modernbert, text.llama, text.qwen3, vision.deit, vision.dinov3,
          vision.dinov2_gelu, vision.dinov2_registers_resized, vision.ijepa, dual.tinyclip, dual.siglip2,
          vision.siglip2_vision, vjepa2.vjepa2_predictor, text.sentence_bert, text.embeddinggemma, text.qwen3_embedding,
          vjepa2.vjepa21, vision.timm_vit, vision.timm_registers, vjepa2.vjepa21_levels]


@torch.no_grad()
def main():
    OUT.mkdir(exist_ok=True)
    for number, make in enumerate(MAKERS):
        torch.manual_seed(100 + number)
        if len(sys.argv) == 1 or make.__name__ in sys.argv[1:]:
            make()


if __name__ == "__main__":
    main()
