#!/usr/bin/env python3
"""Prints the texts that `sterna model quantize --calibrate` measures the text tower on, one a line.

    calibration_texts.py > tools/train/calibration.txt

Single words, answers, questions, captions, prose, other scripts, numbers, code and odd strings: what people
type at a search box, in proportions that give short texts (which round worst) their weight. The same bytes
on every run. No line is one of tests/language/sentences.py, on which the result is measured
(tests/models/model_cli.py looks).
"""
import random

NOUNS = """acorn airport almond anchor ankle antelope apple apron aquarium arch armchair arrow artist avocado axe baby
badge badger bagel balcony balloonist bamboo banana bandage banjo barrel barrier basin basket beach bean beard bed
beehive beetle bench berry bison blanket blossom board bonfire boot bracelet brain branch bread bride brick bridge
bucketful bull burger bush butcher butter butterfly button cabbage cabin cactus cage cake calendar calf candy canoe
canyon cape carpet carrot cart cave ceiling cello cemetery cereal chair chalk cheese cheetah cherry chess chestnut
chicken child chimney chin cliff cloud clown coast coat cobweb coconut coin collar comb computer corn cottage couch
cow crab cricket crocodile crossing crowd crown cucumber curtain dancer deer dentist desert diamond diver
doctor doll dolphin donkey door dragon dragonfly drawer dress drill duck eagle ear egg elbow elephant elevator
engine eye face factory falcon farm feather fence field finger fire fireman fish fist flag floor flower fog forest
fork frog fruit garage garden garlic gate ghost giraffe girl glacier glass glove goat goose grandmother
grape grass grasshopper hair hamster hand harbour hat hawk hedgehog helicopter helmet hen hill hippo
honey hook horse hospital hotel house ice insect iron island jacket jar jelly jewel juice jungle kangaroo
kettle key keyhole king kitchen kitten knee knife knight ladybird lake lamb lantern lawn leaf leather lemon leopard
letter lettuce lightning lion lizard lock locomotive log magazine magnet man mango map marble market mast meadow
meat medal melon microphone microscope milk mirror mole moon moose moss moth motorbike mountain moustache museum
mushroom necklace needle nest net newspaper night noodle nose nurse oak oasis ocean octopus office olive onion
orange orchard otter oven owl ox paddle painting palace palm pan paper parachute park parrot path pea
peach pear pebble pelican pencil penguin pepper photograph pig pigeon pilot pine pipe pirate pitcher
plane plant plough plum pocket pond pony porch postcard potato pottery pumpkin puppet puppy puzzle
pyramid queen rabbit raccoon radio raft railway rain rainbow razor reed restaurant rhinoceros ribbon rice river road
robot roof rooster rope rose rubbish rug runner sailor salad sand sandal sandwich sauce saucer sausage scarf school
scissors scooter screw sea seal seashell seat shadow shark sheep shelf shield shirt shop shore shoulder sink skate
skeleton ski skirt skull sky skyscraper snow soap soldier soup spade spider spinach sponge square squirrel stadium
stairs stamp star statue steam stem stick stone stove strawberry street suit suitcase sun sunflower surfer swan
sweater swimmer swing syrup tap taxi tea teacher telephone telescope temple thumb tie tile
toad toe tomato tongue tooth towel tower town toy trail tram tree triangle trousers trumpet trunk tulip tunnel
turkey turtle twig tyre valley van vegetable village vine vineyard volcano waiter wall walnut walrus wardrobe
warehouse wasp watch water waterfall wave weed well wheat wheel wheelbarrow window windmill wine witch wood wool
workshop worm wrench wrist yacht yard zip zoo""".replace("\n", " ").split(" ")
QUALITIES = """ancient angry big bright broken brown busy calm cheap clean cold crowded curly dark deep dirty dry dusty
empty expensive fast flat fluffy foggy fresh friendly frozen full golden grey happy heavy hot huge hungry long loud
lonely narrow new noisy old orange pale pink plain pretty purple quiet round rusty sad sharp shiny short sleepy slow
small smooth soft spotted square steep striped sunny sweet tall thick thin tiny tired transparent ugly violet warm wet
wide wild wooden young""".split()
ACTS = """asleep baking bathing biting boiling building burning buying carrying catching chasing chewing cleaning
climbing cooking crawling crying cutting dancing digging diving drawing drinking driving eating falling feeding
fighting fishing floating flying growing hanging hiding hugging hunting jumping kicking kneeling laughing leaning
lifting looking melting mowing painting parked pointing posing praying pulling pushing racing reading resting riding
rolling rowing running sailing selling sewing shouting singing sinking sitting skating skiing sleeping smiling
smoking sneezing standing stretching surfing swimming talking throwing typing waiting walking washing watching waving
working writing yawning""".split()
PLACES = """in the rain|at the market|under a bridge|on the kitchen table|by the window|at sunset|in a muddy field|on top of
a hill|near the harbour|behind the fence|in front of the school|inside a museum|at night|early in the morning|beside
the river|in the snow|on a red carpet|over the sea|between two houses|in the background""".replace("\n", " ").split("|")
COLOURS = "beige bronze crimson cyan gold ivory lilac magenta maroon navy olive orange pink purple silver teal".split()
ASK = """what is this|what is the {n} made of|what colour is the {n}|what shape is the {n}|how big is the {n}|
how many {n}s can you see|how old is the {n}|is this a {n}|is the {n} {q}|are there any {n}s here|do you see a {n}|
is there a {n} or a {m}|where is the {n}|what is behind the {n}|what is on the {n}|who is holding the {n}|
which {n} is the most {q}|what is the {n} doing|why is the {n} {q}|is the {n} {v}|what kind of {n} is it|
what is the {q} thing next to the {n}|can a {n} be seen {p}|does the picture show a {n}|name the main object|
is someone {v}|what time of day is it|what is the weather like|which room is this|is it {q} outside|what season is it|
what are the people doing|which is closer, the {n} or the {m}|is the {n} to the left or the right of the {m}|
what would you use a {n} for|what does the {n} eat|was this taken {p}""".replace("\n", "").split("|")
SAY = """a picture of a {n}|a {q} {n}|a close-up of a {q} {n}|a {q} {n} {p}|the {n} and the {m}|two {n}s {v} {p}|
a {n} {v}|a drawing of a {n} on white paper|there are three {q} {n}s {p}.|Someone is {v} {p}.|A {q} {n} is {v} {p}.|
An old photograph of a {n} beside a {m}.|The {n} is {q}, but the {m} is {r}.|{c}|{c} {n}|a {c} {n} with a {q} {m}|
no {n}|many {n}s|{n}, {m}|{n}s|{N}|the {q} one|it is {q}|probably a {n}|on the {n}|close to the {n}|not a {n}
""".replace("\n", "").split("|")
PROSE = """The committee will meet again on Thursday to decide whether the old library should be repaired or sold.
He opened the letter slowly, read it twice, and put it back into his pocket without a word.
Water boils at 100 degrees Celsius at sea level, but at a lower temperature on a high mountain.
Mix the butter and sugar, add two eggs, fold in the flour, and bake for twenty-five minutes.
"Are you coming or not?" she asked, but nobody answered.
Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.
The striker scored twice in the second half, and the crowd would not stop singing.
If x is greater than zero, then the square root of x is a real number.
Please find attached the invoice for March; payment is due within 30 days.
Over the last decade the price of solar panels has fallen by more than eighty per cent.
I don't think that's what they meant, although it's hard to be sure.
Turn left at the second traffic light, cross the canal, and the station is on your right.
The defendant argued that the contract had never been signed and was therefore void.
Migrating birds use the sun, the stars and the magnetic field of the earth to find their way.
A neural network is trained by changing its weights a little in the direction that lowers the loss.
Mozart wrote his last three symphonies in the summer of 1788, within about six weeks.
Shares of the airline rose 4.2% after it reported higher earnings than analysts had expected.
Once upon a time there lived a miller who had three sons, a mill, a donkey and a cat.
Antibiotics do not work against viruses, and taking them needlessly makes bacteria resistant.
We walked for hours through the forest until the path ended at a small wooden hut.
The museum is closed on Mondays; admission is free for children under twelve.
To reset your password, click the link below and follow the instructions on the screen.
Gravity pulls every object towards every other, in proportion to the product of their masses.
My grandfather kept bees, mended clocks, and never told anyone where he had been in the war.
The new bridge, which cost 40 million euros, carries trams, bicycles and pedestrians but no cars.
Hurry up, the train leaves in five minutes and we still have to buy tickets!
In the painting a young woman reads a letter by an open window, lit from the left.
Researchers in Kyoto and Toronto have found a fossil that may change how we see early mammals.
The recipe calls for garlic, ginger, soy sauce, a spoonful of honey and the juice of one lime.
It was raining, so the match was postponed until the following weekend.""".split("\n")
ODD = """!|?|.|...|....|!!|??|?!|!?!|,|;|:|-|--|---|_|/|\\|//|*|**|***|+|=|==|#|##|@|&|%|$|^|~|`|'|''|"|""|()|[]|{}|<>|(|)|
:)|:(|;-)|<3|^_^|>_<|\\o/|¿|¡|§|©|®|™|€|£|¥|°|±|×|÷|≠|≤|∞|√|→|←|↑|•|…|–|—|“”|«»|½|²|µ|0|1|2|3|7|9|10|12|42|99|100|
365|500|999|1000|1984|2024|12345|1000000|3.14|-1|+5|1/2|50%|$20|7:30|10:45 pm|1,000|1e9|0x1f|#1|No. 5|A4|H2O|b|c|d|e|
f|g|h|i|j|k|m|q|s|t|u|w|z|A|B|Q|Z|an|as|at|be|by|do|go|he|if|in|is|it|me|my|of|on|or|so|to|up|us|we|OK|TV|USA|NASA|
ok|hi|hello|bye|thanks|please|what|who|where|when|why|how|this|that|these|and|but|not|never|always|maybe|nothing|
something|everything|everyone|here|there|inside|outside|up and down|back|front|top|bottom|near|far|big|small|more|
less|all|some|few|many|five|six|seven|eight|nine|ten|eleven|twelve|hundred|thousand|zero|first|second|third|last|true|
false|null|none of them|undefined|NaN|yes!|no.|no?|yes and no|I don't know|aaa|aaaaaaaa|abc|asdf|qwerty|xyz|zzz|
hahaha|lol|hmm|uh|xxx|[CLS]|[SEP]|[UNK]|[PAD]|��|😀|😂😂😂|❤️|👍🏽|🐶|🐱🐭|🚗|🍎🍌|🌧️|🇫🇷|👨‍👩‍👧|☀|★|♥|♪|☃|
日本|中国|猫|狗和猫|今天天气很好。|你好|これは何ですか|東京タワー|한국어|안녕하세요|привет|кошка|Где находится музей?|γάτα|Ελλάδα|
שלום|مرحبا|قطة|नमस्ते|สวัสดี|ខ្មែរ|Übergröße|naïve café|El perro duerme en el sofá.|¿Qué hora es?|Où est la gare ?|
Der Hund läuft schnell.|Il gatto nero|O gato preto|En röd bil|Kuinka monta?|Dzień dobry|příliš žluťoučký kůň|
Türkçe öğreniyorum|xin chào|for (int i = 0; i < n; ++i) sum += a[i];|SELECT name FROM birds WHERE wings = 2;|
https://example.org/a/b?c=d|user@example.com|C:\\Users\\photo.jpg|IMG_2041.JPG|image001.png|git commit -m "fix"|
print("hello")|<div class="x">|\\frac{a}{b}|E = mc^2|a+b=c|x -> y|1 + 1 = 2|2 x 4|5'11"|12 cm x 8 cm|Ph.D.|e.g.|i.e.|etc.|
v1.2.3|192.168.0.1|00:00:01|2023-06-30|+44 20 7946 0000|ISBN 978-3-16-148410-0|AAAA BBBB|MiXeD CaSe|THE END|STOP|
antidisestablishmentarianism|pneumonoultramicroscopicsilicovolcanoconiosis|supercalifragilisticexpialidocious|
Llanfairpwllgwyngyll|qzxv jkwp|thisisaverylongwordwithoutanyspaces|loooool|re-re-read|rock 'n' roll|mother-in-law|
well-known|o'clock|the the the|dog dog dog dog|buffalo buffalo buffalo|one two three|red green|yes no maybe
""".replace("\n", "").split("|")


def texts(seed=2026):
    rng = random.Random(seed)

    def fill(pattern):
        noun = rng.choice(NOUNS)
        return pattern.format(n=noun, m=rng.choice(NOUNS), N=noun.upper(), q=rng.choice(QUALITIES),
                              r=rng.choice(QUALITIES), v=rng.choice(ACTS), p=rng.choice(PLACES),
                              c=rng.choice(COLOURS))

    lines = ODD + PROSE + rng.sample(NOUNS, 130) + rng.sample(QUALITIES, 20) + rng.sample(ACTS, 20)
    lines += [fill(pattern) + rng.choice("??? ").strip() for pattern in ASK * 3]
    lines += [fill(pattern) for pattern in SAY * 4]
    lines += [" ".join(rng.choices(NOUNS, k=rng.randrange(3, 30))) for _ in range(15)]
    lines += [" ".join(rng.sample(PROSE, k)) for k in (2, 2, 3, 3, 4, 6, 8)]
    return list(dict.fromkeys(line for line in lines if line))


if __name__ == "__main__":
    print("\n".join(texts()))
