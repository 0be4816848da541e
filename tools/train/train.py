"""Trains the tower and predictor on the cached features, ternary (`--mode ternary`) or as its float twin.

Resumes from WORK/<name>.last.pt; writes averaged weights to WORK/<name>.pt every few minutes and at the end.
The learning rate is constant after warm-up and falls linearly to zero over the last half of the steps; `--stop` ends before:
averaged weights of a rate that is not yet small are as good, and what follows learns the training photos by heart.

`--from` goes on from a finished checkpoint instead, to sharpen what is still vague: colours, numbers and places are asked for more often, and
what the checkpoint says of renamed photos is kept (learning without forgetting, arXiv 1606.09282) so that names are not lost by it. With
`--mode float` it goes on from the weights that a ternary checkpoint computes with: the same function, which may then leave them.
"""

import argparse
import copy
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from blocks import TernaryLinear, fuse, ternary_weight
from config import ModelConfig, TrainConfig
from data import load_setting
from found import meanings
from model import Net
from pool import Pool
from training import Training, save

PART_WEIGHTS = {"photos": 0.30, "recolour": 0.14, "scenes": 0.28, "mosaics": 0.14, "cifar": 0.07, "shapes": 0.07}
# What the stem's semantics do not give away takes longest to learn: ask it more often.
TASK_WEIGHTS = {"name": 1.5, "colour": 3.0, "position": 3.0, "count": 2.5, "yesno": 0.8, "relation": 2.0, "thing": 2.0, "kind_animal": 3.0, "kind_vehicle": 4.0, "kind_food": 4.0,
                "action": 2.0, "category": 2.0}

# What takes in what words and places are told of each other: few weights, in steps that a small rate makes too small.
TOLD = ("predictor.word_found", "predictor.place_found", "predictor.pointer_found", "predictor.match")

# Going on from a checkpoint, so many times as often.
SHARPENED = {"colour": 2.0, "position": 2.5, "count": 2.5, "relation": 2.0, "thing": 2.0}

# What these ask for is said by the picture as a whole: the pointer is drawn to the first place, the pooled one. Left
# alone it spreads over places that on training photos are all sure, and on others are not (naming 0.80 against 0.87).
# Where a question's thing is known to be (composed and painted pictures), it is drawn there.
WHOLE = ("name", "object", "kind", "category", "scene", "action")
# What is to be found exactly counts twice: the whole picture, and a thing whose place is asked for.
TWICE = (*WHOLE, "position")
# How many is read off the pointer's layout: it is drawn to all of the places equally, not to the best.
SPREAD = ("count",)
# Of a renamed photo the name is, by construction, what the stem makes of the whole picture: it is learned by pointing there
# alone, and the head is taught to keep out. What it would add, from 550 photos, is wrong more often than the stem.
NAMED = ("name", "object")


def loss_of(out, table, base, candidates, answer, task, c: TrainConfig):
    """InfoNCE against the task's own candidates, InfoNCE against all answers, and 1 - cosine."""
    extra = torch.unique(answer[answer >= base])
    column = torch.where(answer < base, answer, base + torch.searchsorted(extra, answer))
    logits = out @ torch.cat([table[:base], table[extra]]).T / c.temperature
    every = F.cross_entropy(logits, column)
    own = torch.ones_like(logits, dtype=torch.bool)
    own[:, :base] = candidates[task] | (candidates[task].sum(1, keepdim=True) == 0)
    own[:, base:] &= (candidates[task].sum(1, keepdim=True) == 0)
    among = F.cross_entropy(logits.masked_fill(~own, -1e4), column)
    cosine = 1 - (out * table[answer]).sum(-1).mean()
    return among + c.all_answers_weight * every + c.cosine_weight * cosine, among, every, cosine


class About(NamedTuple):
    """Which tasks [tasks] bool are WHOLE, SPREAD, TWICE and NAMED."""
    whole: torch.Tensor
    spread: torch.Tensor
    twice: torch.Tensor
    named: torch.Tensor


def asked_about(pool: Pool) -> About:
    return About(*(torch.tensor([t.startswith(names) for t in pool.tasks], device=pool.device) for names in (WHOLE, SPREAD, TWICE, NAMED)))


def pointing_loss(alpha, shown, task, about: About, more=0):
    """-log of the pointer's share alpha [n, T] of the places that show what is asked about: `shown` [n, T - 1] bool and, of
    tasks about the whole, the pooled one; for those that are spread the divergence from equal shares of the places.
    Questions without places add nothing, those that count twice double, `more` [n] on top. Mean over n."""
    places = torch.cat([about.whole[task][:, None], shown], 1)
    share = (alpha * places).sum(1).clamp(min=1e-6).log()
    number = places.sum(1).clamp(min=1)
    equal = (alpha.clamp(min=1e-6).log() * places).sum(1) / number + number.log()
    weight = 1 + about.twice[task].float() + more
    return -(torch.where(about.spread[task], equal, share) * places.any(1) * weight).mean()


def apart_from_pointed(out, alpha, semantics, rows):
    """1 - cosine between out [n, 384] and what alpha [n, T] points at in `semantics` [n, T, 384] (of which no gradient), of
    `rows` [n] bool. Mean over n."""
    pointed = F.normalize((alpha.detach()[:, None] @ semantics)[:, 0], dim=-1)
    return ((1 - (out * pointed).sum(-1)) * rows).mean()


def as_before(before: Net, out, features, question, length, owner, rows):
    """1 - cosine between out [n, 384] and what the network `before` answered, of `rows` [n] bool. Mean over n."""
    at = rows.nonzero()[:, 0]
    if len(at) == 0:
        return out.new_zeros(())
    with torch.no_grad():
        said, *_ = before(features, question[at], length[at], owner[at])
    return (1 - (out[at] * said.float()).sum(-1)).sum() / len(out)


def ground_loss(ground, lies, table, c: TrainConfig):
    """InfoNCE of what `ground` [p, T, 384] says of the places where it is known which row of `table` lies there, `lies` [p, T - 1], else -1."""
    known = lies >= 0
    if not known.any():
        return ground.new_zeros(())
    return F.cross_entropy(ground[:, 1:][known].float() @ table.T / c.temperature, lies[known])


def rate(step: int, steps: int, c: TrainConfig, top: float) -> float:
    return top * min(1.0, (step + 1) / c.warmup) * min(1.0, 2 * (steps - step) / steps)


def optimiser(net: Net, c: TrainConfig, told: float = 1.0):
    """AdamW, no decay of biases, norms and positions; the rate of TOLD is `told` times that of the rest (`times` of a group)."""
    groups = {}
    for name, p in net.named_parameters():
        decays, is_told = p.dim() > 1 and "position" not in name, name.startswith(TOLD)
        groups.setdefault((decays, is_told), []).append(p)
    return torch.optim.AdamW([{"params": ps, "weight_decay": c.weight_decay if decays else 0.0, "times": told if is_told else 1.0}
                              for (decays, is_told), ps in groups.items()], lr=1e-3, betas=(0.9, 0.98), fused=True)


def load_checkpoint(path: Path) -> tuple[Net, dict]:
    saved = torch.load(path, map_location="cpu", weights_only=False)
    net = Net(ModelConfig(**saved["model"]))
    other = net.load_state_dict(saved["net"], strict=False)
    if other.unexpected_keys or any(not k.startswith("predictor.referents.") for k in other.missing_keys):  # older ones have none (refer.py)
        raise SystemExit(f"{path}: expected this network's weights, found {other}")
    net.predictor.head_scale = saved.get("head_scale", 1.0)
    return net.eval().set_ternary(saved["mode"] == "ternary"), saved


@torch.no_grad()
def make_float(net: Net, of: Net):
    """Gives the float network `net` the weights that the ternary one `of` computes with, so that both start as the same."""
    for to, module in zip(net.modules(), of.modules()):
        if isinstance(module, TernaryLinear) and module.ternary:
            to.weight.copy_(ternary_weight(module.weight))


def drawn(pool: Pool, c: TrainConfig, start: int, steps: int, tasks: dict[str, float] = TASK_WEIGHTS):
    """The batch of every step, a function of seed and step; the next one is drawn while this one is trained on."""
    def draw(step):
        return pool.batch([c.seed, step], c.batch_pictures, c.questions_per_picture, PART_WEIGHTS, tasks, c.renamed, c.coarse)

    with ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(draw, start)
        for step in range(start, steps):
            now = coming.result()
            coming = ahead.submit(draw, step + 1)
            yield now


def some_features(pool: Pool) -> torch.Tensor:
    """Of some pictures, to measure what is usual."""
    sample = np.random.default_rng(0).choice(len(pool.part), min(512, len(pool.part)), replace=False)
    return pool.features[torch.from_numpy(np.sort(sample)).to(pool.device)].cpu()


def train(work: Path, mode: str, steps: int, stop: int, c: TrainConfig, name: str, begun: Path | None = None, distilled: bool = False,
          told: float = 1.0):
    setting = load_setting(work)
    torch.manual_seed(c.seed)
    device, clock = "cuda" if torch.cuda.is_available() else "cpu", time.time()
    pool = Pool(setting, c.seed, device, reader=load_setting(work, distilled=True).text if distilled else None)
    print(f"{name}: {time.time() - clock:.0f} s, {len(pool.part)} pictures, {len(pool.items)} questions ({len(pool.questions)} wordings), "
          f"{pool.base} answers, tasks {pool.tasks}, questions sha256 {pool.digest}", flush=True)
    model = ModelConfig(**{**vars(setting.config), **{k: v for k, v in vars(ModelConfig()).items()}})
    net = Net(model)
    before, tasks = None, TASK_WEIGHTS
    if begun:
        before = load_checkpoint(begun)[0].to(device)
        before.requires_grad_(False)
        net.load_state_dict(before.state_dict())
        if mode == "float":
            make_float(net, before)
        tasks = {t: TASK_WEIGHTS.get(t, 1.0) * SHARPENED.get(t, 1.0) for t in pool.tasks}
    else:
        net.standardise(some_features(pool))
    net = net.to(device).set_ternary(mode == "ternary").train()
    average, opt = copy.deepcopy(net).eval(), optimiser(net, c, told)
    training = Training(net, average, opt, work / f"{name}.last.pt", c.ema)
    start = training.done
    if c.fuse:
        fuse(device)
    table, candidates = pool.answer_table, pool.candidates
    about_tasks = asked_about(pool)
    top = c.learning_rate if mode == "ternary" else c.float_learning_rate
    about = {"model": vars(model), "mode": mode, "seed": c.seed, "steps": steps, "hashes": {"questions": pool.digest}}
    seen, clock, saved_at = [], time.time(), time.time()
    batches = drawn(pool, c, start, stop, tasks)
    for step in range(start, stop):
        features, question, length, owner, answer, task, shown, renamed, lies, _ = next(batches)
        for group in opt.param_groups:
            group["lr"] = rate(step, steps, c, top) * group["times"]
        with torch.autocast(device, dtype=torch.bfloat16, enabled=c.bf16):
            out, alpha, ground = net(features, question, length, owner)
            apart = as_before(before, out.float(), features, question, length, owner, renamed) if begun else None
        out, by_pointing = out.float(), about_tasks.named[task] & renamed
        asked = (~(renamed if begun else by_pointing)).nonzero()[:, 0]
        loss, among, every, cosine = loss_of(out[asked], table, pool.base, candidates, answer[asked], task[asked], c)
        pointing = pointing_loss(alpha, shown, task, about_tasks, 2 * by_pointing)
        if not begun:
            apart = apart_from_pointed(out, alpha, meanings(features)[owner], by_pointing)
        grounding = ground_loss(ground, lies, pool.thing_table, c)
        loss = loss + c.pointing_weight * pointing + c.apart_weight * apart + c.ground_weight * grounding
        training.step(loss)
        seen.append(torch.stack([among, every, cosine, apart, grounding, torch.full_like(among, len(answer))]).detach())
        if (step + 1) % c.report_every == 0:
            m, seen = torch.stack(seen).cpu().numpy(), []
            print(f"{name} {step + 1}/{steps} among {m[:, 0].mean():.3f} all {m[:, 1].mean():.3f} cosine {m[:, 2].mean():.3f} "
                  f"apart {m[:, 3].mean():.3f} ground {m[:, 4].mean():.3f} {m[:, 5].sum() / (time.time() - clock):.0f} questions/s", flush=True)
            clock = time.time()
        if time.time() - saved_at > c.checkpoint_every_s or step + 1 == stop:
            saved_at = time.time()
            training.save()
            save(work / f"{name}.pt", {**about, "step": step + 1, "net": average.state_dict()})
            clock = time.time()


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--mode", choices=["ternary", "float"], default="ternary")
    p.add_argument("--name", help="of the checkpoint (default: the mode)")
    p.add_argument("--steps", type=int, default=TrainConfig.steps)
    p.add_argument("--stop", type=int, help="end after so many of the steps (default: after all)")
    p.add_argument("--pictures", type=int, default=TrainConfig.batch_pictures, help="of a batch")
    p.add_argument("--each", type=int, default=TrainConfig.questions_per_picture, help="questions about a picture of a batch")
    p.add_argument("--ema", type=float, default=TrainConfig.ema, help="of the averaged weights")
    p.add_argument("--warmup", type=int, default=TrainConfig.warmup, help="steps")
    p.add_argument("--renamed", type=float, default=TrainConfig.renamed, help="share of the photos shown as another class")
    p.add_argument("--from", dest="begun", type=Path, help="checkpoint to go on from")
    p.add_argument("--distilled", action="store_true", help="the ternary text tower (ternary_text.py) reads the questions; answers stay MiniLM's")
    p.add_argument("--rate", type=float, help="highest learning rate (ternary; the float twin's is half of it)")
    p.add_argument("--told", type=float, default=1.0, help="times that rate, for what takes in what words and places are told of each other")
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    c, name = TrainConfig(batch_pictures=a.pictures, questions_per_picture=a.each, renamed=a.renamed, ema=a.ema, warmup=a.warmup), a.name or a.mode
    if a.rate:
        c.learning_rate, c.float_learning_rate = a.rate, a.rate / 2
    if a.begun and a.begun.resolve() == (a.work / f"{name}.pt").resolve():
        p.error(f"--from {a.begun}: expected a checkpoint of another name, or another --name: it would be written over")
    (a.work / f"{name}.run.json").write_text(json.dumps({**vars(c), "steps": a.steps, "mode": a.mode}))
    train(a.work, a.mode, a.steps, min(a.stop or a.steps, a.steps), c, name, a.begun, a.distilled, a.told)


if __name__ == "__main__":
    main()
