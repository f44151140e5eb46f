"""How texts look, whatever their language: length, shape, script, repetition, refusals. Max-T over their ranks."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from monitors.calibration import factors
from monitors.judgement import score
from monitors.monitor import Monitor, Terms
from monitors.permutation import MaxT, Weighted, effect, max_t
from monitors.rows import Comparison, Features, Rows
from telltale.evidence.scores import DescriptorChange, DescriptorChanges, Finding
from telltale.records import Basis, Direction, Score

# Full-width marks end sentences in Chinese, Japanese and Korean.
FULL_STOP, EXCLAMATION, QUESTION = "\u3002", "\uff01", "\uff1f"
ENDS = tuple(".!?…:;)\"'»”」`" + FULL_STOP + EXCLAMATION + QUESTION)
REFUSAL = re.compile(
    r"(?i)\b(?:sorry|apologi[sz]e|cannot help|can't help|as an? (?:ai|language model)|not able to|unable to|not sure)\b"
    r"|죄송|할 수 없습니다|申し訳|抱歉"
)

NAMES = (
    *("characters", "words", "word_length", "sentences", "repetition", "letters", "digits", "latin"),
    *("open_end", "question", "code", "link", "refusal"),
)
# Ranks are uniform on [0, 1], so 0.5 would be complete separation; a mean rank must move by this much to matter.
# Lengths follow who happens to be asking; a flag's or script's rank moves by half of the change of its share.
LENGTHS, MARKS = ("characters", "words", "sentences", "repetition"), ("latin", *NAMES[-5:])
FLOORS = np.array([0.1 if name in LENGTHS else 0.015 if name in MARKS else 0.05 for name in NAMES])

DESCRIPTORS_REPORTED = 6


def describe(text: str) -> tuple[float, ...]:
    """The descriptors of one text, in the order of NAMES. Defined for every text, also the empty one."""
    words = text.split()
    letters = [character for character in text if character.isalpha()]
    size = max(1, len(text))
    raw = text.encode("utf-8", "replace")
    stripped = text.rstrip()
    return (
        float(len(text)),
        float(len(words)),
        sum(map(len, words)) / max(1, len(words)),
        float(sum(text.count(mark) for mark in ".!?" + FULL_STOP + EXCLAMATION + QUESTION)),
        len(zlib.compress(raw, 1)) / max(1, len(raw)),
        len(letters) / size,
        sum(character.isdigit() for character in text) / size,
        sum("LATIN" in unicodedata.name(character, "") for character in letters[:200]) / max(1, len(letters[:200])),
        float(bool(stripped) and not stripped.endswith(ENDS)),
        float("?" in text or QUESTION in text),
        float("```" in text or "    def " in text),
        float("http://" in text or "https://" in text),
        float(REFUSAL.search(text) is not None),
    )


@dataclass(frozen=True)
class Descriptors(Monitor):
    """Compares the window's descriptors with the reference's, all in one test over their ranks."""

    name: ClassVar[str] = "descriptors"
    signals: ClassVar[tuple[str, ...]] = ("max_t",)
    basis: ClassVar[Basis] = "calls"
    directions: ClassVar[tuple[Direction, ...]] = ("prompt", "response")
    finds: ClassVar[str] = "how texts look: length, shape, script, repetition, truncation, refusals"
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
                effect=effect(found, moves, FLOORS * self.terms.floor),
                threshold=found.threshold,
                p_value=found.p_value,
                finding=DescriptorChanges(_changes(found.z, _mean(now, weights[0]), _mean(before, weights[1]))),
            )
        ]

    def learn(self, blocks: Sequence[Comparison]) -> Mapping[str, float]:
        return factors(blocks, lambda block: (NAMES, self._compare(block)[1]))

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
