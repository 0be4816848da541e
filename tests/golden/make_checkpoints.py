#!/usr/bin/env python3
"""Makes tests/golden/checkpoints: tiny models of random weights in the folders transformers saves
(config.json, model.safetensors), and beside each NAME.golden.safetensors with inputs and what
transformers gives for them. Norms, biases and scales are perturbed so that each matters; pictures
have odd sizes, texts are padded left, right and in the middle.

    pip install torch==2.15.* transformers==5.23.0 safetensors==0.8.0 sentence-transformers==6.2.0 timm==1.0.31
    tests/golden/make_checkpoints.py [NAME...]
"""
import json
import math
import shutil
import sys
from pathlib import Path

import sentence_transformers.sentence_transformer.modules as st
import torch
import transformers as t
from safetensors.torch import save_file
from vjepa21 import Vjepa21, Vjepa21Predictor

OUT = Path(__file__).parent / "checkpoints"
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 28}


def perturb(model, scale=1.0):
    """Weights large enough that a part that is left out shows, and gains and biases off their rests."""
    for name, p in model.named_parameters():
        if p.dim() > 1 and "embed" not in name and "token" not in name and "probe" not in name:
            torch.nn.init.normal_(p, 0.0, scale * 1.2 / math.sqrt(p[0].numel()))
        else:
            p.data += 0.25 * torch.randn_like(p)
        p.data = p.data.half().float()  # files hold halves, and what they hold is what is run
    return model.float().eval()


def masks(rows, length):
    """Padding on the right, on the left, in the middle, and none."""
    mask = torch.ones(rows, length, dtype=torch.int64)
    mask[0, length - length // 3:] = 0
    if rows > 1:
        mask[1, :length // 4] = 0
    if rows > 2:
        mask[2, length // 3:length // 2] = 0
    return mask


def ids(rows, length, words):
    return torch.randint(3, words - 1, (rows, length))


def save(name, model, golden):
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    (model if name == "bert" else model.half()).save_pretrained(folder)
    write_golden(name, golden)


def write_golden(name, golden):
    save_file({k: v.detach().clone().contiguous() for k, v in golden.items()}, OUT / f"{name}.golden.safetensors")
    for file in [*OUT.glob(f"{name}/**/*"), *OUT.glob(f"{name}.*")]:
        if file.is_file():
            file.chmod(0o644)


def bert():
    net = perturb(t.BertModel(t.BertConfig(vocab_size=50, max_position_embeddings=24, **SIZES)))
    inputs = {"input_ids": ids(4, 17, 50), "attention_mask": masks(4, 17)}
    out = net(**inputs)
    save("bert", net, inputs | {"last_hidden_state": out.last_hidden_state, "pooled": out.pooler_output})


def xlm_roberta():
    net = perturb(t.XLMRobertaModel(t.XLMRobertaConfig(vocab_size=50, max_position_embeddings=24, pad_token_id=4, **SIZES)))
    inputs = {"input_ids": ids(4, 13, 50), "attention_mask": masks(4, 13)}
    inputs["input_ids"][inputs["attention_mask"] == 0] = 4
    out = net(**inputs)
    save("xlm_roberta", net, inputs | {"last_hidden_state": out.last_hidden_state, "pooled": out.pooler_output})


def modernbert():
    net = perturb(t.ModernBertModel(t.ModernBertConfig(
        vocab_size=40, pad_token_id=0, local_attention=6, layer_types=["full_attention", "sliding_attention"], **SIZES)))
    inputs = {"input_ids": ids(3, 15, 40), "attention_mask": masks(3, 15)}
    save("modernbert", net, inputs | {"last_hidden_state": net(**inputs).last_hidden_state})


def llama():
    net = perturb(t.LlamaModel(t.LlamaConfig(vocab_size=40, num_key_value_heads=1, attention_bias=True, **SIZES)))
    inputs = {"input_ids": ids(3, 12, 40), "attention_mask": masks(3, 12)}
    save("llama", net, inputs | {"last_hidden_state": net(**inputs).last_hidden_state})


def qwen3():
    net = perturb(t.Qwen3Model(t.Qwen3Config(vocab_size=40, num_key_value_heads=1, head_dim=12, **SIZES)))
    inputs = {"input_ids": ids(3, 12, 40), "attention_mask": masks(3, 12)}
    save("qwen3", net, inputs | {"last_hidden_state": net(**inputs).last_hidden_state})


def deit():
    net = perturb(t.DeiTModel(t.DeiTConfig(image_size=12, patch_size=4, **SIZES)))
    pixels = torch.randn(1, 3, 20, 13)
    out = net(pixel_values=pixels, interpolate_pos_encoding=True)
    save("deit", net, {"pixel_values": pixels, "last_hidden_state": out.last_hidden_state, "pooled": out.pooler_output})


def dinov3():
    net = perturb(t.DINOv3ViTModel(t.DINOv3ViTConfig(
        image_size=16, patch_size=4, num_register_tokens=2, use_gated_mlp=True, hidden_act="silu", **SIZES)))
    pixels = torch.randn(2, 3, 21, 14)
    out = net(pixel_values=pixels)
    save("dinov3", net, {"pixel_values": pixels, "last_hidden_state": out.last_hidden_state, "pooled": out.pooler_output})


def vit():
    net = perturb(t.ViTModel(t.ViTConfig(image_size=20, patch_size=4, hidden_act="gelu", **SIZES)))
    pixels = torch.randn(2, 3, 27, 12)  # another size and shape than the positions were made for
    out = net(pixel_values=pixels, interpolate_pos_encoding=True)
    save("vit", net, {"pixel_values": pixels, "last_hidden_state": out.last_hidden_state,
                      "pooled": out.pooler_output})


def dinov2():
    small = {k: v for k, v in SIZES.items() if k != "intermediate_size"}
    net = perturb(t.Dinov2Model(t.Dinov2Config(image_size=16, patch_size=4, use_swiglu_ffn=True, **small)))
    pixels = torch.randn(2, 3, 21, 18)
    out = net(pixel_values=pixels)
    save("dinov2", net, {"pixel_values": pixels, "last_hidden_state": out.last_hidden_state,
                         "pooled": out.pooler_output})


def dinov2_registers():
    small = {k: v for k, v in SIZES.items() if k != "intermediate_size"}
    net = perturb(t.Dinov2WithRegistersModel(t.Dinov2WithRegistersConfig(
        image_size=12, patch_size=4, num_register_tokens=3, qkv_bias=False, mlp_ratio=2, **small)))
    pixels = torch.randn(1, 3, 12, 12)
    out = net(pixel_values=pixels)
    save("dinov2_registers", net, {"pixel_values": pixels, "last_hidden_state": out.last_hidden_state,
                                   "pooled": out.pooler_output})


def dual(name, config, model, text, pixels):
    net = perturb(model(config))
    out = net(pixel_values=pixels, interpolate_pos_encoding=True, **text)
    save(name, net, {"pixel_values": pixels, "image_embeds": out.image_embeds, "text_embeds": out.text_embeds} | text)


def clip():
    sizes = SIZES | {"hidden_size": 24, "num_attention_heads": 4}
    config = t.CLIPConfig(text_config=dict(vocab_size=60, max_position_embeddings=16, eos_token_id=59, **SIZES),
                          vision_config=dict(image_size=16, patch_size=4, **sizes), projection_dim=20)
    text = {"input_ids": ids(3, 11, 60), "attention_mask": masks(3, 11)}
    text["input_ids"][0, 6] = text["input_ids"][1, 10] = text["input_ids"][2, 8] = 59
    dual("clip", config, t.CLIPModel, text, torch.randn(2, 3, 20, 13))


def siglip():
    config = t.SiglipConfig(text_config=dict(vocab_size=60, max_position_embeddings=16, **SIZES),
                            vision_config=dict(image_size=12, patch_size=4, **SIZES))
    text = {"input_ids": ids(3, 16, 60)}
    dual("siglip", config, t.SiglipModel, text, torch.randn(2, 3, 12, 16))


def states(out, *depths):
    """hidden_states of these numbers of blocks, as `sterna model check` names them."""
    return {f"hidden_states.{n}": out.hidden_states[n] for n in depths}


def dinov2_gelu():
    """Smaller and larger grids than the table's, any layer's states (the last one's without the norm)."""
    small = {k: v for k, v in SIZES.items() if k != "intermediate_size"} | {"hidden_size": 18, "num_attention_heads": 3}
    net = perturb(t.Dinov2Model(t.Dinov2Config(image_size=20, patch_size=4, mlp_ratio=1, **small)))
    pixels = torch.randn(2, 3, 9, 30)
    out = net(pixel_values=pixels, output_hidden_states=True)
    save("dinov2_gelu", net, {"pixel_values": pixels, "last_hidden_state": out.last_hidden_state,
                              "pooled": out.pooler_output} | states(out, 0, 1, 2))


def dinov2_registers_resized():
    """The positions of this family are brought to other grids with antialiasing: fewer rows, more columns."""
    small = {k: v for k, v in SIZES.items() if k != "intermediate_size"}
    net = perturb(t.Dinov2WithRegistersModel(t.Dinov2WithRegistersConfig(
        image_size=28, patch_size=4, num_register_tokens=2, use_swiglu_ffn=True, mlp_ratio=2, **small)))
    pixels = torch.randn(1, 3, 12, 33)
    out = net(pixel_values=pixels)
    save("dinov2_registers_resized", net, {"pixel_values": pixels, "last_hidden_state": out.last_hidden_state,
                                           "pooled": out.pooler_output})


def ijepa():
    net = perturb(t.IJepaModel(t.IJepaConfig(image_size=12, patch_size=4, **SIZES)))
    pixels = torch.randn(1, 3, 17, 22)
    out = net(pixel_values=pixels, interpolate_pos_encoding=True, output_hidden_states=True)
    save("ijepa", net, {"pixel_values": pixels, "last_hidden_state": out.last_hidden_state} | states(out, 1))


def tinyclip():
    """TinyCLIP (arXiv 2309.12314) is CLIP of other sizes: towers of unlike depth, text no wider than the head,
    and a config from before eos_token_id was right, where the end is the highest id."""
    sizes = SIZES | {"num_hidden_layers": 3, "num_attention_heads": 1}
    config = t.CLIPConfig(
        text_config=dict(vocab_size=60, max_position_embeddings=12, eos_token_id=2, **SIZES | {"num_hidden_layers": 1}),
        vision_config=dict(image_size=12, patch_size=4, **sizes), projection_dim=16)
    text = {"input_ids": ids(2, 12, 58), "attention_mask": masks(2, 12)}
    text["attention_mask"][1] = 1
    text["input_ids"][0, 7], text["input_ids"][1, 11] = 59, 59
    dual("tinyclip", config, t.CLIPModel, text, torch.randn(1, 3, 12, 12))


def siglip2():
    """NaFlex: pictures of shapes of their own in patches, padded to one length. Their mask hides the rest."""
    config = t.Siglip2Config(text_config=dict(vocab_size=60, max_position_embeddings=12, projection_size=16, **SIZES | {"hidden_size": 20}),
                             vision_config=dict(num_patches=25, patch_size=2, **SIZES))
    net = perturb(t.Siglip2Model(config))
    shapes = torch.tensor([[3, 4], [5, 5], [2, 9]])
    pixels = torch.randn(3, 26, 12)
    mask = (torch.arange(26)[None] < shapes.prod(1)[:, None]).long()
    text = {"input_ids": ids(2, 12, 60)}
    out = net(pixel_values=pixels, pixel_attention_mask=mask, spatial_shapes=shapes, **text)
    save("siglip2", net, {"pixel_values": pixels, "pixel_attention_mask": mask, "spatial_shapes": shapes,
                          "image_embeds": out.image_embeds, "text_embeds": out.text_embeds} | text)


def siglip2_vision():
    """The tower alone: tokens, those of padding left out, and the pooled ones."""
    net = perturb(t.Siglip2VisionModel(t.Siglip2VisionConfig(num_patches=16, patch_size=3, **SIZES)))
    shapes = torch.tensor([[7, 2], [1, 1]])
    pixels = torch.randn(2, 15, 27)
    mask = (torch.arange(15)[None] < shapes.prod(1)[:, None]).long()
    out = net(pixel_values=pixels, pixel_attention_mask=mask, spatial_shapes=shapes)
    save("siglip2_vision", net, {"pixel_values": pixels, "pixel_attention_mask": mask, "spatial_shapes": shapes,
                                 "last_hidden_state": out.last_hidden_state, "pooled": out.pooler_output})


def vjepa2_predictor():
    """Its predictor: patches 2 .. from those seen, the lists in no order and with patches in both."""
    small = {k: v for k, v in SIZES.items() if k != "intermediate_size"} | {"num_hidden_layers": 1}
    net = perturb(t.VJEPA2Model(t.VJEPA2Config(
        patch_size=4, crop_size=12, frames_per_clip=4, tubelet_size=2, mlp_ratio=1, pred_mlp_ratio=1.5, pred_hidden_size=18,
        pred_num_attention_heads=1, pred_num_hidden_layers=2, pred_num_mask_tokens=3, **small)))
    clips = torch.randn(2, 4, 3, 12, 12)
    seen = torch.tensor([[0, 5, 3, 17, 9], [16, 2, 4, 1, 11]])
    asked = torch.tensor([[2, 17, 4, 12], [0, 16, 8, 6]])
    out = net(pixel_values_videos=clips, context_mask=[seen], target_mask=[asked], output_hidden_states=True)
    save("vjepa2_predictor", net, {
        "pixel_values_videos": clips, "context_mask": seen, "target_mask": asked,
        "predictor_output": out.predictor_output.last_hidden_state} | states(out, 1))
    # A picture is a clip of one frame, which is repeated; from all patches to all of them.
    out = net.float()(pixel_values_videos=clips[:, :1])  # saving had made halves of them
    write_golden("vjepa2_predictor.picture", {
        "pixel_values": clips[:, 0], "last_hidden_state": out.last_hidden_state,
        "predictor_output": out.predictor_output.last_hidden_state})


def vjepa2():
    small = {k: v for k, v in SIZES.items() if k != "intermediate_size"} | {"hidden_size": 28}
    net = perturb(t.VJEPA2Model(t.VJEPA2Config(
        patch_size=4, crop_size=12, frames_per_clip=4, tubelet_size=2, mlp_ratio=1.5, pred_hidden_size=12,
        pred_num_attention_heads=2, pred_num_hidden_layers=1, pred_num_mask_tokens=2, **small)))
    clips = torch.randn(2, 5, 3, 18, 12)  # a frame, and rows of pixels, are left over
    out = net(pixel_values_videos=clips, skip_predictor=True)
    save("vjepa2", net, {"pixel_values_videos": clips, "last_hidden_state": out.last_hidden_state})


def vjepa21_folder(name, net, head, **config):
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    weights = {f"encoder.module.backbone.{k}": v for k, v in net.state_dict().items()}
    weights |= {f"predictor.module.backbone.{k}": v for k, v in head.state_dict().items()}
    save_file({k: v.half().contiguous() for k, v in weights.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({
        "model_type": "vjepa2_1", "mlp_ratio": 2.0, "crop_size": 48, "frames_per_clip": 4, "pred_num_attention_heads": 1,
        "pred_num_hidden_layers": 1, "pred_num_mask_tokens": 3} | config, indent=2) + "\n")


def vjepa21_levels():
    """The larger ones' predictor, which looks at four of twelve layers, and predicts four of the teacher's."""
    net = perturb(Vjepa21(12, 1, 12, 16, 2))
    head = perturb(Vjepa21Predictor(12, 18, 1, 1, 3, 48, 3, levels=4))
    clips = torch.randn(1, 4, 3, 48, 48)
    seen, asked = torch.tensor([[0, 5, 3, 9, 17]]), torch.tensor([[2, 11, 4]])
    vjepa21_folder("vjepa21_levels", net, head, hidden_size=12, num_hidden_layers=12, num_attention_heads=1, pred_hidden_size=18)
    levels = net(clips, (2, 5, 8, 11))
    write_golden("vjepa21_levels", {"pixel_values_videos": clips, "last_hidden_state": net(clips), "context_mask": seen,
                                    "target_mask": asked, "predictor_output": head(levels, seen, asked, False)})


def vjepa21():
    """A clip of an odd shape with a frame left over, patches from patches, and a picture."""
    net = perturb(Vjepa21(28, 2, 2, 16, 2))
    head = perturb(Vjepa21Predictor(28, 18, 1, 1, 3, 20, 3))
    clips = torch.randn(2, 5, 3, 50, 33)
    seen = torch.tensor([[0, 5, 3, 9], [11, 2, 4, 1]])
    asked = torch.tensor([[2, 11, 4], [0, 10, 8]])
    vjepa21_folder("vjepa21", net, head, hidden_size=28, num_hidden_layers=2, num_attention_heads=2, pred_hidden_size=18,
                   pred_out_size=20)
    tokens = net(clips)
    write_golden("vjepa21", {"pixel_values_videos": clips, "last_hidden_state": tokens, "context_mask": seen,
                             "target_mask": asked, "predictor_output": head(tokens, seen, asked, False)})
    pictures = torch.randn(2, 3, 48, 50)
    tokens = net(pictures[:, None])
    every = torch.arange(9).expand(2, -1)
    write_golden("vjepa21.picture", {"pixel_values": pictures, "last_hidden_state": tokens,
                                     "predictor_output": head(tokens, every, every, True)})


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


def gemma3():
    net = perturb(t.Gemma3TextModel(t.Gemma3TextConfig(
        vocab_size=40, head_dim=16, num_key_value_heads=1, sliding_window=5, query_pre_attn_scalar=20,
        layer_types=["sliding_attention", "full_attention"], **SIZES)))
    inputs = {"input_ids": ids(3, 14, 40), "attention_mask": masks(3, 14)}  # causal
    out = net(**inputs)
    save("gemma3", net, inputs | {"last_hidden_state": out.last_hidden_state})


def sentences(name, net, modules, text, old_pooling=None):
    """A folder of sentence-transformers: the tower, and `modules` behind it, each saved by its own code.
    `old_pooling`: the keys that releases before 5.7 wrote, in place of the pooling's own."""
    features = dict(text) | {"token_embeddings": net(**text).last_hidden_state}
    golden = dict(text) | {"last_hidden_state": features["token_embeddings"]}
    for module in modules:
        features = perturb(module)(features)
        golden.setdefault("pooled", features["sentence_embedding"])
    golden["sentence_embedding"] = features["sentence_embedding"]
    save(name, net, {})
    listed = [("Transformer", "")]
    for i, module in enumerate(modules, 1):
        kind = type(module).__name__
        listed.append((kind, f"{i}_{kind}"))
        folder = OUT / name / listed[-1][1]
        if kind != "Normalize":
            folder.mkdir(parents=True)
            module.save(str(folder))
    if old_pooling:
        (OUT / name / listed[1][1] / "config.json").write_text(json.dumps(old_pooling, indent=4) + "\n")
    (OUT / name / "modules.json").write_text(json.dumps(
        [{"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
         for i, (kind, path) in enumerate(listed)], indent=2) + "\n")
    write_golden(name, golden)


def sentence_bert():
    """Every pooling there is, joined, and every module behind it."""
    net = perturb(t.BertModel(t.BertConfig(vocab_size=50, max_position_embeddings=24, **SIZES), add_pooling_layer=False))
    text = {"input_ids": ids(4, 9, 50), "attention_mask": masks(4, 9)}
    sentences("sentence_bert", net, [
        st.Pooling(16, ("lasttoken", "max", "weightedmean", "cls", "mean_sqrt_len_tokens", "mean")),
        st.Dense(96, 12), st.LayerNorm(12), st.Normalize()], text)


def embeddinggemma():
    """EmbeddingGemma: Gemma 3 that looks both ways, through windows and all over, and two maps of the mean."""
    net = perturb(t.Gemma3TextModel(t.Gemma3TextConfig(
        vocab_size=40, head_dim=12, num_key_value_heads=1, sliding_window=6, query_pre_attn_scalar=12,
        use_bidirectional_attention=True, max_position_embeddings=64,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"], **(SIZES | {"num_hidden_layers": 3}))))
    text = {"input_ids": ids(3, 14, 40), "attention_mask": masks(3, 14)}
    keys = ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"]
    sentences("embeddinggemma", net, [
        st.Pooling(16, "mean"), st.Dense(16, 24, bias=False, activation_function=torch.nn.Identity()),
        st.Dense(24, 16, bias=False, activation_function=torch.nn.Identity()), st.Normalize()], text,
        {"word_embedding_dimension": 16} | {f"pooling_mode_{k}": k == "mean_tokens" for k in keys} | {"include_prompt": True})


def qwen3_embedding():
    """Qwen3-Embedding: the last token that is no padding, on either side."""
    net = perturb(t.Qwen3Model(t.Qwen3Config(vocab_size=40, num_key_value_heads=1, head_dim=8, **SIZES)))
    text = {"input_ids": ids(3, 10, 40), "attention_mask": masks(3, 10)}
    sentences("qwen3_embedding", net, [st.Pooling(16, "lasttoken"), st.Normalize()], text)


class OpenVljepa(torch.nn.Module):
    """open-vljepa's modules under its names: V-JEPA 2, the last layers of a Llama, a Gemma 3 encoder."""

    def __init__(self, x, predictor, y, keep=2, dim=20):
        super().__init__()
        d = predictor.hidden_size
        llama = t.LlamaModel(predictor)
        self.rotary = llama.rotary_emb
        self.x_encoder = torch.nn.Module()
        self.x_encoder.model = t.VJEPA2Model(x)
        self.predictor = torch.nn.Module()
        self.predictor.embed_tokens = llama.embed_tokens
        self.predictor.layers = llama.layers[-keep:]
        self.predictor.norm = llama.norm
        self.predictor.vis_proj = torch.nn.Linear(x.hidden_size, d)
        self.predictor.out_proj = torch.nn.Linear(d, dim)
        self.y_encoder = torch.nn.Module()
        self.y_encoder.model = t.Gemma3TextModel(y)
        self.y_encoder.projector = torch.nn.Linear(y.hidden_size, dim)
        self.config = {"x_encoder": x.to_dict(), "predictor": predictor.to_dict() | {"n_keep_layers": keep, "proj_dim": dim},
                       "y_encoder": y.to_dict() | {"proj_dim": dim}}

    def see(self, pixels):
        return self.x_encoder.model(pixel_values_videos=pixels, skip_predictor=True).last_hidden_state

    def predict(self, tokens, query, mask):
        p = self.predictor
        x = torch.cat([p.vis_proj(tokens), p.embed_tokens(query)], 1)
        seen = torch.cat([torch.ones(tokens.shape[:2]), mask.float()], 1).to(x.dtype)
        bias = torch.zeros(len(x), 1, x.shape[1], x.shape[1], dtype=x.dtype).masked_fill(seen[:, None, None] == 0, -torch.inf)
        places = torch.arange(x.shape[1])[None]
        for layer in p.layers:
            x = layer(x, attention_mask=bias, position_ids=places, position_embeddings=self.rotary(x, places))
        x = (p.norm(x) * seen[..., None]).sum(1) / seen.sum(1, keepdim=True)
        return p.out_proj(x)

    def target(self, text, mask):
        h = self.y_encoder.model(input_ids=text, attention_mask=mask).last_hidden_state
        mask = mask.to(h.dtype)
        return self.y_encoder.projector((h * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))

    def run(self, g):
        """The inputs `g`, and what becomes of them under the names of `sterna model check`."""
        g = g | {"vision_tokens": self.see(g["pixels"]), "vision_tokens_one_frame": self.see(g["pixels"][:, :1])}
        return g | {"predicted": self.predict(g["vision_tokens"], g["query_ids"], g["query_mask"]),
                    "target": self.target(g["target_ids"], g["target_mask"])}

    def save_pretrained(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(self.config, indent=1, default=str) + "\n")
        save_file({k: v.contiguous() for k, v in self.state_dict().items() if not k.startswith("rotary")},
                  folder / "model.safetensors")


def open_vljepa():
    small = {k: v for k, v in SIZES.items() if k != "intermediate_size"}
    x = t.VJEPA2Config(patch_size=4, crop_size=12, frames_per_clip=4, mlp_ratio=2.0, pred_hidden_size=12,
                       pred_num_attention_heads=2, pred_num_hidden_layers=0, pred_num_mask_tokens=1, **small)
    llama = t.LlamaConfig(vocab_size=40, num_key_value_heads=2, hidden_act="silu", rms_norm_eps=1e-5, rope_parameters={
        "rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64}, **(SIZES | {"num_hidden_layers": 3, "num_attention_heads": 4}))
    llama._attn_implementation = "eager"
    gemma = t.Gemma3TextConfig(vocab_size=40, head_dim=10, num_key_value_heads=1, sliding_window=6,
                               query_pre_attn_scalar=12, use_bidirectional_attention=True, max_position_embeddings=64,
                               layer_types=["sliding_attention", "full_attention", "sliding_attention"],
                               **(SIZES | {"num_hidden_layers": 3}))
    net = perturb(OpenVljepa(x, llama, gemma))
    g = net.run({"pixels": torch.randn(2, 4, 3, 12, 12), "query_ids": ids(2, 7, 40), "query_mask": masks(2, 7).float(),
                 "target_ids": ids(3, 15, 40), "target_mask": masks(3, 15).float()})
    composed(net, g)
    net.save_pretrained(OUT / "open_vljepa")
    write_golden("open_vljepa", g)


def composed(net, g):
    """The same predictor in a folder that sterna.json makes of three, with towers of other kinds: DINOv2, which
    sees frames one by one, and a sentence-transformers folder of another width than the predictions."""
    torch.manual_seed(99)
    folder = OUT / "composed"
    shutil.rmtree(folder, ignore_errors=True)
    small = {k: v for k, v in SIZES.items() if k != "intermediate_size"}
    tower = perturb(t.Dinov2Model(t.Dinov2Config(image_size=8, patch_size=4, mlp_ratio=1, **small)))
    pixels = torch.randn(2, 2, 3, 8, 8)
    tokens = tower(pixels.flatten(0, 1)).last_hidden_state.reshape(2, -1, 16)
    to_space = perturb(torch.nn.Linear(16, 20))
    text = perturb(t.BertModel(t.BertConfig(vocab_size=40, max_position_embeddings=24, **SIZES), add_pooling_layer=False))
    states = text(input_ids=g["target_ids"], attention_mask=g["target_mask"]).last_hidden_state
    pooled = st.Pooling(16, "max")({"token_embeddings": states, "attention_mask": g["target_mask"].long()})
    g = {"pixels": pixels, **{k: g[k] for k in ("query_ids", "query_mask", "target_ids", "target_mask")},
         "vision_tokens": tokens, "predicted": net.predict(tokens, g["query_ids"], g["query_mask"]),
         "target": to_space(pooled["sentence_embedding"])}
    tower.half().save_pretrained(folder / "vision")
    text.half().save_pretrained(folder / "text")
    st.Pooling(16, "max").save(str((folder / "text/1_Pooling").mkdir() or folder / "text/1_Pooling"))
    (folder / "text/modules.json").write_text(json.dumps(
        [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
         {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}], indent=2) + "\n")
    (folder / "predictor").mkdir()
    (folder / "predictor/config.json").write_text(json.dumps(net.config["predictor"], indent=1, default=str) + "\n")
    weights = {k: v.half() for k, v in net.predictor.state_dict().items()}
    save_file(weights | {f"text_proj.{k}": v.half() for k, v in to_space.state_dict().items()},
              folder / "predictor/model.safetensors")
    (folder / "sterna.json").write_text(
        json.dumps({"vision": "vision", "text": "text", "predictor": "predictor"}, indent=2) + "\n")
    write_golden("composed", g)


MAKERS = [bert, vit, dinov2, dinov2_registers, clip, siglip, vjepa2, gemma3, open_vljepa, xlm_roberta, modernbert, llama, qwen3,
          deit, dinov3, dinov2_gelu, dinov2_registers_resized, ijepa, tinyclip, siglip2, siglip2_vision, vjepa2_predictor,
          sentence_bert, embeddinggemma, qwen3_embedding, vjepa21, timm_vit, timm_registers, vjepa21_levels]


@torch.no_grad()
def main():
    OUT.mkdir(exist_ok=True)
    for number, make in enumerate(MAKERS):
        torch.manual_seed(100 + number)
        if len(sys.argv) == 1 or make.__name__ in sys.argv[1:]:
            make()


if __name__ == "__main__":
    main()
