"""`sterna eval`: the contract's lines, what is right, baselines, failing lines."""
import json
import os
import shutil
import xml.etree.ElementTree as ElementTree

from harness import BAD_USAGE, CAT, DONE, MODEL, SOME_FAILED, UNUSABLE, CommandTest, main, png

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
            good | {"task": "all"},
            {k: v for k, v in good.items() if k != "answer"}, {"question": "what?"}])
        with open(file, "a") as f:
            f.write("no JSON\n")
        result = self.check(SOME_FAILED, "eval", file, "--json")
        errors = result.err.splitlines()
        self.assertEqual(len(errors), 7, result.err)
        for part in ["gone.jpg", '"answer" is no string', "no choice is a right answer", '"task": expected another name',
                     '"answer" is missing', '"image" is missing', "found no JSON"]:
            self.assertEqual(sum(part in e for e in errors), 1, (part, result.err))
        self.assertEqual(result.json()[-1]["n"], 1)
        self.assertEqual(result.json()[-1]["failed"], 7)

    def test_abstention_and_confusions(self):
        choices = ["red", "green", "blue"]
        pictures = self.pictures("p", 5)
        answers = [self.ask(p, "what colour?", "red,green,blue") for p in pictures]
        lines = []
        for i, (picture, line) in enumerate(zip(pictures, answers)):
            other = choices[(choices.index(line["answer"]) + 1) % 3]
            lines.append({"image": f"p/{picture.name}", "question": "what colour?",
                          "choices": choices, "answer": other if i == 0 else line["answer"]})
        task, everything = self.check(DONE, "eval", self.questions(lines), "--json").json()
        truth = lines[0]["answer"]
        self.assertEqual(task["confusion"],
                         [{"truth": truth, "answer": answers[0]["answer"], "n": 1}])
        self.assertNotIn("confusion", everything)
        self.assertEqual(task["sure"], sum(a["sure"] for a in answers) / 5)
        # The least confident of five is left out; equals share its place.
        self.assertTrue(0.75 <= task["accuracy_at_80"] <= 1)
        text = self.check(DONE, "eval", self.questions(lines)).out
        self.assertIn(f"untitled: {answers[0]['answer']} for {truth} 1", text)

    def test_models_side_by_side(self):
        shutil.copy(MODEL, self.folder / "other.gguf")
        good = {"image": str(CAT), "question": "what?", "answer": "cat", "choices": ["cat", "dog"]}
        file = self.questions([good, good | {"question": "which?", "task": "t"},
                               good | {"image": "gone.png"}])
        models = ["--model", MODEL, "--model", "other.gguf"]
        result = self.check(SOME_FAILED, "eval", *models, file, "--json")
        self.assertEqual(len(result.err.splitlines()), 1, result.err)
        lines = result.json()
        self.assertEqual([line["model"] for line in lines],
                         [os.path.basename(MODEL)] * 3 + ["other.gguf"] * 3)
        for mine, other in zip(lines[:3], lines[3:]):
            self.assertEqual(list(mine)[:len(KEYS)], KEYS)
            self.assertEqual({**mine, "model": 0}, {**other, "model": 0})
        text = self.check(SOME_FAILED, "eval", *models, file).out
        head, *rows = text[text.rindex("\n\n") + 2:].splitlines()
        self.assertEqual(head.split(), ["task", "n", os.path.basename(MODEL), "other.gguf"])
        self.assertEqual([row.split()[0] for row in rows], ["t", "untitled", "all"])
        self.check_error(BAD_USAGE, "different", "eval", "--model", MODEL, "--model", MODEL, file)

    def test_page(self):
        (self.folder / "<b>&").mkdir()
        self.write("<b>&/a.png", png(40, 30))
        shutil.copy(MODEL, self.folder / "other.gguf")
        line = {"image": "<b>&/a.png", "question": "</p>what?", "choices": ["<i>", "&amp;"],
                "task": "<task>"}
        (said,) = self.check(DONE, "ask", "--batch", "-", "--json",
                             stdin=json.dumps(line).encode()).json()
        wrong = [c for c in line["choices"] if c != said["answer"]]
        file = self.questions([line | {"answer": said["answer"]}, line | {"answers": wrong},
                               line | {"answer": "<i>", "image": "gone.png"}])
        self.check(SOME_FAILED, "eval", file, "--html", "page.html", "--model", MODEL, "--model",
                   "other.gguf")
        text = (self.folder / "page.html").read_text("utf-8")
        page = ElementTree.fromstring(text)
        right, false, gone = page.findall("./body/article")
        for card, kind in ((right, "right"), (false, "wrong")):
            self.assertTrue(card.find("./img").get("src").startswith("data:image/jpeg;base64,"))
            self.assertEqual(card.find("./div/h3").text, "<b>&/a.png")
            self.assertEqual(card.find("./div/p/b").text, "</p>what?")
            verdicts = card.findall(f"./div/p[@class='{kind}']")
            self.assertEqual(len(verdicts), 2)
            self.assertIn(said["answer"], verdicts[0].text)
        self.assertEqual(right.get("class"), "known")
        self.assertIsNone(false.get("class"))
        self.assertIsNone(gone.find("./img"))
        self.assertIn("gone.png", gone.find("./div/p[@class='wrong']").text)
        tables = page.findall("./body/div[@class='tables']/table")
        self.assertEqual(len(tables), 2)
        self.assertEqual(tables[0].findall("./tr")[1].find("./td").text, "<task>")
        self.check_error(UNUSABLE, "nowhere/page.html", "eval", file, "--html", "nowhere/page.html")

    def test_usage(self):
        self.check_error(BAD_USAGE, "expected one file", "eval")
        self.check_error(UNUSABLE, "gone.jsonl", "eval", "gone.jsonl")
        self.check_error(UNUSABLE, "empty.jsonl", "eval", self.write("empty.jsonl", b"\n"))
        self.check_error(UNUSABLE, "gone.gguf", "eval", "--model", "gone.gguf",
                         self.questions([{"image": str(CAT), "question": "what?", "answer": "x"}]))
        self.assertIn("Wilson", self.check(DONE, "eval", "--help").out)


main()
