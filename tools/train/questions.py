"""Turns what is known about a picture into questions with answers: many wordings a task, some held out.

A question is (task, text, answer) or (task, text, answer, where). The task decides which answers compete (train.py's
candidate sets); `where` has the bits of the places that show what is asked about (scenes.cells), as far as that is known.
"""

import hashlib

import numpy as np

from labels import COLOURS, KINDS, Labels

PICTURE = ["", "", "", " in the picture", " in this photo", " in the image", " here", " in this picture"]
NAMING = ["what is this", "what is the main object", "what is in the picture", "what do you see", "what is shown", "name the object",
          "identify the main thing", "what is that", "what object is this", "what does the picture show", "what is the name of this",
          "which object is in the photo", "what am i looking at", "what thing is this", "tell me what this is", "what is the subject of the photo",
          "what can be seen", "what is being shown", "what's this", "what's in the image", "what is pictured", "name this", "what is it",
          "identify this object", "what is the main thing", "what is visible", "what is it called", "main object of the picture",
          "give the name of the object", "which thing is this", "what is the object", "what would you call this", "what is depicted"]
BREED = ["what breed of {k} is this", "which species of {k} is this", "what type of {k} is it", "name the breed of the {k}", "what sort of {k} is that",
         "which kind of {k} exactly", "what exactly is this {k}", "identify the {k}", "which {k} is this", "what species is the {k}"]
KIND = {
    "animal": ["what kind of animal is this", "what animal is this", "which animal is in the picture", "what animal is it", "what sort of animal is that",
               "what type of animal is shown", "name the animal", "which kind of animal do you see", "what animal do you see", "identify the animal",
               "what creature is this", "tell me the kind of animal", "what animal can be seen", "which animal is shown", "what is the animal"],
    "vehicle": ["what kind of vehicle is this", "what vehicle is in the picture", "which vehicle is shown", "what vehicle is this", "name the vehicle",
                "what type of vehicle is it", "what sort of vehicle do you see", "which vehicle can be seen", "identify the vehicle", "what is the vehicle",
                "which kind of vehicle is that", "what vehicle do you see", "which means of transport is this", "what kind of transport is shown"],
    "food": ["what food is shown", "what kind of food is this", "which food is in the picture", "what food is this", "name the food", "what type of food is it",
             "what is there to eat", "which food do you see", "identify the food", "what food can be seen", "what sort of food is that", "what dish is this"],
}
CATEGORY = ["what kind of thing is this", "what category is the object", "what type of object is it", "what sort of thing is shown", "which category does this belong to",
            "is this an animal, a vehicle or something else", "what class of object is it", "what general kind of thing is it", "in general, what is this",
            "what group does this thing belong to", "what is this, broadly"]
COLOUR = ["what color is the {x}", "what colour is the {x}", "which color is the {x}", "what is the color of the {x}", "tell me the color of the {x}", "which colour does the {x} have",
          "the {x} is what color", "what color does the {x} have", "name the color of the {x}", "what's the color of the {x}", "color of the {x}",
          "what color are the {xs}", "what colour are the {xs}", "which color are the {xs}", "what is the {x}'s color", "say what color the {x} is",
          "in what color is the {x}", "what color would you say the {x} is", "what is the main color of the {x}", "identify the color of the {x}"]
COUNT = ["how many {xs} are there", "how many {xs} do you see", "count the {xs}", "how many {xs}", "what is the number of {xs}", "how many {xs} can you count", "number of {xs}",
         "how many {xs} are in the picture", "how many {xs} are shown", "tell me how many {xs} there are", "how many {xs} are visible", "give the number of {xs}",
         "how many {xs} can be seen", "what's the number of {xs}", "how many {xs} does the picture show"]
IS_IT = ["is this a {x}", "is it a {x}", "is that a {x}", "does the picture show a {x}", "is a {x} shown", "is the object a {x}", "would you call this a {x}",
         "is this picture of a {x}", "do you see a {x}", "is there a {x}", "is there a {x} in the picture", "can you see a {x}", "a {x}, yes or no", "is a {x} visible",
         "is this some kind of {x}", "does this look like a {x}", "is the thing shown a {x}", "are we looking at a {x}"]
IS_THERE = ["is there a {x}", "do you see a {x}", "is a {x} in the picture", "can you see a {x}", "does the picture contain a {x}", "is there any {x}", "are there any {xs}",
            "is a {x} visible", "does a {x} appear", "is a {x} present", "are there {xs}", "can a {x} be seen", "has the picture a {x}", "any {xs} here"]
IS_STUFF = ["is there {x}", "is there any {x}", "do you see {x}", "can you see {x}", "does the picture show {x}", "is {x} visible", "is there {x} in the picture", "any {x} here"]
IS_COLOUR = ["is the {x} {c}", "is the color of the {x} {c}", "does the {x} look {c}", "is the {x} colored {c}", "is there a {c} {x}", "do you see a {c} {x}", "would you call the {x} {c}"]
WHERE = ["where is the {x}", "in which part of the picture is the {x}", "on which side is the {x}", "where do you see the {x}", "where can the {x} be found", "what is the position of the {x}",
         "whereabouts is the {x}", "locate the {x}", "which side is the {x} on", "find the {x}: where is it", "in what part is the {x}"]
RELATION = ["is the {x} {r} the {y}", "is the {x} placed {r} the {y}", "does the {x} lie {r} the {y}", "is the {x} located {r} the {y}", "can the {x} be found {r} the {y}"]
BESIDE = ["what is {r} the {y}", "which object is {r} the {y}", "what do you see {r} the {y}", "name the thing {r} the {y}", "what lies {r} the {y}", "what object is {r} the {y}"]
SCENE = ["where was this picture taken", "what place is this", "where is this", "what scene is shown", "what kind of place is it", "what is the setting", "which place do you see", "where was this photo taken",
         "what location is this", "what sort of place is this", "describe the place", "what is the scene", "name the place", "in what kind of place was this taken", "where are we",
         "what environment is this", "which scene is it", "what type of scene is this", "where could this be"]
ACTION = ["what sport is being played", "what sport is this", "which sport is shown", "what activity is going on", "what are they doing", "which sport is it", "what are they playing", "what sport do you see",
          "name the sport", "what is the person doing", "what game is being played", "which sport does this belong to", "what activity is this for", "what sport is this for", "identify the sport"]
CAPTION = ["describe the picture", "caption this", "write a caption", "what is going on in the picture", "describe this image", "give a short description", "summarize the picture",
           "what would be a good caption", "describe what you see", "put the picture into words", "a caption please"]
INDOORS = ["is this {x}", "is this picture taken {x}", "was this photo taken {x}", "is it {x}", "are we {x}", "is the scene {x}", "does this take place {x}", "was this taken {x}"]
WHERE_IO = ["is this indoors or outdoors", "indoors or outdoors", "was this taken inside or outside", "is the scene indoor or outdoor", "are we inside or outdoors"]
RELATIONS = {"to the left of": (-1, 0), "to the right of": (1, 0), "left of": (-1, 0), "right of": (1, 0), "above": (0, -1), "over": (0, -1), "below": (0, 1), "under": (0, 1)}
STUFF = {"w": "water", "s": "snow", "f": "flowers", "g": "grass", "t": "trees", "k": "sky"}


def plural(word: str) -> str:
    irregular = {"man": "men", "woman": "women", "child": "children", "person": "people", "mouse": "mice", "goose": "geese", "fish": "fish", "sheep": "sheep",
                 "deer": "deer", "ox": "oxen", "foot": "feet", "tooth": "teeth", "knife": "knives", "wolf": "wolves", "leaf": "leaves", "scissors": "scissors"}
    head, _, last = word.rpartition(" ")
    lead = head + " " if head else ""
    if last in irregular:
        return lead + irregular[last]
    if last.endswith(("s", "x", "z", "ch", "sh")):
        return word if last.endswith("s") and not last.endswith("ss") else word + "es"
    if last.endswith("y") and last[-2:-1] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"


def located(questions: list[tuple], where: int) -> list[tuple]:
    return [(*q[:3], where) for q in questions]


def held_template(template: str) -> bool:
    return hashlib.sha256(template.encode()).digest()[0] % 8 == 0


class Asker:
    """Generates questions; `held=True` uses only the wordings kept from training."""

    def __init__(self, labels: Labels, rng, held: bool = False, thing_words: list[str] | None = None):
        self.labels, self.rng, self.held = labels, rng, held
        self.things = thing_words or []
        self.kinds = {g: sorted({k[1] for k in labels.kind if k and k[0] == g}) for g in KINDS}
        self.categories = sorted({c for c in labels.category if c})

    def one(self, options):
        return options[self.rng.integers(len(options))]

    def word(self, templates: list[str], tail: bool = True, **fill) -> str:
        pool = [t for t in templates if held_template(t) == self.held] or templates
        text = self.one(pool)
        for key, value in fill.items():
            text = text.replace("{" + key + "s}", plural(value)).replace("{" + key + "}", value)
        text = text.replace(" a a", " an a").replace(" a e", " an e").replace(" a i", " an i").replace(" a o", " an o")
        if tail and " in " not in text and "picture" not in text and "photo" not in text:
            text += self.one(PICTURE)
        return self.manner(text)

    def manner(self, text: str) -> str:
        """Free-form wording: case, question mark, politeness, typing errors."""
        r = self.rng.random()
        if r < 0.05:
            text = self.one(["please tell me: ", "can you say ", "tell me, ", "hey, ", "i want to know: "]) + text
        elif r < 0.09 and len(text) > 12:
            at = int(self.rng.integers(3, len(text) - 2))
            text = text[:at] + text[at + 1:] if self.rng.random() < 0.5 else text[:at] + text[at + 1] + text[at] + text[at + 2:]
        return text + ("?" if self.rng.random() < 0.75 else "")

    # What a class or word is -------------------------------------------------

    def naming(self, name: str, words: list[str], kind, category: str | None, main: bool = True):
        """Name, kind, category and yes/no about the main thing; `words` are everyday names for it."""
        out = [("name", self.word(NAMING), name), ("object", self.word(NAMING), self.one(words))]
        if kind:
            group, k = kind
            out.append((f"kind_{group}", self.word(KIND[group]), k))
            if name != k:
                out.append(("name", self.word(BREED, k=k), name))
            out.append(self.is_it(k, self.kinds[group]))
        if category:
            out.append(("category", self.word(CATEGORY), category))
            out.append(self.is_it(category, self.categories))
        out.append(self.is_it(self.one(words), None, [name] + words))
        out.append(("caption", self.word(CAPTION, tail=False), self.one(["a photo of a {}", "a picture of a {}", "a {}", "there is a {}"]).format(name)))
        return out

    def is_it(self, word: str, others: list[str] | None, never: list[str] = ()):
        if self.rng.random() < 0.5:
            return "yesno", self.word(IS_IT, x=word), "yes"
        for _ in range(20):
            other = self.one(others) if others else self.one(self.labels.words[self.rng.integers(1000)])
            if other != word and other not in never:
                return "yesno", self.word(IS_IT, x=other), "no"
        return "yesno", self.word(IS_IT, x=word), "yes"

    def photo(self, label: int, fact: dict):
        lab = self.labels
        out = self.naming(lab.raw[label], lab.words[label], lab.kind[label], lab.category[label])
        if fact.get("area", 1) > 0.6:
            if lab.scene[label]:
                out.append(("scene", self.word(SCENE, tail=False), lab.scene[label]))
            if lab.action[label]:
                out.append(("action", self.word(ACTION), lab.action[label]))
        if fact.get("colour"):
            words = ["object", "main object", "thing"] + lab.words[label] * 2 + ([lab.kind[label][0], lab.kind[label][1]] if lab.kind[label] else [])
            out += located(self.coloured(words, fact["colour"]), fact["cells"])
        return out

    def coloured(self, words: list[str], colour: str):
        """Colour by every name, and yes/no about it."""
        out = [("colour", self.word(COLOUR, x=self.one(words)), colour) for _ in range(3)]
        said = colour if self.rng.random() < 0.5 else self.one([c for c in COLOURS if c != colour])
        out.append(("yesno", self.word(IS_COLOUR, x=self.one(words), c=said), "yes" if said == colour else "no"))
        return out

    # What was noted about a photo --------------------------------------------

    def noted(self, note: dict, turns_colour):
        """`note`: colours {noun: colour}, counts {noun: n}, scene, flags. `turns_colour` maps a colour or drops it."""
        out = []
        for noun, colour in note["colours"].items():
            moved = turns_colour(colour)
            if moved:
                out += self.coloured([noun], moved)
        for noun, n in note["counts"].items():
            if n <= 6:  # most photos show one of a thing: asked as often as shown, one would be the answer to everything
                rounds = 3 if n != 1 else int(self.rng.random() < 0.35)
                out += [("count", self.word(COUNT, tail=False, x=noun), str(n)) for _ in range(rounds)]
                out.append(("yesno", self.word(IS_THERE, x=noun), "yes" if n else "no"))
        if note["scene"]:
            out += [("scene", self.word(SCENE, tail=False), note["scene"]) for _ in range(2)]
        flags = note["flags"]
        outside = "outdoors" if "o" in flags else "indoors" if "i" in flags else None
        if outside:
            said = self.one(["outdoors", "indoors", "outside", "inside"])
            out.append(("yesno", self.word(INDOORS, tail=False, x=said), "yes" if (said in ("outdoors", "outside")) == (outside == "outdoors") else "no"))
            out.append(("inout", self.word(WHERE_IO, tail=False), outside))
        present = [v for k, v in STUFF.items() if k in flags]
        absent = [v for k, v in STUFF.items() if k not in flags]
        for pool, answer in ((present, "yes"), (absent, "no")):
            if pool:
                out.append(("yesno", self.word(IS_STUFF, x=self.one(pool)), answer))
        who = self.one(["person", "person", "human", "man or woman"])
        out.append(("yesno", self.word(IS_THERE, x=who), "yes" if "p" in flags else "no"))
        out.append(("yesno", self.word(IS_THERE, x="animal"), "yes" if "a" in flags else "no"))
        if "p" not in flags:
            out.append(("count", self.word(COUNT, tail=False, x="person"), "0"))
        return out

    # Composed scenes ----------------------------------------------------------

    def scene(self, objects: list[dict]):
        out, by_word = [], {}
        for o in objects:
            by_word.setdefault(o["word"], []).append(o)
        for word, group in by_word.items():
            first, where, asked = group[0], 0, []
            for o in group:
                where |= o["cells"]
            names = [word] * 3
            kind = first["kind"]
            if kind and sum(1 for o in objects if o["kind"] and o["kind"][0] == kind[0]) == len(group):
                names += [kind[1], kind[0]]
            if len(by_word) == 1:
                names += ["object", "thing"]
            if first["colour"] and all(o["colour"] == first["colour"] for o in group):
                asked += self.coloured(names, first["colour"])
            # Most words name one thing: asked as often as the others, "one" would be the answer to everything.
            rounds = 2 if len(group) > 1 else int(self.rng.random() < 0.2)
            asked += [("count", self.word(COUNT, tail=False, x=self.one(names)), str(len(group))) for _ in range(rounds)]
            asked.append(("yesno", self.word(IS_THERE, x=word), "yes"))
            if len(group) == 1:
                asked += self.position(first)
            out += located(asked, where)
        absent = [w for w in (self.one(self.things) for _ in range(6)) if w not in by_word] if self.things else []
        for word in absent[:len(by_word)]:
            out.append(("yesno", self.word(IS_THERE, x=word), "no"))
        if absent and self.rng.random() < 0.12:
            out.append(("count", self.word(COUNT, tail=False, x=absent[0]), "0"))
        if len(by_word) == 1 and objects and objects[0]["w"] * objects[0]["h"] * len(objects) > 0.12:
            word, kind = objects[0]["word"], objects[0]["kind"]
            asked = [("thing", self.word(NAMING), word)]
            if kind:
                asked.append((f"kind_{kind[0]}", self.word(KIND[kind[0]]), kind[1]))
            out += located(asked, where)
        singles = [g[0] for g in by_word.values() if len(g) == 1]
        if len(singles) >= 2:
            out += self.relations(singles)
        if objects:
            out.append(("caption", self.word(CAPTION, tail=False), self.describe(by_word)))
        return out

    def position(self, o: dict):
        dx, dy = o["x"] - 0.5, o["y"] - 0.5
        if max(abs(dx), abs(dy)) < 0.08:
            place = "center"
        elif abs(dx) > 0.17 and abs(dx) > 1.5 * abs(dy):
            place = "left" if dx < 0 else "right"
        elif abs(dy) > 0.17 and abs(dy) > 1.5 * abs(dx):
            place = "top" if dy < 0 else "bottom"
        else:
            return []
        return [("position", self.word(WHERE), place)]

    def relations(self, singles: list[dict]):
        i, j = self.rng.choice(len(singles), 2, replace=False)
        x, y, out = singles[i], singles[j], []
        for relation in (self.one(list(RELATIONS)), self.one(list(RELATIONS))):
            ax, ay = RELATIONS[relation]
            along = (x["x"] - y["x"]) * ax + (x["y"] - y["y"]) * ay
            if abs(along) > 0.15:
                out.append(("relation", self.word(RELATION, x=x["word"], y=y["word"], r=relation), "yes" if along > 0 else "no",
                            x["cells"] | y["cells"]))
            if along > 0.2 and len(singles) == 2:
                out.append(("thing", self.word(BESIDE, y=y["word"], r=relation), x["word"], x["cells"]))
        return out

    def describe(self, by_word: dict) -> str:
        parts = []
        for word, group in by_word.items():
            colour = f"{group[0]['colour']} " if group[0]["colour"] else ""
            n = len(group)
            parts.append(f"a {colour}{word}" if n == 1 else f"{['', '', 'two', 'three', 'four', 'five', 'six'][min(n, 6)]} {colour}{plural(word)}")
        return " and ".join(parts[:3])
