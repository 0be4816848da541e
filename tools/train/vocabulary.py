"""The answers the model may give without choices: class names, kinds, colours, everyday picturable nouns."""

from labels import ACTIONS, COLOURS, MATERIALS, NUMBERS, SCENES, Labels

# WordNet lexicographer files of things one can see, and how often a sense must be tagged to count as everyday.
PICTURABLE = {5: 0, 6: 1, 8: 1, 13: 0, 15: 3, 17: 0, 18: 1, 20: 0, 27: 3, 19: 3}
WEATHER_AND_PLACES = ["indoors", "outdoors", "snow", "water", "grass", "sky", "sand", "rain", "fog", "night", "day",
                      "sunset", "city", "countryside", "room", "stadium", "airport", "harbor", "zoo", "park", "school"]
DIRECTIONS = ["left", "right", "top", "bottom", "center", "top left", "top right", "bottom left", "bottom right"]
VERBS = ["running", "walking", "sitting", "standing", "lying down", "sleeping", "eating", "drinking", "flying", "swimming",
         "jumping", "climbing", "playing", "reading", "writing", "cooking", "driving", "riding", "working", "smiling",
         "singing", "dancing", "talking", "resting", "looking at the camera", "posing", "hunting", "fishing", "surfing"]


def everyday_nouns(labels: Labels, limit: int) -> list[str]:
    """Lemmas of picturable WordNet synsets whose word is common, most frequent first."""
    nouns = labels.nouns
    scored = {}
    for word, senses in nouns.senses.items():
        first = senses[0]
        lexfile = nouns.lexfile[first]
        if lexfile not in PICTURABLE or len(word) < 3 or word.count(" ") > 1 or any(ch in word for ch in ".'/0123456789"):
            continue
        if nouns.tagged[word] < 1 and word.count(" ") > 0:
            continue
        depth = len(nouns.ancestors(first))
        if depth < 5:  # "entity", "object", "artifact" and their like say nothing
            continue
        lemma = next((x for x in nouns.lemmas[first] if x.lower() == word), word)
        if lemma != lemma.lower():  # proper names
            continue
        scored[lemma] = (-nouns.tagged[word] + PICTURABLE[lexfile], len(word), word)
    return sorted(scored, key=scored.get)[:limit]


def build(labels: Labels, extra: list[str], size: int = 6000) -> list[str]:
    """Distinct answers: what training uses first, then everyday nouns up to `size`."""
    out = list(dict.fromkeys(
        ["yes", "no"] + COLOURS + NUMBERS + DIRECTIONS + list(SCENES) + list(ACTIONS) + MATERIALS + WEATHER_AND_PLACES + VERBS
        + [k[1] for k in labels.kind if k] + [c for c in labels.category if c] + labels.raw + extra))
    lower = {a.lower() for a in out}
    for noun in everyday_nouns(labels, size):
        if len(out) >= size:
            break
        if noun not in lower:
            out.append(noun)
    return out
