"""`sterna watch` on cameras that break off and come back, and on broken videos and full disks: what is
wrong is named, what was decided before is kept."""
import json
import os
import resource
import shutil
import signal
import subprocess
import threading
import unittest

from harness import (CAT, COFFEE, DONE, SOME_FAILED, SOURCE, STERNA, UNUSABLE, CommandTest,
                     environment, main, start)
from stream_servers import MotionJpeg, Rtsp

CLIP = SOURCE / "tests/golden/pixels/video/clip.avi"
RED, BLUE, WHITE = (80, 90, 240), (60, 230, 110), (235, 128, 128)  # Y, Cb, Cr
SIZE = 48

CAMERA = os.environ.get("STERNA_CAMERA_LIBRARY")  # support/v4l2_camera.cpp


class TestCamera:
    """Two seconds of /dev/video0 for a program that CAMERA is preloaded to."""

    def __init__(self, path):
        self.path = path

    def start(self):
        frames = [bytes([y, u, y, v]) * (640 * 480 // 2) for y, u, v in (RED, BLUE)]
        whole = self.path.with_suffix(".new")
        whole.write_bytes(frames[0] * 30 + frames[1] * 30)
        whole.rename(self.path)

    def stop(self):
        self.path.unlink(missing_ok=True)


class WatchTest(CommandTest):
    def setUp(self):
        super().setUp()
        probe = self.run_sterna("watch", CLIP, "--every", "1")
        if "STERNA_OPENCV=OFF" in probe.err:
            raise unittest.SkipTest("built without OpenCV")

    def summary(self, out):
        *events, summary = [json.loads(line) for line in out.splitlines()]
        self.assertTrue(summary["summary"])
        self.assertEqual(len(events), summary["decodes"] + summary["recalled"])
        for a, b in zip(events, events[1:]):
            self.assertEqual(a["end"], b["start"])
        return events, summary


class LostStreams(WatchTest):
    def watch_live(self, url, camera, on_line, *options, on_event=lambda number: None, **more):
        """Runs until it gives up; on_line(line) sees what is said, on_event(number) that an event was put out. Returns
        what was said and put out."""
        process = start("watch", url, "--live", "--fps", "0", "--json", "--patience", "3", *options,
                        cwd=self.folder, env=environment(**more))
        timer = threading.Timer(90, process.kill)
        timer.start()
        out = []

        def read():
            for line in process.stdout:
                out.append(line)
                on_event(len(out))

        reader = threading.Thread(target=read)
        reader.start()
        said = []
        try:
            while line := process.stderr.readline().decode():
                said.append(line)
                on_line(line)
            reader.join()
            code = process.wait()
        finally:
            timer.cancel()
            camera.stop()
            process.stdout.close()
            process.stderr.close()
        return code, "".join(said), b"".join(out)

    def test_rtsp(self):
        told = []

        def frames():  # 3 s at 10 frames a second; in the middle the camera's clock goes back
            for i in range(30):
                yield (RED, BLUE)[i // 15], 90000 * 1000 + 9000 * (i if i < 20 else i - 20), 0.1

        camera = Rtsp((SIZE, SIZE), frames)

        def on_line(line):
            if "lost" in line and not told:  # the machine is gone, and comes back with other pictures
                camera.stop()
                camera.size = (SIZE * 2, SIZE)
                threading.Timer(1, camera.start).start()
            elif "found again" in line:
                camera.listener.close()  # nobody listens once this client has gone
            told.append(line)

        url = f"rtsp://127.0.0.1:{camera.port}/1"
        code, said, out = self.watch_live(url, camera, on_line, "--every", "0.5", "--save", "e.npy",
                                          "--report", "r.html")
        self.assertEqual(code, SOME_FAILED, said)
        self.assertIn(f"{url}: lost (", said)
        self.assertIn(f"{url}: found again", said)
        self.assertIn(f"{url}: given up: ", said)
        events, summary = self.summary(out)
        self.assertEqual(summary["failed"], 1)
        self.assertGreater(summary["frames"] + summary["dropped"], 30)  # of both times
        self.assertGreater(len(events), 4)
        self.assertTrue((self.folder / "r.html").read_text().endswith("</html>\n"))
        self.assertTrue((self.folder / "e.npy").exists())

    def test_motion_jpeg_cut_in_mid_frame(self):
        cat, coffee = CAT.read_bytes(), COFFEE.read_bytes()  # of other sizes, too

        def frames():
            for i in range(20):
                yield (cat if i < 10 else coffee), 0.05

        camera = MotionJpeg(frames)
        camera.cut = True

        def on_line(line):  # a picture of another size, then the end in mid-frame, each time
            if "found again" in line and len(told) == 3:
                camera.listener.close()
            told.append(line)

        told = []
        url = f"http://127.0.0.1:{camera.port}/"
        code, said, out = self.watch_live(url, camera, on_line, "--every", "0.5")
        self.assertEqual(code, SOME_FAILED, said)
        self.assertIn(f"{url}: found again", said)
        events, summary = self.summary(out)
        self.assertGreater(summary["frames"] + summary["dropped"], 20)
        self.assertGreater(len(events), 1)

    @unittest.skipUnless(CAMERA, "no library to preload")
    def test_a_camera_that_is_unplugged(self):
        camera = TestCamera(self.folder / "camera.yuyv")
        camera.start()

        def on_event(number):
            if number in (3, 6):
                camera.stop()

        def on_line(line):
            told.append(line)
            if "lost" in line and len(told) == 1:  # plugged in again after a second
                threading.Timer(1, camera.start).start()

        told = []
        code, said, out = self.watch_live("camera:0", camera, on_line, "--every", "0.5", on_event=on_event,
                                          LD_PRELOAD=CAMERA, STERNA_TEST_CAMERA=str(camera.path))
        self.assertEqual(code, SOME_FAILED, said)
        self.assertIn("camera:0: lost (", said)
        self.assertIn("camera:0: found again", said)
        self.assertIn("camera:0: given up: ", said)
        events, summary = self.summary(out)
        self.assertGreater(summary["frames"] + summary["dropped"], 60)  # of three seconds at 30 a second
        self.assertGreater(len(events), 5)


class BrokenVideos(WatchTest):
    def test_a_codec_that_nobody_knows(self):
        data = CLIP.read_bytes()
        handler = data[data.index(b"vids") + 4:data.index(b"vids") + 8]
        self.check_error(UNUSABLE, "odd.avi: expected a video", "watch",
                         self.write("odd.avi", data.replace(handler, b"ZZZZ")))

    def test_a_video_of_no_frames(self):
        data = CLIP.read_bytes()
        self.check_error(UNUSABLE, "none.avi: expected a video", "watch",
                         self.write("none.avi", data[:data.index(b"movi") + 4]))
        self.check_error(UNUSABLE, "empty.avi: expected a video, found an empty file", "watch",
                         self.write("empty.avi", b""))

    def test_another_resolution_in_mid_stream(self):
        cat, coffee = CAT.read_bytes(), COFFEE.read_bytes()
        video = self.write("two.mjpeg", cat * 25 + coffee * 25)
        result = self.check(SOME_FAILED, "watch", video, "--every", "0.5", "--fps", "0", "--json")
        self.assertIn("two.mjpeg: frame 25: expected pictures of 451x300 as before, found one of "
                      "another size", result.err)
        events, summary = self.summary(result.out)
        self.assertEqual(summary["frames"], 25)  # what was seen before it is told
        self.assertEqual(summary["failed"], 25)
        self.assertEqual(len(events), 2)
        mixed = self.write("mixed.mjpeg", coffee * 10 + cat + coffee * 10)  # a smaller one, once
        result = self.check(SOME_FAILED, "watch", mixed, "--every", "9", "--fps", "0", "--json")
        events, summary = self.summary(result.out)
        self.assertEqual((summary["frames"], summary["failed"]), (20, 1))

    def test_a_frame_that_is_broken_and_one_that_is_cut(self):
        cat = CAT.read_bytes()
        video = self.write("cut.mjpeg", cat * 30 + cat[:len(cat) // 2])
        result = self.run_sterna("watch", video, "--every", "0.5", "--fps", "0", "--json")
        self.assertIn(result.code, (DONE, SOME_FAILED), result.err)
        events, summary = self.summary(result.out)
        self.assertGreaterEqual(summary["frames"], 30)
        self.assertGreaterEqual(len(events), 2)


class FullDisks(CommandTest):
    """Report and embeddings are let go; the events are those of a disk with room."""

    RAW = ["watch", "-", "--raw", f"{SIZE}x{SIZE}:rgb24@10", "--fps", "0", "--every", "0.5", "--json",
           "--difference", "0", "--report", "r.html", "--save", "e.npy"]

    def frames(self):
        return b"".join(bytes(((i // 10) * 60 + 3 * j + c) % 256 for j in range(SIZE * SIZE)
                              for c in range(3)) for i in range(40))

    def compare(self, result, code, folder):
        whole = self.check(DONE, *self.RAW, stdin=self.frames())
        self.assertEqual(code, UNUSABLE, result)
        out, err = result
        lines, expected = out.decode().splitlines(), whole.lines
        self.assertEqual(lines[:-1], expected[:-1])
        self.assertGreater(len(lines), 5)
        self.assertEqual(json.loads(lines[-1])["frames"], 40)
        for name in "r.html", "e.":
            self.assertEqual(sum(name in line for line in err.decode().splitlines()), 1, err)
        self.assertFalse((folder / "r.html").exists())

    def test_files_that_must_not_grow(self):
        folder = self.folder / "small"
        folder.mkdir()

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))

        process = start(*self.RAW, stdin=subprocess.PIPE, cwd=folder, preexec_fn=limit)
        result = process.communicate(self.frames(), timeout=100)
        self.compare(result, process.returncode, folder)

    def test_a_tiny_file_system(self):
        folder = self.folder / "tiny"
        folder.mkdir()
        mount = ["unshare", "--map-root-user", "--mount", "sh", "-c",
                 'mount -t tmpfs -o size=12k tmpfs "$0" && cd "$0" && exec "$@"', str(folder)]
        if not shutil.which("unshare") or subprocess.run(
                [*mount, "true"], capture_output=True).returncode != 0:
            self.skipTest("no file system can be mounted here")
        process = subprocess.Popen([*mount, STERNA, *self.RAW], env=environment(), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        result = process.communicate(self.frames(), timeout=100)
        self.compare(result, process.returncode, folder)


if __name__ == "__main__":
    main()
