"""Every number and name of the default model and its training run, in one place."""

from dataclasses import dataclass
from pathlib import Path

# Each row: kernel, stride, expand ratio, in, out, repeats (EfficientNet-Lite0).
LITE0_STAGES = [
    (3, 1, 1, 32, 16, 1),
    (3, 2, 6, 16, 24, 2),
    (5, 2, 6, 24, 40, 2),
    (3, 2, 6, 40, 80, 3),
    (5, 1, 6, 80, 112, 3),
    (5, 2, 6, 112, 192, 4),
    (3, 1, 6, 192, 320, 1),
]

EMBED = 384  # width of the shared text space (MiniLM-L6)
CAPTION_QUESTION = "describe the picture"  # that a caption answers


@dataclass
class ModelConfig:
    image_size: int = 288  # the stem was trained at 224: at 288 it names .89 of the unseen photos instead of .82, on a grid of 9 x 9
    detail: int = 2  # of the picture so many times as large the stem says what lies at each place (stem.py): small things are seen
    classes: int = 1000
    top_classes: int = 10
    low_stage: int = 4
    width: int = 256
    heads: int = 4
    mlp: int = 1024
    vision_blocks: int = 3
    predictor_blocks: int = 5
    ground_blocks: int = 1
    pointer_width: int = 64
    dropout: float = 0.2  # on the low-level part of a picture feature
    embed_prompt: str = "what is in the picture?"

    @property
    def grid(self) -> int:
        return self.image_size // 32

    @property
    def fine_size(self) -> int:
        return self.image_size * self.detail

    @property
    def tokens(self) -> int:
        return 1 + self.grid * self.grid

    @property
    def low_width(self) -> int:
        return 4 * LITE0_STAGES[self.low_stage][4]

    @property
    def feature_width(self) -> int:
        """Of what enters the tower; a place's fine meaning, 384 more numbers, lies behind."""
        return EMBED + 2 + self.low_width + 4 * 33


@dataclass
class TrainConfig:
    seed: int = 20260
    batch_pictures: int = 32
    questions_per_picture: int = 5
    renamed: float = 0.8  # share of the photos shown as another class (swap.py)
    coarse: float = 0.2  # share of the pictures whose places say what they do without the larger picture
    learning_rate: float = 1.6e-3
    float_learning_rate: float = 0.8e-3  # ternary training wants about twice the float rate
    weight_decay: float = 0.02
    warmup: int = 60
    steps: int = 3000
    temperature: float = 0.05
    all_answers_weight: float = 0.5
    cosine_weight: float = 0.5
    pointing_weight: float = 0.15  # of -log(pointer's share of the places that show what is asked about)
    ground_weight: float = 0.3  # of InfoNCE between what lies at a composed picture's places and the words of all things
    apart_weight: float = 6.0  # of 1 - cosine between a renamed photo's name and what the pointer points at
    ema: float = 0.995
    bf16: bool = True
    fuse: bool = True
    checkpoint_every_s: float = 300.0
    report_every: int = 20


@dataclass
class TuneConfig:
    """Of the stem (tune_stem.py). Losses are divergences in nats, but for those of words: InfoNCE."""
    seed: int = 20264
    pictures: int = 32  # collages of a step
    steps: int = 1100
    learning_rate: float = 1e-3  # in parts of a tensor's root mean square
    warmup: int = 50
    thing_weight: float = 0.5
    ground_weight: float = 0.3
    tile_weight: float = 0.5
    word_weight: float = 0.1
    photo_weight: float = 3.0
    place_weight: float = 0.5
    cifar_weight: float = 0.3
    temperature: float = 0.05
    ema: float = 0.998
    share: float = 0.4  # of what is learned in the weights that are kept: names of classes that no training photo shows are lost beyond
    bf16: bool = True


@dataclass
class GeneratorConfig:
    width: int = 256
    heads: int = 4
    mlp: int = 1024
    blocks: int = 3
    prefix: int = 2  # positions that the embedding fills
    length: int = 24  # pieces of a text, its end included
    seed: int = 20261
    batch: int = 256
    learning_rate: float = 1.6e-3
    weight_decay: float = 0.02
    warmup: int = 100
    steps: int = 3000
    noise: float = 0.9  # the most length of the Gaussian added to a unit embedding: cosine 0.74
    mixed: float = 0.3  # share of the embeddings mixed with that of another text, by at most `mix`
    mix: float = 0.35
    ema: float = 0.995


@dataclass
class PrefixConfig(GeneratorConfig):
    prefix: int = 8  # positions of the language model that the embedding fills
    seed: int = 20262
    batch: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.0
    warmup: int = 60
    steps: int = 2400


@dataclass
class TextConfig:
    """Of the ternary text tower (ternary_text.py)."""
    seed: int = 20263
    tokens: int = 3072  # of a step
    length: int = 64  # tokens of a text, at most
    learning_rate: float = 6e-4  # of what is ternary; a tenth of it for the rest
    warmup: int = 200
    steps: int = 4800
    inner_weight: float = 0.15  # of the relative errors after the embeddings and all blocks but the last
    pooled_weight: float = 3.0  # of 1 - cosine of the pooled embeddings
    answers_from: float = 0.85  # of the steps: from then on half of the texts are questions that the predictor answers
    answers_weight: float = 6.0  # of 1 - cosine between its answers
    pictures: int = 24  # of a step
    each: int = 4  # questions about a picture
    ema: float = 0.995


@dataclass
class Paths:
    work: Path = Path("build/train")
    photos: Path | None = None
    cifar: Path | None = None
    stamps: Path = Path("/usr/share/tuxpaint/stamps")
    clipart: Path = Path("/usr/share/openclipart/png")
    emoji: Path = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
    wordnet: Path = Path("/usr/share/wordnet")
