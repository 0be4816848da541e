"""Makers for make_checkpoints.py: a predictor of answers between two towers, open-vljepa's and one composed of folders."""
import json
import shutil

import sentence_transformers.sentence_transformer.modules as st
import torch
import transformers as t
from open_vljepa import OpenVljepa
from safetensors.torch import save_file
from tiny_checkpoint import OUT, SIZES, ids, masks, perturb, write_golden


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
