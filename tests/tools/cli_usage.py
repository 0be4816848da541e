"""Verbs, options, exit codes, and what goes where."""
import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess

from harness import (BAD_USAGE, CAT, DONE, MODEL, SOURCE, STERNA, UNUSABLE, CommandTest,
                     environment, main)

# Verbs whose own verbs have options of their own.
SUBVERBS = {"index": ["build", "add", "search"], "model": ["info", "convert", "quantize", "check", "pull"]}


class Usage(CommandTest):
    def verbs(self):
        """Every verb of `sterna --help`, with the verbs below it."""
        top = re.findall(r"^  ([a-z]+)  ", self.check(DONE, "--help").out, re.MULTILINE)
        self.assertIn("ask", top)
        return [[verb, *more] for verb in top
                for more in [[sub] for sub in SUBVERBS.get(verb, [])] or [[]]]

    def test_help(self):
        self.assertEqual(self.check(DONE, "help").out, self.check(DONE, "--help").out)
        for verb in [*self.verbs(), ["index"], ["model"]]:
            shown = self.check(DONE, *verb, "--help")
            self.assertIn(f"sterna {verb[-1 if verb[-1] == 'search' else 0]}", shown.out)
            self.assertEqual(shown.err, "")
            self.assertLessEqual(max(map(len, shown.out.splitlines())), 100)

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
                ["version", "x"], ["bench", "--writer", "x"], ["bench", "kernels", "--writer", "x"],
                ["ask", CAT, "what?", "--choices", "a,b", "--choices", "c"],
                ["--threads", "1", "ask", CAT, "what?", "--threads", "2"]]:
            with self.subTest(arguments=arguments):
                result = self.check_error(BAD_USAGE, "--help'", *arguments)
                self.assertEqual(result.out, "")

    def test_an_option_with_one_value_is_given_once(self):
        self.check_error(BAD_USAGE, "--choices: expected it once, found it 2 times", "ask", CAT,
                         "what?", "--choices", "a,b", "--choices", "c")
        self.check_error(BAD_USAGE, "--output: ", "embed", CAT, "-o", "a.npy", "--output=b.npy")
        self.check(DONE, "ask", CAT, "what?", "--json", "--json")  # which has no value to lose

    def test_a_value_that_is_no_number_is_told_with_its_option(self):
        def fault(expected, *options):
            self.check_error(BAD_USAGE, expected, *options, "--json")
        ask = ["ask", CAT, "abc", "--choices", "abc"]
        fault('--top: expected a number it can take, found "abc"', *ask, "--top", "abc")
        fault('--top: expected a number it can take, found "1.5"', *ask, "--top=1.5")
        fault('--threads: expected a number it can take, found "x"', "--threads", "x", *ask)
        fault('--params: expected a number it can take, found "many"', "bench", "giant",
              "--params", "many")

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
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   bufsize=0, pipesize=4096)  # less than what it prints
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        process.stderr.close()
        self.assertEqual(process.wait(), -signal.SIGPIPE)
        self.assertEqual(err, b"")

    def options(self, verb):
        listed = self.check(DONE, *verb, "--help").out.split("\nExamples:")[0]
        return re.findall(r"^  (?:-\w, |    )(--\w[\w-]*)", listed, re.MULTILINE)

    def test_the_manual_knows_every_verb_and_option(self):
        manual = (SOURCE / "tools/sterna.1").read_text().replace("\\-", "-")
        for verb in self.verbs():
            name = ["search"] if verb == ["index", "search"] else verb
            self.assertIn("sterna " + " ".join(name), manual)
            for option in self.options(verb):
                self.assertIn(option, manual, f"option of {verb}")

    def test_bash_completion(self):
        def complete(*words):
            script = f"""source {SOURCE}/tools/completions/sterna.bash
                COMP_WORDS=(sterna {" ".join(f"'{word}'" for word in words)})
                COMP_CWORD={len(words)}; _sterna; printf '%s\\n' "${{COMPREPLY[@]}}" """
            path = f"{pathlib.Path(STERNA).parent}:{os.environ['PATH']}"
            done = subprocess.run(["bash", "-c", script], env=environment(PATH=path), text=True,
                                  cwd=self.folder, capture_output=True, check=True)
            return [line for line in done.stdout.splitlines() if line]
        self.assertEqual(complete("cl"), ["classify"])
        self.assertEqual(complete("index", "b"), ["build"])
        self.assertEqual(complete("ask", "--isa", "avx5"), ["avx512"])
        # Behind options that may stand before the verb; `=` is a word of its own.
        self.assertEqual(complete("--threads", "2", "as"), ["ask"])
        self.assertEqual(complete("--json", "--isa", "=", "amx", "index", "b"), ["build"])
        self.assertEqual(complete("--isa", "avx5"), ["avx512"])
        self.assertEqual(complete("--th"), ["--threads"])
        # Files, whatever their names.
        for name in ["my cat.jpg", "my *.jpg", "other.jpg"]:
            (self.folder / name).touch()
        self.assertEqual(sorted(complete("ask", "my")), ["my *.jpg", "my cat.jpg"])
        self.assertEqual(sorted(complete("--threads", "2", "ask", "my")),
                         ["my *.jpg", "my cat.jpg"])
        # --help tells of an option of another verb there.
        self.assertNotIn("--batch", complete("model", "quantize", "--"))
        for verb in self.verbs():
            self.assertIn(verb[0], complete(""))
            self.assertEqual(sorted(set(complete(*verb, "--"))), sorted(set(self.options(verb))))

    def test_progress_and_colour_are_for_terminals(self):
        self.pictures("p", 30)
        def on_terminal(*arguments, stream, **variables):
            try:
                ours, theirs = pty.openpty()
            except OSError as fault:  # a bare chroot has none
                self.skipTest(str(fault))
            env = environment(TERM="xterm", **variables)
            process = subprocess.Popen([STERNA, *arguments], cwd=self.folder, env=env,
                                       **({"stdout": subprocess.DEVNULL,
                                           "stderr": subprocess.DEVNULL} | {stream: theirs}))
            os.close(theirs)
            text = b""
            try:
                while piece := os.read(ours, 4096):
                    text += piece
            except OSError:  # the other side is closed
                pass
            os.close(ours)
            self.assertEqual(process.wait(), DONE)
            return text.decode()
        shown = on_terminal("embed", "p", "-o", "out.npy", stream="stderr")
        self.assertRegex(shown, r"\r\x1b\[K\d+ of 30 \(\d+ %\), [\d.]+/s, \d+:\d\d left")
        self.assertRegex(shown, r"\r\x1b\[Ksterna embed: 30 rows in out.npy")
        ask = ["ask", CAT, "what?", "--choices", "cat,dog"]
        self.assertIn("\x1b[1m", on_terminal(*ask, stream="stdout", NO_COLOR=""))
        self.assertNotIn("\x1b", on_terminal(*ask, stream="stdout"))
        piped = self.check(DONE, "embed", "p", "-o", "piped.npy")
        self.assertEqual(len(piped.err.splitlines()), 1)
        self.assertNotIn("\x1b", piped.err)


if __name__ == "__main__":
    main()
