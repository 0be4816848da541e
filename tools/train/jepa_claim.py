"""The JEPA claim at our scale: predicting the answer's embedding against predicting its tokens.

Two networks from one seed see the same pictures and questions in the same order: (a) the recipe's, ternary, InfoNCE in
the text space; (b) the same trunk whose prediction leads a causal decoder of WordPiece tokens, cross-entropy, about twice
the trainable weights. Both get the pointing loss. At each point of the run the averaged weights answer the evaluation
photos' questions and the hand-written ones; (b) ranks choices by their log-probability, and writes greedily to
count decodes. Prints a line a point and, last, weights, FLOPs and decode operations an answer. Writes
WORK/jepa_claim.jsonl; resumes at the last point.
"""

import argparse
import copy
import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from blocks import fuse
from config import GeneratorConfig, ModelConfig, TrainConfig
from data import load_setting
from generator import Generator, greedy, padded
from measure import cosines, from_jsonl, held_out, predict
from model import Net
from pool import Pool
from train import asked_about, drawn, loss_of, optimiser, pointing_loss, rate, some_features
from training import Training

DECODER_BLOCKS = 8  # with these (b) has twice the weights of (a)


class Pieces:
    """Answers as rows of a table of the word pieces that occur in answers."""

    def __init__(self, setting, texts: list[str]):
        ids = [x[1:-1] for x in setting.text.ids(texts)]
        self.pieces = sorted({i for x in ids for i in x})
        row = {piece: 1 + r for r, piece in enumerate(self.pieces)}
        self.rows = dict(zip(texts, ([row[i] for i in x] for x in ids)))

    def batch(self, texts: list[str]):
        return padded([self.rows[t] for t in texts])


class Embeds(nn.Module):
    """(a): the network as shipped."""

    def __init__(self, pool: Pool):
        super().__init__()
        self.net = Net(ModelConfig())
        self.pool = pool

    def loss(self, batch, c: TrainConfig):
        features, question, length, owner, answer, task, *_ = batch
        out, alpha, _ = self.net(features, question, length, owner)
        return loss_of(out.float(), self.pool.answer_table, self.pool.base, self.pool.candidates, answer, task, c)[0], alpha

    def right(self, setting, features, items) -> np.ndarray:
        scores = cosines(setting, predict(self.net, setting, features, items), items)
        return np.array([i.choices[int(s.argmax())] == i.answer for s, i in zip(scores, items)])


class Writes(nn.Module):
    """(b): the trunk's prediction as the prefix of a decoder of the answer's tokens."""

    def __init__(self, pool: Pool, pieces: Pieces):
        super().__init__()
        self.net, self.pool, self.pieces = Net(ModelConfig()), pool, pieces
        self.decoder = Generator(GeneratorConfig(blocks=DECODER_BLOCKS), pieces.pieces)

    def loss(self, batch, c: TrainConfig):
        features, question, length, owner, answer, *_ = batch
        out, alpha, _ = self.net(features, question, length, owner)
        inputs, targets = (x.to(out.device) for x in self.pieces.batch([self.pool.answers[a] for a in answer]))
        return F.cross_entropy(self.decoder(out, inputs).float().flatten(0, 1), targets.flatten()), alpha

    @torch.no_grad()
    def right(self, setting, features, items) -> np.ndarray:
        """Whether the choice of the largest log-probability, summed over its tokens and end, is right."""
        out, found = predict(self.net, setting, features, items), []
        for e, item in zip(out, items):
            inputs, targets = self.pieces.batch(item.choices)
            logits = self.decoder(e.expand(len(inputs), -1), inputs).float()
            score = -F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").reshape(targets.shape).sum(1)
            found.append(item.choices[int(score.argmax())] == item.answer)
        return np.array(found)


def train(arm: nn.Module, name: str, work: Path, c: TrainConfig, steps: int, points: list[int], report):
    pool = arm.pool
    arm.net.standardise(some_features(pool))
    arm.to(pool.device)
    for part in arm.children():
        part.set_ternary(True)
    average, opt = copy.deepcopy(arm).eval(), optimiser(arm, c)
    training = Training(arm, average, opt, work / f"claim-{name}.last.pt", c.ema)
    start = training.done
    about = asked_about(pool)
    clock, batches = time.time(), drawn(pool, c, start, steps)
    for step in range(start, steps):
        batch = next(batches)
        for group in opt.param_groups:
            group["lr"] = rate(step, steps, c, c.learning_rate)
        with torch.autocast(pool.device, dtype=torch.bfloat16):
            loss, alpha = arm.train().loss(batch, c)
        task, shown, *_ = batch[5:]
        training.step(loss + c.pointing_weight * pointing_loss(alpha, shown, task, about))
        if step + 1 in points:
            report(copy.deepcopy(average).cpu(), name, step + 1, time.time() - clock)
            training.save()
            clock = time.time()
    return average


@torch.no_grad()
def cost(arm: nn.Module, setting, features, items) -> dict:
    """Weights, and of one answer the FLOPs from features and question tokens on, and the decode operations."""
    with FlopCounterMode(display=False) as counter:
        out = predict(arm.net, setting, features, items[:1])
    flops, decodes = [counter.get_total_flops()], 0
    if isinstance(arm, Writes):
        predicted = predict(arm.net, setting, features, items[:200])
        decodes = np.mean([min(len(r) + 1, arm.decoder.config.length) for r in greedy(arm.decoder, predicted)])
        with FlopCounterMode(display=False) as counter:  # a pass a token, with the keys and values kept: each position once
            arm.decoder(out, torch.zeros(1, max(int(round(decodes)) - 1, 0), dtype=torch.long))
        flops.append(counter.get_total_flops())
    return {"weights": sum(p.numel() for p in arm.parameters()), "mflop": sum(flops) / 1e6, "decodes": float(decodes)}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--steps", type=int, default=1500)
    p.add_argument("--questions", type=Path, help="JSONL of hand-written questions on the evaluation photos")
    p.add_argument("--most", type=int, default=600, help="generated questions on the evaluation photos (default 600)")
    p.add_argument("--pictures", type=int, default=TrainConfig.batch_pictures, help="of a batch")
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    setting, c = load_setting(a.work), TrainConfig(batch_pictures=a.pictures)
    pool = Pool(setting, c.seed, "cuda" if torch.cuda.is_available() else "cpu")
    sets = {"hand-written": from_jsonl(setting, a.questions, setting.paths.photos)} if a.questions else {}
    features, items = held_out(setting, "eval" if setting.paths.photos else "scenes_held")
    chosen = np.random.default_rng(0).permutation(len(items))[:a.most]
    sets["held-out photos"] = features, [items[i] for i in sorted(chosen)]
    texts = {t for _, items in sets.values() for i in items for t in (*i.choices, i.answer)}
    pieces = Pieces(setting, sorted(texts | set(pool.answers)))
    points = sorted({max(1, round(a.steps * x)) for x in (1 / 8, 1 / 4, 1 / 2, 3 / 4, 1)})
    fuse(pool.device)
    table = a.work / "jepa_claim.jsonl"

    def report(arm, name, step, seconds):
        row = {"arm": name, "steps": step, "questions": step * c.batch_pictures * c.questions_per_picture, "seconds": round(seconds)}
        row |= {key: round(float(arm.right(setting, *held).mean()), 4) for key, held in sets.items()}
        if step == a.steps:
            row |= cost(arm, setting, *next(iter(sets.values())))
        print(json.dumps(row), flush=True)
        with table.open("a") as file:
            file.write(json.dumps(row) + "\n")

    for name, make in (("embedding", lambda: Embeds(pool)), ("tokens", lambda: Writes(pool, pieces))):
        torch.manual_seed(c.seed)
        train(make(), name, a.work, c, a.steps, points, report)


if __name__ == "__main__":
    main()
