"""Texts that say nearly the same: those that share most of their runs of five words.

Of each text the smallest hashes of its runs are kept, from which the share of runs that two texts have in common is
estimated (Broder, On the resemblance and containment of documents, 1997); of long texts a quarter of the runs, chosen
by their first word, stands for all. Hashes do not depend on the process, so the same texts give the same answer
everywhere. Chinese and Japanese count each character as a word; of shorter texts than a run only equal ones are alike.
"""

from __future__ import annotations

import re
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Final

RUN: Final = 5
KEPT: Final = 64
LONG: Final = 100
"""Words from which on a text is long."""
# Two texts that share 80 % of their runs have one of the five smallest hashes in common with a chance of 99.97 %.
LOOKED_UP: Final = 5
# How many texts are kept under one hash. A template has all of its texts there, so a full place tells nothing of them:
# the next smallest hash stands for it.
MOST_IN_A_PLACE: Final = 8
ALIKE: Final = 0.8
_WORD: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+")
_PLAIN: Final = {code: chr(code).lower() if chr(code).isalnum() else " " for code in range(128)}
# Knuth, The Art of Computer Programming 3, 6.4: multiples of the golden ratio spread evenly.
_SPREAD: Final = 0x9E3779B97F4A7C15
_MASK: Final = (1 << 61) - 1

Sketch = tuple[int, ...]


def sketch(text: str) -> Sketch:
    """The smallest hashes of a text's runs of words, in ascending order."""
    spoken = _words(text)
    if len(spoken) < RUN:
        return (_hash(" ".join(spoken) or text.strip()) * _SPREAD & _MASK,)
    words = [*map(_hash, spoken)]
    # The low bits of the first word's hash.
    chosen = 3 if len(words) >= LONG else 0
    runs = {
        (a * 0x9E3779B1 ^ b * 0x85EBCA77 ^ c * 0xC2B2AE3D ^ d * 0x27D4EB2F ^ e * 0x165667B1) * _SPREAD & _MASK
        for a, b, c, d, e in zip(words, words[1:], words[2:], words[3:], words[4:], strict=False)
        if not a & chosen
    }
    return tuple(sorted(runs)[:KEPT]) or (sum(words) * _SPREAD & _MASK,)


def likeness(one: Sequence[int], other: Sequence[int]) -> float:
    """Which share of the runs of either text both have, from 0 to 1; exact for texts of few runs."""
    both = {*one, *other}
    smallest = sorted(both)[:KEPT] if len(both) > KEPT else both
    shared = {*one} & {*other}
    return sum(hashed in shared for hashed in smallest) / len(smallest)


class Alike:
    """Finds among texts that were added those that are alike. Which are found depends on their order alone."""

    def __init__(self) -> None:
        self._places: dict[int, list[int]] = {}
        self._sketches: list[array[int]] = []

    def find(self, wanted: Sketch, fits: Callable[[int], bool] = lambda _: True) -> int | None:
        """The number of the first text that is alike and fits, in the order in which they were added; None without."""
        return next(self.all(wanted, fits), None)

    def all(self, wanted: Sketch, fits: Callable[[int], bool] = lambda _: True) -> Iterator[int]:
        """The numbers of those that are alike and fit, in the order in which they were added."""
        for number in sorted(self._near(wanted)):
            if fits(number) and self.is_alike(number, wanted):
                yield number

    def add(self, new: Sketch) -> int:
        """Adds a text; returns its number."""
        number = len(self._sketches)
        # An eighth of the memory that numbers of Python's take.
        self._sketches.append(array("Q", new))
        kept = 0
        for hashed in new:
            place = self._places.setdefault(hashed, [])
            if len(place) < MOST_IN_A_PLACE:
                place.append(number)
                kept += 1
                if kept == LOOKED_UP:
                    break
        return number

    def is_alike(self, number: int, other: Sketch) -> bool:
        one = self._sketches[number]
        # Most of a template's texts share less than that, and comparing them whole takes three times as long.
        most = len({*other}.intersection(one)) / max(len(one), len(other))
        return most >= ALIKE and likeness(one, other) >= ALIKE

    def _near(self, wanted: Sketch) -> set[int]:
        """Those that share one of the smallest hashes that tell something of a text."""
        found: set[int] = set()
        looked_up = 0
        for hashed in wanted:
            place = self._places.get(hashed, ())
            found.update(place)
            looked_up += len(place) < MOST_IN_A_PLACE
            if looked_up == LOOKED_UP:
                break
        return found


def _words(text: str) -> list[str]:
    # The same words, in a tenth of the time.
    return text.translate(_PLAIN).split() if text.isascii() else _WORD.findall(text.casefold())


@lru_cache(maxsize=65_536)
def _hash(word: str) -> int:
    return zlib.crc32(word.encode("utf-8", "replace"))
