"""What `sterna watch` writes: lines for people, reports, saved embeddings; whole at every end, over no other file."""
import os
import shutil
import signal
import subprocess

from harness import BAD_USAGE, CAT, DONE, UNUSABLE, main, read_jsonl, read_npy, start
from watch_frames import BLUE, RAW, RED, StreamTest, raw


class Outputs(StreamTest):
    def test_for_people(self):
        result = self.check(DONE, "watch", CAT, "--choices", "a cat")
        self.assertRegex(result.out, r"^0:00\.0 - 0:0\d\.\d +100 %  a cat\n$")
        self.assertIn("1 put into words", result.err)

    def test_report_and_embeddings(self):
        self.check(DONE, "watch", *RAW, "--every", "1", "--report", "r.html", "--save", "e.npy",
                   stdin=raw((RED, 1), (BLUE, 2)))
        page = (self.folder / "r.html").read_text("utf-8")
        self.assertEqual(page.count("<article>"), 3)
        self.assertTrue(page.endswith("</html>\n"))
        rows = read_npy(self.folder / "e.npy")
        self.assertEqual(len(rows), 2)
        lines = read_jsonl(self.folder / "e.jsonl")
        self.assertEqual([line["frame"] for line in lines], [0, 10])
        self.assertEqual(sorted(os.listdir(self.folder)), ["e.jsonl", "e.npy", "r.html"])
        self.check_error(UNUSABLE, "nowhere/r.html", "watch", *RAW, "--report", "nowhere/r.html",
                         stdin=raw((RED, 1)))
        self.check_error(BAD_USAGE, "--save", "watch", CAT, "--save", "e.txt")
        self.check(DONE, "watch", CAT, "--save", "e.npy")  # its own manifest is replaced, and embed's
        self.assertEqual(len(read_jsonl(self.folder / "e.jsonl")), 1)
        self.check(DONE, "embed", CAT, "-o", "e.npy")
        self.check(DONE, "watch", CAT, "--save", "e.npy")
        self.assertEqual(read_jsonl(self.folder / "e.jsonl")[0]["frame"], 0)
        self.check_error(BAD_USAGE, "--live", "watch", CAT, "--live")
        self.check_error(BAD_USAGE, "above 0, found -1", "watch", CAT, "--every", "-1")

    def test_saved_embeddings_replace_nothing_else(self):
        self.write("a.jsonl", b'{"image": "a.png", "question": "what?"}\n')
        self.check_error(UNUSABLE, ["a.jsonl", "expected a manifest"], "watch", CAT, "--save", "a.npy")
        self.assertEqual((self.folder / "a.jsonl").read_bytes()[:8], b'{"image"')
        (self.folder / "b.npy").mkdir()
        (self.folder / "c.jsonl").mkdir()
        for folder in "b.npy", "c.jsonl":
            self.check_error(UNUSABLE, [folder, "found a folder"], "watch", CAT, "--save",
                             folder[0] + ".npy")
        self.assertEqual(sorted(os.listdir(self.folder)), ["a.jsonl", "b.npy", "c.jsonl"])

    def test_outputs_that_are_inputs_or_each_other_are_refused(self):
        picture = shutil.copy(CAT, self.folder / "cat.jpg")
        (self.folder / "link").symlink_to(".")
        self.write("list.jsonl", b"cat.jpg\n")
        self.write("model.npy", b"")
        before = sorted(os.listdir(self.folder))
        for arguments in (["cat.jpg", "--report", picture], ["@list.jsonl", "--save", "list.npy"],
                          ["@list.jsonl", "--report", "list.jsonl"],
                          ["cat.jpg", "--answers", "list.jsonl", "--save", "list.npy"],
                          ["cat.jpg", "--answers", "list.jsonl", "--report", "list.jsonl"],
                          ["cat.jpg", "--model", "model.npy", "--save", "model.npy"],
                          ["cat.jpg", "--report", "b.npy", "--save", "b.npy"],
                          ["cat.jpg", "--report", "link/b.npy", "--save", "./b.npy"],
                          ["cat.jpg", "--report", "b.jsonl", "--save", "b.npy"]):
            with self.subTest(arguments):
                self.check_error(BAD_USAGE, "expected another file", "watch", *arguments)
        self.assertEqual(sorted(os.listdir(self.folder)), before)
        self.assertEqual((self.folder / "cat.jpg").read_bytes(), CAT.read_bytes())

    def test_a_reader_that_leaves(self):
        process = start("watch", *RAW, "--json", "--every", "0.1", stdin=subprocess.PIPE,
                        cwd=self.folder)
        process.stdout.close()
        try:
            process.stdin.write(raw((RED, 30)))
            process.stdin.close()
        except BrokenPipeError:
            pass
        self.assertEqual(process.wait(timeout=60), -signal.SIGPIPE)
        process.stderr.close()

    def test_outputs_that_end_leave_whole_files(self):
        asked = ["watch", *RAW, "--json", "--every", "0.5", "--report", "r.html", "--save", "e.npy"]
        stream = raw((RED, 1), (BLUE, 2))
        with open("/dev/full", "wb") as full:
            process = start(*asked, stdin=subprocess.PIPE, stdout=full, cwd=self.folder)
        _, err = process.communicate(stream, timeout=60)
        self.assertEqual(process.returncode, UNUSABLE)
        self.assertIn(b"standard output: ", err)
        self.expect_files(rows=1)
        process = start(*asked, stdin=subprocess.PIPE, cwd=self.folder)
        process.stdin.write(raw((RED, 0.8)))
        process.stdin.flush()
        self.assertIn(b'"start":0', process.stdout.readline())
        process.stdout.close()  # as `head -1` does
        try:
            process.stdin.write(stream)
            process.stdin.close()
        except BrokenPipeError:
            pass
        self.assertEqual(process.wait(timeout=60), -signal.SIGPIPE)
        process.stderr.close()
        self.expect_files(rows=1)

    def expect_files(self, rows):
        self.assertEqual(sorted(os.listdir(self.folder)), ["e.jsonl", "e.npy", "r.html"])
        self.assertTrue((self.folder / "r.html").read_text().endswith("</html>\n"))
        self.assertGreaterEqual(len(read_npy(self.folder / "e.npy")), rows)
        for name in os.listdir(self.folder):
            (self.folder / name).unlink()


if __name__ == "__main__":
    main()
