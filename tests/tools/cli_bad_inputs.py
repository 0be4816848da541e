"""Every broken picture and model: one line that names file and fault, the right exit code."""
import os
import pathlib
import struct
import zlib

from harness import (CAT, DONE, MODEL, SOME_FAILED, SOURCE, UNUSABLE, CommandTest, main, png, png_of)


class BadPictures(CommandTest):
    def fails(self, name):
        """As the only picture of a question, and among others of an embedding."""
        self.check_error(SOME_FAILED, name, "ask", name, "what?")
        result = self.check_error(SOME_FAILED, name, "embed", name, CAT)
        self.assertEqual(["error" in line for line in result.json()], [True, False])

    def test_missing_empty_folder_text(self):
        self.fails("gone.jpg")
        self.write("empty.jpg", b"")
        self.fails("empty.jpg")
        self.write("folder/notes.txt", b"no picture")
        self.fails("folder")
        self.check_error(SOME_FAILED, "a folder without one", "ask", "folder", "what?")
        self.check_error(SOME_FAILED, "expected the name of a file, found an empty one", "ask", "", "what?")

    def test_a_folder_of_pictures_where_one_picture_is_expected(self):
        self.pictures("folder", 2)
        self.write("q.jsonl", b'{"image": "folder", "question": "what?"}')
        self.check_error(SOME_FAILED, "folder: expected a picture, found a folder", "ask", "--batch",
                         "q.jsonl")

    def test_an_empty_text_is_told_with_its_line(self):
        self.write("first.txt", b"one\ntwo\n")
        self.write("second.txt", b"three\n  \n")
        for names, fault in ((["--text-file", "first.txt", "--text-file", "second.txt"],
                              "second.txt:2: the text is empty"),
                             (["--text", "-"], "standard input:2: the text is empty"),
                             (["--text", "one", ""], "sterna embed: the text is empty")):
            result = self.check_error(SOME_FAILED, fault, "embed", *names, stdin=b"a\n\nb\n")
            self.assertEqual([line.get("error", "") for line in result.json()].count(""),
                             len(result.lines) - 1)
        self.write("text.jpg", b"This is no picture.\n" * 100)
        self.fails("text.jpg")
        self.write("short.png", b"\x89PNG\r\n\x1a\n")
        self.fails("short.png")

    def test_unreadable(self):
        if os.geteuid() == 0:
            self.skipTest("root reads everything")
        self.write("secret.jpg", b"x").chmod(0)
        self.fails("secret.jpg")

    def test_truncated(self):
        whole = CAT.read_bytes()
        self.write("head.jpg", whole[:200])
        self.fails("head.jpg")
        self.write("half.jpg", whole[:len(whole) // 2])
        self.fails("half.jpg")

    def test_odd_but_good(self):
        for width, height in ((1, 1), (1, 1000), (3, 2)):
            self.write("small.png", png(width, height))
            self.check(DONE, "ask", "small.png", "what?")
        self.write("wide.png", png_of(30000, 1, zlib.compress(bytes(90001))))
        self.check(DONE, "ask", "wide.png", "what?")
        self.write("named.txt", CAT.read_bytes())  # what a file is, its bytes tell
        self.check(DONE, "ask", "named.txt", "what?")

    def test_bomb(self):
        # 60,000 x 60,000 pixels would be 10.8 GB; the file has some hundred bytes.
        self.write("bomb.png", png_of(60000, 60000, b"\x78\x9c\x03\x00\x00\x00\x00\x01"))
        self.fails("bomb.png")

    def test_committed_broken_pictures(self):
        broken = sorted((SOURCE / "tests/golden/pixels/broken").iterdir())
        self.assertGreater(len(broken), 5)
        result = self.check(SOME_FAILED, "embed", *broken, "-o", "out.npy")
        self.assertTrue(all(line.startswith("sterna embed: ") for line in result.err.splitlines()))


class BadModels(CommandTest):
    def setUp(self):
        super().setUp()
        self.model = pathlib.Path(MODEL).read_bytes()

    def refused(self, data):
        self.write("m.gguf", data)
        self.check_error(UNUSABLE, "m.gguf", "ask", CAT, "what?", "--model", "m.gguf")

    def test_truncated_at_every_percent(self):
        self.write("m.gguf", self.model)
        for percent in range(99, -1, -1):
            os.truncate(self.folder / "m.gguf", len(self.model) * percent // 100)
            self.check_error(UNUSABLE, "m.gguf", "ask", CAT, "what?", "--model", "m.gguf")
        os.truncate(self.folder / "m.gguf", 1)
        self.check_error(UNUSABLE, "m.gguf", "ask", CAT, "what?", "--model", "m.gguf")

    def test_extreme_header_fields(self):
        # magic u32, version u32, tensors u64, metadata u64, first key's length u64.
        for offset, form, values in ((0, "<I", (0, 0xFFFFFFFF)), (4, "<I", (0, 1, 4, 0xFFFFFFFF)),
                                     (8, "<Q", (0, 2**32, 2**63, 2**64 - 1)),
                                     (16, "<Q", (0, 2**32, 2**63, 2**64 - 1)),
                                     (24, "<Q", (0, 2**32, 2**63, 2**64 - 1))):
            for value in values:
                with self.subTest(offset=offset, value=value):
                    end = offset + struct.calcsize(form)
                    self.refused(self.model[:offset] + struct.pack(form, value) + self.model[end:])

    def test_extreme_values_of_settings(self):
        # The 32-bit values behind these keys (type 4 or 5, then the value).
        for key in (b"sterna.vision.image_size", b"sterna.vision.width", b"sterna.vision.blocks",
                    b"sterna.language.layers", b"sterna.language.width", b"sterna.predictor.heads",
                    b"sterna.language.max_tokens", b"sterna.tokenizer.cls_id"):
            at = self.model.index(key) + len(key) + 4
            for value in (0, 1, 0x7FFFFFFF, 0xFFFFFFFF):
                if self.model[at:at + 4] == struct.pack("<I", value):
                    continue
                data = self.model[:at] + struct.pack("<I", value) + self.model[at + 4:]
                self.write("m.gguf", data)
                result = self.run_sterna("ask", CAT, "what?", "--model", "m.gguf")
                with self.subTest(key=key, value=value):
                    # A vocabulary may have any [CLS]; a size must fit the tensors.
                    self.assertIn(result.code, (DONE, UNUSABLE), result.err)
                    self.assertEqual(len(result.err.splitlines()), int(result.code != DONE))
                    if result.code != DONE:
                        self.assertIn("m.gguf", result.err)


if __name__ == "__main__":
    main()
