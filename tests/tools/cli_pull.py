"""`sterna model pull` against a hub of our own: whole files, cut connections, broken and hostile ones."""
import hashlib
import os
import pathlib
import random
import signal
import threading
import time

from harness import BAD_USAGE, DONE, SOURCE, UNUSABLE, CommandTest, environment, main, start
from hub_server import COMMIT, Hub

REPO = "owner/tiny"
CLIP = SOURCE / "tests/golden/checkpoints/clip"
WEIGHTS = "model.safetensors"


class Pull(CommandTest):
    def setUp(self):
        super().setUp()
        files = {path.name: path.read_bytes() for path in sorted(CLIP.iterdir())}
        files["1_Pooling/config.json"] = b'{"pooling_mode": "mean"}'
        files["empty.json"] = b""
        files["a b\u00e9%.txt"] = b"spaces and more in a name"
        files["README.md"] = b"left out"
        self.hub = Hub(files)
        self.addCleanup(self.hub.close)

    def pull(self, code, *arguments, **variables):
        return self.check(code, "model", "pull", REPO, *arguments,
                          env=environment(HF_ENDPOINT=self.hub.url + "/", **variables))

    def refused(self, names, *arguments, **variables):
        result = self.pull(UNUSABLE, *arguments, **variables)
        self.assertEqual(len(result.err.splitlines()), 1, result.err)
        for name in [names] if isinstance(names, str) else names:
            self.assertIn(name, result.err)
        return result

    def parts(self, folder="tiny"):
        return sorted(path.name for path in (self.folder / folder).rglob("*.part"))

    def asked(self, name):
        """The Range of each request for a file, redirections left out."""
        return [ranged for path, ranged, _ in self.hub.requests if path == "/store/" + name]

    def test_a_folder_that_then_works(self):
        result = self.pull(DONE, "--json")
        *files, summary = result.json()
        self.assertEqual(summary["commit"], COMMIT)
        self.assertEqual((summary["files"], summary["fetched"], len(files)), (6, 6, 6))
        for name, data in self.hub.files.items():
            path = self.folder / "tiny" / name
            self.assertEqual(path.exists(), name != "README.md", name)
            self.assertTrue(not path.exists() or path.read_bytes() == data)
        self.assertEqual(self.parts(), [])
        self.write("a.png", (SOURCE / "tools/examples/photos/cat.jpg").read_bytes())
        self.check(DONE, "embed", "a.png", "-o", "a.npy", "--model", "tiny")
        before = len(self.hub.requests)
        again = self.pull(DONE, "--json").json()[-1]
        self.assertEqual((again["files"], again["fetched"]), (6, 0))
        self.assertEqual(len(self.hub.requests) - before, 1)  # the listing alone
        (self.folder / "tiny/config.json").write_bytes(b"changed by somebody")
        self.assertEqual(self.pull(DONE, "--json").json()[-1]["fetched"], 1)

    def test_options(self):
        self.pull(DONE, "--revision", "refs/pr/1", "--to", "x/y/", "--include", "*.md", "--include", "empty*")
        self.assertEqual(sorted(path.name for path in (self.folder / "x/y").iterdir()), ["README.md", "empty.json"])
        self.assertIn("/api/models/owner/tiny/revision/refs%2Fpr%2F1?blobs=true",
                      [path for path, _, _ in self.hub.requests])
        self.refused("holds no files that match *.onnx", "--include", "*.onnx")
        self.check(BAD_USAGE, "model", "pull")
        for repo in ("../x", "a/b/c", "/a", "a//b", "a/", "a b", ".a/b", "a/..", "x?y"):
            self.check(BAD_USAGE, "model", "pull", repo, env=environment(HF_ENDPOINT=self.hub.url))
        self.assertIn("HF_ENDPOINT is not set", self.check(UNUSABLE, "model", "pull", REPO, env=environment(
            HF_ENDPOINT="")).err)
        for endpoint in ("ftp://127.0.0.1", "127.0.0.1", "http://127.0.0.1/?a"):
            result = self.check(UNUSABLE, "model", "pull", REPO, env=environment(HF_ENDPOINT=endpoint))
            self.assertIn("HF_ENDPOINT: expected", result.err)

    def test_a_token_goes_to_the_hub_alone(self):
        other = Hub(self.hub.files)
        self.addCleanup(other.close)
        self.hub.etag[WEIGHTS] = hashlib.sha256(self.hub.files[WEIGHTS]).hexdigest()
        send = self.hub.send
        self.hub.send = lambda request, status, body, headers=None: send(
            request, status, body, {k: v.replace("/store/", f"http://localhost:{other.server.server_port}/store/")
                                    for k, v in (headers or {}).items()})
        self.pull(DONE, HF_TOKEN="secret")
        self.assertEqual({token for _, _, token in self.hub.requests}, {"Bearer secret"})
        self.assertEqual({token for _, _, token in other.requests}, {None})
        self.assertGreater(len(other.requests), 0)

    def test_a_cut_connection_is_taken_up(self):
        self.hub.cut[WEIGHTS] = [10000, 0, 5000]
        self.pull(DONE)
        self.assertEqual(self.asked(WEIGHTS), [None, "bytes=10000-", "bytes=10000-", "bytes=15000-"])
        self.assertEqual((self.folder / "tiny" / WEIGHTS).read_bytes(), self.hub.files[WEIGHTS])

    def test_a_hub_without_ranges(self):
        self.hub.ranges = False
        self.hub.cut[WEIGHTS] = [10000]
        self.pull(DONE)
        self.assertEqual((self.folder / "tiny" / WEIGHTS).read_bytes(), self.hub.files[WEIGHTS])

    def test_a_run_that_failed_or_was_stopped_goes_on(self):
        self.hub.cut[WEIGHTS] = [20000, 0, 0, 0, 0, 0]
        self.refused(WEIGHTS)
        self.assertEqual(len(self.parts()), 1)
        self.hub.cut.clear()
        self.hub.requests.clear()
        self.pull(DONE)
        self.assertEqual(self.asked(WEIGHTS), ["bytes=20000-"])
        self.assertEqual(self.parts(), [])

        big = self.hub.files["big.safetensors"] = random.Random(1).randbytes(1 << 24)
        slow = self.hub.send_file

        def in_pieces(request, name):
            if name != "big.safetensors" or request.headers.get("Range"):
                return slow(request, name)
            request.send_response(200)
            request.send_header("Content-Length", str(len(big)))
            request.end_headers()
            for i in range(0, len(big), 1 << 18):
                request.wfile.write(big[i:i + (1 << 18)])
                time.sleep(0.02)
        self.hub.send_file = in_pieces
        process = start("model", "pull", REPO, cwd=self.folder, env=environment(HF_ENDPOINT=self.hub.url))
        limit = time.monotonic() + 60
        while not (self.parts() and (self.folder / "tiny" / self.parts()[0]).stat().st_size):
            self.assertLess(time.monotonic(), limit)
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 128 + signal.SIGINT, err)
        self.assertIn(b"the same command goes on from there", err)
        self.assertFalse((self.folder / "tiny/big.safetensors").exists())
        self.pull(DONE)
        self.assertTrue(self.asked("big.safetensors")[-1].startswith("bytes="))
        self.assertEqual((self.folder / "tiny/big.safetensors").read_bytes(), big)

    def stopped(self):
        """Ctrl-C once the weights have been asked for: how long that takes then, in seconds."""
        process = start("model", "pull", REPO, cwd=self.folder, env=environment(HF_ENDPOINT=self.hub.url))
        limit = time.monotonic() + 60
        while not self.asked(WEIGHTS):
            self.assertLess(time.monotonic(), limit)
            time.sleep(0.01)
        time.sleep(0.2)
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 128 + signal.SIGINT, err)
        self.assertIn(b"the same command goes on from there", err)
        return time.monotonic() - begin

    def test_ctrl_c_while_nothing_arrives(self):
        send, silent = self.hub.send_file, threading.Event()
        self.addCleanup(silent.set)

        def say_nothing(request, name):
            if name == WEIGHTS:
                silent.wait(60)
            return send(request, name)
        self.hub.send_file = say_nothing
        self.assertLess(self.stopped(), 10)

    def test_ctrl_c_between_tries(self):
        self.hub.status[f"/store/{WEIGHTS}"] = [503] * 100
        self.assertLess(self.stopped(), 10)

    def test_a_part_that_was_damaged_is_fetched_anew(self):
        data = self.hub.files[WEIGHTS]
        part = f"tiny/{WEIGHTS}.{hashlib.sha256(data).hexdigest()[:16]}.part"
        self.write(part, b"x" * 5000)
        self.pull(DONE)
        self.assertEqual(self.asked(WEIGHTS), ["bytes=5000-", None])
        self.assertEqual((self.folder / "tiny" / WEIGHTS).read_bytes(), data)

    def test_other_bytes_than_were_told(self):
        data = self.hub.files[WEIGHTS]
        for served, words in ((bytes([data[0] ^ 1]) + data[1:], ["SHA-256 expected", "found"]),
                              (data[:-1], [f"expected {len(data)} bytes, found {len(data) - 1}"]),
                              (data + b"x", [f"expected {len(data)} bytes, found more"])):
            self.hub.served[WEIGHTS] = served
            self.refused([WEIGHTS, *words])
            self.assertFalse((self.folder / "tiny" / WEIGHTS).exists())
            self.assertEqual(self.parts(), [])
        self.hub.served = {"config.json": b"[" + self.hub.files["config.json"][1:]}
        (self.folder / "tiny/config.json").unlink()
        self.refused(["config.json", "Git blob expected" if len(self.hub.files["config.json"]) <= 1000 else "SHA-256"])
        self.hub.served = {}
        self.hub.etag[WEIGHTS] = "0" * 64
        self.refused([WEIGHTS, "X-Linked-Etag"])

    def test_statuses(self):
        self.hub.status = {"/api": [500, 503, 429]}
        self.pull(DONE)  # asked again
        for status, word in ((404, "not there"), (401, "HF_TOKEN"), (418, "status 418")):
            self.hub.status = {"/api": [status]}
            self.refused(["/api/models/owner/tiny/revision/main", word])
        self.hub.status = {"/api": [500] * 9}
        self.refused("status 500")
        self.hub.files["more.json"] = b"{}"
        self.hub.status = {"/owner": [404]}
        self.refused(["more.json", "status 404"])
        self.assertEqual(self.parts(), [])
        self.hub.status, self.hub.loop = {}, {"more.json"}
        self.refused(["more.json", "redirects"])
        self.hub.close()
        self.refused(["127.0.0.1", "connect"])

    def test_hostile_listings(self):
        victim = self.folder / "victim.json"
        for name in ("../victim.json", "/tmp/x.json", "a/../../victim.json", "./a.json", "a//b.json", "", "a\\b.json",
                     "a\0b.json", "a\nb.json", "..", "a/..", "C:x.json", "x" * 300 + ".json"):
            with self.subTest(name):
                self.hub.listing = lambda listing, name=name: listing | {
                    "siblings": [*listing["siblings"], {"rfilename": name, "size": 2, "blobId": "0" * 40}]}
                self.refused("the file name")
                self.assertFalse(victim.exists())
        self.hub.listing = lambda listing: listing | {"siblings": listing["siblings"] * 2}
        self.refused("twice")
        for change, word in (({"sha": "../../x"}, "commit"), ({"siblings": 3}, "list of files"),
                             ({"siblings": [3]}, "file name"), ({"siblings": [{"rfilename": "a.json"}]}, "size"),
                             ({"siblings": [{"rfilename": "a.json", "size": -1}]}, "size"),
                             ({"siblings": [{"rfilename": "a.json", "size": 5, "lfs": {"size": 5}}]}, "hash")):
            with self.subTest(change):
                self.hub.listing = lambda listing, change=change: listing | change
                self.refused(word)
        self.hub.listing = lambda listing: [listing]
        self.refused("other JSON")
        self.hub.list = lambda: None
        self.hub.send = lambda request, *rest: Hub.send(self.hub, request, 200, b"[" * 100000)
        self.refused("no JSON")

    def test_links_in_the_folder_lead_nowhere(self):
        outside = self.folder / "outside"
        outside.mkdir()
        (self.folder / "tiny").mkdir()
        os.symlink(outside, self.folder / "tiny/1_Pooling")
        self.refused(["1_Pooling", "found a link"])
        self.assertEqual(list(outside.iterdir()), [])
        (self.folder / "tiny/1_Pooling").unlink()
        os.symlink(outside / "config.json", self.folder / "tiny/config.json")
        self.refused(["config.json", "found a link"])
        self.assertEqual(list(outside.iterdir()), [])
        pathlib.Path(self.folder / "tiny/config.json").unlink()
        self.pull(DONE)


if __name__ == "__main__":
    main()
