"""`sterna bench towers` and `turns`: towers of tiny checkpoints, and the way to peers.py."""
import json
import os
import pathlib
import subprocess
import sys

from harness import BAD_USAGE, DONE, SOURCE, STERNA, UNUSABLE, CommandTest, environment, main

CHECKPOINTS = SOURCE / "tests/golden/checkpoints"


class Towers(CommandTest):
    def test_every_tower_in_every_type(self):
        for name, towers in ("vit", ["pictures"]), ("bert", ["texts"]), ("clip", ["pictures", "texts"]), ("vjepa2", ["pictures"]):
            with self.subTest(name):
                rows = self.check(DONE, "bench", "towers", str(CHECKPOINTS / name), "--batch", "2", "--threads", "1", "--json").json()
                self.assertEqual([(r["tower"], r["blocks"]) for r in rows], [(t, b) for b in ("f32", "bf16", "i8") for t in towers])
                for row in rows:
                    self.assertGreater(row["ms"], 0)
                    self.assertTrue(0 < row["share"] < 1, row)
                    self.assertEqual(row["batch"], 2)

    def test_flops(self):
        # ViT of 16 wide, 2 blocks, 28 hidden, patches of 4 x 4 of a 20 x 20 picture: 1 + 25 tokens.
        (row, *_) = self.check(DONE, "bench", "towers", str(CHECKPOINTS / "vit"), "--size", "20", "--json").json()
        maps = 2 * (25 * 48 * 16 + 2 * 26 * (4 * 16 * 16 + 2 * 16 * 28))
        self.assertAlmostEqual(row["gflop"] * 1e9, maps + 2 * 4 * 26 * 26 * 16, delta=1)

    def test_faults(self):
        self.check_error(UNUSABLE, "config.json", "bench", "towers", str(self.folder))
        self.check_error(BAD_USAGE, "--batch", "bench", "towers", str(CHECKPOINTS / "vit"), "--batch", "0")
        self.check_error(BAD_USAGE, "--peers: expected", "bench", "giant", "--peers")
        self.check_error(BAD_USAGE, "turns: expected", "bench", "turns", "kernel", "t5")
        self.check_error(BAD_USAGE, "turns: expected a number", "bench", "turns", "kernel", "t5", "16", "x", "1", "0")

    def test_turns(self):
        result = self.check(DONE, "bench", "turns", "kernel", "t5", "64", "256", "1", "0", stdin=b"run\nrun\n")
        self.assertEqual(len([float(x) for x in result.out.split()]), 2)
        (self.folder / "in").write_bytes(bytes(4 * 3 * 20 * 20))
        result = self.check(DONE, "bench", "turns", "tower", str(CHECKPOINTS / "vit"), "bf16", "1", "20", "in",
                            stdin=b"run\nsave out\n")
        self.assertEqual(len(result.out.split()), 2)
        self.assertEqual((self.folder / "out").stat().st_size, 4 * 26 * 16)

    def test_peers(self):
        said = self.folder / "python"
        said.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
        said.chmod(0o755)
        def run(*arguments, python=str(said)):
            return subprocess.run([STERNA, "bench", *arguments], env=environment() | {"STERNA_PYTHON": python}, capture_output=True, text=True)
        words = run("towers", "DIR", "--peers", "--threads", "2", "--json").stdout.split("\n")
        self.assertTrue(pathlib.Path(words[0]).samefile(SOURCE / "tools/bench/peers.py"))
        self.assertEqual(words[1:3] + words[4:8], ["towers", "--sterna", "DIR", "--threads", "2", "--json"])
        self.assertTrue(os.path.samefile(words[3], STERNA))
        gone = run("kernels", "--peers", python="/nonexistent")
        self.assertEqual(gone.returncode, UNUSABLE)
        self.assertIn("STERNA_PYTHON", gone.stderr)
        # Without any peer ours is measured alone: python -S -I sees no packages.
        alone = subprocess.run([sys.executable, "-S", "-I", str(SOURCE / "tools/bench/peers.py"), "kernels", "--sterna", STERNA,
                                "--threads", "1", "--turns", "1", "--json"], capture_output=True, text=True)
        self.assertEqual(alone.returncode, 0, alone.stderr)
        rows = [json.loads(line) for line in alone.stdout.splitlines()]
        self.assertEqual({r["kernel"] for r in rows}, {"Sterna t5", "Sterna t2", "Sterna i8"})
        self.assertEqual({r["n"] for r in rows}, {1, 8, 64, 512})
        self.assertIn("without", alone.stderr)


if __name__ == "__main__":
    main()
