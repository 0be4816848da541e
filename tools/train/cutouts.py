"""Objects to paste: photo stamps, clip art and emoji; things.py cuts more out of photos."""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from labels import KINDS, KIND_WORDS, LEMMA_ALIAS, COLOURS, Labels
from vocabulary import PICTURABLE

ARTICLE = re.compile(r"^(a|an|the|some|two|three|a pair of|a bunch of)\s+", re.I)
STOP = re.compile(r"\b(with|in|on|of|from|for|at|that|which|and|by|also|used|wearing|to)\b|[,(.;:!?]")
SKIP_FOLDERS = ("flags", "geography", "logos", "signs_and_symbols", "special", "unsorted", "education", "letters",
                "jigsaw", "symbols", "shapes", "buttons", "seasonal")
# First words of drawing names that are nouns only by accident.
NOT_THINGS = set("""gnome home player source user back border classic middle plain small open silhouette hub adult mine port
john flat clip kit chemical head cut mascot well slate street frame ammo butter base line top bottom front side
black white computer's simple animal world set art colour color drawing outline shape cartoon image picture icon
view project system network device general default media video audio sound text file folder document mail desktop
application program package package2 office internet package web help home2 trash search stop play forward pause
martin luther van gogh border2 round square circle oval star cross arrow heart lower upper left right inn mouth
plate2 pattern tile blank test sign symbol logo flag map letter number digit character face man's classic2 open2
""".split()) | {"martin luther", "van gogh"}
LIMIT_PER_WORD = 6


@dataclass
class CutOut:
    word: str  # what people call it
    source: str  # file it came from
    image: Image.Image  # RGBA, cropped to its alpha, long side <= 224
    kind: tuple[str, str] | None
    photo: bool


def word_of(text: str, labels: Labels) -> str | None:
    """The object word of a caption: the longest suffix of its first noun phrase that WordNet shows as a thing."""
    text = text.replace("“", "").replace("”", "").strip()
    for _ in range(2):
        text = ARTICLE.sub("", text)
    words = STOP.split(text)[0].strip().lower().split()
    for length in (3, 2, 1):
        phrase = " ".join(words[-length:])
        if length <= len(words) and is_thing(phrase, labels):
            return phrase
    return None


def is_thing(phrase: str, labels: Labels) -> bool:
    senses = labels.nouns.senses.get(phrase)
    return bool(senses) and phrase not in COLOURS and labels.nouns.lexfile[senses[0]] in PICTURABLE and len(phrase) > 2


def kind_of(word: str, labels: Labels) -> tuple[str, str] | None:
    """Kind of a WordNet word by its first sense."""
    senses = labels.nouns.senses.get(word)
    if not senses:
        return None
    up = labels.nouns.ancestors(senses[0])
    for group, (root, kinds) in KINDS.items():
        roots = [root] if group != "food" else [21265, 7555863, 7705931, 13134947]
        if any(r in up for r in roots):
            for kind in kinds:
                wanted = {kind, LEMMA_ALIAS.get(kind, kind)}
                if any(wanted & set(labels.nouns.lemmas[o]) for o in up):
                    return group, KIND_WORDS.get(kind, kind)
    return None


def open_cut(path: Path) -> Image.Image | None:
    with Image.open(path) as file:
        if file.width * file.height > 16e6:
            return None
        image = file.convert("RGBA")
    image.thumbnail((256, 256))
    return cropped(image)


def cropped(image: Image.Image) -> Image.Image | None:
    """RGBA cropped to its alpha; nothing if it has no real transparency or is too thin."""
    alpha = np.asarray(image)[..., 3]
    rows, cols = np.where(alpha.max(1) > 40)[0], np.where(alpha.max(0) > 40)[0]
    if len(rows) < 24 or len(cols) < 24 or (alpha > 128).mean() > 0.97 or (alpha > 128).mean() < 0.08:
        return None
    image = image.crop((int(cols[0]), int(rows[0]), int(cols[-1]) + 1, int(rows[-1]) + 1))
    if not 0.25 < image.width / image.height < 4:
        return None
    image.thumbnail((224, 224))
    return image


def stamps(folder: Path, labels: Labels):
    for path in sorted(folder.rglob("*.png")):
        caption = path.with_suffix(".txt")
        if path.stem.endswith("_mirror") or not caption.exists() or any(s in path.parts for s in SKIP_FOLDERS):
            continue
        lines = caption.read_text(encoding="utf-8", errors="replace").splitlines()
        word = word_of(lines[0], labels) if lines else None
        image = open_cut(path) if word else None
        if image:
            yield CutOut(word, f"stamps/{path.name}", image, kind_of(word, labels), True)


def clipart(folder: Path, labels: Labels):
    """File names read `title_words_author_01.png`: the longest leading words that name a common thing."""
    seen: dict[str, int] = {}
    for path in sorted(folder.rglob("*.png")):
        if any(s in path.parts for s in SKIP_FOLDERS):
            continue
        words = [w for w in re.split(r"[_\-0-9]+", path.stem.lower()) if w]
        found = next((" ".join(words[:n]) for n in (2, 1) if len(words) >= n and is_thing(" ".join(words[:n]), labels)
                      and labels.nouns.tagged[" ".join(words[:n])] >= (0 if n == 2 else 1)), None)
        if not found or found in NOT_THINGS or seen.get(found, 0) >= LIMIT_PER_WORD:
            continue
        image = open_cut(path)
        if image:
            seen[found] = seen.get(found, 0) + 1
            yield CutOut(found, f"clipart/{path.name}", image, kind_of(found, labels), False)


def emoji(font: Path, labels: Labels):
    """Pictographs of a colour font, called by their Unicode names as far as these name things; `word` is empty where they do not, for notes to say."""
    drawn = ImageFont.truetype(str(font), 109)  # the one size that the font has
    for code in (*range(0x2300, 0x2800), *range(0x1F300, 0x1FB00)):
        name = unicodedata.name(chr(code), "").lower()
        if not name or "squared" in name or "clock face" in name:
            continue
        image = Image.new("RGBA", (136, 128), (0, 0, 0, 0))
        ImageDraw.Draw(image).text((0, 0), chr(code), font=drawn, embedded_color=True)
        image = cropped(image)
        if image:
            word = word_of(name.replace(" face", "").replace(" symbol", ""), labels) or ""
            yield CutOut(word, f"emoji/{code:x}", image, kind_of(word, labels), False)
