"""What tests of `sterna watch` share: raw frames, and what its events look like."""
from harness import SOURCE, CommandTest

COST = ["recalled", "decoder_flops", "tower_spared", "saved_ms", "cpu_seconds", "joules",
        "instructions"]
EVENT = ["start", "end", "text", "confidence", "frame"]
SUMMARY = ["summary", "seconds", "frames", "embedded", "decodes"]
CLIP = SOURCE / "tests/golden/pixels/video/clip.avi"
GOLDEN = SOURCE / "tests/golden"
SIZE = 48


def frame(colour):
    """A raw RGB frame with a pattern on it."""
    return b"".join(bytes(c // 2 if (x // 8 + y // 8) % 2 else c for c in colour)
                    for y in range(SIZE) for x in range(SIZE))


def raw(*parts, fps=10):
    """Raw frames: (colour, seconds) one after another."""
    return b"".join(frame(colour) * round(seconds * fps) for colour, seconds in parts)


RED, BLUE, WHITE = (250, 10, 20), (10, 30, 240), (255, 255, 250)
RAW = ["-", "--raw", f"{SIZE}x{SIZE}:rgb24@10", "--fps", "0"]


class StreamTest(CommandTest):
    def events(self, result, decodes=None):
        *events, summary = result.json()
        for event in events:
            self.assertEqual(list(event), EVENT)
            self.assertLess(event["start"], event["end"])
            self.assertTrue(0 <= event["confidence"] <= 1)
        for a, b in zip(events, events[1:]):
            self.assertEqual(a["end"], b["start"])
        self.assertEqual(list(summary)[:len(SUMMARY)], SUMMARY)
        self.assertEqual(summary["decodes"] + summary["recalled"], len(events))
        self.assertTrue(set(COST) <= set(summary), summary)
        self.assertEqual(summary["embedded"] + summary["unchanged"] , summary["frames"])
        if decodes is not None:
            self.assertEqual(summary["decodes"], decodes)
        return events, summary
