"""`sterna embed`: rows, manifest, failures; stopped, killed, resumed and repeated runs."""
import hashlib
import json
import math
import os
import signal
import subprocess
import time

from harness import (BAD_USAGE, CAT, DONE, SOME_FAILED, STERNA, UNUSABLE, CommandTest, environment, flat_jpeg,
                     main, png, read_jsonl, read_npy, start)


def wait_for(condition, what, seconds=60):
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.02)


class Embed(CommandTest):
    def test_pictures(self):
        pictures = self.pictures("p", 7)
        result = self.check(DONE, "embed", "p", CAT, "-o", "out.npy", "--json")
        rows, lines = read_npy(self.folder / "out.npy"), read_jsonl(self.folder / "out.jsonl")
        self.assertEqual([line["input"] for line in lines],
                         [f"p/{picture.name}" for picture in pictures] + [str(CAT)])
        for i, (row, line, path) in enumerate(zip(rows, lines, [*pictures, CAT], strict=True)):
            self.assertEqual(list(line), ["row", "input", "sha256"])
            self.assertEqual(line["row"], i)
            self.assertEqual(line["sha256"], hashlib.sha256(path.read_bytes()).hexdigest())
            self.assertAlmostEqual(math.fsum(x * x for x in row), 1, places=4)
        (summary,) = result.json()
        self.assertEqual(summary["decodes"], 0)  # embedding never enters the decoder
        self.assertEqual((summary["rows"], summary["failed"]), (8, 0))
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()),
                         ["out.jsonl", "out.meta.json", "out.npy", "p"])

    def test_threads_and_neighbours_change_nothing(self):
        self.pictures("p", 20)
        files = set()
        for threads in ("1", "2", "5"):
            self.check(DONE, "embed", "p", "-o", "out.npy", "--fresh", "--threads", threads)
            files.add((self.folder / "out.npy").read_bytes())
        self.assertEqual(len(files), 1)
        self.check(DONE, "embed", "p/00003.png", "-o", "one.npy")
        self.assertEqual(read_npy(self.folder / "one.npy")[0],
                         read_npy(self.folder / "out.npy")[3])

    def test_fast_decode(self):
        self.pictures("p", 2)
        for name, size in ("large", (2600, 1300)), ("small", (700, 700)):
            (self.folder / f"p/{name}.jpg").write_bytes(flat_jpeg(*size))
        self.check(DONE, "embed", "p", "-o", "out.npy")
        plain = (self.folder / "out.npy").read_bytes()
        meta = json.loads((self.folder / "out.meta.json").read_text())
        whole = meta["settings"]["decoder"] == "stb_image"  # which decodes no fractions
        result = self.check(DONE, "embed", "p", "-o", "out.npy", "--fast-decode", "--json")
        (summary,) = result.json()
        self.assertEqual(summary["reused"], 0)  # other settings, other vectors
        fast = summary["fast_decode"]
        self.assertEqual((fast["side"], fast["compared"]), (640, 0 if whole else 1))  # the large one
        if not whole:
            self.assertAlmostEqual(fast["least_cosine"], 1, places=4)  # grey is grey
            self.assertIn("fast decode: cosine with whole pictures 1.0000", result.err)
        again = self.check(DONE, "embed", "p", "-o", "out.npy", "--fast-decode", "--json").json()[0]
        self.assertEqual(again["reused"], 4)
        self.check(DONE, "embed", "p", "-o", "out.npy", "--fresh")
        self.assertEqual((self.folder / "out.npy").read_bytes(), plain)
        self.check_error(BAD_USAGE, "--fast-decode", "embed", "--text", "a", "--fast-decode")
        # An index of such vectors goes on being made so.
        self.check(DONE, "embed", "p", "-o", "fast.npy", "--fast-decode")
        self.check(DONE, "index", "build", "fast.npy", "-o", "i")
        (self.folder / "more.jpg").write_bytes(flat_jpeg(1300, 1400))
        self.check(DONE, "index", "add", "i", "more.jpg")

    def test_texts(self):
        result = self.check(DONE, "embed", "--text", "a cat", "ein Café", "-o", "t.npy", "--json")
        self.assertEqual(result.json()[0]["decodes"], 0)
        lines = read_jsonl(self.folder / "t.jsonl")
        self.assertEqual([line["input"] for line in lines], ["a cat", "ein Café"])
        self.assertEqual(lines[1]["sha256"], hashlib.sha256("ein Café".encode()).hexdigest())
        rows = read_npy(self.folder / "t.npy")
        self.write("texts", "a cat\r\nein Café\n".encode())
        self.check(DONE, "embed", "--text-file", "texts", "-o", "f.npy")
        self.assertEqual(read_npy(self.folder / "f.npy"), rows)
        self.check(DONE, "embed", "--text", "-", "-o", "i.npy", stdin="a cat\nein Café".encode())
        self.assertEqual(read_npy(self.folder / "i.npy"), rows)
        self.write("bad", b"fine\n\n\xff\n")
        self.check(SOME_FAILED, "embed", "--text-file", "bad", "-o", "b.npy")
        self.assertEqual(["error" in line for line in read_jsonl(self.folder / "b.jsonl")],
                         [False, True, True])

    def test_lists_patterns_and_lines(self):
        self.pictures("p", 4)
        self.write("list", b"p/00002.png\np/00000.png\n")
        names = ["p/00002.png", "p/00000.png"]
        for arguments, stdin in ((["@list"], b""), (["--list", "list"], b""),
                                 (["-"], b"p/00002.png\np/00000.png"),
                                 (["-0", "-"], b"p/00002.png\0p/00000.png\0"),
                                 (["p/0000[2].png", "p/00000.*"], b"")):
            lines = self.check(DONE, "embed", *arguments, stdin=stdin).json()
            self.assertEqual([line["input"] for line in lines], names)
        self.check(DONE, "embed", "@list", "-o", "out.npy")
        for line, row in zip(lines, read_npy(self.folder / "out.npy"), strict=True):
            self.assertEqual(list(line), ["row", "input", "sha256", "embedding"])
            self.assertEqual(len(line["embedding"]), len(row))
            for a, b in zip(line["embedding"], row):
                self.assertAlmostEqual(a, b, delta=1e-7 * abs(b) + 1e-12)
        self.check(DONE, "embed", "@list", "-o", "own.jsonl")
        self.assertEqual(read_jsonl(self.folder / "own.jsonl"), lines)
        self.check_error(UNUSABLE, "gone", "embed", "@gone")

    def test_broken_files_are_named_and_skipped(self):
        self.pictures("p", 10)
        self.write("p/00002.png", b"")
        self.write("p/00005.png", png(30, 30)[:60])
        self.write("p/00007.jpg", b"this is text")
        (self.folder / "p/00008.png").unlink()
        (self.folder / "p/00008.png").symlink_to("nowhere")
        (self.folder / "p/note.txt").write_text("no picture, and not named like one")
        result = self.check(SOME_FAILED, "embed", "p", "gone.png", "-o", "out.npy", "--json")
        lines = read_jsonl(self.folder / "out.jsonl")
        failed = [line for line in lines if "error" in line]
        self.assertEqual([line["input"] for line in failed],
                         ["p/00002.png", "p/00005.png", "p/00007.jpg", "p/00008.png", "gone.png"])
        for line, message in zip(failed, result.err.splitlines()):
            self.assertEqual(list(line), ["input", "error"])
            self.assertIn(line["input"], line["error"])
            self.assertIn(line["error"], message)
        good = [line for line in lines if "row" in line]
        self.assertEqual([line["row"] for line in good], list(range(7)))
        self.assertEqual(len(read_npy(self.folder / "out.npy")), 7)
        self.assertEqual(result.json()[0]["failed"], 5)

    def test_nothing_but_failures_is_an_empty_matrix(self):
        self.check(SOME_FAILED, "embed", "gone.png", "-o", "out.npy")
        self.assertEqual(read_npy(self.folder / "out.npy"), [])
        (self.folder / "empty").mkdir()
        self.check_error(SOME_FAILED, "empty", "embed", "empty")

    def test_unchanged_content_is_not_computed_again(self):
        pictures = self.pictures("p", 6)
        self.check(DONE, "embed", "p", "-o", "out.npy")
        before = read_npy(self.folder / "out.npy")
        pictures[0].rename(self.folder / "p/z.png")  # another name, the same content
        pictures[1].write_bytes(png(40, 40, 99))
        (summary,) = self.check(DONE, "embed", "p", "-o", "out.npy", "--json").json()
        self.assertEqual((summary["rows"], summary["reused"]), (6, 5))
        after = read_npy(self.folder / "out.npy")
        self.assertEqual(after[1:], [*before[2:], before[0]])
        self.assertNotEqual(after[0], before[1])
        self.check(DONE, "embed", "p", "-o", "new.npy", "--fresh")
        self.assertEqual(read_npy(self.folder / "new.npy"), after)

    def stopped_run(self, number):
        """Starts a run over nine pictures and two pipes, lets it get past the first pipe and a
        checkpoint, and sends it a signal while it waits for the second."""
        self.pictures("p", 9)
        self.write("p/00004.jpg", b"broken")
        names = sorted(path.name for path in (self.folder / "p").iterdir())
        for index in (3, 6):
            (self.folder / "p" / names[index]).unlink()
            os.mkfifo(self.folder / "p" / names[index])
        self.write("list", "".join(f"p/{name}\n" for name in names).encode())
        process = start("embed", "@list", "-o", "out.npy", "--threads", "1", cwd=self.folder)
        manifest = self.folder / "out.jsonl.part"
        wait_for(manifest.exists, "the partial files")
        time.sleep(2.2)  # checkpoints are 2 s apart from then on
        with open(self.folder / "p" / names[3], "wb") as pipe:
            pipe.write(png(30, 20, 33))
        wait_for(lambda: manifest.stat().st_size > 0, "a checkpoint")
        pipe = os.open(self.folder / "p" / names[6], os.O_WRONLY)  # returns when it is being read
        process.send_signal(number)
        if number != signal.SIGKILL:
            os.write(pipe, png(30, 20, 66))
        os.close(pipe)
        process.communicate(timeout=60)
        for index, seed in ((3, 33), (6, 66)):
            path = self.folder / "p" / names[index]
            path.unlink()
            path.write_bytes(png(30, 20, seed))
            os.utime(path, (1, 1))
        return process.returncode

    def check_resumed(self):
        self.assertFalse((self.folder / "out.npy").exists())
        part = read_npy(self.folder / "out.npy.part")
        result = self.check(SOME_FAILED, "embed", "@list", "-o", "out.npy", "--json")
        (summary,) = result.json()
        self.assertEqual(summary["resumed"], 3)  # the pipe behind them is another file now, though its time is old
        self.assertEqual((summary["rows"], summary["failed"]), (9, 1))
        self.check(SOME_FAILED, "embed", "@list", "-o", "whole.npy")
        self.assertEqual(read_npy(self.folder / "out.npy")[:len(part)], part)
        for end in ("npy", "jsonl"):
            self.assertEqual((self.folder / f"out.{end}").read_bytes(),
                             (self.folder / f"whole.{end}").read_bytes())

    def test_killed_and_resumed(self):
        self.assertEqual(self.stopped_run(signal.SIGKILL), -signal.SIGKILL)
        self.check_resumed()

    def test_interrupted_and_resumed(self):
        self.assertEqual(self.stopped_run(signal.SIGINT), 128 + signal.SIGINT)
        lines = read_jsonl(self.folder / "out.jsonl.part")
        self.assertEqual(len(read_npy(self.folder / "out.npy.part")),
                         sum("row" in line for line in lines))
        self.check_resumed()

    def test_an_npy_whose_manifest_a_jsonl_replaced_is_not_trusted(self):
        first, second = self.pictures("p", 2)
        self.check(DONE, "embed", first, second, "-o", "out.npy")
        before = (self.folder / "out.npy").read_bytes()
        self.check(DONE, "embed", second, first, "-o", "out.jsonl")
        self.check_error(UNUSABLE, "out.meta.json", "index", "build", "out.npy", "-o", "x")
        self.check(DONE, "embed", first, second, "-o", "out.npy")
        self.assertEqual((self.folder / "out.npy").read_bytes(), before)

    def test_another_file_of_the_same_name_is_no_input_that_was_done(self):
        """Folders that are exchanged keep the times of their files."""
        for i, path in enumerate([*self.pictures("p", 9), self.folder / "p/00004.jpg"]):
            self.write(f"others/{path.name}", png(30, 20, 70 + i))
        self.assertEqual(self.stopped_run(signal.SIGKILL), -signal.SIGKILL)
        (self.folder / "p").rename(self.folder / "old")
        (self.folder / "others").rename(self.folder / "p")
        (summary,) = self.check(DONE, "embed", "@list", "-o", "out.npy", "--json").json()
        self.assertEqual((summary["resumed"], summary["rows"]), (0, 10))
        self.check(DONE, "embed", "@list", "-o", "whole.npy", "--fresh")
        self.assertEqual((self.folder / "out.npy").read_bytes(), (self.folder / "whole.npy").read_bytes())

    def test_a_file_that_is_no_manifest_is_not_replaced(self):
        self.pictures("p", 2)
        self.write("out.jsonl", b'{"image": "a.png", "question": "what?"}\n')
        self.check_error(UNUSABLE, "out.jsonl", "embed", "p", "-o", "out.npy")
        self.assertTrue((self.folder / "out.jsonl").read_bytes().startswith(b'{"image"'))
        self.assertFalse((self.folder / "out.npy.part").exists())

    def test_outputs_stay_where_nothing_could_be_embedded(self):
        self.pictures("p", 2)
        for out in ("out.npy", "lines.jsonl"):
            self.check(DONE, "embed", "p", "-o", out)
            before = (self.folder / out).read_bytes()
            self.assertIn(f"{out} stays as it was", self.check(SOME_FAILED, "embed", "gone.png", "-o", out).err)
            self.assertEqual((self.folder / out).read_bytes(), before)
        self.assertEqual(list(self.folder.glob("*.part")), [])
        (summary,) = self.check(DONE, "embed", "p", "-o", "out.npy", "--json").json()
        self.assertEqual(summary["reused"], 2)

    def test_closed_standard_streams_are_no_outputs(self):
        (picture,) = self.pictures("p", 1)
        for closed in (">&-", "2>&-", ">&- 2>&- <&-"):
            for more in ([], ["--json"]):
                subprocess.run(["sh", "-c", f'exec "$@" {closed}', "sh", STERNA, "embed", picture, "gone.png", "-o",
                                "out.npy", "--fresh", *more], cwd=self.folder, env=environment(), check=False,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                self.assertEqual(len(read_npy(self.folder / "out.npy")), 1)
                self.assertEqual(len(read_jsonl(self.folder / "out.jsonl")), 2)

    def test_an_output_that_is_an_input_is_refused(self):
        (picture,) = self.pictures("p", 1)
        self.write("list.jsonl", f"{picture}\n".encode())
        for arguments in (["--list", "list.jsonl", "-o", "list.npy"], ["@list.jsonl", "-o", "list.jsonl"],
                          ["--text-file", "list.jsonl", "-o", "list.jsonl"]):
            self.check_error(BAD_USAGE, "list.jsonl", "embed", *arguments)
        for _ in range(2):  # a text, not a file
            self.check(DONE, "embed", "--text", "words.npy", "-o", "words.npy")
        self.check_error(BAD_USAGE, picture.name, "ask", picture, "what is it?", "--html", picture)
        self.assertEqual((self.folder / "list.jsonl").read_text(), f"{picture}\n")
        self.assertTrue(picture.read_bytes().startswith(b"\x89PNG"))

    def test_an_output_that_cannot_be_written(self):
        self.pictures("p", 2)
        self.check_error(UNUSABLE, "no/such", "embed", "p", "-o", "no/such/out.npy")
        os.mkdir(self.folder / "dir.npy.part")
        self.check_error(UNUSABLE, "dir.npy.part", "embed", "p", "-o", "dir.npy")

    def test_a_failed_run_leaves_the_earlier_output(self):
        self.pictures("p", 3)
        self.check(DONE, "embed", "p", "-o", "out.npy")
        before = (self.folder / "out.npy").read_bytes()
        self.write("m.gguf", b"GGUF")
        self.check_error(UNUSABLE, "m.gguf", "embed", "p", "-o", "out.npy", "--model", "m.gguf")
        self.assertEqual((self.folder / "out.npy").read_bytes(), before)
        json.loads((self.folder / "out.meta.json").read_text())


if __name__ == "__main__":
    main()
