"""What the stem says by itself, of pictures and place by place, before any training (model.meanings, as ConSE): of the package's weights, and of the tuned
ones (tune_stem.py) mixed with them in several shares. Evaluation photos and CIFAR's held-out ones are named by the whole picture; of composed pictures of
things kept from training: how often the place most like a thing's word lies on it, whether the places most like two words tell which lies further left
or higher, and whether what its places say together is nearest to its own word of all there."""

import argparse
from pathlib import Path

import numpy as np
import torch

from build import CIFAR, SEEDS, cifar_files, scene_drawer
from data import load_setting, photo_files
from found import GROUND_GAIN, meanings
from stem import Features, load_picture, stem_tensors
from writer import made

APART = 0.15  # of the picture: two things nearer than that are not asked about


def seen(features: Features, pixels: list[np.ndarray]) -> torch.Tensor:
    """What each picture and each place means, [n, 1 + g*g, 384]."""
    return torch.cat([meanings(features.of(pixels[i:i + 32])[0]) for i in range(0, len(pixels), 32)])


def named(meaning: torch.Tensor, names: torch.Tensor, which: list[int]) -> str:
    right = (meaning[:, 0] @ names.T).argmax(1) == torch.tensor(which)
    return f"{right.float().mean():.3f}"


def on_things(meaning: torch.Tensor, objects: list[list[dict]], words: dict[str, torch.Tensor]) -> str:
    """Shares of things and of pairs, each with how many there are."""
    g = round((meaning.shape[1] - 1) ** 0.5)
    at = (torch.arange(g * g)[:, None] // torch.tensor([1, g]) % g + 0.5) / g  # x and y of each place
    table, order, hits, sides, own = torch.stack(list(words.values())), list(words), [], [], []
    for places, things in zip(meaning[:, 1:], objects):
        singles = []
        for word in dict.fromkeys(o["word"] for o in things):
            group = [o for o in things if o["word"] == word]
            cells = torch.tensor([any(o["cells"] >> i & 1 for o in group) for i in range(g * g)])
            cosine = places @ words[word]
            hits.append(bool(cells[cosine.argmax()]))
            own.append(order[int((table @ places[cells].mean(0)).argmax())] == word)
            if len(group) == 1:
                singles.append((group[0], (GROUND_GAIN * cosine).softmax(0) @ at))
        for i, (a, here) in enumerate(singles):
            for b, there in singles[:i]:
                sides += [bool((here[axis] > there[axis]) == (a[key] > b[key])) for axis, key in enumerate("xy") if abs(a[key] - b[key]) > APART]
    return " | ".join(f"{np.mean(x):.3f} of {len(x)}" for x in (hits, sides, own))


@torch.no_grad()
def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--tuned", type=Path, help="what was learned, unmixed (tune_stem.py --share 1; default: none)")
    p.add_argument("--shares", type=float, nargs="*", default=[0.3, 0.4, 0.5, 0.7, 1.0])
    p.add_argument("--pictures", type=int, default=800, help="composed ones of a set (default 800)")
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    setting = load_setting(a.work)
    size = setting.config.fine_size
    files = photo_files(setting, "eval")
    photos, classes = [load_picture(f, size) for f in files], [int(f.name[:3]) for f in files]
    small, cifar_words = cifar_files(setting, "cifar_held"), setting.minilm.embed([word for _, word in CIFAR.values()])
    cifar, cifar_classes = [load_picture(f, size) for _, f in small], [list(CIFAR).index(word) for word, _ in small]
    composed = {part: list(made(scene_drawer(setting, part), a.pictures, SEEDS[part])) for part in ("cuts_held", "scenes_held")}
    words = {part: sorted({o["word"] for _, fact in pictures for o in fact["objects"]}) for part, pictures in composed.items()}
    embedded = {part: dict(zip(w, setting.minilm.embed(w))) for part, w in words.items()}
    before = stem_tensors()
    after = torch.load(a.tuned, map_location="cpu", weights_only=True)["weights"] if a.tuned else before
    print("| share | photos named | CIFAR named |" + "".join(f" {part}: on the thing | which side | named |" for part in composed) + "\n|" + "---|" * 9)
    for share in [0.0, *(a.shares if a.tuned else [])]:
        features = Features(setting.config, setting.names, {n: before[n].lerp(after[n], share) for n in before})
        row = [named(seen(features, photos), setting.names, classes), named(seen(features, cifar), cifar_words, cifar_classes)]
        row += [on_things(seen(features, [x for x, _ in pictures]), [fact["objects"] for _, fact in pictures], embedded[part])
                for part, pictures in composed.items()]
        print(f"| {share} | " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
