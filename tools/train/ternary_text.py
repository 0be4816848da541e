"""Distils MiniLM's text tower into one whose maps and table of words are ternary: the shape, the tokenizer and the space stay.

Every map and every row of the word table is BitNet b1.58 with a scale a row, activations int8 a token (straight-through, from
MiniLM's own weights). The student learns the teacher's states after every block and the pooled embedding (as TinyBERT does, arXiv
1909.10351) on texts alone: the questions of training, WordNet's words, glosses and examples, captions. The weights go to ternary over the first steps. Over the last ones it also learns to
make the predictor answer as it does with the teacher: what a question's tokens are read for matters more than the rest of them.
Writes WORK/text.pt; resumes from WORK/text.last.pt.
"""

import argparse
import copy
import re
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from blocks import absmax_int8, fuse
from config import TextConfig
from data import answer_vocabulary, load_setting
from found import closer, meanings
from generator_texts import held_text, load_texts
from pool import Pool
from text import MAPS
from train import PART_WEIGHTS, TASK_WEIGHTS, load_checkpoint
from training import Training, save

HEADS, HEAD_WIDTH, EPS = 12, 32, 1e-12
PARTS = {"questions": 0.35, "words": 0.25, "captions": 0.2, "prose": 0.2}


def nearest_ternary(w: torch.Tensor) -> torch.Tensor:
    """q s, row by row: q = clip(round(w / mean |w|), -1, 1) and of all fp16 scales the one nearest to w."""
    q = (w / w.abs().mean(1, keepdim=True).clamp(min=1e-12)).round().clamp(-1, 1)
    s = (w * q).sum(1, keepdim=True) / q.abs().sum(1, keepdim=True).clamp(min=1)
    return q * s.half().float()


class Student(nn.Module):
    """The text tower with weights `w`, by MiniLM's names. `share`: how much of the way to ternary its maps have gone."""

    prepare = staticmethod(absmax_int8)

    def __init__(self, state: dict[str, torch.Tensor]):
        super().__init__()
        self.names = list(state)
        self.w = nn.ParameterList([nn.Parameter(v.clone()) for v in state.values()])

    def state(self) -> dict[str, torch.Tensor]:
        return dict(zip(self.names, self.w))

    def computed(self) -> dict[str, torch.Tensor]:
        """The weights that it computes with, once it is ternary."""
        return {n: nearest_ternary(w.detach()) if n.endswith(MAPS) else w.detach() for n, w in self.state().items()}

    def forward(self, ids: list[list[int]], share: float = 1.0) -> list[torch.Tensor]:
        """ids of texts -> states [tokens of all, 384] of the embeddings and after each block."""
        state = self.state()

        def weight(name):
            w = state[name]
            return w + share * (nearest_ternary(w.detach()) - w.detach()) if name.endswith(MAPS) else w

        def linear(x, name):
            return F.linear(Student.prepare(x.float()).to(torch.bfloat16), weight(f"{name}.weight").to(torch.bfloat16)).float() + state[f"{name}.bias"]

        def norm(x, name):
            return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], EPS)

        device, longest = self.w[0].device, max(len(x) for x in ids)
        length = torch.tensor([len(x) for x in ids], device=device)
        inside = torch.arange(longest, device=device)[None] < length[:, None]
        at = inside.flatten().nonzero()[:, 0]
        flat = torch.tensor([i for x in ids for i in x], device=device)
        used, row = torch.unique(flat, return_inverse=True)
        # Of the table only the rows of these texts are rounded.
        table = state["embeddings.word_embeddings.weight"][used]
        table = table + share * (nearest_ternary(table.detach()) - table.detach())
        x = table[row] + state["embeddings.position_embeddings.weight"][at % longest] + state["embeddings.token_type_embeddings.weight"][0]
        x = norm(x, "embeddings.LayerNorm")
        states, mask = [x], torch.where(inside, 0.0, -torch.inf)[:, None, None]

        def heads(v):  # -> [n, heads, t, 32]
            room = v.new_zeros(inside.numel(), v.shape[-1]).index_copy(0, at, v)
            return room.view(len(ids), longest, HEADS, HEAD_WIDTH).transpose(1, 2)

        for n in range(6):
            layer = f"encoder.layer.{n}"
            q, k, v = (heads(linear(x, f"{layer}.attention.self.{part}")) for part in ("query", "key", "value"))
            o = (q @ k.transpose(-1, -2) * HEAD_WIDTH ** -0.5 + mask).softmax(-1) @ v
            o = o.transpose(1, 2).reshape(inside.numel(), -1)[at]
            x = norm(x + linear(o, f"{layer}.attention.output.dense"), f"{layer}.attention.output.LayerNorm")
            up = F.gelu(linear(x, f"{layer}.intermediate.dense"))
            x = norm(x + linear(up, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
            states.append(x)
        return states


def wordnet_texts(folder: Path) -> tuple[list[str], list[str]]:
    """(words and terms, glosses and examples apart) of all its parts of speech."""
    words, prose = {}, {}
    for part in ("noun", "verb", "adj", "adv"):
        for line in (folder / f"data.{part}").read_text().splitlines():
            if line.startswith("  "):
                continue
            fields, gloss = line.split(" | ", 1)
            fields = fields.split()
            words.update(dict.fromkeys(re.sub(r"\(.*\)$", "", fields[4 + 2 * i]).replace("_", " ") for i in range(int(fields[3], 16))))
            prose.update(dict.fromkeys(t.strip(' ";') for t in gloss.split('; "') if t.strip(' ";')))
    return list(words), list(prose)


def texts_of(setting) -> dict[str, list[str]]:
    """The texts of every part; one in twenty (held_text) is not trained on."""
    words, prose = wordnet_texts(setting.paths.wordnet)
    return {"questions": (setting.text.cache / "questions.txt").read_text().split("\n"), "words": words, "captions": load_texts(setting)[0], "prose": prose}


def some_held(parts: dict[str, list[str]], count: int) -> list[str]:
    """`count` of each part's that training leaves out."""
    rng = np.random.default_rng(0)
    return [str(t) for part in parts.values() for t in rng.choice(sorted({t for t in part if held_text(t)}), count, replace=False)]


class Texts:
    """Batches of texts of about one length: batch `step` is a function of seed and step."""

    def __init__(self, setting, parts: dict[str, list[str]], c: TextConfig):
        parts = parts | {"words": parts["words"] + 10 * answer_vocabulary(setting)}
        self.c, self.ids = c, {}
        for name, texts in parts.items():
            texts = [t for t in texts if not held_text(t)]
            self.ids[name] = [x[:c.length] for x in setting.text.ids(texts)]
        self.size = {name: np.array([len(x) for x in ids]) for name, ids in self.ids.items()}

    def batch(self, step: int) -> list[list[int]]:
        """Some `tokens` tokens: of many drawn texts those that lie beside each other by length."""
        rng = np.random.default_rng([self.c.seed, step])
        names = list(PARTS)
        part = rng.choice(len(names), 4096, p=[PARTS[n] for n in names])
        drawn = [(names[p], int(rng.integers(len(self.ids[names[p]])))) for p in part]
        size = np.array([self.size[n][i] for n, i in drawn])
        order = np.argsort(size, kind="stable")
        blocks = np.cumsum(size[order]) // self.c.tokens
        chosen = order[blocks == rng.integers(blocks[-1])]
        return [self.ids[drawn[k][0]][drawn[k][1]] for k in chosen]


class Asked:
    """Questions about the training pictures, and what the trained network answers."""

    def __init__(self, setting, checkpoint: Path, c: TextConfig, device: str):
        self.c, self.ids_of = c, setting.text.ids
        self.net, about = load_checkpoint(checkpoint)
        self.net.to(device).requires_grad_(False)
        self.pool = Pool(setting, about["seed"], device)  # the questions that it was trained on

    def batch(self, step: int) -> tuple:
        """(ids of the questions, what answer() wants of them)."""
        features, words, length, owner, *_, question = self.pool.batch([self.c.seed, step], self.c.pictures, self.c.each, PART_WEIGHTS, TASK_WEIGHTS, 0.5)
        ids = self.ids_of([self.pool.questions[q] for q in question.tolist()])
        assert [len(x) for x in ids] == length.tolist()
        with torch.no_grad():
            vision = self.net.vision(features)
            ground = self.net.predictor.ground(vision, closer(features))
        return ids, (words, length, vision[owner], meanings(features)[owner], ground[owner])

    def apart(self, tokens: torch.Tensor, about: tuple):
        """1 - cosine between the answers to the student's tokens [*, 384] of the questions and to the teacher's. Mean over them."""
        words, length, *seen = about
        with torch.no_grad():
            wanted, _ = self.net.predictor(words, length, *seen)
        inside = (torch.arange(words.shape[1], device=words.device)[None] < length[:, None]).flatten().nonzero()[:, 0]
        read = tokens.new_zeros(words.shape).flatten(0, 1).index_copy(0, inside, tokens).view(words.shape)
        said, _ = self.net.predictor(read, length, *seen)
        return (1 - (said.float() * wanted.float()).sum(-1)).mean()


def pooled(x: torch.Tensor, length: list[int]) -> torch.Tensor:
    """Means over the tokens of every text, unit length: [n, 384]."""
    owner = torch.repeat_interleave(torch.arange(len(length), device=x.device), torch.tensor(length, device=x.device))
    return F.normalize(x.new_zeros(len(length), x.shape[1]).index_add(0, owner, x), dim=1)


def loss_of(states, wanted, length: list[int], c: TextConfig):
    """(loss, 1 - cosine of the pooled embeddings, relative squared error of the last tokens)."""
    errors = [(a - b).square().sum(-1).mean() / b.square().sum(-1).mean() for a, b in zip(states, wanted)]
    apart = 1 - (pooled(states[-1], length) * pooled(wanted[-1], length)).sum(-1).mean()
    return errors[-1] + c.inner_weight * sum(errors[:-1]) + c.pooled_weight * apart, apart, errors[-1]


@torch.no_grad()
def agreement(teacher, student: Student, ids: list[list[int]]) -> list[float]:
    """Cosine of the pooled embeddings of texts, shorter texts first."""
    order, out = sorted(range(len(ids)), key=lambda i: len(ids[i])), [0.0] * len(ids)
    for first in range(0, len(order), 256):
        rows = [ids[i] for i in order[first:first + 256]]
        length = [len(r) for r in rows]
        cosine = (pooled(student(rows)[-1], length) * pooled(teacher(rows)[-1], length)).sum(-1)
        for i, x in zip(order[first:first + 256], cosine.tolist()):
            out[i] = x
    return out


def as_teacher(model, device: str):
    """MiniLM's states [tokens of all, 384] of the embeddings and after each block."""
    model.to(device)

    def states(ids: list[list[int]]) -> list[torch.Tensor]:
        longest = max(len(x) for x in ids)
        x = torch.tensor([r + [0] * (longest - len(r)) for r in ids], device=device)
        inside = torch.arange(longest, device=device)[None] < torch.tensor([len(r) for r in ids], device=device)[:, None]
        with torch.no_grad(), torch.autocast(device, dtype=torch.bfloat16):
            return [h[inside].float() for h in model(x, inside.long(), output_hidden_states=True).hidden_states]
    return states


def train(work: Path, checkpoint: Path, c: TextConfig, device: str):
    setting = load_setting(work)
    model = copy.deepcopy(setting.text.model)  # the pool moves its own about
    teacher = as_teacher(model, device)
    net = Student({n: v for n, v in model.state_dict().items() if n.startswith(("embeddings.", "encoder."))}).to(device)
    average = copy.deepcopy(net).eval()
    parts = texts_of(setting)
    texts = Texts(setting, parts, c)
    held = [x[:c.length] for x in setting.text.ids(some_held(parts, 256))]
    matrices = [p for n, p in net.state().items() if n.endswith(MAPS)]
    others = [p for n, p in net.state().items() if not n.endswith(MAPS)]
    opt = torch.optim.Adam([{"params": matrices, "top": c.learning_rate}, {"params": others, "top": 0.1 * c.learning_rate}],
                           betas=(0.9, 0.98), fused=True)
    out = work / "text.pt"
    print("texts: " + ", ".join(f"{len(t)} {n}" for n, t in texts.ids.items()), flush=True)
    training = Training(net, average, opt, work / "text.last.pt", c.ema)
    seen, clock, saved_at, figures, asked = 0, time.time(), time.time(), [], None
    for step in range(training.done, c.steps):
        ids, about = texts.batch(step), None
        if step >= c.steps * c.answers_from:
            asked = asked or Asked(setting, checkpoint, c, device)
            more, about = asked.batch(step)
            ids = ids[:len(ids) // 2] + more  # the questions last
        for group in opt.param_groups:
            group["lr"] = group["top"] * min(1.0, (step + 1) / c.warmup) * min(1.0, 2 * (c.steps - step) / c.steps)
        states = net(ids, min(1.0, (step + 1) / c.warmup))
        loss, apart, error = loss_of(states, teacher(ids), [len(x) for x in ids], c)
        answers = loss.new_zeros(())
        if about:
            with torch.autocast(device, dtype=torch.bfloat16):
                answers = asked.apart(states[-1][-sum(len(x) for x in more):], about)
            loss = loss + c.answers_weight * answers
        training.step(loss)
        figures.append((loss.item(), apart.item(), error.item(), answers.item()))
        seen += len(ids)
        if (step + 1) % 20 == 0:
            mean = np.mean(figures[-20:], 0)
            print(f"text {step + 1}/{c.steps} loss {mean[0]:.3f} apart {mean[1]:.4f} error {mean[2]:.3f} answers {mean[3]:.4f} "
                  f"{20 / (time.time() - clock):.2f} steps/s, {seen} texts", flush=True)
            clock = time.time()
        if time.time() - saved_at > 300 or step + 1 == c.steps:
            training.save()
            save(out, {"config": vars(c), "step": step + 1, "weights": {n: w.cpu() for n, w in average.computed().items()},
                       "masters": {n: w.detach().cpu() for n, w in average.state().items()}})
            found = np.reshape(agreement(teacher, average, held), (4, -1)).mean(1)
            print(f"text {step + 1}: cosine of held-out " + ", ".join(f"{n} {x:.4f}" for n, x in zip(("questions", "words", "captions", "prose"), found)), flush=True)
            saved_at = clock = time.time()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--checkpoint", type=Path, help="whose predictor reads the tower (default: WORK/ternary.pt)")
    p.add_argument("--steps", type=int, default=TextConfig.steps)
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(TextConfig.seed)
    Student.prepare = staticmethod(torch.compile(absmax_int8, dynamic=True))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    fuse(device)
    train(a.work, a.checkpoint or a.work / "ternary.pt", TextConfig(steps=a.steps), device)


if __name__ == "__main__":
    main()
