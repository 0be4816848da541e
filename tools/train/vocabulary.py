"""The answers the model may give without choices: class names, kinds, colours, everyday picturable nouns."""

from labels import ACTIONS, COLOURS, MATERIALS, NUMBERS, PLACES, SCENES, Labels

# WordNet lexicographer files of things one can see: animal, artifact, body, food, object, person, phenomenon, plant, substance.
PICTURABLE = (5, 6, 8, 13, 17, 18, 19, 20, 27, 15)
WEATHER_AND_PLACES = ["indoors", "outdoors", "snow", "water", "grass", "sky", "sand", "rain", "fog", "night", "day",
                      "sunset", "city", "countryside", "room", "stadium", "airport", "harbor", "zoo", "park", "school"]
VERBS = ["running", "walking", "sitting", "standing", "lying down", "sleeping", "eating", "drinking", "flying", "swimming",
         "jumping", "climbing", "playing", "reading", "writing", "cooking", "driving", "riding", "working", "smiling",
         "singing", "dancing", "talking", "resting", "looking at the camera", "posing", "hunting", "fishing", "surfing"]


def everyday_nouns(labels: Labels) -> list[str]:
    """Lemmas whose first sense is a thing one can see, the most used first; animals, food and plants even if rare."""
    nouns = labels.nouns
    scored = {}
    for word, senses in nouns.senses.items():
        first = senses[0]
        lexfile = nouns.lexfile[first]
        if lexfile not in PICTURABLE or len(word) < 3 or word.count(" ") > 1 or any(ch in word for ch in ".'/0123456789"):
            continue
        lemma = next((x for x in nouns.lemmas[first] if x.lower() == word), word)
        if lemma != lemma.lower() or len(nouns.ancestors(first)) < 5:  # names; "entity", "artifact" and their like
            continue
        uses = nouns.uses.get((word, lexfile), 0)
        if uses == 0 and (lexfile not in (5, 6, 13) or " " in word):
            continue
        scored[lemma] = (-uses, len(word), word)
    return sorted(scored, key=scored.get)


def build(labels: Labels, extra: list[str], size: int = 5500) -> list[str]:
    """Distinct answers: what training uses first, then everyday nouns up to `size`."""
    out = list(dict.fromkeys(
        ["yes", "no"] + COLOURS + NUMBERS + PLACES + list(SCENES) + list(ACTIONS) + MATERIALS + WEATHER_AND_PLACES + VERBS
        + [k[1] for k in labels.kind if k] + [c for c in labels.category if c] + labels.raw + extra))
    lower = {a.lower() for a in out}
    for noun in everyday_nouns(labels):
        if len(out) >= size:
            break
        if noun not in lower:
            out.append(noun)
    return out
