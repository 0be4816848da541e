"""`sterna watch` with other people's checkpoints: towers, clips and predictors."""
import math
import shutil

from harness import BAD_USAGE, CAT, DONE, UNUSABLE, main, read_jsonl, read_npy
from watch_frames import BLUE, GOLDEN, RAW, RED, StreamTest, raw


def dot(a, b):
    return math.fsum(x * y for x, y in zip(a, b, strict=True))


class Clips(StreamTest):
    """Clips, and other people's checkpoints."""

    SCENES = raw((RED, 2), (BLUE, 3))
    TWO = ["--gate", "ward", "--rate", "0.41", "--json"]

    def test_answers_in_the_space_of_two_towers(self):
        clip = ["--model", str(GOLDEN / "texts/clip")]
        words = ["a cat", "a dog", "grass"]
        self.write("words", "\n".join(words).encode())
        self.check(DONE, "embed", "--text-file", "words", "-o", "words.npy", *clip)
        texts = read_npy(self.folder / "words.npy")
        result = self.check(DONE, "watch", *RAW, *self.TWO, "--answers", "words", *clip, "--save",
                            "e.npy", stdin=self.SCENES)
        events, summary = self.events(result, decodes=2)
        self.assertEqual([e["start"] for e in events], [0, 2])
        self.assertEqual(summary["decoder_flops"], 2 * 2 * 3 * len(texts[0]))
        for event, row in zip(events, read_npy(self.folder / "e.npy"), strict=True):
            scores = [math.exp(math.exp(2.62109375) * dot(row, text)) for text in texts]
            self.assertEqual(event["text"], words[scores.index(max(scores))])
            self.assertAlmostEqual(event["confidence"], max(scores) / sum(scores), places=3)
        self.check(DONE, "model", "convert", clip[1], "clip.gguf")
        again = self.check(DONE, "watch", *RAW, *self.TWO, "--answers", "words", "--model",
                           "clip.gguf", stdin=self.SCENES)
        self.assertEqual(again.json()[:-1], events)
        # SigLIP's confidences are each answer's own.
        shutil.copytree(GOLDEN / "texts/siglip", self.folder / "siglip")
        shutil.copy(GOLDEN / "checkpoints/siglip/preprocessor_config.json", self.folder / "siglip")
        siglip = self.check(DONE, "watch", *RAW, *self.TWO, "--choices", "a cat", "--model",
                            "siglip", stdin=self.SCENES)
        for event in self.events(siglip, decodes=2)[0]:
            self.assertTrue(0 < event["confidence"] < 1)
        # No answers: where, not what.
        result = self.check(DONE, "watch", *RAW, *self.TWO, *clip, stdin=self.SCENES)
        self.assertEqual([e["text"] for e in self.events(result, decodes=2)[0]], ["", ""])

    def test_towers_without_words_say_where(self):
        for name in "vit", "dinov2", "dinov3", "ijepa", "vjepa2":
            with self.subTest(name):
                model = ["--model", str(GOLDEN / "checkpoints" / name)]
                result = self.check(DONE, "watch", *RAW, *self.TWO, "--clip", "0", *model,
                                    stdin=self.SCENES)
                events, summary = self.events(result, decodes=2)
                self.assertEqual([e["start"] for e in events], [0, 2])
                self.assertEqual([(e["text"], e["confidence"]) for e in events], [("", 0)] * 2)
                self.assertEqual(summary["decoder_flops"], 0)
                self.assertEqual(summary["embedded"], 2)
                for asked in ["--choices", "a,b"], ["--prompt", "what is it?"]:
                    result = self.check_error(BAD_USAGE, asked[0], "watch", *RAW, *asked, *model,
                                              stdin=b"")
                    self.assertEqual(result.out, "")
        self.write("answers", b"a\nb")
        self.check_error(BAD_USAGE, "--answers: ", "watch", *RAW, "--answers", "answers", *model)
        self.check_error(BAD_USAGE, "--prompt: ", "watch", *RAW, "--prompt", "what?",
                         "--model", str(GOLDEN / "texts/clip"))
        self.check_error(UNUSABLE, "a text tower alone", "watch", *RAW, "--model",
                         str(GOLDEN / "checkpoints/bert"))
        people = self.check(DONE, "watch", CAT, *model)
        self.assertRegex(people.out, r"^0:00\.0 - 0:0\d\.\d +frame 0\n$")
        self.check(DONE, "watch", CAT, "--report", "r.html", *model)

    def test_a_predictor_answers_the_prompt(self):
        for name in "vljepa", "composed":
            model = ["--model", str(GOLDEN / "questions" / name)]
            said = {}
            for prompt in [], ["--prompt", "what animal is this?"]:
                for clip in [], ["--clip", "0"]:
                    result = self.check(DONE, "watch", *RAW, *self.TWO, "--choices", "a cat,two dogs,night", *prompt, *clip, *model,
                                        stdin=self.SCENES)
                    events, summary = self.events(result, decodes=2)
                    said[bool(prompt), bool(clip)] = [e["confidence"] for e in events]
                    self.assertTrue(all(e["text"] in ("a cat", "two dogs", "night") for e in events))
            self.assertNotEqual(said[False, True], said[True, True])

    def test_clips_of_tubelets(self):
        model = ["--model", str(GOLDEN / "checkpoints/vjepa2")]
        # By default 4 frames (the checkpoint's) of 2 s: at 2, 2.5, 3 and 3.5 s they change.
        result = self.check(DONE, "watch", *RAW, *self.TWO, *model, "--save", "e.npy",
                            stdin=self.SCENES)
        events, summary = self.events(result, decodes=2)
        self.assertTrue(2 <= events[1]["start"] <= 3.5, events)
        self.assertEqual(summary["embedded"], 5)
        self.assertEqual([line["seconds"] for line in read_jsonl(self.folder / "e.jsonl")],
                         [0, 2, 2.5, 3, 3.5])
        rows = read_npy(self.folder / "e.npy")
        for row in rows:
            self.assertAlmostEqual(dot(row, row), 1, places=5)
        self.check(DONE, "watch", *RAW, *self.TWO, *model, "--clip", "0", "--save", "single.npy",
                   stdin=self.SCENES)
        still = read_npy(self.folder / "single.npy")
        for clip, single in (rows[0], still[0]), (rows[4], still[1]):  # of a scene alone
            self.assertGreater(dot(clip, single), 0.99)
        long = self.check(DONE, "watch", *RAW, *self.TWO, *model, "--clip", "1", "--clip-frames",
                          "10", stdin=self.SCENES)
        self.assertEqual(self.events(long)[1]["embedded"], 11)

    def test_clips_of_pictures_are_means(self):
        for model in [], ["--model", str(GOLDEN / "checkpoints/dinov2")]:
            with self.subTest(model):
                result = self.check(DONE, "watch", *RAW, *self.TWO, *model, "--clip", "1", "--save",
                                    "e.npy", "--clip-frames", "2", stdin=self.SCENES)
                events, summary = self.events(result, decodes=2)
                self.assertTrue(2 <= events[1]["start"] <= 2.5, events)
                self.assertEqual(summary["embedded"], 2)  # the tower sees a frame once
                self.assertEqual([line["seconds"] for line in read_jsonl(self.folder / "e.jsonl")],
                                 [0, 2, 2.5])
                first, between, last = read_npy(self.folder / "e.npy")
                mean = [a + b for a, b in zip(first, last, strict=True)]
                self.assertAlmostEqual(dot(between, mean) / math.sqrt(dot(mean, mean)), 1, places=5)
        eight = self.check(DONE, "watch", *RAW, *self.TWO, "--clip", "1", "--save", "e.npy",
                           stdin=self.SCENES)
        self.assertEqual(self.events(eight)[1]["embedded"], 2)
        self.assertEqual(len(read_npy(self.folder / "e.npy")), 9)

    def test_usage(self):
        for wrong in (["--clip", "-1"], ["--clip", "nan"], ["--clip", "4000"], ["--clip", "many"],
                      ["--clip-frames", "0"], ["--clip-frames", "257"], ["--clip-frames", "1.5"],
                      ["--clip", "0", "--clip-frames", "2"]):
            with self.subTest(wrong):
                self.assertEqual(self.check_error(BAD_USAGE, "watch: ", "watch", CAT, *wrong).out, "")


if __name__ == "__main__":
    main()
