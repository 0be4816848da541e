"""Texts to compare encoders on: single words, questions, sentences, other scripts, long texts."""
import random

NAMES = """tench goldfish cock ostrich junco bulbul vulture axolotl gecko tarantula peacock koala wombat
jellyfish snail lobster flamingo albatross whale dog wolf fox cat tiger bear bee mantis zebra camel
monkey panda abacus airliner ambulance backpack balloon bakery barn basketball bathtub beacon bicycle
binder book bottle bow broom bucket bus candle cannon car castle chain church cinema clock coffee crane
cup desk dome drum envelope fan fountain guitar hammer harp jeep keyboard kite ladder lamp library mask
mosque mouse mug nail piano pillow pizza plate ring rocket rule safe scale screen ship shoe sock sofa
spoon stage submarine sword table tank teapot tent throne toaster tractor train tray umbrella vase
violin wallet whistle wing yes no red green blue black white yellow one two three four left right above
none""".split()
QUESTIONS = ["what animal is this?", "what color is the car?", "how many dogs are there?",
             "is there a person in the picture?", "what sport is being played?", "where is the cat?",
             "what is the man holding?", "is it raining?", "what kind of vehicle is this?",
             "which object is to the left of the tree?", "describe the picture.",
             "is this photo taken indoors or outdoors?", "what material is the building made of?"]
SENTENCES = [
    "A brown dog runs along the beach with a red ball in its mouth.",
    "Two people are riding bicycles through a crowded city street at night.",
    "Quantum chromodynamics describes the strong interaction between quarks and gluons.",
    "She sells sea shells by the sea shore, doesn't she?",
    "In 1969, Apollo 11 landed on the Moon; 3,000 km away a telescope watched.",
    "def main(): return [x**2 for x in range(10)]", "Die Katze sitzt auf der Matte.",
    "La vie est belle, mais le café est froid.", "東京は日本の首都です。", "Привет, мир!", "!!!", "???",
    "a", "the", "404", "😀😀", "x", "", " ", "[MASK]",
    "Stocks fell sharply on Monday as investors weighed rising interest rates, slowing growth and the "
    "prospect of a prolonged trade dispute between the world's two largest economies.",
    "Whisk 200 g of flour, 3 eggs, a pinch of salt and half a litre of milk until smooth; leave to rest "
    "for thirty minutes before frying.",
    "Patients with type 2 diabetes were randomly assigned to metformin or placebo for 24 weeks."]


def sentences(seed=1):
    rng = random.Random(seed)
    texts = NAMES + QUESTIONS + SENTENCES
    texts += [f"a photo of a {name}" for name in NAMES[::3]]
    texts += [f"there is a {rng.choice(NAMES)} next to the {rng.choice(NAMES)}" for _ in range(50)]
    texts += [" ".join(rng.choices(NAMES, k=rng.randrange(2, 40))) for _ in range(40)]
    texts += [rng.choice(QUESTIONS) + " " + rng.choice(SENTENCES) for _ in range(30)]
    texts += [" ".join(rng.choices(SENTENCES, k=9)) for _ in range(3)]
    return texts
