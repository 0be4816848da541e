"""`sterna eval`: the contract's lines, what is right, baselines, failing lines."""
import json

from harness import BAD_USAGE, CAT, DONE, SOME_FAILED, UNUSABLE, CommandTest, main, png

KEYS = ["task", "n", "accuracy", "ci95", "majority", "question_only", "ece"]


class Eval(CommandTest):
    def questions(self, lines, name="questions.jsonl"):
        return self.write(name, "".join(json.dumps(line) + "\n" for line in lines).encode())

    def ask(self, image, question, choices):
        (line,) = self.check(DONE, "ask", image, question, "--choices", choices, "--json").json()
        return line

    def test_accuracy_is_that_of_ask(self):
        choices = ["red", "green", "blue"]
        pictures = self.pictures("p", 6)
        answers = [self.ask(p, "what colour?", "red,green,blue") for p in pictures]
        # Half of the lines accept what the model answers, the other half only something else.
        lines = []
        for i, (picture, line) in enumerate(zip(pictures, answers)):
            others = [c for c in choices if c != line["answer"]]
            truth = {"answer": line["answer"].upper() + " "} if i % 2 == 0 else {"answers": others}
            lines.append({"image": f"p/{picture.name}", "question": "what colour?", "task": "even"
                          if i < 4 else "rest", "choices": choices} | truth)
        result = self.check(DONE, "eval", self.questions(lines), "--json").json()
        self.assertEqual([line["task"] for line in result], ["even", "rest", "all"])
        for line in result:
            self.assertEqual(list(line)[:len(KEYS)], KEYS)
            self.assertEqual(line["accuracy"], 0.5)
            low, high = line["ci95"]
            self.assertTrue(0 <= low < 0.5 < high <= 1)
            self.assertTrue(0 <= line["question_only"] <= 1)
        self.assertEqual([line["n"] for line in result], [4, 2, 6])
        self.assertEqual(result[-1]["decodes"], 6)
        self.assertEqual(result[-1]["failed"], 0)
        # All confidences of a task in bins: the error can't exceed the largest distance.
        worst = max(abs((i % 2 == 0) - a["confidence"]) for i, a in enumerate(answers))
        self.assertLessEqual(result[-1]["ece"], worst + 1e-6)
        text = self.check(DONE, "eval", self.questions(lines)).out
        self.assertIn("question only", text)
        self.assertEqual(text, self.check(DONE, "eval", "--threads", "1",
                                          self.questions(lines)).out)

    def test_majority_and_vocabulary(self):
        self.write("a.png", png(20, 20))
        lines = [{"image": "a.png", "question": f"what is {i}?", "answer": a}
                 for i, a in enumerate(["yes", "Yes", "no", "perhaps"])]
        (task, everything) = self.check(DONE, "eval", self.questions(lines), "--json").json()
        self.assertEqual(task["task"], "untitled")
        self.assertEqual(task["majority"], 0.5)
        self.assertEqual(everything["n"], 4)

    def test_failing_lines_are_named_and_the_rest_counts(self):
        good = {"image": str(CAT), "question": "what?", "answer": "cat", "choices": ["cat", "dog"]}
        file = self.questions([
            good, good | {"image": "gone.jpg"}, good | {"answer": 5}, good | {"choices": ["x", "y"]},
            {k: v for k, v in good.items() if k != "answer"}, {"question": "what?"}])
        with open(file, "a") as f:
            f.write("no JSON\n")
        result = self.check(SOME_FAILED, "eval", file, "--json")
        errors = result.err.splitlines()
        self.assertEqual(len(errors), 6, result.err)
        for part in ["gone.jpg", '"answer" is no string', "no choice is a right answer",
                     '"answer" is missing', '"image" is missing', "found no JSON"]:
            self.assertEqual(sum(part in e for e in errors), 1, (part, result.err))
        self.assertEqual(result.json()[-1]["n"], 1)
        self.assertEqual(result.json()[-1]["failed"], 6)

    def test_usage(self):
        self.check_error(BAD_USAGE, "expected one file", "eval")
        self.check_error(UNUSABLE, "gone.jsonl", "eval", "gone.jsonl")
        self.check_error(UNUSABLE, "empty.jsonl", "eval", self.write("empty.jsonl", b"\n"))
        self.check_error(UNUSABLE, "gone.gguf", "eval", "--model", "gone.gguf",
                         self.questions([{"image": str(CAT), "question": "what?", "answer": "x"}]))
        self.assertIn("Wilson", self.check(DONE, "eval", "--help").out)


main()
