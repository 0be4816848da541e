#!/usr/bin/python3
"""`sterna watch rtsp://...` against a real RTSP server on this machine: photos as a slideshow in H.264, three seconds each.
The server is killed in mid-stream and comes back; Ctrl-C ends the watch. Prints what was said when, and checks that the
segments are as long as the photos were shown, that the lost stream was found again, and that the last segment was told.

    apt-get install python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good \\
        gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly
    STERNA=build/release/bin/sterna tests/tools/acceptance_rtsp.py [PHOTO.jpg...]
"""
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

PHOTOS = Path(__file__).parents[2] / "tools/examples/photos"
SECONDS, FPS = 3, 10


def serve(pattern, port):
    import gi
    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer

    Gst.init(None)
    server, factory = GstRtspServer.RTSPServer(service=port), GstRtspServer.RTSPMediaFactory()
    factory.set_launch(
        f"( multifilesrc location={pattern} loop=true caps=image/jpeg,framerate={FPS}/1 ! jpegdec ! videoconvert ! videoscale "
        f"! video/x-raw,width=640,height=480 "
        f"! x264enc tune=zerolatency speed-preset=ultrafast key-int-max={FPS} ! rtph264pay name=pay0 pt=96 )")
    factory.set_shared(True)
    server.get_mount_points().add_factory("/live", factory)
    server.attach(None)
    GLib.MainLoop().run()


class Watch:
    """The program, its events with the seconds when they came, and what it said to people."""

    def __init__(self, url):
        self.start, self.events, self.messages = time.monotonic(), [], []
        self.process = subprocess.Popen([os.environ["STERNA"], "watch", url, "--json", "--fps", "8", "--patience", "30"],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.threads = [threading.Thread(target=self.read, args=(self.process.stdout, self.events)),
                        threading.Thread(target=self.read, args=(self.process.stderr, self.messages))]
        for thread in self.threads:
            thread.start()

    def read(self, stream, into):
        for line in stream:
            into.append((time.monotonic() - self.start, line.rstrip()))

    def finish(self):
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(20)
        for thread in self.threads:
            thread.join()
        return code


def check(what, right):
    print("ok   " if right else "FAIL ", what, flush=True)
    return right


def main():
    photos = [Path(p) for p in sys.argv[1:]] or sorted(PHOTOS.glob("*.jpg"))
    port = "8554"
    with tempfile.TemporaryDirectory() as folder:
        for i, photo in enumerate(p for p in photos for _ in range(SECONDS * FPS)):
            (Path(folder) / f"{i:03}.jpg").symlink_to(photo.resolve())
        start = lambda: subprocess.Popen([sys.executable, __file__, "--serve", f"{folder}/%03d.jpg", port])
        server = start()
        time.sleep(2)
        watch = Watch(f"rtsp://127.0.0.1:{port}/live")
        time.sleep(5 * SECONDS)
        server.kill()
        server.wait()
        lost = time.monotonic() - watch.start
        time.sleep(4)
        server = start()
        back = time.monotonic() - watch.start
        time.sleep(5 * SECONDS + 4)
        code = watch.finish()
        server.kill()
        server.wait()
    for at, line in sorted(watch.events + watch.messages):
        print(f"{at:6.2f} s  {line}")
    events = [(at, json.loads(line)) for at, line in watch.events]
    told = [(at, e) for at, e in events if "text" in e]
    summary = next((e for _, e in events if e.get("summary")), {})
    before = [e for at, e in told if at < lost]
    after = [e for at, e in told if at > back]
    good = [check("photos were told apart before the stream was lost", len(before) >= 3),
            check(f"segments of a photo last {SECONDS} s within 0.7 s",
                  all(abs(e["end"] - e["start"] - SECONDS) < 0.7 for e in before[1:])),
            check("the stream was found again", len(after) >= 3),
            check("it was said that the stream was lost", any("again" in line or "lost" in line for _, line in watch.messages)),
            check("Ctrl-C: exit code 130 and a summary", code == 130 and summary.get("frames", 0) > 0)]
    return 0 if all(good) else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:4])
    else:
        sys.exit(main())
