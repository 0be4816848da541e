"""`sterna watch`: sources, events, files, faults and signals."""
import http.server
import json
import os
import shutil
import signal
import subprocess
import threading
import time
import unittest

from harness import (BAD_USAGE, CAT, COFFEE, DONE, SOME_FAILED, UNUSABLE, main, read_jsonl, read_npy,
                     start)
from watch_frames import BLUE, CLIP, EVENT, RAW, RED, WHITE, StreamTest, raw


class Watch(StreamTest):
    def test_uniform_policy_decodes_every_so_often(self):
        result = self.check(DONE, "watch", *RAW, "--every", "0.5", "--choices", "cat,dog", "--json",
                            stdin=raw((RED, 1), (BLUE, 1.5)))
        events, summary = self.events(result, decodes=5)
        self.assertEqual([e["start"] for e in events], [0, 0.5, 1, 1.5, 2])
        self.assertEqual(summary["frames"], 25)
        self.assertEqual(summary["embedded"], 2)  # the others' pixels are the same
        self.assertTrue({e["text"] for e in events} <= {"cat", "dog"})
        self.assertEqual(result.err, "")

    def test_offline_policy_finds_the_scenes(self):
        result = self.check(DONE, "watch", *RAW, "--gate", "ward", "--rate", "0.51", "--json",
                            stdin=raw((RED, 2), (BLUE, 3), (WHITE, 1)))
        events, _ = self.events(result, decodes=3)
        self.assertEqual([e["start"] for e in events], [0, 2, 5])
        self.assertEqual([e["frame"] for e in events], [10, 35, 55])

    def test_online_policies_find_a_change(self):
        # A model of random weights may see little difference: any will do.
        for gate in "cusum", "variance":
            result = self.check(DONE, "watch", *RAW, "--gate", gate, "--threshold", "1e-5", "--json",
                                stdin=raw((RED, 2), (WHITE, 3)))
            events, _ = self.events(result, decodes=2)
            self.assertEqual([e["start"] for e in events], [0, 2])

    def test_meanings_that_come_back_are_recalled(self):
        scenes = raw((RED, 2), (BLUE, 3), (RED, 2), (BLUE, 2))
        policy = ["--gate", "ward", "--rate", "0.45", "--choices", "cat,dog", "--json"]
        result = self.check(DONE, "watch", *RAW, *policy, stdin=scenes)
        all_decoded, plain = self.events(result, decodes=4)
        result = self.check(DONE, "watch", *RAW, *policy, "--recall", "0.9999", stdin=scenes)
        events, summary = self.events(result, decodes=2)
        self.assertEqual(events, all_decoded)  # the same words, for half of the decodes
        self.assertEqual(summary["recalled"], 2)
        self.assertLess(2 * plain["decoder_flops"] / 4, summary["decoder_flops"])  # looking costs
        self.assertGreater(summary["tower_spared"], 0.9)
        self.assertGreater(summary["cpu_seconds"], 0)
        result = self.check(DONE, "watch", *RAW, *policy[:-1], "--recall", "0.9999", stdin=scenes)
        self.assertIn("2 recalled", result.err)
        self.assertIn("s of processor", result.err)
        for wrong in "0", "1.5":
            self.check_error(BAD_USAGE, "--recall", "watch", CAT, "--recall", wrong)

    def test_video_file(self):
        result = self.run_sterna("watch", CLIP, "--every", "0.2", "--fps", "0", "--json")
        if "STERNA_OPENCV=OFF" in result.err:
            self.assertEqual(result.code, UNUSABLE)
            raise unittest.SkipTest("built without OpenCV")
        self.assertEqual(result.code, DONE, result.err)
        events, summary = self.events(result)
        self.assertGreater(summary["frames"], 1)
        all_frames = summary["frames"]
        os.mkfifo(self.folder / "pipe")  # no extension tells, and what is read of it is gone
        threading.Thread(target=(self.folder / "pipe").write_bytes, args=[CLIP.read_bytes()]).start()
        result = self.check(DONE, "watch", "pipe", "--every", "0.2", "--fps", "0", "--json")
        self.assertEqual(self.events(result)[0], events)
        result = self.check(DONE, "watch", CLIP, "--every", "0.2", "--fps", "2", "--json")
        _, summary = self.events(result)
        self.assertLess(summary["frames"], all_frames)
        cut = self.write("cut.avi", CLIP.read_bytes()[:CLIP.stat().st_size // 2])
        result = self.run_sterna("watch", cut, "--json")
        self.assertIn(result.code, (DONE, SOME_FAILED))  # what is there is told, and a summary
        self.assertTrue(result.json()[-1]["summary"])
        self.check_error(UNUSABLE, "cut.mp4: expected a video", "watch",
                         self.write("cut.mp4", b"\0\0\0\x18ftypisom" + bytes(1000)))
        self.check_error(UNUSABLE, "none.avi", "watch", self.write("none.avi", b"nothing"))
        self.check_error(UNUSABLE, "empty.avi", "watch", self.write("empty.avi", b""))

    def test_pictures_with_a_broken_one(self):
        self.pictures("in", 4)
        self.write("in/00002.png", b"no picture")
        result = self.check(SOME_FAILED, "watch", "in", "--every", "1", "--json")
        *lines, summary = result.json()
        (failure,) = [line for line in lines if "error" in line]
        self.assertEqual(list(failure), ["input", "error"])
        self.assertEqual(failure["input"], "in/00002.png")
        self.assertIn("00002.png", failure["error"])
        self.assertEqual(summary["failed"], 1)
        self.assertEqual(result.err, f"sterna watch: {failure['error']}\n")
        events = [line for line in lines if "error" not in line]
        for event in events:
            self.assertEqual(list(event), [*EVENT, "input"])
        self.assertEqual([(e["frame"], e["input"]) for e in events],
                         [(i, f"in/0000{i}.png") for i in (0, 1, 3)])
        # Names that are no UTF-8; the rows that are saved; for people, messages alone.
        shutil.copy(CAT, os.fsencode(self.folder) + b"/in/\xff.png")
        result = self.check(SOME_FAILED, "watch", "in", "--every", "1", "--json", "--save", "e.npy")
        last = result.json()[-2]
        self.assertEqual((last["input"], last["input_bytes"]), ("in/\ufffd.png", "aW4v/y5wbmc="))
        rows = read_jsonl(self.folder / "e.jsonl")
        self.assertEqual([(row["frame"], row["input"]) for row in rows],
                         [(i, f"in/0000{i}.png") for i in (0, 1, 3)] + [(4, "in/\ufffd.png")])
        self.assertNotIn("00002", self.check(SOME_FAILED, "watch", "in").out)
        result = self.check(DONE, "watch", CAT, COFFEE, CAT, "--fps", "0.5", "--every", "2", "--json")
        self.assertEqual([e["start"] for e in result.json()[:-1]], [0, 2, 4])

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

    def test_a_stream_cut_in_mid_frame(self):
        result = self.check(SOME_FAILED, "watch", *RAW, "--every", "1", "--json",
                            stdin=raw((RED, 1), (BLUE, 1))[:-100])
        *events, summary = result.json()
        self.assertEqual(len(events), 2)
        self.assertEqual(summary["frames"], 19)
        self.assertIn("frame 19: expected 6912 bytes, found the end after 6812", result.err)

    def test_a_stream_of_no_frames(self):
        for live in [], ["--live"]:
            result = self.check_error(SOME_FAILED, "standard input: ", "watch", *RAW, "--json", *live)
            self.assertIn("expected frames, found none", result.err)
            _, summary = self.events(result, decodes=0)
            self.assertEqual((summary["frames"], summary["failed"]), (0, 1))
        process = start("watch", *RAW, "--json", "--report", "r.html", stdin=subprocess.PIPE,
                        cwd=self.folder)
        while not list(self.folder.glob("r.html*")):  # the model is open, frames are waited for
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)  # stopped: there may have been frames yet
        out, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, err), (128 + signal.SIGINT, b""))
        self.assertEqual(json.loads(out)["failed"], 0)

    def test_signals_finish_the_segment(self):
        for number in signal.SIGINT, signal.SIGTERM:
            with self.subTest(number):
                process = start("watch", *RAW, "--json", "--every", "0.5", "--report", "r.html",
                                "--save", "e.npy", stdin=subprocess.PIPE, cwd=self.folder)
                process.stdin.write(raw((RED, 1.05)))  # ten frames: the stream stays open
                process.stdin.flush()
                first = process.stdout.readline()  # 0 to 0.5 s is decided
                self.assertIn(b'"start":0', first)
                process.send_signal(number)
                out, err = process.communicate(timeout=60)
                self.assertEqual(process.returncode, 128 + number, err)
                lines = out.splitlines()
                self.assertEqual(len(lines), 2, out)  # the open segment and the summary
                self.assertIn(b'"summary":true', lines[1])
                self.assertTrue((self.folder / "r.html").read_text().endswith("</html>\n"))
                self.assertEqual(len(read_npy(self.folder / "e.npy")), 1)

    def test_live_frames_are_looked_at_or_dropped(self):
        result = self.check(DONE, "watch", *RAW, "--live", "--json", "--difference", "0",
                            stdin=raw((RED, 5), (BLUE, 5)))
        summary = result.json()[-1]
        self.assertEqual(summary["frames"] + summary["dropped"], 100)
        self.assertGreater(summary["decodes"], 0)
        self.assertEqual("dropped so far" in result.err, summary["dropped"] > 0)
        result = self.check(SOME_FAILED, "watch", *RAW, "--live", "--json",
                            stdin=raw((RED, 1))[:-100])
        summary = result.json()[-1]  # frames that came at once may make a segment of no length
        self.assertEqual(summary["frames"] + summary["dropped"], 9)
        self.assertEqual(summary["failed"], 1)
        self.assertIn("frame 9: expected 6912 bytes, found the end after 6812", result.err)

    def test_a_lost_stream_is_found_again(self):
        class Camera(http.server.BaseHTTPRequestHandler):
            gone = False

            def do_GET(self):
                self.send_response(404 if Camera.gone else 200)
                self.end_headers()
                if not Camera.gone:
                    self.wfile.write(CLIP.read_bytes())

            def log_message(self, *_):
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Camera) as server:
            threading.Thread(target=server.serve_forever).start()
            url = f"http://127.0.0.1:{server.server_port}/clip.avi"
            process = start("watch", url, "--live", "--patience", "2", "--fps", "0", "--json",
                            "--report", "r.html", cwd=self.folder)
            try:
                lines = []
                while line := process.stderr.readline().decode():
                    lines.append(line)
                    Camera.gone = Camera.gone or "found again" in line
                out, _ = process.communicate(timeout=60)
            finally:
                process.kill()
                server.shutdown()
        said = "".join(lines)
        if "STERNA_OPENCV=OFF" in said:
            raise unittest.SkipTest("built without OpenCV")
        self.assertEqual(process.returncode, SOME_FAILED, said)
        self.assertIn(f"{url}: lost (the stream ended); trying to open it again", said)
        self.assertIn(f"{url}: found again", said)
        self.assertIn(f"{url}: given up: expected a video", said)
        summary = json.loads(out.splitlines()[-1])
        self.assertEqual(summary["failed"], 1)
        self.assertGreater(summary["decodes"], 0)
        self.assertTrue((self.folder / "r.html").read_text().endswith("</html>\n"))

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

    def test_usage(self):
        for wrong in ([], ["-"], [CAT, "--raw", "4x4"], ["-", "--raw", "4y4"],
                      [CAT, "--every", "0"], [CAT, "--every", "-1"], [CAT, "--every", "nan"],
                      [CAT, "--every", "1", "--rate", "1"], [CAT, "--gate", "magic"],
                      [CAT, "--gate", "ward"], [CAT, "--rate", "0"], [CAT, "--fps", "0"],
                      [CAT, "--choices", "a", "--answers", "b"], [CAT, "--difference", "-1"]):
            with self.subTest(wrong):
                self.assertEqual(self.check(BAD_USAGE, "watch", *wrong).out, "")
        for rare in ["-", "--raw", "64x64@1e-300"], [CAT, "--fps", "1e-300"], [CLIP, "--fps", "1e-5"]:
            self.check_error(BAD_USAGE, "at least a frame a day", "watch", *rare)
        # What would have no effect is refused.
        ward = [CAT, "--gate", "ward", "--rate", "1"]
        for option, wrong in (("--patience", [CAT]), ("--patience", ["street.mp4"]),
                              ("--patience", [*RAW, "--live"]), ("--patience", RAW),
                              ("--delay", ward), ("--dwell", ward)):
            with self.subTest(option, wrong=wrong):
                self.check_error(BAD_USAGE, option, "watch", *wrong, option, "2")
        self.check_error(UNUSABLE, "nosuch.mp4", "watch", "nosuch.mp4")
        self.check_error(UNUSABLE, "gone", "watch", CAT, "--answers", "gone")

    def test_choices_are_read_as_ask_reads_them(self):
        self.check_error(BAD_USAGE, "--choices: expected UTF-8", "watch", CAT, "--choices", b"a,\xff")
        self.check_error(BAD_USAGE, "--choices: an item is empty", "watch", CAT, "--choices", "a,,b")
        self.check_error(BAD_USAGE, "exclude", "watch", CAT, "--choices", "a", "--answers", "b")
        self.write("blank", b"  \n\t\n")
        self.check_error(UNUSABLE, "blank: expected an answer", "watch", CAT, "--answers", "blank")
        self.write("latin1", b"cat\ncaf\xe9\n")
        self.check_error(UNUSABLE, "latin1:2: expected UTF-8", "watch", CAT, "--answers", "latin1")
        self.write("one", b"\n  \n  a cat \n")
        (event, _) = self.check(DONE, "watch", CAT, "--answers", "one", "--json").json()
        self.assertEqual(event["text"], "a cat")
        self.assertEqual(event["confidence"], 1)


if __name__ == "__main__":
    main()
