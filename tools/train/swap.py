"""Shows a picture as if it held another class: the stem's class probabilities are renamed, place by place.

The 550 training photos show 550 classes, which a predictor can learn by heart from what else is in the picture. Renamed,
a photo of a tench may show a tram: only the semantic part of its tokens says so, and names, kinds, places and sports
have to be read there, for all thousand classes. No evaluation photo is involved: only names are.
"""

from collections import Counter

import numpy as np
import torch
import torch.nn.functional as F


class ClassSwap:
    """Renaming class `a` to class `b`: the r-th nearest class of `a` becomes the r-th nearest of `b`, a permutation.

    Nearness is the cosine of the classes' rows in the stem's classifier, so that what is mistaken for `a` turns into what
    is mistaken for `b`. `embedding` [classes, 384] are the embedded names, `classifier` [classes, 1280] the rows.
    """

    def __init__(self, embedding: torch.Tensor, classifier: torch.Tensor, device: str = "cpu"):
        rows = F.normalize((classifier - classifier.mean(0)).to(device), dim=-1)
        self.embedding = embedding.float().to(device)
        self.order = (rows @ rows.T).argsort(-1, descending=True)  # [a, rank] -> class
        self.rank = self.order.argsort(-1)  # [a, class] -> rank

    def semantics(self, index: torch.Tensor, share: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Top classes of each place [n, T, k] and their probabilities, classes [n] -> renamed mixed embeddings [n, T, 384], L2-normalised."""
        a, b = a[:, None, None], b[:, None, None]
        renamed = self.order[b, self.rank[a, index.long()]]
        return F.normalize((share.float()[..., None] * self.embedding[renamed]).sum(-2), dim=-1)


def shown_class(fact: dict) -> int:
    """The class a photo's questions are about, or -1: its file's while the stem still sees it, else a confident first guess."""
    if fact["source"] not in ("photo", "recolour"):
        return -1
    top = fact["top5"]
    if fact["label"] in [c for c, _ in top] or (fact["area"] == 1.0 and fact["turns"] == 0):
        return fact["label"]
    return top[0][0] if top[0][1] > 0.6 else -1


def class_weights(labels) -> np.ndarray:
    """How often a class is shown by renaming: kinds nearly evenly (118 classes are dogs, two are motorcycles), those of
    vehicles and food, which fewer photos show, and classes with rarely asked facts (sports, places) more often."""
    classes = Counter(k for k in labels.kind if k)
    rare = {"animal": 4.0, "food": 6.0, "vehicle": 10.0}
    weight = np.array([rare[k[0]] * classes[k] ** -0.8 if k else 1.0 for k in labels.kind])
    weight += [4.0 * bool(action) + 1.5 * bool(scene) for action, scene in zip(labels.action, labels.scene)]
    return weight / weight.sum()
