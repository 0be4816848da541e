"""Makers for make_checkpoints.py: vision towers of pictures, as transformers and timm save them."""
import json
import shutil

import torch
import transformers as t
from safetensors.torch import save_file
from tiny_checkpoint import OUT, SIZES, perturb, save, states, write_golden


def vit():
    net = perturb(t.ViTModel(t.ViTConfig(image_size=20, patch_size=4, hidden_act="gelu", **SIZES)))
    pixels = torch.randn(2, 3, 27, 12)  # another size and shape than the positions were made for
    out = net(pixel_values=pixels, interpolate_pos_encoding=True)
    save("vit", net, {"pixel_values": pixels, "last_hidden_state": out.last_hidden_state,
                      "pooled": out.pooler_output})


def deit():
    net = perturb(t.DeiTModel(t.DeiTConfig(image_size=12, patch_size=4, **SIZES)))
    pixels = torch.randn(1, 3, 20, 13)
    out = net(pixel_values=pixels, interpolate_pos_encoding=True)
    save("deit", net, {"pixel_values": pixels, "last_hidden_state": out.last_hidden_state, "pooled": out.pooler_output})


def dinov2():
    small = {k: v for k, v in SIZES.items() if k != "intermediate_size"}
    net = perturb(t.Dinov2Model(t.Dinov2Config(image_size=16, patch_size=4, use_swiglu_ffn=True, **small)))
    pixels = torch.randn(2, 3, 21, 18)
    out = net(pixel_values=pixels)
    save("dinov2", net, {"pixel_values": pixels, "last_hidden_state": out.last_hidden_state,
                         "pooled": out.pooler_output})


def dinov2_gelu():
    """Smaller and larger grids than the table's, any layer's states (the last one's without the norm)."""
    small = {k: v for k, v in SIZES.items() if k != "intermediate_size"} | {"hidden_size": 18, "num_attention_heads": 3}
    net = perturb(t.Dinov2Model(t.Dinov2Config(image_size=20, patch_size=4, mlp_ratio=1, **small)))
    pixels = torch.randn(2, 3, 9, 30)
    out = net(pixel_values=pixels, output_hidden_states=True)
    save("dinov2_gelu", net, {"pixel_values": pixels, "last_hidden_state": out.last_hidden_state,
                              "pooled": out.pooler_output} | states(out, 0, 1, 2))


def dinov2_registers():
    small = {k: v for k, v in SIZES.items() if k != "intermediate_size"}
    net = perturb(t.Dinov2WithRegistersModel(t.Dinov2WithRegistersConfig(
        image_size=12, patch_size=4, num_register_tokens=3, qkv_bias=False, mlp_ratio=2, **small)))
    pixels = torch.randn(1, 3, 12, 12)
    out = net(pixel_values=pixels)
    save("dinov2_registers", net, {"pixel_values": pixels, "last_hidden_state": out.last_hidden_state,
                                   "pooled": out.pooler_output})


def dinov2_registers_resized():
    """The positions of this family are brought to other grids with antialiasing: fewer rows, more columns."""
    small = {k: v for k, v in SIZES.items() if k != "intermediate_size"}
    net = perturb(t.Dinov2WithRegistersModel(t.Dinov2WithRegistersConfig(
        image_size=28, patch_size=4, num_register_tokens=2, use_swiglu_ffn=True, mlp_ratio=2, **small)))
    pixels = torch.randn(1, 3, 12, 33)
    out = net(pixel_values=pixels)
    save("dinov2_registers_resized", net, {"pixel_values": pixels, "last_hidden_state": out.last_hidden_state,
                                           "pooled": out.pooler_output})


def dinov3():
    net = perturb(t.DINOv3ViTModel(t.DINOv3ViTConfig(
        image_size=16, patch_size=4, num_register_tokens=2, use_gated_mlp=True, hidden_act="silu", **SIZES)))
    pixels = torch.randn(2, 3, 21, 14)
    out = net(pixel_values=pixels)
    save("dinov3", net, {"pixel_values": pixels, "last_hidden_state": out.last_hidden_state, "pooled": out.pooler_output})


def ijepa():
    net = perturb(t.IJepaModel(t.IJepaConfig(image_size=12, patch_size=4, **SIZES)))
    pixels = torch.randn(1, 3, 17, 22)
    out = net(pixel_values=pixels, interpolate_pos_encoding=True, output_hidden_states=True)
    save("ijepa", net, {"pixel_values": pixels, "last_hidden_state": out.last_hidden_state} | states(out, 1))


def siglip2_vision():
    """The tower alone: tokens, those of padding left out, and the pooled ones."""
    net = perturb(t.Siglip2VisionModel(t.Siglip2VisionConfig(num_patches=16, patch_size=3, **SIZES)))
    shapes = torch.tensor([[7, 2], [1, 1]])
    pixels = torch.randn(2, 15, 27)
    mask = (torch.arange(15)[None] < shapes.prod(1)[:, None]).long()
    out = net(pixel_values=pixels, pixel_attention_mask=mask, spatial_shapes=shapes)
    save("siglip2_vision", net, {"pixel_values": pixels, "pixel_attention_mask": mask, "spatial_shapes": shapes,
                                 "last_hidden_state": out.last_hidden_state, "pooled": out.pooler_output})


def timm_folder(name, net, architecture, size, pool, **cfg):
    """As timm's save_for_hf writes it, and what its forward_features and forward_head give."""
    net = perturb(net)
    pixels = torch.randn(2, 3, size, size)
    tokens = net.forward_features(pixels)
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({
        "architecture": architecture, "num_classes": net.num_classes, "num_features": net.num_features, "global_pool": pool,
        "pretrained_cfg": {"tag": "tiny", "input_size": [3, size, size], "fixed_input_size": True, "interpolation": "bicubic",
                           "crop_pct": 0.9, "crop_mode": "center", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5],
                           "num_classes": net.num_classes, "first_conv": "patch_embed.proj", "classifier": "head"} | cfg}, indent=2) + "\n")
    save_file({k: v.half().contiguous() for k, v in net.state_dict().items()}, folder / "model.safetensors")
    write_golden(name, {"pixel_values": pixels, "last_hidden_state": tokens, "pooled": net.forward_head(tokens, pre_logits=True)})


def timm_vit():
    import timm.models.vision_transformer as v
    net = v.VisionTransformer(img_size=16, patch_size=4, embed_dim=24, depth=2, num_heads=3, num_classes=5)
    timm_folder("timm_vit", net, "vit_tiny_patch4_16", 16, "token")


def timm_registers():
    """Registers without positions, LayerScale, no CLS, and the norm behind the mean of the patches."""
    import timm.models.vision_transformer as v
    net = v.VisionTransformer(img_size=12, patch_size=4, embed_dim=48, depth=2, num_heads=6, num_classes=3, class_token=False,
                              no_embed_class=True, reg_tokens=4, global_pool="avg", init_values=1e-5, qkv_bias=False, fc_norm=True)
    timm_folder("timm_registers", net, "vit_small_patch4_reg4_gap_12", 12, "avg", crop_pct=1.0, interpolation="bilinear")
