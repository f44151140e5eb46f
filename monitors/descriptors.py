"""How texts look, whatever their language: length, shape, script, repetition. Max-T over their ranks.

What is wrong with a text (it breaks off, it loops) and refusals are asked by monitors of their own.
"""

from __future__ import annotations

import string
import unicodedata
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from monitors.calibration import factors
from monitors.judgement import score
from monitors.mark import Mark
from monitors.monitor import Monitor, Terms
from monitors.permutation import MaxT, Weighted, effect, interval, max_t
from monitors.rows import Comparison, Features, Rows
from telltale.evidence.explanation import Unit
from telltale.evidence.scores import DescriptorChange, DescriptorChanges, Finding
from telltale.records import Basis, Direction, Score

# Full-width marks end sentences in Chinese, Japanese and Korean.
FULL_STOP, EXCLAMATION, QUESTION = "\u3002", "\uff01", "\uff1f"
ASCII_LETTERS, ASCII_DIGITS = (characters.encode() for characters in (string.ascii_letters, string.digits))

# What a text has or has not; the others are sizes.
FLAGS = ("question", "code", "link")
NAMES = ("characters", "words", "word_length", "sentences", "repetition", "letters", "digits", "latin", *FLAGS)
# Ranks are uniform on [0, 1], so 0.5 would be complete separation; a mean rank must move by this much to matter.
# Lengths follow who happens to be asking; a flag's or script's rank moves by half of what its share does.
LENGTHS, MARKS = ("characters", "words", "sentences", "repetition"), ("latin", *FLAGS)
FLOORS = np.array([0.1 if name in LENGTHS else 0.005 if name in MARKS else 0.05 for name in NAMES])

DESCRIPTORS_REPORTED = 6
# How each reads after "12 % of the responses" and after "the responses have on average 300".
READ = {
    "open_end": "stop without a mark that ends a sentence",
    "question": "have a question mark",
    "code": "have code in them",
    "link": "have a link in them",
    "refusal": "refuse, in full or in part",
    "word_length": "characters a word",
    "repetition": "bytes when compressed for each byte (less is more repetitive)",
    "letters": "letters a character",
    "digits": "digits a character",
    "latin": "Latin letters for each letter",
}


def describe(text: str) -> tuple[float, ...]:
    """The descriptors of one text, in the order of NAMES. Defined for every text, also the empty one."""
    words = text.split()
    size = max(1, len(text))
    raw = text.encode("utf-8", "replace")
    letters, digits, latin = _of_ascii(raw) if text.isascii() else _of_any(text)
    return (
        float(len(text)),
        float(len(words)),
        sum(map(len, words)) / max(1, len(words)),
        float(sum(text.count(mark) for mark in ".!?" + FULL_STOP + EXCLAMATION + QUESTION)),
        len(zlib.compress(raw, 1)) / max(1, len(raw)),
        letters / size,
        digits / size,
        latin,
        float("?" in text or QUESTION in text),
        float("```" in text or "    def " in text),
        float("http://" in text or "https://" in text),
    )


def _of_ascii(raw: bytes) -> tuple[int, int, float]:
    """Letters, digits and the share of Latin ones among the letters."""
    letters, digits = (len(raw) - len(raw.translate(None, kind)) for kind in (ASCII_LETTERS, ASCII_DIGITS))
    return letters, digits, float(letters > 0)


def _of_any(text: str) -> tuple[int, int, float]:
    letters = [character for character in text if character.isalpha()]
    first = letters[:200]
    return len(letters), sum(map(str.isdigit, text)), sum(map(_is_latin, first)) / max(1, len(first))


@cache
def _is_latin(letter: str) -> bool:
    return "LATIN" in unicodedata.name(letter, "")


@dataclass(frozen=True)
class Descriptors(Monitor):
    """Compares the window's descriptors with the reference's, all in one test over their ranks."""

    name: ClassVar[str] = "descriptors"
    signals: ClassVar[tuple[str, ...]] = ("max_t",)
    basis: ClassVar[Basis] = "calls"
    method: ClassVar[int] = 4
    directions: ClassVar[tuple[Direction, ...]] = ("prompt", "response")
    finds: ClassVar[str] = "how texts look: length, shape, script, repetition"
    effect: ClassVar[str] = "largest change of a descriptor's mean rank, in standard errors"
    evidence: ClassVar[type[Finding]] = DescriptorChanges

    terms: Terms

    @classmethod
    def of(cls, terms: Terms) -> Self:
        return cls(terms)

    def describe(self, rows: Rows, direction: Direction) -> Features:
        """Rows by descriptors."""
        described = [describe(text or "") for text in rows.texts[direction]]
        return {"values": np.array(described).reshape(len(described), len(NAMES))}

    def judge(self, comparison: Comparison) -> list[Score]:
        (signal,) = self.signals
        now, before = (side.features["values"] for side in (comparison.current, comparison.reference))
        ranks, found = self._compare(comparison)
        weights = comparison.current.weights, comparison.reference.weights
        moves = _mean(ranks[: len(now)], weights[0]) - _mean(ranks[len(now) :], weights[1])
        return [
            score(
                comparison,
                self.name,
                signal,
                len(now),
                effect=effect(found, np.abs(moves) >= FLOORS * self.terms.floor),
                threshold=found.threshold,
                p_value=found.p_value,
                interval=interval(
                    found, [f"probability of more {one}, less a half" for one in NAMES], moves, moves * 0.0
                ),
                finding=DescriptorChanges(_changes(found.z, _mean(now, weights[0]), _mean(before, weights[1]))),
            )
        ]

    def learn(self, blocks: Sequence[Comparison]) -> Mapping[str, float]:
        return factors(blocks, lambda block: (NAMES, self._compare(block)[1]))

    def mark(self, comparison: Comparison, score: Score) -> Mark | None:
        """The property that changed most."""
        found = score.details.finding
        if not isinstance(found, DescriptorChanges) or not found.descriptors:
            return None
        name = found.descriptors[0].name
        column = NAMES.index(name)
        unit: Unit = "percent" if name in MARKS[1:] else "number"
        return Mark(READ.get(name, name), unit, lambda side: side.features["values"][:, column])

    def _compare(self, comparison: Comparison) -> tuple[NDArray[np.float64], MaxT]:
        """The ranks of all values, those of the window first, and what changed."""
        now, before = comparison.current, comparison.reference
        values = np.vstack([now.features["values"], before.features["values"]])
        ranks: NDArray[np.float64] = (rankdata(values, axis=0) - 0.5) / len(values)
        found = max_t(
            Weighted(ranks[: len(now)], now.groups, now.weights),
            Weighted(ranks[len(now) :], before.groups, before.weights),
            alpha=self.terms.alpha,
            seed=self.terms.seed,
            factors=np.array([comparison.factors.get(name, 1.0) for name in NAMES]),
        )
        return ranks, found


def _mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = weights @ values / weights.sum()
    return mean


def _changes(
    z: NDArray[np.float64], now: NDArray[np.float64], before: NDArray[np.float64]
) -> tuple[DescriptorChange, ...]:
    """The descriptors that changed most, with their means."""
    return tuple(
        DescriptorChange(NAMES[i], round(float(z[i]), 2), round(float(now[i]), 3), round(float(before[i]), 3))
        for i in np.argsort(-np.abs(z))[:DESCRIPTORS_REPORTED]
    )
