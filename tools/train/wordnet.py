"""A small reader of WordNet's noun files: synsets by offset, hypernyms, lemmas, how often words were tagged."""

from functools import lru_cache
from pathlib import Path


class Nouns:
    """`lemmas[offset]`, `parents[offset]` and `senses[word]` (most frequent first)."""

    def __init__(self, folder: Path):
        self.lemmas: dict[int, list[str]] = {}
        self.parents: dict[int, list[int]] = {}
        self.lexfile: dict[int, int] = {}
        self.senses: dict[str, list[int]] = {}
        self.tagged: dict[str, int] = {}
        for line in (folder / "data.noun").read_text().splitlines():
            if line.startswith("  "):
                continue
            f = line.split(" | ")[0].split()
            offset, count = int(f[0]), int(f[3], 16)
            self.lexfile[offset] = int(f[1])
            self.lemmas[offset] = [f[4 + 2 * i].replace("_", " ") for i in range(count)]
            at = 4 + 2 * count
            pointers = f[at + 1:at + 1 + 4 * int(f[at])]
            self.parents[offset] = [int(pointers[i + 1]) for i in range(0, len(pointers), 4)
                                    if pointers[i] in ("@", "@i")]
        self.uses: dict[tuple[str, int], int] = {}  # (word, lexicographer file) -> tags in the sense-tagged texts
        for line in (folder / "cntlist.rev").read_text().splitlines():
            key, _, count = line.split()
            word, sense = key.split("%")
            if sense.startswith("1:"):
                at = (word.replace("_", " "), int(sense.split(":")[1]))
                self.uses[at] = self.uses.get(at, 0) + int(count)
        for line in (folder / "index.noun").read_text().splitlines():
            if line.startswith("  "):
                continue
            f = line.split()
            word, senses, pointer_kinds = f[0].replace("_", " "), int(f[2]), int(f[3])
            self.tagged[word] = int(f[5 + pointer_kinds])
            self.senses[word] = [int(o) for o in f[-senses:]]

    @lru_cache(maxsize=None)
    def ancestors(self, offset: int) -> tuple[int, ...]:
        """The synset itself, then its hypernyms breadth first."""
        seen, queue = [], [offset]
        while queue:
            at = queue.pop(0)
            if at not in seen:
                seen.append(at)
                queue += self.parents.get(at, [])
        return tuple(seen)
