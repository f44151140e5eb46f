"""Texts to store: made up, or from files; none is used twice."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain
from pathlib import Path

# Made-up prose that zstd (level 3) compresses as it does English: 1 KB to 0.55, 5 KB to 0.46, 256 KB to 0.37.
WORDS, EXPONENT, SHIFT = 20_000, 1.05, 2.7
HABITS, HABIT = 4, 0.6
"""How many words often follow a word, and the part of words that do so."""
CONSONANTS = ("b", "d", "f", "g", "l", "m", "n", "p", "r", "s", "t", "v", "st", "tr", "pl", "ch", "")
VOWELS = ("a", "e", "i", "o", "u", "ea", "er", "on", "an", "in", "al", "es")


class UsedUp(Exception):
    """There are no more texts."""


class Texts:
    """Hands out text, none of it twice."""

    def __init__(self, paragraphs: Iterator[str]) -> None:
        self._paragraphs = paragraphs
        self._rest = ""

    def take(self, characters: int) -> str:
        """The next so many characters, paragraphs as lines. Raises UsedUp."""
        while len(self._rest) < characters:
            paragraph = next(self._paragraphs, None)
            if paragraph is None:
                raise UsedUp
            self._rest += paragraph + "\n"
        taken, self._rest = self._rest[:characters], self._rest[characters:]
        return taken


def made(seed: int) -> Iterator[str]:
    """Paragraphs without end: words as often as in a language (Zipf-Mandelbrot), each with words that often follow."""
    draw = random.Random(seed)
    words = _words()
    often = list(accumulate(1 / (rank + SHIFT) ** EXPONENT for rank in range(1, WORDS + 1)))
    following: dict[str, list[str]] = {}
    while True:
        sentences: list[str] = []
        for _ in range(draw.randint(2, 6)):
            sentence = draw.choices(words, cum_weights=often)
            for _ in range(draw.randint(4, 24)):
                last = sentence[-1]
                if last not in following:
                    following[last] = random.Random(last).choices(words, cum_weights=often, k=HABITS)
                habit = draw.random() < HABIT
                sentence.append(draw.choice(following[last]) if habit else draw.choices(words, cum_weights=often)[0])
            sentences.append(" ".join(sentence).capitalize() + draw.choice("...?:"))
        yield " ".join(sentences)


def of_files(paths: Iterable[Path], fields: Sequence[str]) -> Iterator[str]:
    """The paragraphs of these fields of JSONL files, in their order, without those that came before."""
    seen = set()
    for line in chain.from_iterable(path.read_text().splitlines() for path in paths):
        row = json.loads(line)
        for paragraph in "\n\n".join(str(row.get(field) or "") for field in fields).split("\n\n"):
            kept = paragraph.strip()
            if kept and kept not in seen:
                seen.add(kept)
                yield kept


def _words() -> list[str]:
    """Frequent words are short."""
    draw = random.Random(0)
    found: dict[str, None] = {}
    while len(found) < WORDS:
        syllables = 1 if len(found) < 150 else 2 if len(found) < 1500 else draw.randint(2, 4)
        found["".join(draw.choice(CONSONANTS) + draw.choice(VOWELS) for _ in range(syllables))] = None
    return list(found)
