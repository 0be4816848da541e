"""`sterna embed`, `index` and `search` on folders with other people's checkpoints: what transformers
gives for the same pictures and texts is in tests/golden/embeddings.tsv and texts.tsv."""
import json
import math
import shutil
import zlib

from harness import (BAD_USAGE, DONE, SOME_FAILED, SOURCE, UNUSABLE, CommandTest, main, png_of, read_jsonl,
                     read_npy)

CHECKPOINTS = SOURCE / "tests/golden/checkpoints"


def noise(width, height, seed, kind):
    """The picture of tests/golden/make_pixels.py, as a PNG."""
    pixels = bytearray()
    for i in range(width * height * 3):
        i = i // 7 if kind == "blocks" else i
        v = (i + seed * 0x9E3779B9) * 2654435761 & 0xFFFFFFFF
        v ^= v >> 15
        v = v * 2246822519 & 0xFFFFFFFF
        v ^= v >> 13
        b = v >> 24
        pixels.append((255 if b >= 128 else 0) if kind == "blocks" else b)
    row = width * 3
    rows = b"".join(b"\0" + pixels[y * row:(y + 1) * row] for y in range(height))
    return png_of(width, height, zlib.compress(rows, 1))


def cosine(a, b):
    return math.fsum(x * y for x, y in zip(a, b, strict=True)) / math.sqrt(
        math.fsum(x * x for x in a) * math.fsum(x * x for x in b))


class Checkpoint(CommandTest):
    def test_embeddings_are_the_references(self):
        lines = [line.split("\t") for line in
                 (SOURCE / "tests/golden/embeddings.tsv").read_text().splitlines()]
        wanted = {}
        for name, kind, seed, width, height, numbers in lines:
            file = self.folder / f"{kind}{seed}.png"
            file.write_bytes(noise(int(width), int(height), int(seed), kind))
            wanted.setdefault(name, []).append((file.name, [float(x) for x in numbers.split()]))
        self.assertEqual(len(wanted), 13)
        for name, pictures in wanted.items():
            with self.subTest(name):
                self.check(DONE, "embed", *(file for file, _ in pictures), "-o", f"{name}.npy",
                           "--model", str(CHECKPOINTS / name))
                rows = read_npy(self.folder / f"{name}.npy")
                for row, (_, numbers) in zip(rows, pictures, strict=True):
                    self.assertGreaterEqual(cosine(row, numbers), 0.99999)
                    self.assertAlmostEqual(math.fsum(x * x for x in row), 1, places=5)

    def test_a_converted_file_embeds_as_its_folder(self):
        self.pictures("p", 2)
        clip = str(CHECKPOINTS / "clip")
        self.check(DONE, "model", "convert", clip, "clip.gguf")
        self.check(DONE, "embed", "p", "-o", "folder.npy", "--model", clip)
        self.check(DONE, "embed", "p", "-o", "file.npy", "--model", "clip.gguf")
        self.assertEqual(read_npy(self.folder / "file.npy"), read_npy(self.folder / "folder.npy"))
        self.check(DONE, "index", "build", "p", "-o", "p.index", "--model", "clip.gguf")

    def test_a_run_over_a_folder(self):
        self.pictures("p", 9)
        (self.folder / "p/broken.png").write_bytes(b"no picture")
        clip = str(CHECKPOINTS / "clip")
        files = set()
        for threads in ("1", "3"):
            result = self.check(SOME_FAILED, "embed", "p", "-o", "out.npy", "--model", clip, "--fresh",
                                "--threads", threads, "--json")
            files.add((self.folder / "out.npy").read_bytes())
        self.assertEqual(len(files), 1)  # the same bits on any number of threads
        self.assertEqual(result.json()[-1]["rows"], 9)
        lines = read_jsonl(self.folder / "out.jsonl")
        self.assertEqual([line["input"] for line in lines if "error" in line], ["p/broken.png"])
        again = self.check(SOME_FAILED, "embed", "p", "-o", "out.npy", "--model", clip, "--json")
        self.assertEqual(again.json()[-1]["reused"], 9)
        # Another preprocessor is another model.
        shutil.copytree(CHECKPOINTS / "clip", self.folder / "other")
        file = self.folder / "other/preprocessor_config.json"
        file.write_text(file.read_text().replace("{", '{"resample": 2,', 1))
        other = self.check(SOME_FAILED, "embed", "p", "-o", "out.npy", "--model", "other", "--json")
        self.assertEqual(other.json()[-1]["reused"], 0)

    def test_index_and_search_by_picture(self):
        self.pictures("p", 6)
        model = ["--model", str(CHECKPOINTS / "dinov2")]
        self.check(DONE, "index", "build", "p", "-o", "p.index", *model)
        result = self.check(DONE, "search", "p.index", "--image", "p/00002.png", "--json", *model)
        self.assertEqual(result.json()[0]["input"], "p/00002.png")
        self.assertAlmostEqual(result.json()[0]["score"], 1, places=5)
        other = self.check(UNUSABLE, "search", "p.index", "--image", "p/00002.png",
                           "--model", str(CHECKPOINTS / "vit"))
        self.assertIn("was made with another model", other.err)
        self.check(UNUSABLE, "search", "p.index", "--image", "p/00002.png")  # the default one

    def test_texts_and_search_by_words(self):
        texts = SOURCE / "tests/golden/texts"
        lines = [line.split("\t") for line in (SOURCE / "tests/golden/texts.tsv").read_text().splitlines()]
        wanted = {}
        for name, text, numbers in lines:
            if text != '""':
                wanted.setdefault(name, []).append((json.loads(text), [float(x) for x in numbers.split()]))
        self.assertEqual(len(wanted), 6)
        for name, rows in wanted.items():
            with self.subTest(name):
                self.write("lines", "\n".join(text for text, _ in rows).encode())
                self.check(DONE, "embed", "--text-file", "lines", "-o", f"{name}.npy", "--model", str(texts / name))
                for found, (_, expected) in zip(read_npy(self.folder / f"{name}.npy"), rows, strict=True):
                    self.assertGreaterEqual(cosine(found, expected), 0.99999)
        self.pictures("p", 4)
        clip = ["--model", str(texts / "clip")]
        self.check(DONE, "index", "build", "p", "-o", "p.index", *clip)
        self.check(DONE, "embed", "p", "-o", "p.npy", *clip)
        hits = self.check(DONE, "search", "p.index", "a cat", "--json", *clip).json()
        word = wanted["clip"][0][1]
        scores = sorted((cosine(row, word) for row in read_npy(self.folder / "p.npy")), reverse=True)
        self.assertEqual(len(hits), 4)
        for hit, score in zip(hits, scores, strict=True):
            self.assertAlmostEqual(hit["score"], score, places=4)
        both = self.check(DONE, "search", "p.index", "a cat", "--image", "p/00001.png", "--top", "1", "--json", *clip)
        pictures = read_npy(self.folder / "p.npy")
        query = [a + b for a, b in zip(word, pictures[1], strict=True)]
        self.assertAlmostEqual(both.json()[0]["score"], max(cosine(row, query) for row in pictures), places=4)
        long = self.check(DONE, "embed", "--text", "a cat and a dog and a fox and a cat and a dog and a fox", *clip)
        self.assertIn("its end is not read", long.err)

    def test_questions(self):
        lines = read_jsonl(SOURCE / "tests/golden/questions.jsonl")
        for name in "vljepa", "composed":
            folder = str(SOURCE / "tests/golden/questions" / name)
            temperature = 0.07 if name == "vljepa" else 0.1
            self.check(DONE, "model", "convert", folder, f"{name}.gguf")
            targets = {l["text"]: l["target"] for l in lines if l["folder"] == name and "text" in l}
            asked = [l for l in lines if l["folder"] == name and "question" in l and len(l["seeds"]) == 1]
            batch, wanted = [], []
            for line in asked:
                file = f"{line['kind']}{line['seeds'][0]}.png"
                (self.folder / file).write_bytes(noise(line["width"], line["height"], line["seeds"][0], line["kind"]))
                shares = {t: math.exp(cosine(line["predicted"], x) / temperature) for t, x in targets.items()}
                best = max(shares, key=shares.get)
                batch.append({"image": file, "question": line["question"], "choices": list(targets), "answer": best,
                              "task": "any"})
                wanted.append((best, shares[best] / sum(shares.values())))
            self.write("batch", "\n".join(map(json.dumps, batch)).encode())
            for model in folder, f"{name}.gguf":
                with self.subTest(model):
                    answers = self.check(DONE, "ask", "--batch", "batch", "--json", "--model", model).json()
                    for answer, (text, confidence) in zip(answers, wanted, strict=True):
                        self.assertEqual(answer["answer"], text)
                        self.assertAlmostEqual(answer["confidence"], confidence, places=3)
                        self.assertEqual(answer["decodes"], 1)
                    scores = self.check(DONE, "eval", "batch", "--json", "--model", model).json()
                    self.assertEqual(scores[-1]["accuracy"], 1)
            self.write("answers", "\n".join(targets).encode())
            one = self.check(DONE, "ask", batch[1]["image"], batch[1]["question"], "--answers", "answers", "--json", "--model", folder)
            self.assertEqual(one.json()[0]["answer"], wanted[1][0])
            # Pictures are embedded by their own question, and found by answers' words.
            self.check(DONE, "embed", batch[0]["image"], "-o", "e.npy", "--model", folder)
            self.assertGreaterEqual(cosine(read_npy(self.folder / "e.npy")[0], asked[0]["predicted"]), 0.99999)
            self.check(DONE, "index", "build", batch[0]["image"], "-o", f"{name}.index", "--model", folder)
            hit = self.check(DONE, "search", f"{name}.index", "a cat", "--json", "--model", folder).json()[0]
            self.assertAlmostEqual(hit["score"], cosine(asked[0]["predicted"], targets["a cat"]), places=4)

    def test_labels_of_two_towers(self):
        self.pictures("p", 3)
        shutil.copytree(SOURCE / "tests/golden/texts/clip", self.folder / "towers")
        shutil.copy(CHECKPOINTS / "clip/preprocessor_config.json", self.folder / "towers")
        labels = ["a cat", "two dogs on the beach", "night"]
        found = self.check(DONE, "classify", "p", "--labels", ",".join(labels), "--json", "--model", "towers").json()
        self.check(DONE, "embed", "p", "-o", "p.npy", "--model", "towers")
        self.write("lines", "\n".join(labels).encode())
        self.check(DONE, "embed", "--text-file", "lines", "-o", "t.npy", "--model", "towers")
        rows = read_npy(self.folder / "t.npy")
        for line, picture in zip(found, read_npy(self.folder / "p.npy"), strict=True):
            near = {label: cosine(picture, row) for label, row in zip(labels, rows, strict=True)}
            self.assertEqual(line["answer"], max(near, key=near.get))
            self.assertEqual([c["text"] for c in line["candidates"]], sorted(near, key=near.get, reverse=True))
            self.assertAlmostEqual(sum(c["score"] for c in line["candidates"]), 1, places=5)

    def test_what_a_folder_can_not_do(self):
        (self.folder / "a.png").write_bytes(noise(9, 9, 1, "noise"))
        clip = str(CHECKPOINTS / "clip")
        words = str(SOURCE / "tests/golden/texts/clip")
        shutil.copytree(words, self.folder / "towers")
        shutil.copy(CHECKPOINTS / "clip/preprocessor_config.json", self.folder / "towers")
        vljepa = str(SOURCE / "tests/golden/questions/vljepa")
        for model, word, *arguments in (
                ("towers", "`sterna classify`", "ask", "a.png", "what is it?", "--choices", "a,b"),
                ("towers", "no predictor", "classify", "a.png", "--labels", "a,b", "--question", "what?"),
                (clip, "tokenizer.json", "classify", "a.png", "--labels", "a,b"),
                (str(CHECKPOINTS / "vit"), "a vision tower alone", "classify", "a.png", "--labels", "a,b"),
                (vljepa, "expected --choices or --answers", "ask", "a.png", "what is it?"),
                (vljepa, "no generator", "ask", "a.png", "what is it?", "--open"),
                (vljepa, "no generator", "caption", "a.png"),
                (vljepa, "--where", "ask", "a.png", "what is it?", "--choices", "a,b", "--where")):
            with self.subTest(" ".join(arguments)):
                result = self.run_sterna(*arguments, "--model", model)
                self.assertIn(result.code, (UNUSABLE, BAD_USAGE))
                self.assertEqual(len(result.err.splitlines()), 1)
                self.assertIn(word, result.err)
        for name, word in (("bert", "a text tower alone"), ("composed", "vision: expected preprocessor_config.json"),
                           ("dinov2_gelu", "preprocessor_config.json")):
            result = self.check(UNUSABLE, "embed", "a.png", "--model", str(CHECKPOINTS / name))
            self.assertEqual(len(result.err.splitlines()), 1)
            self.assertIn(word, result.err)
        for name, word in (("vit", "a vision tower alone"), ("clip", "tokenizer.json")):
            result = self.check(UNUSABLE, "embed", "--text", "a", "--model", str(CHECKPOINTS / name))
            self.assertIn(word, result.err)
        shutil.copytree(CHECKPOINTS / "vit", self.folder / "odd")
        (self.folder / "odd/preprocessor_config.json").write_text('{"do_flip_channel_order": true}')
        result = self.check(UNUSABLE, "embed", "a.png", "--model", "odd")
        self.assertIn("do_flip_channel_order", result.err)


if __name__ == "__main__":
    main()
