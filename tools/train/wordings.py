"""The wordings of the questions, at least thirty a task: {x}, {y} stand for things ({xs} for several), {k} for a kind, {c} for a
colour, {r} for a relation. `held_template` tells which are kept from training."""

import hashlib

PICTURE = ["", "", "", " in the picture", " in this photo", " in the image", " here", " in this picture"]
NAMING = ["what is this", "what is the main object", "what is in the picture", "what do you see", "what is shown", "name the object",
          "identify the main thing", "what is that", "what object is this", "what does the picture show", "what is the name of this",
          "which object is in the photo", "what am i looking at", "what thing is this", "tell me what this is", "what is the subject of the photo",
          "what can be seen", "what is being shown", "what's this", "what's in the image", "what is pictured", "name this", "what is it",
          "identify this object", "what is the main thing", "what is visible", "what is it called", "main object of the picture",
          "give the name of the object", "which thing is this", "what is the object", "what would you call this", "what is depicted"]
BREED = ["what breed of {k} is this", "which species of {k} is this", "what type of {k} is it", "name the breed of the {k}",
         "what sort of {k} is that", "which kind of {k} exactly", "what exactly is this {k}", "identify the {k}", "which {k} is this",
         "what species is the {k}", "what breed is this {k}", "of which breed is the {k}", "can you name the species of this {k}",
         "what exact kind of {k} is shown", "what variety of {k} is this", "say which {k} this is", "what is this {k} called",
         "what is the name of this kind of {k}", "which type of {k} do you see", "tell me the breed of the {k}", "more exactly, what {k} is it",
         "what {k} is in the picture", "be specific: which {k} is this", "what is the species of the {k}", "which breed of {k} is shown",
         "what particular {k} is that", "give the exact type of the {k}", "the {k} is of which type", "which sort of {k} can be seen",
         "what special kind of {k} is this"]
ANY_KIND = ["what kind of {g} is shown", "what sort of {g} is this", "which {g} is this", "say which {g} it is", "what {g} is shown",
            "tell me which {g} this is", "what {g} can you see", "what type of {g} is in the picture", "which type of {g} is this", "name this {g}",
            "what is this {g} called", "the {g} is what kind", "what is this {g}", "which sort of {g} is it", "could you name the {g}",
            "of what kind is the {g}", "what is the kind of this {g}", "what {g} is that", "do you know which {g} this is"]
KIND = {
    "animal": ["what kind of animal is this", "what animal is this", "which animal is in the picture", "what animal is it",
               "what sort of animal is that", "what type of animal is shown", "name the animal", "which kind of animal do you see",
               "what animal do you see", "identify the animal", "what creature is this", "tell me the kind of animal", "what animal can be seen",
               "which animal is shown", "what is the animal"],
    "vehicle": ["what kind of vehicle is this", "what vehicle is in the picture", "which vehicle is shown", "what vehicle is this",
                "name the vehicle", "what type of vehicle is it", "what sort of vehicle do you see", "which vehicle can be seen",
                "identify the vehicle", "what is the vehicle", "which kind of vehicle is that", "what vehicle do you see",
                "which means of transport is this", "what kind of transport is shown"],
    "food": ["what food is shown", "what kind of food is this", "which food is in the picture", "what food is this", "name the food",
             "what type of food is it", "what is there to eat", "which food do you see", "identify the food", "what food can be seen",
             "what sort of food is that", "what dish is this"],
}
for _group, _wordings in KIND.items():
    _wordings += [t.replace("{g}", _group) for t in ANY_KIND if t.replace("{g}", _group) not in _wordings]
CATEGORY = ["what kind of thing is this", "what category is the object", "what type of object is it", "what sort of thing is shown",
            "which category does this belong to", "is this an animal, a vehicle or something else", "what class of object is it",
            "what general kind of thing is it", "in general, what is this", "what group does this thing belong to", "what is this, broadly",
            "what kind of object is shown", "name the category of the object", "to which category does it belong", "put this thing into a category",
            "broadly speaking, what is it", "what general type of thing do you see", "what sort of object is this in general",
            "roughly, what kind of thing is shown", "is it an animal, a tool, a vehicle or what", "what is the category of the main object",
            "give the general class of this", "which class of things is this from", "what family of things does it belong to", "classify the object",
            "classify this", "animal, food, vehicle or something else", "what type of thing is in the picture", "speaking generally, what is shown",
            "into which group would you put this", "what broad category fits", "what is it in the broadest sense"]
COLOUR = ["what color is the {x}", "what colour is the {x}", "which color is the {x}", "what is the color of the {x}", "tell me the color of the {x}",
          "which colour does the {x} have", "the {x} is what color", "what color does the {x} have", "name the color of the {x}",
          "what's the color of the {x}", "color of the {x}", "what color are the {xs}", "what colour are the {xs}", "which color are the {xs}",
          "what is the {x}'s color", "say what color the {x} is", "in what color is the {x}", "what color would you say the {x} is",
          "what is the main color of the {x}", "identify the color of the {x}", "what colour has the {x}", "what shade is the {x}",
          "which colour has the {x}", "please name the {x}'s color", "the color of the {x}", "what would you call the color of the {x}",
          "{x}: which color", "of what color is the {x}", "how is the {x} colored", "do you know the color of the {x}",
          "what color do you see on the {x}", "tell the colour of the {x}"]
COUNT = ["how many {xs} are there", "how many {xs} do you see", "count the {xs}", "how many {xs}", "what is the number of {xs}",
         "how many {xs} can you count", "number of {xs}", "how many {xs} are in the picture", "how many {xs} are shown",
         "tell me how many {xs} there are", "how many {xs} are visible", "give the number of {xs}", "how many {xs} can be seen",
         "what's the number of {xs}", "how many {xs} does the picture show", "how many {xs} exist here", "what count of {xs} do you get",
         "please count all {xs}", "how many of the things are {xs}", "say the number of {xs}", "{xs}: how many", "how many {xs} does it have",
         "how many {xs} did you find", "can you count the {xs}", "how many {xs} could one count", "tell me the count of {xs}",
         "find the number of {xs}", "how many {xs} appear", "how many {xs} have been photographed", "what is the count of {xs}",
         "how many separate {xs} are there", "in total, how many {xs}"]
IS_IT = ["is this a {x}", "is it a {x}", "is that a {x}", "does the picture show a {x}", "is a {x} shown", "is the object a {x}",
         "would you call this a {x}", "is this picture of a {x}", "do you see a {x}", "is there a {x}", "is there a {x} in the picture",
         "can you see a {x}", "a {x}, yes or no", "is a {x} visible", "is this some kind of {x}", "does this look like a {x}",
         "is the thing shown a {x}", "are we looking at a {x}", "is what we see a {x}", "is the main thing a {x}", "could this be a {x}",
         "is a {x} pictured", "is this thing a {x}", "this is a {x}, right", "did someone photograph a {x}", "true or false: this is a {x}",
         "does it show a {x}", "is the subject a {x}", "can this be called a {x}", "would you say it is a {x}", "a {x} is shown, correct"]
IS_THERE = ["is there a {x}", "do you see a {x}", "is a {x} in the picture", "can you see a {x}", "does the picture contain a {x}",
            "is there any {x}", "are there any {xs}", "is a {x} visible", "does a {x} appear", "is a {x} present", "are there {xs}",
            "can a {x} be seen", "has the picture a {x}", "any {xs} here", "is there a {x} somewhere", "can any {x} be seen", "does it show a {x}",
            "could you find a {x}", "is a {x} shown", "is there at least one {x}", "do you find a {x}", "a {x}: is there one", "are {xs} visible",
            "do any {xs} appear", "does one see a {x}", "was a {x} photographed", "are there {xs} to be seen", "is some {x} here",
            "have you found a {x}", "can you spot a {x}", "do you notice a {x}"]
IS_STUFF = ["is there {x}", "is there any {x}", "do you see {x}", "can you see {x}", "does the picture show {x}", "is {x} visible",
            "is there {x} in the picture", "any {x} here", "can {x} be seen", "does the photo contain {x}", "is some {x} visible",
            "do you notice {x}", "has the picture any {x}", "is {x} present", "does {x} appear", "is {x} part of the scene", "could you find {x}",
            "is there some {x}", "does one see {x}", "is {x} shown", "can you spot any {x}", "was there {x}", "do we see {x}",
            "is any {x} to be seen", "{x}, yes or no", "does the scene have {x}", "is {x} in view", "would you say there is {x}", "is {x} anywhere",
            "can any {x} be made out", "do you find {x}"]
IS_COLOUR = ["is the {x} {c}", "is the color of the {x} {c}", "does the {x} look {c}", "is the {x} colored {c}", "is there a {c} {x}",
             "do you see a {c} {x}", "would you call the {x} {c}", "is it true that the {x} is {c}", "is the {x} of {c} color",
             "has the {x} a {c} color", "is {c} the color of the {x}", "can you see a {c} {x}", "is the {x} mostly {c}",
             "would you say the {x} is {c}", "are we looking at a {c} {x}", "the {x} is {c}, right", "does the {x} have a {c} color",
             "is that {x} {c}", "a {c} {x}, yes or no", "is a {c} {x} shown", "does it show a {c} {x}", "true or false: the {x} is {c}",
             "is the shown {x} {c}", "did they paint the {x} {c}", "is the main color of the {x} {c}", "does the {x} appear {c}",
             "is the {x} {c} or not", "are the {xs} {c}", "could one call the {x} {c}", "is there any {c} {x}", "do you find a {c} {x}"]
WHERE = ["where is the {x}", "in which part of the picture is the {x}", "on which side is the {x}", "where do you see the {x}",
         "where can the {x} be found", "what is the position of the {x}", "whereabouts is the {x}", "locate the {x}", "which side is the {x} on",
         "find the {x}: where is it", "in what part is the {x}", "where exactly is the {x}", "on what side do you see the {x}",
         "in which area is the {x}", "say where the {x} is", "the {x} is where", "in what part of the picture is the {x}",
         "point out where the {x} is", "at which side is the {x}", "where has the {x} been placed", "where does the {x} appear",
         "where should i look for the {x}", "which part of the picture shows the {x}", "what place in the picture has the {x}",
         "left, right, top, bottom or center: where is the {x}", "to which side is the {x}", "in what region is the {x}", "where about is the {x}",
         "tell me where the {x} is", "what side is the {x} at", "name the position of the {x}", "can you say where the {x} is"]
RELATION = ["is the {x} {r} the {y}", "is the {x} placed {r} the {y}", "does the {x} lie {r} the {y}", "is the {x} located {r} the {y}",
            "can the {x} be found {r} the {y}", "do you see the {x} {r} the {y}", "would you say the {x} is {r} the {y}",
            "is the {x} to be found {r} the {y}", "the {x} is {r} the {y}, right", "does the {x} appear {r} the {y}", "is there a {x} {r} the {y}",
            "has the {x} been put {r} the {y}", "can you see the {x} {r} the {y}", "true or false: the {x} is {r} the {y}",
            "is the {x} shown {r} the {y}", "does one see the {x} {r} the {y}", "is it the {x} that is {r} the {y}", "was the {x} placed {r} the {y}",
            "is the position of the {x} {r} the {y}", "is the {x} seen {r} the {y}", "do we find the {x} {r} the {y}",
            "the {x} {r} the {y}, yes or no", "are the {x} and the {y} so that the {x} is {r} the {y}", "does the picture show the {x} {r} the {y}",
            "is the {x} {r} the {y} or not", "has somebody put the {x} {r} the {y}", "is the {x} somewhere {r} the {y}",
            "could one say the {x} is {r} the {y}", "is a {x} {r} the {y}", "does it look as if the {x} is {r} the {y}"]
BESIDE = ["what is {r} the {y}", "which object is {r} the {y}", "what do you see {r} the {y}", "name the thing {r} the {y}", "what lies {r} the {y}",
          "what object is {r} the {y}", "what is there {r} the {y}", "what can be seen {r} the {y}", "which thing is {r} the {y}",
          "tell me what is {r} the {y}", "what has been placed {r} the {y}", "what thing lies {r} the {y}", "which object do you see {r} the {y}",
          "identify the object {r} the {y}", "what is shown {r} the {y}", "what appears {r} the {y}", "what do you find {r} the {y}",
          "name what is {r} the {y}", "what stands {r} the {y}", "{r} the {y} is what", "which object has been put {r} the {y}",
          "what sort of thing is {r} the {y}", "say what is {r} the {y}", "what would you find {r} the {y}", "can you tell what is {r} the {y}",
          "the thing {r} the {y} is what", "what object can be found {r} the {y}", "which object lies {r} the {y}", "what is located {r} the {y}",
          "which thing do you see {r} the {y}"]
SCENE = ["where was this picture taken", "what place is this", "where is this", "what scene is shown", "what kind of place is it",
         "what is the setting", "which place do you see", "where was this photo taken", "what location is this", "what sort of place is this",
         "describe the place", "what is the scene", "name the place", "in what kind of place was this taken", "where are we",
         "what environment is this", "which scene is it", "what type of scene is this", "where could this be", "at what kind of place was this taken",
         "what surroundings are these", "where are these things", "tell me the place", "which kind of place do you see", "what setting is this",
         "in which place are we", "what does the place look like", "what kind of environment is shown", "say where this is",
         "what background is this", "where did they take this photo"]
ACTION = ["what sport is being played", "what sport is this", "which sport is shown", "what activity is going on", "what are they doing",
          "which sport is it", "what are they playing", "what sport do you see", "name the sport", "what is the person doing",
          "what game is being played", "which sport does this belong to", "what activity is this for", "what sport is this for", "identify the sport",
          "which sport is played here", "what kind of sport is it", "tell me the sport", "which game is it", "what sport does the picture show",
          "what sort of sport is this", "what sport is this thing used in", "what are the people playing", "which activity do you see",
          "what is being played", "what game is this", "which sport is this picture about", "say which sport this is",
          "what athletic activity is shown", "what kind of game is it"]
CAPTION = ["describe the picture", "caption this", "write a caption", "what is going on in the picture", "describe this image",
           "give a short description", "summarize the picture", "what would be a good caption", "describe what you see", "put the picture into words",
           "a caption please", "what does this picture show, in a sentence", "describe it", "tell me about the picture", "what is there to see",
           "say in a few words what is shown", "give the picture a caption", "a short description, please", "describe the photo",
           "how would you describe this", "what is happening here", "write one line about this picture", "what would you write under this picture",
           "please describe the scene", "describe everything you see", "caption the image", "what is in this photo, in a few words",
           "explain what is shown", "make a caption", "a sentence about the picture", "sum up the image"]
INDOORS = ["is this {x}", "is this picture taken {x}", "was this photo taken {x}", "is it {x}", "are we {x}", "is the scene {x}",
           "does this take place {x}", "was this taken {x}", "does this look {x}", "was the picture made {x}", "would you say this is {x}",
           "are the things {x}", "did they take this {x}", "is this scene {x}", "is everything {x}", "is the place {x}", "was it taken {x}",
           "are they {x}", "is the object {x}", "could this be {x}", "was the photographer {x}", "this is {x}, right", "do you think this is {x}",
           "true or false: this is {x}", "does the photo look as if taken {x}", "has this been taken {x}", "is what we see {x}",
           "is the photo from {x}", "were they {x}", "{x}, yes or no"]
WHERE_IO = ["is this indoors or outdoors", "indoors or outdoors", "was this taken inside or outside", "is the scene indoor or outdoor",
            "are we inside or outdoors", "is it indoors or outdoors", "inside or outside", "is the place indoors or outdoors",
            "was it taken indoors or outdoors", "is this inside a building or outdoors", "would you say indoors or outdoors",
            "is the setting indoors or outdoors", "are the things indoors or outdoors", "outdoors or indoors",
            "did they take this outdoors or indoors", "does this look indoors or outdoors", "in the open or in a room",
            "in a room or in the open air", "is the photo taken inside or outside", "are they inside or outside",
            "is it an indoor or an outdoor picture", "indoor or outdoor", "which is it, indoors or outdoors",
            "was the photographer inside or outside", "is everything indoors or outdoors", "tell me whether this is indoors or outdoors",
            "was this photo shot indoors or outdoors", "is that inside or outdoors", "is this an outdoor or an indoor scene", "open air or room"]


def held_template(template: str) -> bool:
    return hashlib.sha256(template.encode()).digest()[0] % 8 == 0
