"""`sterna bench giant`: a stack of dummy weights is written, mapped, run and cleaned away."""
import json
import pathlib
import subprocess

from harness import BAD_USAGE, DONE, STERNA, UNUSABLE, CommandTest, environment, main

BITS = {"t2": 2, "t5": 1.6, "t34": 1.25, "t14": 0.75}


class Giant(CommandTest):
    def giant(self, *arguments):
        (line,) = self.check(DONE, "bench", "giant", "--params", "1e7", "--json", *arguments).json()
        return line

    def test_every_format(self):
        for name, bits in BITS.items():
            with self.subTest(format=name):
                line = self.giant("--format", name, "--threads", "1")
                self.assertEqual((line["bench"], line["format"], line["threads"]), ("giant", name, 1))
                weights = line["weights"]
                self.assertEqual(weights, 12 * line["width"] ** 2 * line["blocks"])
                self.assertTrue(0.5e7 < weights < 2e7, weights)
                # Padding of t5's blocks of 20 inputs, scales, norms and the header come on top.
                self.assertTrue(1 <= line["file_bytes"] * 8 / (bits * weights) < 1.1, line)
                self.assertLess(line["bytes_per_pass"], line["file_bytes"])
                self.assertGreaterEqual(line["passes"], 3)
                for key in ("open_ms", "first_pass_seconds", "passes_per_second", "gbps",
                            "dram_read_gbps", "share", "rss_peak_bytes"):
                    self.assertGreater(line[key], 0, key)
                self.assertLess(line["rss_anonymous_bytes"], 200e6)
                self.assertNotIn("file", line)

    def test_every_instruction_set(self):
        for isa in json.loads(self.check(DONE, "version", "--json").out)["isas"]:
            if isa != "scalar":
                self.assertEqual(self.giant("--format", "t14", "--isa", isa)["isa"], isa)

    def test_keep(self):
        folder = pathlib.Path(self.folder) / "made" / "here"
        line = self.giant("--format", "t34", "--keep", folder)
        path = pathlib.Path(line["file"])
        self.assertEqual([path], list(folder.iterdir()))
        self.assertEqual(path.stat().st_size, line["file_bytes"])
        before = path.stat().st_mtime_ns
        self.assertEqual(self.giant("--format", "t34", "--keep", folder)["file"], str(path))
        self.assertEqual(path.stat().st_mtime_ns, before)
        (info,) = self.check(DONE, "model", "info", path, "--json").json()
        types = {t["type"] for t in info["tensors"]}
        self.assertEqual(types, {"t34", "f32"})
        # What is there and no whole file of this shape is written anew.
        path.write_bytes(path.read_bytes()[:1000])
        self.giant("--format", "t34", "--keep", folder)
        self.assertEqual(path.stat().st_size, line["file_bytes"])
        text = self.check(DONE, "bench", "giant", "--params", "1e7", "--format", "t34", "--keep", folder).out
        self.assertIn("passes/s", text)

    def test_nothing_stays(self):
        folder = pathlib.Path(self.folder) / "tmp"
        folder.mkdir()
        p = subprocess.run([STERNA, "bench", "giant", "--params", "1e6", "--format", "t14"],
                           env=environment(TMPDIR=str(folder)), capture_output=True, timeout=60)
        self.assertEqual(p.returncode, DONE, p.stderr)
        self.assertEqual(list(folder.iterdir()), [])

    def test_errors(self):
        for arguments in (["--params", "10"], ["--params", "many"], ["--format", "i8"],
                          ["--format", "t9"], ["more"]):
            self.check_error(BAD_USAGE, "--help'", "bench", "giant", *arguments)
        folder = pathlib.Path(self.folder)
        self.check_error(UNUSABLE, "bytes of free disk, found", "bench", "giant", "--params", "1e12",
                         "--format", "t2", "--keep", folder)
        self.assertEqual(list(folder.iterdir()), [])
        (folder / "file").touch()
        self.check_error(UNUSABLE, "file/x", "bench", "giant", "--keep", folder / "file" / "x")


if __name__ == "__main__":
    main()
