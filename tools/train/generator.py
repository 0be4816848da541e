"""Trains the generator: an embedding of the text space -> a text (after DeCap, arXiv 2303.03032: on texts alone).

The unit embedding fills a few prefix positions of a small causal network of the predictor's own blocks, which then
writes WordPiece ids to an end. Training adds noise to the embeddings, because those predicted from pictures lie
beside those of texts. Writes WORK/generator.pt (averaged weights); resumes from WORK/generator.last.pt.
"""

import argparse
import copy
import hashlib
import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from blocks import Block, Norm, TernaryLinear, fuse
from config import EMBED, GeneratorConfig
from data import Setting, load_setting
from generator_texts import common_answers, held_text, load_texts
from training import Training, save

END = 0  # the table's row of the end of a text


class Generator(nn.Module):
    """P positions from the embedding, then a position a piece; causal. `pieces` [V-1]: WordPiece ids of rows 1...

    Rows of the table have unit length: as inputs they count sqrt(d) times (Vaswani et al., section 3.4), as outputs they
    are compared with the normalised state, whose gain is the temperature.
    """

    def __init__(self, c: GeneratorConfig, pieces: list[int]):
        super().__init__()
        self.config, self.pieces = c, pieces
        self.prefix = nn.Linear(EMBED, c.prefix * c.width, bias=False)
        self.position = nn.Parameter(torch.randn(c.prefix + c.length - 1, c.width) * 0.02)
        self.table = nn.Parameter(torch.randn(len(pieces) + 1, c.width) * c.width ** -0.5)
        self.blocks = nn.ModuleList(Block(c.width, c.heads, c.mlp, c.blocks) for _ in range(c.blocks))
        self.norm = Norm(c.width)

    def forward(self, embedding, rows):
        """embedding [n, 384], rows [n, t] of the pieces so far -> logits [n, t + 1, V] of what follows each."""
        c, n = self.config, embedding.shape[0]
        table = F.normalize(self.table.float(), dim=-1)
        lead = self.prefix(embedding * EMBED ** 0.5).reshape(n, c.prefix, c.width)
        x = torch.cat([lead.float(), c.width ** 0.5 * table[rows]], 1)
        t = x.shape[1]
        x = x + self.position[:t]
        mask = torch.full((t, t), -1e4, device=x.device).triu(1)
        for block in self.blocks:
            x = block(x, mask)
        return F.linear(self.norm(x[:, c.prefix - 1:]), table)

    def set_ternary(self, on: bool):
        for module in self.modules():
            if isinstance(module, TernaryLinear):
                module.ternary = on
        return self


@torch.no_grad()
def beams(net, embeddings: torch.Tensor, width: int = 1) -> list[list[tuple[list[int], float]]]:
    """Texts for each embedding [n, 384], best first: (rows without the end, mean log-probability with it).

    Beam search: of all continuations of an embedding's live texts the `width` most probable live on or, if they end, are done.
    """
    live, done = [[([], 0.0)] for _ in embeddings], [[] for _ in embeddings]
    open_ = list(range(len(embeddings)))
    for _ in range(net.config.length):
        owner = [k for k in open_ for _ in live[k]]
        rows = torch.tensor([r for k in open_ for r, _ in live[k]], dtype=torch.long).reshape(len(owner), -1)
        p = net(embeddings[owner], rows)[:, -1].float()
        if rows.shape[1] == 0:
            p[:, END] = -torch.inf  # a text has a piece
        p = p.log_softmax(-1) + torch.tensor([s for k in open_ for _, s in live[k]])[:, None]
        at = 0
        for k in open_:
            part = p[at:at + len(live[k])]
            at += len(live[k])
            top = part.flatten().topk(width)
            grown = [(live[k][j // p.shape[1]][0] + [j % p.shape[1]], s) for s, j in zip(top.values.tolist(), top.indices.tolist())]
            done[k] += [(r[:-1], s / len(r)) for r, s in grown if r[-1] == END]
            live[k] = [(r, s) for r, s in grown if r[-1] != END]
        open_ = [k for k in open_ if len(done[k]) < width and live[k]]
        if not open_:
            break
    ended = [d or [(r, s / len(r)) for r, s in l] for d, l in zip(done, live)]  # cut at the most length
    return [sorted(d, key=lambda x: -x[1])[:width] for d in ended]


@torch.no_grad()
def greedy(net: Generator, embeddings: torch.Tensor) -> list[list[int]]:
    """Rows of the most probable next piece again and again, for embeddings [n, 384] at once; the same as one beam."""
    rows = torch.zeros(len(embeddings), 0, dtype=torch.long)
    for step in range(net.config.length):
        p = net(embeddings, rows)[:, -1].float()
        if step == 0:
            p[:, END] = -torch.inf
        rows = torch.cat([rows, p.argmax(-1, keepdim=True)], 1)
    return [r[:r.index(END)] if END in r else r for r in rows.tolist()]


def text_of(pieces: list[str]) -> str:
    """What WordPiece took apart, together again: "##" joined, no blanks around - ' and before closing marks."""
    out, glue = "", True
    for piece in pieces:
        tight = piece in {"-", "'", "/", "’"}
        if piece.startswith("##"):
            out += piece[2:]
        else:
            out += ("" if glue or tight or piece in {",", ".", "!", "?", ";", ":", ")"} else " ") + piece
        glue = tight or piece == "("
    return out


def padded(rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """inputs [n, t] and targets [n, t + 1] (-100 behind the end) of texts as rows of the table."""
    longest = max(len(r) for r in rows)
    inputs = torch.zeros(len(rows), longest, dtype=torch.long)
    targets = torch.full((len(rows), longest + 1), -100)
    for k, r in enumerate(rows):
        inputs[k, :len(r)], targets[k, :len(r)], targets[k, len(r)] = torch.tensor(r), torch.tensor(r), END
    return inputs, targets


class Corpus:
    """Texts as padded rows of the table and fp16 embeddings; `held` marks those kept from training."""

    def __init__(self, setting: Setting):
        self.texts, ids, self.pieces = load_texts(setting)
        row = {piece: 1 + r for r, piece in enumerate(self.pieces)}
        self.rows = [[row[i] for i in x] for x in ids]
        common = set(common_answers(setting))
        self.common = np.array([t in common for t in self.texts])
        self.held = np.array([held_text(t) for t in self.texts]) & ~self.common
        self.digest = hashlib.sha256("\n".join(self.texts).encode()).hexdigest()[:16]
        path = setting.paths.work / f"generator-{self.digest}.npy"
        if not path.exists():
            with torch.autocast("cpu", dtype=torch.bfloat16):
                parts = [setting.text.tokens(self.texts[i:i + 4096]) for i in range(0, len(self.texts), 4096)]
                means = [F.normalize(h.float().mean(0), dim=0).half().numpy() for part in parts for h in part]
            np.save(path, np.stack(means))
        self.embeddings = torch.from_numpy(np.load(path))

    def batch(self, chosen) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """embeddings [n, 384], inputs [n, t] and targets [n, t + 1] (-100 behind the end)."""
        return self.embeddings[chosen].float(), *padded([self.rows[i] for i in chosen])


def disturbed(e: torch.Tensor, rng: torch.Generator, c: GeneratorConfig) -> torch.Tensor:
    """Unit embeddings [n, 384] as a predictor would give them: some mixed with another's, all with Gaussian noise."""
    n = len(e)
    share = c.mix * torch.rand(n, 1, generator=rng) * (torch.rand(n, 1, generator=rng) < c.mixed)
    e = (1 - share) * e + share * e[torch.randperm(n, generator=rng)]
    length = c.noise * torch.rand(n, 1, generator=rng)
    return F.normalize(e + length * EMBED ** -0.5 * torch.randn(n, EMBED, generator=rng), dim=-1)


def batches(corpus: Corpus, train: np.ndarray, c: GeneratorConfig, step: int) -> np.ndarray:
    """Texts of about one length, so that little is padding: batch `step` of the shuffled epochs."""
    each = len(train) // c.batch
    rng = np.random.default_rng([c.seed, step // each])
    order = rng.permutation(train)
    length = np.array([len(corpus.rows[i]) for i in order])
    order = order[np.argsort(length, kind="stable")][:each * c.batch].reshape(each, c.batch)
    return order[rng.permutation(each)[step % each]]


def optimiser(net: Generator, c: GeneratorConfig):
    matrices = [p for n, p in net.named_parameters() if p.dim() > 1 and n not in ("position", "table")]
    others = [p for n, p in net.named_parameters() if p.dim() <= 1 or n in ("position", "table")]
    return torch.optim.AdamW([{"params": matrices, "weight_decay": c.weight_decay}, {"params": others, "weight_decay": 0.0}],
                             lr=c.learning_rate, betas=(0.9, 0.98))


def load_generator(path: Path) -> tuple[Generator, dict]:
    saved = torch.load(path, map_location="cpu", weights_only=False)
    net = Generator(GeneratorConfig(**saved["config"]), saved["pieces"])
    net.load_state_dict(saved["net"])
    return net.eval(), saved


def progress(net, corpus: Corpus, chosen: list[int]) -> str:
    found = greedy(net, corpus.embeddings[chosen].float())
    return f"held-out exact {np.mean([f == corpus.rows[i] for f, i in zip(found, chosen)]):.3f}"


def fit(net, average, corpus: Corpus, c: GeneratorConfig, out: Path, about: dict, sample: int = 256):
    """Trains `net`, which gives logits as Generator does; its averaged weights are `average`'s and, with `about`, `out`'s.
    Resumes from the file beside it."""
    kept, held = np.flatnonzero(~corpus.held), np.flatnonzero(corpus.held)
    kept = np.concatenate([kept, np.repeat(np.flatnonzero(corpus.common), 3)])
    held = np.random.default_rng(0).permutation(held)[:sample].tolist()
    opt, name = optimiser(net, c), out.stem
    print(f"{name}: {(~corpus.held).sum()} texts, {corpus.held.sum()} held out, "
          f"{sum(p.numel() for p in net.parameters()) / 1e6:.2f} M weights, texts sha256 {corpus.digest}", flush=True)
    training = Training(net, average, opt, out.with_suffix(".last.pt"), c.ema)
    losses, clock, saved_at = [], time.time(), time.time()
    for step in range(training.done, c.steps):
        rng = torch.Generator().manual_seed(c.seed * 1000003 + step)
        e, inputs, targets = corpus.batch(batches(corpus, kept, c, step))
        for group in opt.param_groups:
            group["lr"] = c.learning_rate * min(1.0, (step + 1) / c.warmup) * min(1.0, 1.5 * (c.steps - step) / c.steps)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = net(disturbed(e, rng, c), inputs)
        loss = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
        training.step(loss)
        losses.append(loss.item())
        if (step + 1) % 20 == 0:
            print(f"{name} {step + 1}/{c.steps} loss {np.mean(losses[-20:]):.3f} {20 * c.batch / (time.time() - clock):.0f} texts/s", flush=True)
            clock = time.time()
        if time.time() - saved_at > 240 or step + 1 == c.steps:
            training.save()
            save(out, {"config": vars(c), **about, "texts": corpus.digest, "step": step + 1, "net": average.state_dict()})
            print(f"{name} {step + 1}: {progress(average, corpus, held)}", flush=True)
            saved_at = clock = time.time()


def train(work: Path, c: GeneratorConfig):
    torch.manual_seed(c.seed)
    corpus = Corpus(load_setting(work))
    net = Generator(c, corpus.pieces)
    fuse("cpu")
    fit(net, copy.deepcopy(net).eval(), corpus, c, work / "generator.pt", {"pieces": corpus.pieces})


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--steps", type=int, default=GeneratorConfig.steps)
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    c = GeneratorConfig(steps=a.steps)
    (a.work / "generator.run.json").write_text(json.dumps(vars(c)))
    train(a.work, c)


if __name__ == "__main__":
    main()
