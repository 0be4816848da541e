"""Makers for make_checkpoints.py: V-JEPA 2 and 2.1, of clips, with their predictors."""
import json
import shutil

import torch
import transformers as t
from safetensors.torch import save_file
from tiny_checkpoint import OUT, SIZES, perturb, save, states, write_golden
from vjepa21 import Vjepa21, Vjepa21Predictor


def vjepa2():
    small = {k: v for k, v in SIZES.items() if k != "intermediate_size"} | {"hidden_size": 28}
    net = perturb(t.VJEPA2Model(t.VJEPA2Config(
        patch_size=4, crop_size=12, frames_per_clip=4, tubelet_size=2, mlp_ratio=1.5, pred_hidden_size=12,
        pred_num_attention_heads=2, pred_num_hidden_layers=1, pred_num_mask_tokens=2, **small)))
    clips = torch.randn(2, 5, 3, 18, 12)  # a frame, and rows of pixels, are left over
    out = net(pixel_values_videos=clips, skip_predictor=True)
    save("vjepa2", net, {"pixel_values_videos": clips, "last_hidden_state": out.last_hidden_state})


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
