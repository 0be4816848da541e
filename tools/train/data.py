"""What every step of the recipe shares: folders, sizes of the parts, labels, the text tower, and which files are for what."""

import hashlib
import json
import pickle
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch

import vocabulary
from config import ModelConfig, Paths
from cutouts import CutOut, clipart, emoji, kind_of, stamps
from labels import Labels, load_labels, read_table
from stem import Features, stem_tensors
from text import Text

DRAWING_NOTES = Path(__file__).with_name("drawing_notes.tsv")
TRAIN_PARTS = ["photos", "recolour", "cifar", "scenes", "mosaics", "shapes"]
# How many pictures; those that --times multiplies, and those that stay the same whatever is trained on.
TIMES = {"photo_variants": 12, "recolours": 8, "cifar": 4000, "scenes": 16000, "mosaics": 6000}
SIZES = {"cifar_held": 400, "scenes_held": 400, "cuts_held": 800}


@dataclass
class Setting:
    """What every step of the recipe shares: folders, labels, the text tower."""

    paths: Paths
    config: ModelConfig
    times: float = 1.0  # so many times the pictures of the training parts
    distilled: bool = False  # whether texts are read by the ternary tower (ternary_text.py)

    @property
    def sizes(self) -> dict[str, int]:
        return SIZES | {k: max(1, round(n * self.times)) for k, n in TIMES.items()}

    @cached_property
    def labels(self) -> Labels:
        return load_labels(self.paths.wordnet)

    @cached_property
    def minilm(self) -> Text:
        return Text(self.paths.work / "text")

    @cached_property
    def text(self) -> Text:
        """The tower that reads the questions."""
        if not self.distilled:
            return self.minilm
        file = self.paths.work / "text.pt"
        digest = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
        return Text(self.paths.work / f"text-{digest}", weights=torch.load(file, map_location="cpu", weights_only=False)["weights"])

    @property
    def names(self) -> torch.Tensor:
        """The class names' embeddings [classes, 384]: MiniLM's, as the file has them, whichever tower reads the questions."""
        return self.minilm.embed(self.labels.names)

    @cached_property
    def stem(self) -> dict[str, torch.Tensor]:
        """The stem's tensors: the tuned ones (tune_stem.py) where there are any, else the package's."""
        tuned = self.paths.work / "tuned.pt"
        return torch.load(tuned, map_location="cpu", weights_only=True)["weights"] if tuned.exists() else stem_tensors()

    def features(self) -> Features:
        return Features(self.config, self.names, self.stem)


def load_setting(work: Path, distilled: bool = False) -> Setting:
    saved = json.loads((work / "setting.json").read_text())
    paths = Paths(**{k: Path(v) if v else None for k, v in saved["paths"].items()})
    return Setting(paths, ModelConfig(**saved["model"]), saved.get("times", 1.0), distilled)


def answer_vocabulary(setting: Setting) -> list[str]:
    return vocabulary.build(setting.labels, [])


def split_of(path: Path) -> str:
    index = int(path.name[:3])
    return "eval" if index % 5 == 0 else "dev" if index % 20 == 3 else "train"


def photo_files(setting: Setting, split: str) -> list[Path]:
    folder = setting.paths.photos
    return [p for p in sorted(folder.glob("*.jpg")) if split_of(p) == split] if folder else []


def held_word(word: str) -> bool:
    return hashlib.sha256(word.encode()).digest()[0] % 10 == 0


def cut_outs(setting: Setting) -> list[CutOut]:
    """Stamps, drawings and emoji, called what is shown; none that do not show one thing."""
    cache = setting.paths.work / "drawings.pickle"
    if not cache.exists():
        paths, labels = setting.paths, setting.labels
        found = [*stamps(paths.stamps, labels), *clipart(paths.clipart, labels), *emoji(paths.emoji, labels)]
        cache.write_bytes(pickle.dumps(found))
    out, notes = [], read_table(DRAWING_NOTES)
    for cut in pickle.loads(cache.read_bytes()):
        word = notes.get(cut.source, cut.word)
        if word:
            out.append(cut if word == cut.word else replace(cut, word=word, kind=kind_of(word, setting.labels)))
    return out
