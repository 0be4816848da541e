"""Makers for make_checkpoints.py: CLIP and its kind, a tower of pictures and one of texts with one space."""
import torch
import transformers as t
from tiny_checkpoint import SIZES, ids, masks, perturb, save


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


def siglip():
    config = t.SiglipConfig(text_config=dict(vocab_size=60, max_position_embeddings=16, **SIZES),
                            vision_config=dict(image_size=12, patch_size=4, **SIZES))
    text = {"input_ids": ids(3, 16, 60)}
    dual("siglip", config, t.SiglipModel, text, torch.randn(2, 3, 12, 16))


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
