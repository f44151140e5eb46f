"""Whether texts and calls are in order: empty, broken off, ended otherwise, slower, broken JSON or code, loops, noise.

All properties in one test: whole groups change sides under permutation, and the largest change counts (max-T). A
share must move by a point to matter, a number's mean rank by a tenth. What a row does not tell is neither 0 nor left
away: that it is unknown is a share as well, and of a number the rows that tell it are compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from monitors.calibration import factors
from monitors.defects import has_open_fence, is_broken_json, is_json, is_noise, loops
from monitors.endings import breaks_off
from monitors.judgement import score
from monitors.monitor import Lane, Monitor, Terms
from monitors.permutation import MaxT, Weighted, effect, max_t
from monitors.rows import Comparison, Features, Rows, Side
from telltale.evidence.scores import Finding, ShareChange, ShareChanges
from telltale.records import Basis, Direction, Score

FAULTS: Final = {
    "empty": lambda text: not text.strip(),
    "breaks off": breaks_off,
    "JSON": is_json,
    "broken JSON": is_broken_json,
    "code block without end": has_open_fence,
    "loop": loops,
    "noise": is_noise,
}
NUMBERS: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "prompt": {"input_tokens": ("tokens", "")},
    "response": {
        "output_tokens": ("tokens", ""),
        "duration_s": ("duration", " s"),
        "ttft_s": ("time to first token", " s"),
    },
}
"""What is compared of a call for each direction: what it is called, and its unit."""
REASON: Final = "finish_reason"
REASONS, LONGEST_REASON = 8, 40

MIN_SHARE, MIN_RANK = 0.01, 0.1
# Longer than so many of both sides' texts: what is far too long is rare.
LONG: Final = 0.98
FAR: Final = 0.95
KNOWN: Final = 0.5
REPORTED, SHOWN = 6, 8


class Property(NamedTuple):
    """A column of the test: `values` of the rows of both sides, those of the window first.

    `known` tells which rows count in the shares that are shown, and `has` which of them have the property.
    """

    name: str
    values: NDArray[np.float64]
    has: NDArray[np.bool_]
    known: NDArray[np.bool_]
    floor: float
    label: str


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
                found[name] = np.array([np.nan if one is None else one for one in column], dtype=np.float64)
        if direction == "response" and (reasons := rows.categories.get(REASON)):
            found[REASON] = np.array([(reason or "").lower()[:LONGEST_REASON] for reason in reasons], dtype=np.str_)
        return found

    def judge(self, comparison: Comparison) -> list[Score]:
        (signal,) = self.signals
        properties, unknown = _properties(comparison, self.terms.floor)
        found = self._compare(comparison, properties)
        split, sides = len(comparison.current), (comparison.current, comparison.reference)
        matters = np.array([abs(_move(one, split, sides)) >= one.floor for one in properties])
        largest = np.argsort(-np.abs(found.z) * (0.5 + matters), kind="stable")[:REPORTED]
        changes = [
            ShareChange(properties[at].label, round(float(found.z[at]), 2), *_shares(properties[at], split, sides))
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
                finding=ShareChanges(tuple(changes), unknown),
                shown=_showing(properties[largest[0]], split, float(found.z[largest[0]])),
            )
        ]

    def learn(self, blocks: Sequence[Comparison]) -> Mapping[str, float]:
        def compare(block: Comparison) -> tuple[Sequence[str], MaxT]:
            properties, _ = _properties(block, self.terms.floor)
            return [one.name for one in properties], self._compare(block, properties)

        return factors(blocks, compare)

    def _compare(self, comparison: Comparison, properties: Sequence[Property]) -> MaxT:
        now, before = comparison.current, comparison.reference
        values = np.column_stack([one.values for one in properties])
        return max_t(
            Weighted(values[: len(now)], now.groups, now.weights),
            Weighted(values[len(now) :], before.groups, before.weights),
            alpha=self.terms.alpha,
            seed=self.terms.seed,
            factors=np.array([comparison.factors.get(one.name, 1.0) for one in properties]),
        )


def _properties(comparison: Comparison, floor: float) -> tuple[list[Property], tuple[str, ...]]:
    """The columns that can matter, and what is known of too few rows.

    What so few rows have, or lack, that all of them together would not matter is left out: it costs the others power.
    Which columns there are depends on both sides alike, so permutations stay exact.
    """
    now, before = comparison.current.features, comparison.reference.features
    both = {name: np.concatenate([now[name], before[name]]) for name in now if name in before}
    split = len(comparison.current)
    numbers = {name: label for name, label in NUMBERS[comparison.direction].items() if name in both}
    known = {name: ~np.isnan(both[name]) for name in numbers}
    told = [name for name in numbers if known[name].mean() >= KNOWN]
    every = np.ones(len(both["empty"]), dtype=bool)
    shares = [Property(name, has.astype(np.float64), has, every, MIN_SHARE, name) for name, has in _flags(both).items()]
    for name, (label, _) in numbers.items():
        lacking = ~known[name]
        shares.append(
            Property(f"{name} unknown", lacking.astype(np.float64), lacking, every, MIN_SHARE, f"{label} not known")
        )
    shares += [_far(name, both[name], known[name], *numbers[name]) for name in told]
    least = MIN_SHARE * floor * split
    kept = [one for one in shares if one.name == "empty" or least <= one.has.sum() <= len(every) - least]
    ranks = [_rank(name, both[name], known[name], split, *numbers[name]) for name in told]
    unknown = tuple([label for name, (label, _) in numbers.items() if name not in told])
    return [one._replace(floor=one.floor * floor) for one in (*kept, *ranks)], unknown


def _flags(both: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.bool_]]:
    lengths, found = both["characters"], {name: both[name] > 0 for name in FAULTS}
    found["very long"] = lengths > np.quantile(lengths, LONG)
    if REASON not in both:
        return found
    reasons = both[REASON]
    names, counts = np.unique(reasons[reasons != ""], return_counts=True)
    frequent = names[np.argsort(-counts, kind="stable")][:REASONS]
    return found | {
        **{f"finish reason {name}": reasons == name for name in frequent},
        "another finish reason": ~np.isin(reasons, [*frequent, ""]),
        "finish reason not known": reasons == "",
    }


def _far(name: str, values: NDArray[np.float64], known: NDArray[np.bool_], label: str, unit: str) -> Property:
    """Who is among the largest: a few calls that take far longer move no mean. Who is not known is as all are."""
    limit = np.quantile(values[known], FAR)
    has = known & (values > limit)
    shares = has.astype(np.float64)
    shares[~known] = has[known].mean()
    return Property(f"{name} far", shares, has, known, MIN_SHARE, f"{label} above {limit:.3g}{unit}")


def _rank(
    name: str, values: NDArray[np.float64], known: NDArray[np.bool_], split: int, label: str, unit: str
) -> Property:
    """Ranks in [0, 1]; where the number is not known, the middle, which says nothing. Shown is who is above usual."""
    ranks = np.full(len(values), 0.5)
    ranks[known] = (rankdata(values[known]) - 0.5) / known.sum()
    before = values[split:][known[split:]]
    usual = float(np.median(before)) if before.size else 0.0
    return Property(name, ranks, known & (values > usual), known, MIN_RANK, f"{label} above {usual:.3g}{unit}")


def _move(one: Property, split: int, sides: tuple[Side, Side]) -> float:
    now, before = sides
    return float(
        now.weights @ one.values[:split] / now.weights.sum()
        - before.weights @ one.values[split:] / before.weights.sum()
    )


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
