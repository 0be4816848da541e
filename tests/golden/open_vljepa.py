"""The network of open-vljepa, for make_checkpoints.py and what else compares with it."""
import json

import torch
import transformers as t
from safetensors.torch import save_file


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
