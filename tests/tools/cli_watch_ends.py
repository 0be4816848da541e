"""`sterna watch` on streams that are cut off, empty, stopped, too quick, or lost and found again."""
import http.server
import json
import signal
import subprocess
import threading
import time
import unittest

from harness import DONE, SOME_FAILED, main, read_npy, start
from watch_frames import BLUE, CLIP, RAW, RED, StreamTest, raw


class Ends(StreamTest):
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


if __name__ == "__main__":
    main()
