"""More, or fewer, answers that are refusals: one flag in a test of its own, so that it need not outdo all others.

Whole conversations change sides under permutation: one that is refused is refused again and again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from monitors.calibration import factors
from monitors.judgement import score
from monitors.mark import Mark
from monitors.monitor import Monitor, Terms
from monitors.permutation import MaxT, Weighted, effect, interval, max_t
from monitors.refusals import is_refusal
from monitors.rows import Comparison, Features, Rows, Side
from telltale.evidence.scores import Finding, ShareChange, ShareChanges
from telltale.records import Basis, Direction, Score

# The share of refusals must move by this to matter.
MIN_MOVE = 0.01
PROPERTY = "refusal"


@dataclass(frozen=True)
class RefusalRate(Monitor):
    """Compares the share of answers that refuse in full with the reference's."""

    name: ClassVar[str] = "refusals"
    signals: ClassVar[tuple[str, ...]] = ("share",)
    basis: ClassVar[Basis] = "calls"
    method: ClassVar[int] = 2
    directions: ClassVar[tuple[Direction, ...]] = ("response",)
    finds: ClassVar[str] = "more or fewer answers that refuse"
    effect: ClassVar[str] = "change of the share of refusals, in standard errors"
    evidence: ClassVar[type[Finding]] = ShareChanges

    terms: Terms

    @classmethod
    def of(cls, terms: Terms) -> Self:
        return cls(terms)

    def describe(self, rows: Rows, direction: Direction) -> Features:
        """1 where the text refuses in full, 0 where it does not."""
        return {"refuses": np.array([is_refusal(text or "") for text in rows.texts[direction]], dtype=np.int8)}

    def judge(self, comparison: Comparison) -> list[Score]:
        (signal,) = self.signals
        found = self._compare(comparison)
        now, before = _share(comparison.current), _share(comparison.reference)
        change = ShareChange(PROPERTY, round(float(found.z[0]), 2), round(now, 4), round(before, 4))
        return [
            score(
                comparison,
                self.name,
                signal,
                len(comparison.current),
                effect=effect(found, np.array([abs(now - before) >= MIN_MOVE * self.terms.floor])),
                threshold=found.threshold,
                p_value=found.p_value,
                interval=interval(found, ["share of refusals"], np.array([now]), np.array([before])),
                finding=ShareChanges((change,)),
            )
        ]

    def learn(self, blocks: Sequence[Comparison]) -> Mapping[str, float]:
        return factors(blocks, lambda block: ((PROPERTY,), self._compare(block)))

    def mark(self, comparison: Comparison, score: Score) -> Mark | None:
        return Mark("refuse to answer", "percent", lambda side: side.features["refuses"])

    def _compare(self, comparison: Comparison) -> MaxT:
        now, before = comparison.current, comparison.reference
        return max_t(
            Weighted(_column(now), now.groups, now.weights),
            Weighted(_column(before), before.groups, before.weights),
            alpha=self.terms.alpha,
            seed=self.terms.seed,
            factors=np.array([comparison.factors.get(PROPERTY, 1.0)]),
        )


def _column(side: Side) -> NDArray[np.float64]:
    return side.features["refuses"].astype(np.float64)[:, None]


def _share(side: Side) -> float:
    return float(side.weights @ side.features["refuses"] / side.weights.sum())
