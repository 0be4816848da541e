"""`sterna caption` and `ask --open`: texts that the model writes, under the contract of `ask`."""
import json

from harness import BAD_USAGE, CAT, COFFEE, DONE, SOME_FAILED, SOURCE, UNUSABLE, CommandTest, main

KEYS = ["image", "question", "answer", "confidence", "candidates", "sure", "decodes", "ms"]
WITHOUT = SOURCE / "tests/golden/tower/tiny.gguf"
SHIPPED = SOURCE / "models/sterna-nano.gguf"  # has a prefix
LLAMA = SOURCE / "tests/golden/language_model/llama.gguf"


class Caption(CommandTest):
    def check_line(self, line, image, question=None):
        self.assertEqual(list(line), KEYS)
        self.assertEqual(line["image"], str(image))
        if question:
            self.assertEqual(line["question"], question)
        self.assertTrue(line["answer"])
        self.assertEqual(line["answer"], line["candidates"][0]["text"])
        self.assertEqual(line["confidence"], line["candidates"][0]["score"])
        self.assertTrue(0 < line["confidence"] <= 1)
        scores = [c["score"] for c in line["candidates"]]
        self.assertEqual(scores, sorted(scores, reverse=True))
        self.assertEqual(line["decodes"], 1)

    def test_one_picture(self):
        result = self.check(DONE, "caption", CAT, "--json")
        (line,) = result.json()
        self.check_line(line, CAT)
        self.assertEqual(result.err, "")
        text = self.check(DONE, "caption", CAT).out
        self.assertIn(line["answer"], text)
        self.assertEqual(len(text.splitlines()), 1)

    def test_a_folder_in_order_whatever_the_threads(self):
        pictures = self.pictures("p", 6)
        first = None
        for threads in ("1", "3"):
            lines = self.check(DONE, "caption", "p", "--json", "--threads", threads).json()
            self.assertEqual([line["image"] for line in lines], [f"p/{p.name}" for p in pictures])
            for line in lines:
                self.check_line(line, line["image"])
                del line["ms"]
            first = first or lines
            self.assertEqual(lines, first)
        text = self.check(DONE, "caption", "p").out
        self.assertEqual(len(text.splitlines()), 6)

    def test_top(self):
        (line,) = self.check(DONE, "caption", CAT, "--json", "--top", "1").json()
        self.assertEqual(len(line["candidates"]), 1)
        self.check_error(BAD_USAGE, "--top", "caption", CAT, "--top", "0")

    def test_failures_are_lines_too(self):
        self.write("bad.jpg", b"no picture")
        result = self.check(SOME_FAILED, "caption", "bad.jpg", COFFEE, "--json")
        bad, good = result.json()
        self.assertEqual(list(bad), ["image", "question", "error"])
        self.check_line(good, COFFEE)

    def test_ask_open(self):
        (line,) = self.check(DONE, "ask", CAT, "what is this?", "--open", "--json").json()
        self.check_line(line, CAT, "what is this?")
        (caption,) = self.check(DONE, "caption", CAT, "--json").json()
        (same,) = self.check(DONE, "ask", CAT, caption["question"], "--open", "--json").json()
        self.assertEqual(same["candidates"], caption["candidates"])
        (placed,) = self.check(DONE, "ask", CAT, "what?", "--open", "--where", "--json").json()
        self.assertEqual(list(placed), [*KEYS, "where"])

    def test_ask_open_in_a_batch_keeps_choices(self):
        self.write("q.jsonl", "\n".join(json.dumps(q) for q in [
            {"image": str(CAT), "question": "what?", "choices": ["cat", "dog"]},
            {"image": str(CAT), "question": "what?"}]).encode())
        chosen, written = self.check(DONE, "ask", "--batch", "q.jsonl", "--open", "--json").json()
        self.assertEqual(sorted(c["text"] for c in chosen["candidates"]), ["cat", "dog"])
        self.check_line(written, CAT, "what?")

    def test_bad_usage(self):
        for arguments in [["caption"], ["caption", CAT, "--nonsense"],
                          ["ask", CAT, "what?", "--open", "--choices", "a,b"]]:
            with self.subTest(arguments=arguments):
                self.check_error(BAD_USAGE, "--help'", *arguments)

    def test_a_writer_that_does_not_fit(self):
        self.write("broken.gguf", b"GGUF")
        for file, what in [(LLAMA, "found \"Tiny llama\""), (self.folder / "broken.gguf", "expected"),
                           (self.folder / "none.gguf", "none.gguf"), (WITHOUT, "general.architecture")]:
            for arguments in [["caption", CAT], ["ask", CAT, "what?", "--open"]]:
                with self.subTest(file=file, arguments=arguments):
                    result = self.check_error(UNUSABLE, [file.name, what], *arguments,
                                              "--model", SHIPPED, "--writer", file)
                    self.assertEqual(result.out, "")
        self.check_error(UNUSABLE, [WITHOUT.name, "no prefix for a language model"], "caption", CAT,
                         "--model", WITHOUT, "--writer", LLAMA)
        self.check_error(BAD_USAGE, "--open", "ask", CAT, "what?", "--writer", LLAMA)
        self.check_error(BAD_USAGE, "--writer", "caption", CAT, "--writer", "")

    def test_a_model_without_a_generator(self):
        for arguments in [["caption", CAT], ["ask", CAT, "what?", "--open"]]:
            with self.subTest(arguments=arguments):
                result = self.check_error(UNUSABLE, [WITHOUT.name, "no generator"], *arguments,
                                          "--model", WITHOUT)
                self.assertEqual(result.out, "")


if __name__ == "__main__":
    main()
