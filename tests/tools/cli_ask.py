"""`sterna ask` and `classify`: the contract scripts rely on, and answers for people."""
import json
import os
import shutil

from harness import BAD_USAGE, CAT, COFFEE, DONE, SOME_FAILED, UNUSABLE, CommandTest, main, png

KEYS = ["image", "question", "answer", "confidence", "candidates", "sure", "decodes", "ms"]
CHOICES = ["cat", "dog", "horse"]


class Ask(CommandTest):
    def check_line(self, line, image, question):
        self.assertEqual(list(line)[:len(KEYS)], KEYS)
        self.assertEqual(line["image"], str(image))
        self.assertEqual(line["question"], question)
        self.assertIsInstance(line["sure"], bool)
        self.assertEqual(line["decodes"], 1)
        self.assertGreater(line["ms"], 0)
        self.assertTrue(0 <= line["confidence"] <= 1)
        scores = [candidate["score"] for candidate in line["candidates"]]
        self.assertEqual(scores, sorted(scores, reverse=True))
        self.assertLess(sum(scores), 1.0001)
        self.assertEqual(line["answer"], line["candidates"][0]["text"])
        for candidate in line["candidates"]:
            self.assertEqual(list(candidate), ["text", "score"])

    def test_with_choices(self):
        result = self.check(DONE, "ask", CAT, "what animal is this?", "--choices", "cat, dog,horse",
                            "--json")
        (line,) = result.json()
        self.check_line(line, CAT, "what animal is this?")
        self.assertEqual(sorted(c["text"] for c in line["candidates"]), CHOICES)
        self.assertAlmostEqual(sum(c["score"] for c in line["candidates"]), 1, places=4)
        self.assertEqual(result.err, "")

    def test_without_choices(self):
        (line,) = self.check(DONE, "ask", CAT, "what animal is this?", "--json").json()
        self.check_line(line, CAT, "what animal is this?")
        self.assertGreater(len(line["candidates"]), 1)
        (line,) = self.check(DONE, "ask", CAT, "what?", "--json", "--top", "2").json()
        self.assertEqual(len(line["candidates"]), 2)

    def test_coarse(self):
        def asked(*options):
            (line,) = self.check(DONE, "ask", CAT, "what?", *options, "--json").json()
            return line["candidates"]
        closely = asked()
        self.assertEqual(asked(), closely)
        self.assertNotEqual(asked("--coarse"), closely)
        self.check_error(BAD_USAGE, "coarse", "embed", CAT, "--coarse")

    def test_answers_from_a_file(self):
        self.write("answers", "cat\r\n\ncafé au lait\ndog\n".encode())
        (line,) = self.check(DONE, "ask", CAT, "what?", "--answers", "answers", "--json").json()
        self.assertEqual(sorted(c["text"] for c in line["candidates"]),
                         ["café au lait", "cat", "dog"])
        self.write("none", b"\n\n")
        self.check_error(UNUSABLE, "none", "ask", CAT, "what?", "--answers", "none")
        self.write("latin1", b"caf\xe9\n")
        self.check_error(UNUSABLE, "latin1:1: expected UTF-8", "ask", CAT, "what?", "--answers", "latin1")
        self.check_error(UNUSABLE, "gone", "ask", CAT, "what?", "--answers", "gone")

    def test_choices_listed_twice_count_once(self):
        def asked(*options):
            (line,) = self.check(DONE, "ask", CAT, "what?", *options, "--json").json()
            return line["candidates"]
        once = asked("--choices", "cat,dog")
        self.assertEqual(asked("--choices", "cat, cat,dog,cat"), once)
        self.write("answers", b"  cat\ncat\t\ndog\n")
        self.assertEqual(asked("--answers", "answers"), once)
        (line,) = self.check(DONE, "classify", CAT, "--labels", "cat,cat,dog", "--question", "what?",
                             "--json").json()
        self.assertEqual(line["candidates"], once)
        line = {"image": str(CAT), "question": "what?", "choices": ["cat", "dog", "cat "]}
        (line,) = self.check(DONE, "ask", "--batch", "-", "--json",
                             stdin=json.dumps(line).encode()).json()
        self.assertEqual(line["candidates"], once)

    def test_for_people(self):
        text = self.check(DONE, "ask", CAT, "what?", "--choices", "cat,dog,horse").out
        self.assertRegex(text, r"^(cat|dog|horse) \(\d+ %\)\n$|^not sure: (\w+ \(\d+ %\)(, )?)+\n$")
        text = self.check(DONE, "ask", CAT, COFFEE, "what?", "--choices", "cat,dog").out
        self.assertEqual(len(text.splitlines()), 2)
        self.assertTrue(text.startswith(f"{CAT}: "))

    def test_many_pictures_in_order_whatever_the_threads(self):
        pictures = self.pictures("p", 12)
        alone = [self.check(DONE, "ask", picture, "what?", "--json").json()[0] for picture in
                 pictures[:3]]
        for threads in ("1", "2", "4"):
            lines = self.check(DONE, "ask", "p", "what?", "--json", "--threads", threads).json()
            self.assertEqual([line["image"] for line in lines],
                             [f"p/{picture.name}" for picture in pictures])
            for line, single in zip(lines, alone):
                self.assertEqual(line["candidates"], single["candidates"])

    def test_a_picture_on_standard_input(self):
        (line,) = self.check(DONE, "ask", "-", "what?", "--json", stdin=CAT.read_bytes()).json()
        self.check_line(line, "-", "what?")
        self.check_error(SOME_FAILED, "standard input", "ask", "-", "what?", stdin=b"")

    def test_a_name_that_is_no_utf8(self):
        name = b"caf\xe9.png"
        with open(os.path.join(os.fsencode(self.folder), name), "wb") as file:
            file.write(png(20, 10))
        (line,) = self.check(DONE, "ask", name, "what?", "--json").json()
        self.assertEqual(line["image"], "caf\ufffd.png")
        self.assertEqual(line["image_bytes"], "Y2Fm6S5wbmc=")

    def test_a_name_that_would_break_the_line(self):
        result = self.check_error(SOME_FAILED, "a\\x0ab\\x1b[2J.png", "ask", "a\nb\x1b[2J.png",
                                  "what?")
        self.assertEqual(result.out, "")

    def test_a_question_of_5000_words(self):
        result = self.check(DONE, "ask", CAT, "word " * 5000, "--choices", "cat,dog", "--json")
        self.assertEqual(len(result.json()), 1)
        self.assertEqual(len(result.err.splitlines()), 1)
        self.assertIn("question", result.err)

    def test_failures_are_lines_too(self):
        self.write("bad.jpg", b"no picture")
        result = self.check(SOME_FAILED, "ask", "bad.jpg", CAT, "gone.png", "what?", "--json")
        bad, good, gone = result.json()
        for line, name in ((bad, "bad.jpg"), (gone, "gone.png")):
            self.assertEqual(list(line), ["image", "question", "error"])
            self.assertIn(name, line["error"])
        self.check_line(good, CAT, "what?")
        self.assertEqual(len(result.err.splitlines()), 2)

    def test_batch(self):
        (self.folder / "sub").mkdir()
        shutil.copy(CAT, self.folder / "sub/cat.jpg")
        questions = [
            {"image": "cat.jpg", "question": "what?", "choices": CHOICES, "answer": "cat", "id": 7},
            {"image": "cat.jpg", "question": "which?", "task": "animal"},
            {"image": str(COFFEE), "question": "what?", "choices": ["cup"], "nested": {"a": [1]}},
            {"image": "gone.jpg", "question": "what?"},
            {"image": "gone.jpg", "question": "and now?"},
        ]
        self.write("sub/q.jsonl", "\n".join(map(json.dumps, questions)).encode() +
                   b'\n\nnonsense\n[1]\n{"image": 1, "question": "x"}\n{"image": "cat.jpg"}\n')
        result = self.check(SOME_FAILED, "ask", "--batch", "sub/q.jsonl", "--json")
        lines = result.json()
        self.assertEqual(len(lines), 9)
        self.check_line(lines[0], "cat.jpg", "what?")
        self.assertEqual(lines[0]["id"], 7)
        self.assertEqual(lines[0]["given_answer"], "cat")
        self.check_line(lines[1], "cat.jpg", "which?")
        self.assertEqual(lines[1]["task"], "animal")
        self.check_line(lines[2], COFFEE, "what?")
        self.assertEqual(lines[2]["nested"], {"a": [1]})
        self.assertEqual([c["text"] for c in lines[2]["candidates"]], ["cup"])
        for line, name in zip(lines[3:], ["gone.jpg", "gone.jpg", "q.jsonl:7", "q.jsonl:8",
                                          "q.jsonl:9", "q.jsonl:10"]):
            self.assertEqual(list(line), ["image", "question", "error"])
            self.assertIn(name, line["error"])
        self.assertEqual(len(result.err.splitlines()), 6)
        # The same question alone gets the same answer.
        (alone,) = self.check(DONE, "ask", "sub/cat.jpg", "what?", "--choices", ",".join(CHOICES),
                              "--json").json()
        self.assertEqual(alone["candidates"], lines[0]["candidates"])

    def test_every_question_of_a_batch_is_told_of(self):
        def batch(*questions):
            lines = [{"image": image, "question": text, "choices": ["yes"]} for image, text in
                     questions]
            self.write("q.jsonl", "\n".join(map(json.dumps, lines)).encode())
            return self.check(DONE, "ask", "--batch", "q.jsonl").lines
        cat, cup = str(CAT), str(COFFEE)
        self.assertEqual(batch((cat, "a?"), (cat, "b?")), ["a? yes (100 %)", "b? yes (100 %)"])
        self.assertEqual(batch((cat, "a?"), (cup, "a?"), (cup, "b?")),
                         [f"a? {cat}: yes (100 %)", f"a? {cup}: yes (100 %)",
                          f"b? {cup}: yes (100 %)"])
        self.assertEqual(batch((cat, "a?"), (cup, "a?")),
                         [f"{cat}: yes (100 %)", f"{cup}: yes (100 %)"])

    def test_a_batch_is_refused_what_the_command_line_is(self):
        good = {"image": str(CAT), "question": "what?"}
        for wrong, fault in (({"question": "  \t"}, '"question" is empty'),
                             ({"choices": ["a", " "]}, '"choices": an item is empty'),
                             ({"choices": [""]}, '"choices": an item is empty'),
                             ({"image": ""}, '"image" is empty'),
                             ({"image": f"{CAT}\0.png"}, "found a NUL byte"),
                             ({"image": "-"}, "./-: can't be opened")):
            with self.subTest(wrong):
                self.write("q.jsonl", json.dumps(good | wrong).encode())
                self.check_error(SOME_FAILED, fault, "ask", "--batch", "q.jsonl", stdin=b"no picture")

    def test_a_dash_in_a_list_is_a_file(self):
        shutil.copy(CAT, self.folder / "-")
        self.write("names", b"-\n")
        (listed,) = self.check(DONE, "ask", "@names", "what?", "--json").json()
        self.write("q.jsonl", b'{"image": "-", "question": "what?"}')
        (asked,) = self.check(DONE, "ask", "--batch", "q.jsonl", "--json").json()
        for line in listed, asked:
            self.check_line(line, "-" if line is asked else "./-", "what?")

    def test_a_byte_order_mark_is_no_text(self):
        mark = b"\xef\xbb\xbf"
        self.write("answers", mark + b"cat\r\ndog\r\n")
        self.write("names", mark + os.fsencode(CAT) + b"\r\n")
        line = {"image": str(CAT), "question": "what?", "choices": ["cat", "dog"]}
        self.write("q.jsonl", mark + json.dumps(line).encode())
        for options in ([CAT, "what?", "--answers", "answers"],
                        ["@names", "what?", "--choices", "cat,dog"], ["--batch", "q.jsonl"]):
            (line,) = self.check(DONE, "ask", *options, "--json").json()
            self.assertEqual(sorted(c["text"] for c in line["candidates"]), ["cat", "dog"])

    def test_batch_from_standard_input(self):
        text = json.dumps({"image": str(CAT), "question": "what?"}).encode()
        (line,) = self.check(DONE, "ask", "--batch", "-", "--json", stdin=text).json()
        self.check_line(line, CAT, "what?")
        self.check_error(UNUSABLE, "gone.jsonl", "ask", "--batch", "gone.jsonl", "--json")

    def test_classify(self):
        (line,) = self.check(DONE, "classify", CAT, "--labels", "cat,dog,horse", "--json").json()
        self.assertEqual(sorted(c["text"] for c in line["candidates"]), CHOICES)
        text = self.check(DONE, "classify", CAT, "--labels", "cat,dog,horse").out
        for label in CHOICES:
            self.assertIn(label, text)


if __name__ == "__main__":
    main()
