"""Whether texts and calls are in order: empty, broken off, ended otherwise, slower, broken JSON or code, loops, noise.

All properties in one test: whole groups change sides under permutation, and the largest change counts (max-T). A
share must move by a point to matter, a number's mean rank by a tenth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from monitors import properties
from monitors.calibration import factors
from monitors.judgement import score
from monitors.mark import Mark
from monitors.monitor import Lane, Monitor, Terms
from monitors.permutation import MaxT, Weighted, effect, interval, max_t
from monitors.properties import FAULTS, LONGEST_REASON, NUMBERS, REASON, VERY_LONG, Property
from monitors.rows import Comparison, Features, Rows, Side
from telltale.evidence.scores import Finding, Interval, ShareChange, ShareChanges
from telltale.records import Basis, Direction, Score

SAID: Final = {
    "empty": "are empty",
    "breaks off": "break off",
    "JSON": "are JSON",
    "broken JSON": "are broken JSON",
    "code block without end": "leave a block of code open",
    "loop": "say the same again and again",
    "noise": "hold bytes that are no text",
    VERY_LONG: "are longer than nearly all were",
}
"""How a sentence about a share ends."""

REPORTED, SHOWN = 6, 8
# No call has so many tokens or takes so long: what says so is not known.
MOST: Final = 1e15


@dataclass(frozen=True)
class Quality(Monitor):
    """Compares how texts and calls turned out with the reference's, all in one test."""

    name: ClassVar[str] = "quality"
    signals: ClassVar[tuple[str, ...]] = ("max_t",)
    basis: ClassVar[Basis] = "calls"
    directions: ClassVar[tuple[Direction, ...]] = ("prompt", "response")
    lane: ClassVar[Lane] = "ops"
    finds: ClassVar[str] = (
        "texts and calls that are not in order: empty, broken off, other finish reasons, tokens and latency, "
        "broken JSON and code, loops, noise"
    )
    effect: ClassVar[str] = "largest change of a share, or of a number's mean rank, in standard errors"
    evidence: ClassVar[type[Finding]] = ShareChanges

    terms: Terms

    @classmethod
    def of(cls, terms: Terms) -> Self:
        return cls(terms)

    def describe(self, rows: Rows, direction: Direction) -> Features:
        """A column each for what is wrong with the text, its length, and what is known of the call."""
        texts = [text or "" for text in rows.texts[direction]]
        found: dict[str, NDArray[Any]] = {
            name: np.array([has(text) for text in texts], dtype=np.int8) for name, has in FAULTS.items()
        }
        found["characters"] = np.array([len(text) for text in texts], dtype=np.int32)
        for name in NUMBERS[direction]:
            if column := rows.numbers.get(name):
                values = np.array([np.nan if one is None else one for one in column], dtype=np.float64)
                found[name] = np.where(np.abs(values) < MOST, values, np.nan)
        if direction == "response" and (reasons := rows.categories.get(REASON)):
            found[REASON] = np.array([(reason or "").lower()[:LONGEST_REASON] for reason in reasons], dtype=np.str_)
        return found

    def judge(self, comparison: Comparison) -> list[Score]:
        (signal,) = self.signals
        columns, unknown = properties.of(comparison, self.terms.floor)
        found = self._compare(comparison, columns)
        split, sides = len(comparison.current), (comparison.current, comparison.reference)
        matters = np.array([abs(_move(one, split, sides)) >= one.floor for one in columns])
        largest = np.argsort(-np.abs(found.z) * (0.5 + matters), kind="stable")[:REPORTED]
        changes = [
            ShareChange(columns[at].label, round(float(found.z[at]), 2), *_shares(columns[at], split, sides))
            for at in largest
        ]
        return [
            score(
                comparison,
                self.name,
                signal,
                split,
                effect=effect(found, matters),
                threshold=found.threshold,
                p_value=found.p_value,
                interval=_interval(found, columns, sides),
                finding=ShareChanges(tuple(changes), unknown),
                shown=_showing(columns[largest[0]], split, float(found.z[largest[0]])),
            )
        ]

    def mark(self, comparison: Comparison, score: Score) -> Mark | None:
        """The property that changed most."""
        found = score.details.finding
        if not isinstance(found, ShareChanges) or not found.shares:
            return None
        columns, _ = properties.of(comparison, self.terms.floor)
        first = next((one for one in columns if one.label == found.shares[0].name), None)
        if first is None:
            return None
        of = first.of
        return Mark(SAID.get(first.label, f"have {first.label}"), "percent", lambda side: of(side.features))

    def learn(self, blocks: Sequence[Comparison]) -> Mapping[str, float]:
        def compare(block: Comparison) -> tuple[Sequence[str], MaxT]:
            columns, _ = properties.of(block, self.terms.floor)
            return [one.name for one in columns], self._compare(block, columns)

        return factors(blocks, compare)

    def _compare(self, comparison: Comparison, columns: Sequence[Property]) -> MaxT:
        now, before = comparison.current, comparison.reference
        values = np.column_stack([one.values for one in columns])
        return max_t(
            Weighted(values[: len(now)], now.groups, now.weights),
            Weighted(values[len(now) :], before.groups, before.weights),
            alpha=self.terms.alpha,
            seed=self.terms.seed,
            factors=np.array([comparison.factors.get(one.name, 1.0) for one in columns]),
        )


def _move(one: Property, split: int, sides: tuple[Side, Side]) -> float:
    now, before = sides
    return float(
        now.weights @ one.values[:split] / now.weights.sum()
        - before.weights @ one.values[split:] / before.weights.sum()
    )


def _interval(found: MaxT, columns: Sequence[Property], sides: tuple[Side, Side]) -> Interval | None:
    """Of a share that changed most; mean ranks say nothing to anybody."""
    largest = columns[int(np.argmax(np.abs(found.z)))]
    if not np.array_equal(largest.values, largest.has):
        return None
    moves = np.array([_move(one, len(sides[0]), sides) for one in columns])
    return interval(found, [f"share: {one.label}" for one in columns], moves, np.zeros(len(moves)))


def _shares(one: Property, split: int, sides: tuple[Side, Side]) -> tuple[float, float]:
    """How many of the rows that tell it have the property: of the window and of the reference."""
    parts = slice(None, split), slice(split, None)
    weights = [side.weights * one.known[part] for side, part in zip(sides, parts, strict=True)]
    now, before = (
        round(float(weight @ one.has[part] / total), 4) if (total := weight.sum()) else 0.0
        for weight, part in zip(weights, parts, strict=True)
    )
    return now, before


def _showing(one: Property, split: int, z: float) -> tuple[int, ...]:
    """Places of rows that show what became more; of what became less, none does."""
    if z <= 0:
        return ()
    places = np.flatnonzero(one.has[:split])
    order = np.argsort(-one.values[places], kind="stable")
    return tuple(map(int, places[order][:SHOWN]))
