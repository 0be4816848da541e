"""`sterna bench decode`."""
import json
import os

from harness import BAD_USAGE, CAT, COFFEE, DONE, UNUSABLE, CommandTest, main


class BenchDecode(CommandTest):
    def test_rows_and_ratios(self):
        result = self.check(DONE, "bench", "decode", "--seconds", "12", "--fps", "2", "--json",
                            "--plot", "curve.svg")
        lines = result.json()
        rows = [line for line in lines if "policy" in line]
        self.assertEqual({row["policy"] for row in rows},
                         {"uniform", "sampled", "ward", "cusum", "variance", "uniform+recall",
                          "ward+recall", "cusum+recall", "truth"})
        for row in rows:
            self.assertEqual(list(row)[:4], ["policy", "rate", "score", "decodes"])
            self.assertTrue(0 <= row["score"] <= 1 and 0 <= row["boundary_f1"] <= 1)
            if row["policy"] == "uniform":  # itself, or fewer for a score that it reached before
                self.assertLessEqual(row["ratio"], 1)
                self.assertLessEqual(row["cider_ratio"], 1)
            if row["policy"] in ("uniform", "sampled", "ward") and row["rate"] > 0:
                self.assertLessEqual(row["decodes"], max(1, 12 * row["rate"] + 1))  # an upper bound
            if row["policy"] in ("ward", "ward+recall", "truth"):
                self.assertIsNone(row["delay"])
            if "recall" in row["policy"]:
                self.assertLessEqual(row["decodes"], row["segments"])
        equal = [line for line in lines if line.get("equal") == "score"]
        self.assertEqual([line["fixed_rate"] for line in equal], [0.5, 1, 1.5, 2, 3])
        for line in equal:
            self.assertEqual(set(line["ward"]), {"ratio", "median", "least", "most"})
        self.assertEqual([line["boundaries"] for line in lines if "boundaries" in line],
                         ["ward", "ward", "cusum", "cusum", "variance", "variance"])
        self.assertIn("flops_per_decode", lines[-1])
        (passes,) = [line for line in lines if "ms_per_embedding" in line]
        self.assertIn("joules_per_embedding", passes)
        (moving,) = [line for line in lines if "unchanged" in line]
        self.assertEqual(moving["levels"], 1.5)
        lines = self.check(DONE, "bench", "decode", "--seconds", "12", "--fps", "4", "--json",
                           "--still", "--dissolves", "0").json()
        (still,) = [line for line in lines if "unchanged" in line]
        self.assertGreater(still["unchanged"], max(0.5, moving["unchanged"]))
        self.assertLess(abs(still["score"] - still["score_all_encoded"]), 0.25)
        self.assertTrue((self.folder / "curve.svg").read_text().startswith("<svg "))

        # Photos with captions, two streams of them; kept for the second time.
        self.write("slides/captions.jsonl", "".join(
            json.dumps({"image": str(image), "label": label, "caption": f"a photo of a {label}"}) + "\n"
            for image, label in ((CAT, "cat"), (COFFEE, "coffee"))).encode())
        slides = ["bench", "decode", "--seconds", "10", "--fps", "2", "--json", "--pictures",
                  "slides", "--seeds", "2", "--cache", "kept"]
        first = self.check(DONE, *slides).json()
        self.assertEqual([line["stream"] for line in first if "stream" in line], [1, 2])
        again = self.check(DONE, *slides).json()
        self.assertEqual(len(os.listdir(self.folder / "kept")), 2)
        self.assertEqual([line for line in first if "policy" in line],
                         [line for line in again if "policy" in line])
        (self.folder / "kept" / os.listdir(self.folder / "kept")[0]).write_bytes(b"no array")
        self.check_error(UNUSABLE, "kept/", *slides)

    def test_usage(self):
        self.check_error(BAD_USAGE, "seeds", "bench", "decode", "--seeds", "0")
        self.check_error(BAD_USAGE, "recall", "bench", "decode", "--recall", "2")
        self.check_error(BAD_USAGE, "expected kernels", "bench", "nothing")
        self.check_error(BAD_USAGE, "dissolves", "bench", "decode", "--dissolves", "2")
        self.check_error(UNUSABLE, "nowhere", "bench", "decode", "--pictures", "nowhere")


if __name__ == "__main__":
    main()
