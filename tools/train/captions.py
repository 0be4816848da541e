"""Prints how well the generator writes: texts from their own embeddings, and captions of held-out pictures.

Round trip: texts kept from training -> embedding -> text; also with Gaussian noise of the length that gives a cosine.
Captions: what the model predicts for "describe the picture" -> text, against the template captions of pictures that were
never trained on (the kinds of things in any order; a photo in any of its four wordings). Beside them the nearest of all the
generator's training texts, and the generator on the average picture.
"""

import argparse
import json
from itertools import permutations
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from bleu import bleu4
from calibrate import sure_threshold
from config import CAPTION_QUESTION, EMBED
from data import load_setting
from evaluate import average_picture
from generator import Corpus, Generator, beams, load_generator, text_of
from generator_texts import PHOTO, with_articles
from measure import Item, predict, wilson
from questions import Asker
from train import load_checkpoint

WIDTHS = (1, 3)


class Writer:
    """Texts in the generator's spelling; `write` gives the best text and its confidence for each embedding."""

    def __init__(self, net: Generator, setting):
        self.net, self.setting = net, setting
        words = setting.text.tokenizer
        self.piece = ["[SEP]"] + [words.id_to_token(i) for i in net.pieces]

    def write(self, embeddings: torch.Tensor, width: int) -> list[tuple[str, float]]:
        out = []
        for e in embeddings.float():
            rows, score = beams(self.net, e, width)[0]
            out.append((text_of([self.piece[r] for r in rows]), float(np.exp(score))))
        return out

    def spelt(self, text: str) -> str:
        """As the generator would spell it: lower case, marks as text_of puts them."""
        return text_of(self.setting.text.tokenizer.encode(text).tokens[1:-1])


def row(name: str, texts: list[str], references: list[list[str]]) -> dict:
    right = sum(t in r for t, r in zip(texts, references))
    return {"set": name, "n": len(texts), "exact": right / len(texts), "ci95": wilson(right, len(texts)), "bleu4": bleu4(texts, references)}


def round_trip(writer: Writer, corpus: Corpus, most: int) -> list[dict]:
    held = np.flatnonzero(corpus.held)
    held = np.random.default_rng(0).permutation(held)[:most]
    wanted = [[writer.spelt(corpus.texts[i])] for i in held]
    e, noise = corpus.embeddings[held].float(), torch.Generator().manual_seed(1)
    kinds = {"composed": [" and " in corpus.texts[i] for i in held], "others": [" and " not in corpus.texts[i] for i in held]}
    out = []
    for width in WIDTHS:
        texts = [t for t, _ in writer.write(e, width)]
        out.append(row(f"round trip, beams {width}", texts, wanted))
        for kind, at in kinds.items():
            out.append(row(f"round trip, beams {width}, {kind}", *([x for x, k in zip(xs, at) if k] for xs in (texts, wanted))))
    for cosine in (0.9, 0.8):
        length = (1 / cosine ** 2 - 1) ** 0.5
        moved = F.normalize(e + length * EMBED ** -0.5 * torch.randn(e.shape, generator=noise), dim=-1)
        out.append(row(f"round trip, beams {WIDTHS[-1]}, cosine {cosine}", [t for t, _ in writer.write(moved, WIDTHS[-1])], wanted))
    return out


def references(fact: dict, asker: Asker) -> list[str]:
    """Every wording that is right for a picture."""
    if fact["source"] == "photo":
        return [with_articles(t.format(asker.labels.raw[fact["label"]].lower())) for t in PHOTO]
    by_word: dict[str, list] = {}
    for o in fact["objects"]:
        by_word.setdefault(o["word"], []).append(o)
    return [with_articles(asker.describe(dict(p)).lower()) for p in permutations(list(by_word.items())[:3])]


def pictures(setting, part: str, writer: Writer) -> tuple[torch.Tensor, list[list[str]]]:
    """Features and references of a part's pictures, as far as there is something on them."""
    folder, asker = setting.paths.work / part, Asker(setting.labels, np.random.default_rng(0))
    facts = [json.loads(line) for line in (folder / "facts.jsonl").read_text().splitlines()]
    shown = [i for i, f in enumerate(facts) if f["source"] == "photo" or f["objects"]]
    features = torch.from_numpy(np.load(folder / "features.npy")[shown]).float()
    return features, [[writer.spelt(r) for r in references(facts[i], asker)] for i in shown]


def predicted(net, setting, features: torch.Tensor) -> torch.Tensor:
    return predict(net, setting, features, [Item(i, CAPTION_QUESTION, "", [], "caption") for i in range(len(features))])


def captions(writer: Writer, corpus: Corpus, net, part: str, most: int) -> list[dict]:
    setting = writer.setting
    features, wanted = pictures(setting, part, writer)
    features, wanted = features[:most], wanted[:most]
    out, rows = predicted(net, setting, features), []
    for width in WIDTHS:
        texts = [t for t, _ in writer.write(out, width)]
        rows.append(row(f"{part}, beams {width}", texts, wanted))
    for text, right in list(zip(texts, wanted))[:8]:
        print(f"  {part}: {text} <- {right[0]}", flush=True)
    known = np.flatnonzero(~corpus.held)
    nearest = [writer.spelt(corpus.texts[known[i]]) for i in (out @ corpus.embeddings[known].float().T).argmax(-1).tolist()]
    rows.append(row(f"{part}, nearest training text", nearest, wanted))
    blind = writer.write(predicted(net, setting, average_picture(setting)[None]), WIDTHS[-1])[0][0]
    rows.append(row(f"{part}, average picture", [blind] * len(wanted), wanted))
    table = setting.text.embed([r[0] for r in wanted])
    print(f"  {part}: cosine of the predictions with the templates {float((out * table).sum(-1).mean()):.3f}")
    return rows


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--generator", type=Path, help="default: WORK/generator.pt")
    p.add_argument("--checkpoint", type=Path, help="default: WORK/ternary.pt; without it only round trips")
    p.add_argument("--parts", nargs="*", default=["eval", "scenes_held", "cuts_held"])
    p.add_argument("--most", type=int, default=400, help="texts and pictures of a part (default 400)")
    p.add_argument("--calibrate", action="store_true", help="only fit the threshold of being sure, on the calibration photos")
    a = p.parse_args()
    setting = load_setting(a.work)
    writer = Writer(load_generator(a.generator or a.work / "generator.pt")[0], setting)
    checkpoint, calibration = a.checkpoint or a.work / "ternary.pt", a.work / "calibration.json"
    net = load_checkpoint(checkpoint)[0] if checkpoint.exists() else None
    if net and calibration.exists():  # as Model::generate() weighs the head
        net.predictor.head_scale *= json.loads(calibration.read_text())["vocabulary_head_scale"]
    if a.calibrate:
        part = "dev" if setting.paths.photos else "scenes_held"
        features, wanted = pictures(setting, part, writer)
        found = writer.write(predicted(net, setting, features), WIDTHS[-1])
        right = np.array([t in w for (t, _), w in zip(found, wanted)])
        threshold = sure_threshold(np.array([c for _, c in found]), right) if right.any() else 1.0
        (a.work / "generator.json").write_text(json.dumps({"sure_threshold": threshold}))
        return print(f"{part}: {len(right)} captions, {right.mean():.2f} exact, sure from {threshold:.3f}")
    corpus = Corpus(setting)
    rows = round_trip(writer, corpus, a.most)
    for part in a.parts if net else []:
        if (setting.paths.work / part / "facts.jsonl").exists():
            rows += captions(writer, corpus, net, part, a.most)
    print("| set | n | exact | 95 % | BLEU-4 |\n|---|---|---|---|---|")
    for r in rows:
        print(f"| {r['set']} | {r['n']} | {r['exact']:.3f} | {r['ci95'][0]:.2f}-{r['ci95'][1]:.2f} | {r['bleu4']:.3f} |")


if __name__ == "__main__":
    main()
