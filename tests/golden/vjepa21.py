"""The networks of V-JEPA 2.1, for vjepa2_checkpoints.py."""
import torch


class Vjepa21(torch.nn.Module):
    """V-JEPA 2.1, whose code is no package: facebookresearch/vjepa2's `app.vjepa_2_1` under its names. From V-JEPA 2
    it differs in rotations by one angle a pair, places stretched to a grid of 16 (`RoPEAttention`, interpolate_rope),
    a patch map of its own for pictures, and an embedding of the modality (`VisionTransformer.forward`)."""

    class Block(torch.nn.Module):
        def __init__(self, d, heads, hidden):
            super().__init__()
            self.heads = heads
            self.norm1, self.norm2 = torch.nn.LayerNorm(d, eps=1e-6), torch.nn.LayerNorm(d, eps=1e-6)
            self.attn = torch.nn.ModuleDict({"qkv": torch.nn.Linear(d, 3 * d), "proj": torch.nn.Linear(d, d)})
            self.mlp = torch.nn.ModuleDict({"fc1": torch.nn.Linear(d, hidden), "fc2": torch.nn.Linear(hidden, d)})

        def forward(self, x, places):
            """x [n, t, d], places three of [n or 1, t]: frame, row, column."""
            def turn(y):
                r = 2 * ((y.shape[-1] // 3) // 2)
                parts = []
                for i, at in enumerate(places):
                    z = y[..., i * r:(i + 1) * r]
                    omega = 1.0 / 10000 ** (torch.arange(r // 2) / (r / 2.0))
                    angle = (at[:, None, :, None] * omega).repeat_interleave(2, -1)
                    across = torch.stack((-z[..., 1::2], z[..., 0::2]), -1).flatten(-2)
                    parts.append(z * angle.cos() + across * angle.sin())
                return torch.cat([*parts, y[..., 3 * r:]], -1)

            n, t, d = x.shape
            q, k, v = self.attn["qkv"](self.norm1(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
            y = torch.nn.functional.scaled_dot_product_attention(turn(q), turn(k), v)
            x = x + self.attn["proj"](y.transpose(1, 2).reshape(n, t, d))
            return x + self.mlp["fc2"](torch.nn.functional.gelu(self.mlp["fc1"](self.norm2(x))))

    def __init__(self, d, heads, layers, patch, tubelet, norms=4):
        super().__init__()
        self.patch, self.tubelet = patch, tubelet
        self.patch_embed = torch.nn.ModuleDict({"proj": torch.nn.Conv3d(3, d, (tubelet, patch, patch), (tubelet, patch, patch))})
        self.patch_embed_img = torch.nn.ModuleDict({"proj": torch.nn.Conv3d(3, d, (1, patch, patch), (1, patch, patch))})
        self.img_mod_embed, self.video_mod_embed = (torch.nn.Parameter(torch.randn(1, 1, d)) for _ in range(2))
        self.blocks = torch.nn.ModuleList(self.Block(d, heads, 2 * d) for _ in range(layers))
        self.norms_block = torch.nn.ModuleList(torch.nn.LayerNorm(d, eps=1e-6) for _ in range(norms))

    @staticmethod
    def places(numbers, rows, cols):
        return numbers // (rows * cols), numbers % (rows * cols) // cols, numbers % cols

    def forward(self, clips, levels=()):
        """[n, frames, 3, height, width]; one frame is a picture. With `levels` the tokens behind those blocks, each by its
        norm, side by side (return_hierarchical)."""
        x = clips.transpose(1, 2)
        picture = x.shape[2] == 1
        x = (self.patch_embed_img if picture else self.patch_embed)["proj"](x).flatten(2).transpose(1, 2)
        x = x + (self.img_mod_embed if picture else self.video_mod_embed)
        rows, cols = clips.shape[3] // self.patch, clips.shape[4] // self.patch
        frame, row, col = self.places(torch.arange(x.shape[1])[None], rows, cols)
        seen = []
        for i, block in enumerate(self.blocks):
            x = block(x, (1.0 * frame, row * 15 / (rows - 1), col * 15 / (cols - 1)))
            if i in levels:
                seen.append(self.norms_block[len(seen)](x))
        return torch.cat(seen, 2) if levels else self.norms_block[-1](x)


class Vjepa21Predictor(torch.nn.Module):
    """Its `VisionTransformerPredictor` that looks at one layer (n_output_distillation 1) or at several, places of the
    configured grid."""

    def __init__(self, d, width, heads, layers, masks, out, grid, levels=1):
        super().__init__()
        self.grid = grid
        self.predictor_embed = torch.nn.Linear(d, width) if levels == 1 else torch.nn.Sequential(
            torch.nn.Linear(levels * d, d), torch.nn.GELU(), torch.nn.Linear(d, width))
        self.mask_tokens = torch.nn.ParameterList(torch.randn(1, 1, width) for _ in range(masks))
        self.img_mod_embed, self.video_mod_embed = (torch.nn.Parameter(torch.randn(1, 1, width)) for _ in range(2))
        self.predictor_blocks = torch.nn.ModuleList(Vjepa21.Block(width, heads, 4 * width) for _ in range(layers))
        self.predictor_norm = torch.nn.LayerNorm(width, eps=1e-6)
        self.predictor_proj, self.predictor_proj_context = torch.nn.Linear(width, out), torch.nn.Linear(width, out)

    def forward(self, tokens, seen, asked, picture):
        x = self.predictor_embed(tokens.gather(1, seen[..., None].expand(-1, -1, tokens.shape[2])))
        x = torch.cat([x, self.mask_tokens[1].expand(*asked.shape, -1)], 1)
        x = x + (self.img_mod_embed if picture else self.video_mod_embed)
        numbers = torch.cat([seen, asked], 1)
        for block in self.predictor_blocks:
            x = block(x, [1.0 * p for p in Vjepa21.places(numbers, self.grid, self.grid)])
        return self.predictor_proj(self.predictor_norm(x)[:, seen.shape[1]:])
