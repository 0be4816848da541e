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
from calibrate import HEAD_SCALES
from config import CAPTION_QUESTION, EMBED
from data import load_setting
from evaluate import average_picture
from generator import Corpus, beams, load_generator, text_of
from measure import Item, predict, wilson
from prefix import load_prefix
from questions import PHOTO, Asker, with_articles
from train import load_checkpoint

WIDTHS = (1, 3)


class Writer:
    """Texts in the generator's spelling; `write` gives the best text and its confidence for each embedding."""

    at_once = 32  # embeddings

    def __init__(self, net, setting):
        self.net, self.setting = net, setting

    def write(self, embeddings: torch.Tensor, width: int) -> list[tuple[str, float]]:
        out = []
        for e in embeddings.float().split(self.at_once):
            out += [(self.text(found[0][0]), float(np.exp(found[0][1]))) for found in beams(self.net, e, width)]
        return out

    def text(self, rows: list[int]) -> str:
        words = self.setting.text.tokenizer
        return text_of([words.id_to_token(self.net.pieces[r - 1]) for r in rows])

    def spelt(self, text: str) -> str:
        """As the generator would spell it: lower case, marks as text_of puts them."""
        return text_of(self.setting.text.tokenizer.encode(text).tokens[1:-1])


class PrefixWriter(Writer):
    """The same of a language model behind a prefix."""

    def text(self, rows: list[int]) -> str:
        return self.net.language[0].tokenizer.decode(rows)

    def spelt(self, text: str) -> str:
        return text.lower()


def sure_threshold(confidence: np.ndarray, right: np.ndarray) -> float:
    """The confidence from which on answers are right more often than wrong, summed over all above it."""
    order = np.argsort(-confidence)
    gain = np.cumsum(np.where(right[order], 1, -1))
    return float(confidence[order][int(gain.argmax())])


def show(name: str, texts: list[str], references: list[list[str]]):
    """Prints a row of the table."""
    n, right = len(texts), sum(t in r for t, r in zip(texts, references))
    low, high = wilson(right, n)
    print(f"| {name} | {n} | {right / max(n, 1):.3f} | {low:.2f}-{high:.2f} | {bleu4(texts, references):.3f} |", flush=True)


def round_trip(writer: Writer, corpus: Corpus, most: int):
    held = np.random.default_rng(0).permutation(np.flatnonzero(corpus.held))[:most]
    wanted = [[writer.spelt(corpus.texts[i])] for i in held]
    e, noise = corpus.embeddings[held].float(), torch.Generator().manual_seed(1)
    things = np.array([1 + corpus.texts[i].count(" and ") for i in held])
    for width in WIDTHS:
        texts = [t for t, _ in writer.write(e, width)]
        show(f"round trip, beams {width}", texts, wanted)
        for n in (1, 2, 3):
            at = np.flatnonzero(things == n)
            show(f"round trip, beams {width}, {n} of \"... and ...\"", [texts[i] for i in at], [wanted[i] for i in at])
    for cosine in (0.85, 0.7):
        length = (1 / cosine ** 2 - 1) ** 0.5
        moved = F.normalize(e + length * EMBED ** -0.5 * torch.randn(e.shape, generator=noise), dim=-1)
        show(f"round trip, beams {WIDTHS[-1]}, cosine {cosine}", [t for t, _ in writer.write(moved, WIDTHS[-1])], wanted)


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


def captions(writer: Writer, corpus: Corpus, net, part: str, most: int):
    setting = writer.setting
    features, wanted = pictures(setting, part, writer)
    features, wanted = features[:most], wanted[:most]
    out = predicted(net, setting, features)
    table = setting.text.embed([r[0] for r in wanted])
    for width in WIDTHS:
        texts = [t for t, _ in writer.write(out, width)]
        show(f"{part}, beams {width}", texts, wanted)
    known = np.flatnonzero(~corpus.held)
    nearest = (out @ corpus.embeddings[known].float().T).argmax(-1).tolist()
    show(f"{part}, nearest training text", [writer.spelt(corpus.texts[known[i]]) for i in nearest], wanted)
    blind = writer.write(predicted(net, setting, average_picture(setting)[None]), WIDTHS[-1])[0][0]
    show(f"{part}, average picture", [blind] * len(wanted), wanted)
    print(f"({part}: cosine of the predictions with the templates {float((out * table).sum(-1).mean()):.3f}; "
          + "; ".join(f"{t} <- {r[0]}" for t, r in list(zip(texts, wanted))[:5]) + ")", flush=True)


def calibrated(writer: Writer, net, part: str) -> dict:
    """The head's weight with which most captions of held-out pictures are exact, as a factor of the checkpoint's, and the
    confidence from which on they are sure."""
    setting, own = writer.setting, net.predictor.head_scale
    features, wanted = pictures(setting, part, writer)
    best = None
    for scale in HEAD_SCALES:
        net.predictor.head_scale = scale
        found = writer.write(predicted(net, setting, features), WIDTHS[-1])
        right = np.array([t in w for (t, _), w in zip(found, wanted)])
        print(f"{part}: head scale {scale}: {len(right)} captions, {right.mean():.2f} exact", flush=True)
        if best is None or right.sum() >= best[0].sum():
            best = right, scale, np.array([c for _, c in found])
    right, scale, confidence = best
    return {"sure_threshold": sure_threshold(confidence, right) if right.any() else 1.0, "caption_head_scale": scale / own}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--generator", type=Path, help="default: WORK/generator.pt")
    p.add_argument("--language-model", type=Path, help="write with it behind WORK/prefix.pt instead of with the generator (GGUF)")
    p.add_argument("--checkpoint", type=Path, help="default: WORK/ternary.pt; without it only round trips")
    p.add_argument("--parts", nargs="*", default=["eval", "scenes_held", "cuts_held"])
    p.add_argument("--most", type=int, default=400, help="texts and pictures of a part (default 400)")
    p.add_argument("--calibrate", action="store_true", help="only fit the head's weight and the threshold of being sure, on the calibration photos")
    a = p.parse_args()
    setting = load_setting(a.work)
    if a.language_model:
        writer = PrefixWriter(load_prefix(a.work / "prefix.pt", a.language_model)[0], setting)
    else:
        writer = Writer(load_generator(a.generator or a.work / "generator.pt")[0], setting)
    checkpoint = a.checkpoint or a.work / "ternary.pt"
    net = load_checkpoint(checkpoint)[0] if checkpoint.exists() else None
    fitted = a.work / ("prefix.json" if a.language_model else "generator.json")
    if a.calibrate:
        return fitted.write_text(json.dumps(calibrated(writer, net, "dev" if setting.paths.photos else "scenes_held")))
    if net and fitted.exists():  # as Model::caption() weighs the head
        net.predictor.head_scale *= json.loads(fitted.read_text())["caption_head_scale"]
    corpus = Corpus(setting)
    print("| set | n | exact | 95 % | BLEU-4 |\n|---|---|---|---|---|", flush=True)
    round_trip(writer, corpus, a.most)
    for part in a.parts if net else []:
        if (setting.paths.work / part / "facts.jsonl").exists():
            captions(writer, corpus, net, part, a.most)


if __name__ == "__main__":
    main()
