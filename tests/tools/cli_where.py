"""`sterna ask --where` and `--html`: where in a picture an answer comes from."""
import base64
import json
import os
import signal
import xml.etree.ElementTree as ElementTree

from harness import (BAD_USAGE, CAT, COFFEE, DONE, SOME_FAILED, UNUSABLE, CommandTest, main, png,
                     start)


class Where(CommandTest):
    def check_where(self, where):
        self.assertEqual(list(where), ["grid", "support", "box", "region"])
        rows, columns = where["grid"]
        self.assertEqual(len(where["support"]), rows * columns)
        if max(where["support"]) <= 0:
            self.assertIsNone(where["box"])
            return self.assertEqual(where["region"], "nowhere in particular")
        x0, y0, x1, y1 = where["box"]
        self.assertTrue(0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1, where)
        peak = where["support"].index(max(where["support"]))
        self.assertTrue(x0 < (peak % columns + 0.5) / columns < x1, where)
        self.assertTrue(y0 < (peak // columns + 0.5) / rows < y1, where)
        self.assertRegex(where["region"], "^(all over|(top|bottom)?( ?(left|right))?|centre)$")

    def cards(self, name):
        """The cards of a page, which must be one well-formed whole without script or address."""
        text = (self.folder / name).read_text("utf-8")
        self.assertTrue(text.endswith("</html>\n"))
        root = ElementTree.fromstring(text)
        self.assertEqual(root.findall(".//script"), [])
        for element in root.iter():
            for key, value in element.attrib.items():
                self.assertFalse(key.startswith("on"), element.attrib)
                if key in ("href", "src"):
                    self.assertTrue(value.startswith("data:image/jpeg;base64,"), value[:40])
                    self.assertEqual(base64.b64decode(value.split(",")[1])[:2], b"\xff\xd8")
        return root.findall("./body/article")

    def test_json(self):
        ask = ["ask", CAT, "what animal is this?", "--json"]
        for more in ([], ["--choices", "cat,dog"]):
            (plain,) = self.check(DONE, *ask, *more).json()
            self.assertNotIn("where", plain)
            lines = [self.check(DONE, *ask, *more, "--where", "--threads", n).json()[0]
                     for n in ("1", "2")]
            for line in lines:
                self.check_where(line["where"])
                self.assertEqual(line["decodes"], 1)
                self.assertEqual(line["candidates"], plain["candidates"])
            self.assertEqual(lines[0]["where"], lines[1]["where"])

    def test_for_people(self):
        (line,) = self.check(DONE, "ask", CAT, "what?", "--choices", "cat,dog", "--where",
                             "--json").json()
        text = self.check(DONE, "ask", CAT, "what?", "--choices", "cat,dog", "--where").out
        self.assertEqual(len(text.splitlines()), 1)
        self.assertTrue(text.endswith(f"{line['where']['region']}\n"), text)
        text = self.check(DONE, "ask", CAT, "what?", "--choices", "cat,dog", "--where", "--top",
                          "2").out
        self.assertIn(line["where"]["region"], text.splitlines()[0])
        self.assertEqual(len(text.splitlines()), 3)

    def test_batch(self):
        lines = [{"image": str(CAT), "question": "what?", "where": "echoed"},
                 {"image": str(CAT), "question": "which colour?", "choices": ["red", "blue"]},
                 {"image": "gone.png", "question": "what?"},
                 {"image": str(COFFEE), "question": "what?"}]
        self.write("q.jsonl", "\n".join(map(json.dumps, lines)).encode())
        result = self.check(SOME_FAILED, "ask", "--batch", "q.jsonl", "--json", "--where",
                            "--html", "page.html").json()
        for i in (0, 1, 3):
            self.check_where(result[i]["where"])
        self.assertEqual(result[0]["given_where"], "echoed")
        self.assertNotIn("where", result[2])
        (alone,) = self.check(DONE, "ask", CAT, "what?", "--where", "--json").json()
        self.assertEqual(alone["where"], result[0]["where"])
        (first, *_) = self.check(SOME_FAILED, "ask", "--batch", "q.jsonl", "--json").json()
        self.assertEqual(first["where"], "echoed")
        self.assertEqual(len(self.cards("page.html")), 4)

    def test_page(self):
        self.check(DONE, "ask", CAT, COFFEE, "what is this?", "--html", "page.html", "--where")
        cards = self.cards("page.html")
        self.assertEqual(len(cards), 2)
        for card, name in zip(cards, (CAT, COFFEE)):
            self.assertEqual(card.find("./div/h2").text, str(name))
            self.assertEqual(card.find("./div/p[@class='question']").text, "what is this?")
            (picture,) = card.findall("./svg/image")
            self.assertLessEqual(int(picture.get("width")), 640)
            self.assertEqual(len(card.findall("./div/table/tr")), 5)
            heat = [float(r.get("fill-opacity")) for r in card.findall("./svg/g/rect")]
            self.assertTrue(all(0 <= opacity <= 0.651 for opacity in heat), heat)
            self.assertEqual(len(card.findall("./svg/rect")), 1 if heat else 0)
        # Without --where the lines stay as they were.
        plain = self.check(DONE, "ask", CAT, "what?", "--json").json()
        paged = self.check(DONE, "ask", CAT, "what?", "--json", "--html", "two.html").json()
        self.assertEqual(plain[0].keys(), paged[0].keys())

    def test_hostile_names_and_texts(self):
        name = b"<script>'\"&\x1b\n\xe9.png"
        with open(os.path.join(os.fsencode(self.folder), name), "wb") as file:
            file.write(png(20, 10))
        question = "</p><script>alert(1)</script>"
        self.check(SOME_FAILED, "ask", name, "gone<b>.png", question, "--choices", "<i>a</i>,b&amp;",
                   "--html", "page.html")
        good, gone = self.cards("page.html")
        self.assertEqual(good.find("./div/p[@class='question']").text, question)
        self.assertEqual({cell.text for cell in good.findall("./div/table/tr/td[1]")},
                         {"<i>a</i>", "b&amp;"})
        self.assertIn("<script>'\"&", good.find("./div/h2").text)
        self.assertIn("gone<b>.png", gone.find("./div/p[@class='error']").text)
        self.assertIsNone(gone.find("./svg"))

    def test_the_page_appears_whole_or_not_at_all(self):
        self.check_error(UNUSABLE, "nowhere/page.html", "ask", CAT, "what?", "--html",
                         "nowhere/page.html")
        self.check_error(BAD_USAGE, "--html", "ask", CAT, "what?", "--html", "")
        self.pictures("p", 400)
        process = start("ask", "p", "what?", "--html", "page.html", "--threads", "1",
                        cwd=self.folder)
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
        self.assertIn(process.returncode, (130, DONE))
        self.assertGreaterEqual(len(self.cards("page.html")), 1)
        self.assertEqual(sorted(os.listdir(self.folder)), ["p", "page.html"])

if __name__ == "__main__":
    main()
