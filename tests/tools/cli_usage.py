"""Verbs, options, exit codes, and what goes where."""
import os
import pathlib
import re
import shutil
import signal
import subprocess

from harness import (BAD_USAGE, CAT, DONE, MODEL, SOURCE, STERNA, UNUSABLE, CommandTest,
                     environment, main)

# Verbs and the subverbs that have options of their own.
VERBS = ["ask", "classify", "embed", "index build", "index add", "index search", "search", "eval",
         "model", "version"]


class Usage(CommandTest):
    def test_help(self):
        top = self.check(DONE, "--help")
        self.assertEqual(self.check(DONE, "help").out, top.out)
        for verb in VERBS:
            self.assertIn(f"  {verb.split()[0]} ", top.out)
            shown = self.check(DONE, *verb.split(), "--help")
            if verb != "index search":  # shows the help of `search`
                self.assertIn(f"sterna {verb}", shown.out)
            self.assertEqual(shown.err, "")

    def test_version(self):
        version = re.search(r"project\(sterna VERSION (\S+)",
                            (SOURCE / "CMakeLists.txt").read_text())[1]
        self.assertIn(f"sterna {version} ", self.check(DONE, "--version").out)
        (line,) = self.check(DONE, "version", "--json").json()
        self.assertEqual(line["version"], version)
        self.assertIn(line["isa"], line["isas"])

    def test_bad_usage(self):
        for arguments in [
                [], ["nonsense"], ["--nonsense"], ["help", "nonsense"], ["ask"], ["ask", CAT],
                ["ask", CAT, ""], ["ask", CAT, "  "], ["ask", "what?"], ["ask", CAT, CAT],
                ["ask", CAT, "what?", "--nonsense"], ["ask", CAT, "what?", "--top", "0"],
                ["ask", CAT, "what?", "--top", "many"], ["ask", CAT, "what?", "--threads", "-1"],
                ["ask", CAT, "what?", "--threads", "100000"], ["ask", CAT, "what?", "--model"],
                ["ask", CAT, "what?", "--isa", "nonsense"], ["ask", CAT, "what?", "--choices", "a,,b"],
                ["ask", CAT, "what?", "--choices", "a", "--answers", "f"],
                ["ask", CAT, "what?", "--batch", "f"], ["ask", CAT, b"\xff?"],
                ["classify", CAT], ["classify", "--labels", "a,b"], ["embed"], ["embed", "--text"],
                ["embed", CAT, "-o", "out.parquet"], ["embed", CAT, "--text-file", "x"],
                ["embed", CAT, "-o"], ["index"], ["index", "nonsense"], ["index", "build", CAT],
                ["index", "build", "-o", "x"], ["index", "add", "x"], ["search"], ["search", "x"],
                ["search", "x", "words", "--top", "0"], ["search", "x", "a", "b"],
                ["version", "x"]]:
            with self.subTest(arguments=arguments):
                result = self.check_error(BAD_USAGE, "--help'", *arguments)
                self.assertEqual(result.out, "")

    def test_global_options_may_stand_before_the_verb(self):
        self.check(DONE, "--threads", "1", "--model", MODEL, "--json", "ask", CAT, "what?")

    def test_a_word_that_looks_like_an_option_after_two_dashes(self):
        self.check(DONE, "ask", CAT, "--", "--what is this?")

    def test_model(self):
        os.link(MODEL, self.folder / "m.gguf") if os.stat(MODEL).st_dev == os.stat(
            self.folder).st_dev else (self.folder / "m.gguf").write_bytes(
                pathlib.Path(MODEL).read_bytes())
        nothing = environment(STERNA_MODEL="/nonsense.gguf")
        self.check(DONE, "ask", CAT, "what?", "--model", "m.gguf", env=nothing)
        self.check_error(UNUSABLE, "/nonsense.gguf", "ask", CAT, "what?", env=nothing)
        self.check_error(UNUSABLE, "gone.gguf", "ask", CAT, "what?", "--model", "gone.gguf")
        self.check_error(UNUSABLE, str(self.folder), "ask", CAT, "what?", "--model", self.folder)
        self.check_error(UNUSABLE, "cat.jpg", "ask", CAT, "what?", "--model", CAT)

    def test_the_default_model_lies_beside_the_program(self):
        bin_folder = self.folder / "bin"
        bin_folder.mkdir()
        shutil.copy(STERNA, bin_folder / "sterna")
        shutil.copy(MODEL, bin_folder / "sterna-nano.gguf")
        done = subprocess.run([bin_folder / "sterna", "ask", CAT, "what?"],
                              env=environment(STERNA_MODEL=""), capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        installed = self.folder / "share/sterna"
        installed.mkdir(parents=True)
        (bin_folder / "sterna-nano.gguf").rename(installed / "sterna-nano.gguf")
        done = subprocess.run([bin_folder / "sterna", "ask", CAT, "what?"],
                              env=environment(STERNA_MODEL=""), capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_full_disk_is_an_error(self):
        with open("/dev/full", "wb") as full:
            process = subprocess.run([STERNA, "--help"], stdout=full, stderr=subprocess.PIPE)
        self.assertEqual(process.returncode, UNUSABLE)
        self.assertIn(b"No space left", process.stderr)

    def test_a_closed_pipe_ends_it_quietly(self):
        self.pictures("p", 40)
        process = subprocess.Popen([STERNA, "embed", "p"], cwd=self.folder, env=environment(),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        process.stderr.close()
        self.assertEqual(process.wait(), -signal.SIGPIPE)
        self.assertEqual(err, b"")

    def test_manual_and_completions_know_every_option(self):
        texts = {name: (SOURCE / "tools" / name).read_text() for name in
                 ["sterna.1", "completions/sterna.bash", "completions/_sterna",
                  "completions/sterna.fish"]}
        for verb in VERBS:
            if verb == "model":  # has subverbs with their own help
                continue
            shown = self.check(DONE, *verb.split(), "--help").out
            for option in re.findall(r"^\s+(?:-\w, )?--(\w[\w-]*)", shown, re.MULTILINE):
                for name, text in texts.items():
                    plain = text.replace("\\-", "-")
                    self.assertTrue(f"--{option}" in plain or f"-l {option}" in plain,
                                    f"{name} lacks --{option} of {verb}")


if __name__ == "__main__":
    main()
