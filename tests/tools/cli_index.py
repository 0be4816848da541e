"""`sterna index` and `search`."""
import fcntl
import json
import os

from harness import (BAD_USAGE, CAT, COFFEE, DONE, MODEL, SOME_FAILED, UNUSABLE, CommandTest, main,
                     png, read_npy)


class Index(CommandTest):
    def search(self, *arguments, **options):
        return self.check(DONE, "search", "x", *arguments, "--json", **options).json()

    def test_a_picture_finds_itself_first(self):
        pictures = self.pictures("p", 8)
        self.check(DONE, "index", "build", "p", CAT, "-o", "x")
        for picture in (pictures[2], pictures[7], CAT):
            hits = self.search("--image", picture, "--top", "3")
            self.assertEqual([list(hit) for hit in hits], [["rank", "input", "score", "sha256"]] * 3)
            self.assertEqual([hit["rank"] for hit in hits], [1, 2, 3])
            self.assertTrue(str(picture).endswith(hits[0]["input"]))
            self.assertAlmostEqual(hits[0]["score"], 1, places=4)
            scores = [hit["score"] for hit in hits]
            self.assertEqual(scores, sorted(scores, reverse=True))
        self.assertEqual(self.check(DONE, "index", "search", "x", "--image", CAT, "--top", "1",
                                    "--json").json(), self.search("--image", CAT, "--top", "1"))

    def test_scores_are_the_cosines_of_the_embeddings(self):
        self.pictures("p", 8)
        self.check(DONE, "embed", "p", "-o", "e.npy")
        self.check(DONE, "index", "build", "e.npy", "-o", "x")
        self.check(DONE, "embed", "--text", "a dog", "-o", "q.npy")
        rows, (query,) = read_npy(self.folder / "e.npy"), read_npy(self.folder / "q.npy")
        cosines = sorted((sum(a * b for a, b in zip(row, query)) for row in rows), reverse=True)
        hits = self.search("a dog", "--top", "100")
        self.assertEqual(len(hits), 8)
        for hit, cosine in zip(hits, cosines):
            self.assertAlmostEqual(hit["score"], cosine, places=5)

    def test_words_and_a_picture_together(self):
        self.pictures("p", 5)
        self.check(DONE, "index", "build", "p", "-o", "x")
        self.check_error(SOME_FAILED, "p: expected a picture, found a folder", "search", "x",
                         "a dog", "--image", "p")
        words = {hit["input"]: hit["score"] for hit in self.search("a dog")}
        picture = {hit["input"]: hit["score"] for hit in self.search("--image", CAT)}
        both = {hit["input"]: hit["score"] for hit in self.search("a dog", "--image", CAT)}
        # The sum of two unit vectors, scaled: every score is scaled alike.
        ratios = [both[name] / (words[name] + picture[name]) for name in both]
        self.assertLess(max(ratios) - min(ratios), 1e-3)

    def test_add(self):
        pictures = self.pictures("p", 4)
        self.check(DONE, "index", "build", "p", "-o", "x")
        self.write("p/new.png", png(31, 17, 77))
        pictures[1].write_bytes(png(17, 31, 78))
        (line,) = self.check(DONE, "index", "add", "x", "p", "--json").json()
        self.assertEqual((line["rows"], line["added"], line["unchanged"]), (5, 2, 3))
        (hit, *_) = self.search("--image", pictures[1])
        self.assertEqual(hit["input"], "p/00001.png")
        self.assertAlmostEqual(hit["score"], 1, places=4)
        everything = self.search("words", "--top", "50")
        self.assertEqual(sorted(hit["input"] for hit in everything),
                         sorted([f"p/{p.name}" for p in pictures] + ["p/new.png"]))
        # Nothing is left over but what index.json points at, and the lock.
        names = [path.name for path in (self.folder / "x").iterdir()]
        self.assertEqual(len(names), 4)
        self.assertIn("lock", names)
        (line,) = self.check(DONE, "index", "add", "x", "p", "--json").json()
        self.assertEqual((line["rows"], line["added"]), (5, 0))

    def test_one_process_at_a_time_changes_an_index(self):
        self.pictures("p", 2)
        self.check(DONE, "index", "build", "p", "-o", "x")
        with open(self.folder / "x" / "lock", "wb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            for arguments in (["add", "x", CAT], ["build", CAT, "-o", "x"]):
                self.check_error(UNUSABLE, "another process", "index", *arguments)
            self.search("words")
        self.check(DONE, "index", "add", "x", CAT)
        self.check_error(UNUSABLE, "index.json", "index", "add", "p", CAT)
        self.assertFalse((self.folder / "p" / "lock").exists())

    def test_other_kinds_of_index(self):
        self.pictures("p", 40)
        for kind in ("SQ8", "HNSW8", "IVF2,Flat"):
            self.check(DONE, "index", "build", "p", "-o", "x", "--type", kind)
            hit = self.search("--image", "p/00007.png", "--top", "1")[0]
            self.assertEqual(hit["input"], "p/00007.png")
            self.assertGreater(hit["score"], 0.98)
        for kind in ("nonsense", "IDMap,Flat"):  # before anything is embedded
            self.check_error(BAD_USAGE, ["--type", kind], "index", "build", "p", "-o", "y", "--type", kind)
        self.assertFalse((self.folder / "y").exists())

    def test_files_of_others_stay(self):
        self.pictures("p", 2)
        names = ["manifest-train.jsonl", "vectors-mine.faiss", "new.npy", "new.jsonl"]
        for name in names:
            self.write(f"mine/{name}", b"mine")
            self.check_error(UNUSABLE, ["mine", name], "index", "build", "p", "-o", "mine")
            self.assertEqual([path.name for path in (self.folder / "mine").iterdir()], [name])
            (self.folder / "mine" / name).unlink()
        self.check(DONE, "index", "build", "p", "-o", "mine")
        for name in names[:2]:
            self.write(f"mine/{name}", b"mine")
        self.check(DONE, "index", "add", "mine", CAT)
        for name in names[:2]:
            self.assertEqual((self.folder / "mine" / name).read_bytes(), b"mine")

    def test_an_index_stays_where_nothing_could_be_embedded(self):
        self.pictures("p", 2)
        self.check(DONE, "index", "build", "p", "-o", "x")
        for verb in (["build", "gone.png", "-o", "x"], ["add", "x", "gone.png"]):
            self.assertIn("x stays as it was", self.check(SOME_FAILED, "index", *verb).err)
            self.assertEqual(len(self.search("words")), 2)

    def test_words(self):
        self.pictures("p", 2)
        self.check(DONE, "index", "build", "p", "-o", "x")
        for words in ("", " \t"):
            self.check_error(BAD_USAGE, "empty", "search", "x", words)
        self.assertIn("too long", self.check(DONE, "search", "x", "a word and " * 1000).err)

    def test_failures(self):
        self.pictures("p", 3)
        self.write("p/bad.jpg", b"text")
        self.check(SOME_FAILED, "index", "build", "p", "gone.png", "-o", "x")
        self.assertEqual(len(self.search("words")), 3)
        self.check_error(SOME_FAILED, "gone.png", "search", "x", "--image", "gone.png")
        self.check_error(UNUSABLE, "nowhere", "search", "nowhere", "words")
        self.check_error(UNUSABLE, "e.npy", "index", "build", "e.npy", "-o", "y")

    def test_another_model_is_refused(self):
        self.pictures("p", 3)
        self.check(DONE, "index", "build", "p", "-o", "x")
        with open(MODEL, "rb") as file:
            model = file.read()
        self.write("m.gguf", model + b"\0")  # the same model in another file
        self.check_error(UNUSABLE, ["x", "another model"], "search", "x", "words", "--model",
                         "m.gguf")

    def test_broken_indexes(self):
        self.pictures("p", 5)
        self.check(DONE, "index", "build", "p", "-o", "x")
        description = json.loads((self.folder / "x/index.json").read_text())
        for part in ("vectors", "manifest"):
            path = self.folder / "x" / description[part]["file"]
            whole = path.read_bytes()
            for damaged in (whole[:-1], whole[:20], b"", whole[:-5] + b"?" + whole[-4:]):
                path.write_bytes(damaged)
                self.check_error(UNUSABLE, path.name, "search", "x", "words")
            path.unlink()
            self.check_error(UNUSABLE, path.name, "search", "x", "words")
            path.write_bytes(whole)
        path = self.folder / "x/index.json"
        for key, value in (("format", "x"), ("version", 99), ("dim", 3), ("vectors", {}),
                           ("vectors", {"file": "../../etc/passwd", "sha256": ""}),
                           ("manifest", 7), ("settings", []), ("generation", "x")):
            path.write_text(json.dumps(description | {key: value}))
            self.check_error(UNUSABLE, "x", "search", "x", "words")
        for text in ("", "{", "[]", "null", "\xff"):
            path.write_text(text, encoding="latin1")
            self.check_error(UNUSABLE, "index.json", "search", "x", "words")
        path.write_text(json.dumps(description))
        self.assertEqual(len(self.search("words")), 5)

    def test_a_name_that_is_no_utf8(self):
        with open(os.path.join(os.fsencode(self.folder), b"caf\xe9.png"), "wb") as file:
            file.write(png(20, 10))
        self.check(DONE, "index", "build", b"caf\xe9.png", COFFEE, "-o", "x")
        hit = self.search("--image", b"caf\xe9.png")[0]
        self.assertEqual(hit["input_bytes"], "Y2Fm6S5wbmc=")
        # A name read back is the name: nothing is added twice.
        (line,) = self.check(DONE, "index", "add", "x", b"caf\xe9.png", "--json").json()
        self.assertEqual((line["rows"], line["added"]), (2, 0))


if __name__ == "__main__":
    main()
