"""`sterna watch`: policies, sources, events and usage."""
import os
import shutil
import threading
import unittest

from harness import BAD_USAGE, CAT, COFFEE, DONE, SOME_FAILED, UNUSABLE, main, read_jsonl
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
