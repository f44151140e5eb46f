"""More negative votes than the reference had: Fisher's exact test, one-sided, with a smallest rise that matters."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import ClassVar, Self

import numpy as np
from scipy.stats import hypergeom

from monitors.judgement import score
from monitors.mark import Mark
from monitors.monitor import Monitor, Terms
from monitors.rows import Comparison, Features, Rows
from telltale.evidence.scores import Finding, VoteShares
from telltale.records import Basis, Direction, Score

# What shall be found rises by more: at a floor, half of the windows of that very rise show less, however many votes.
MIN_RISE = 0.02
Z95 = 1.959964


@dataclass(frozen=True)
class Votes(Monitor):
    """Compares the share of negative votes with the reference's; each person has one vote a question."""

    name: ClassVar[str] = "feedback"
    signals: ClassVar[tuple[str, ...]] = ("negative_ratio",)
    basis: ClassVar[Basis] = "votes"
    directions: ClassVar[tuple[Direction, ...]] = ("feedback",)
    finds: ClassVar[str] = "more negative votes than the reference had"
    effect: ClassVar[str] = "rise of the share of negative votes, from -1 to 1"
    evidence: ClassVar[type[Finding]] = VoteShares

    terms: Terms

    @classmethod
    def of(cls, terms: Terms) -> Self:
        return cls(terms)

    def describe(self, rows: Rows, direction: Direction) -> Features:
        """1 for a negative vote and 0 for any other."""
        return {"negative": np.array([vote or 0 for vote in rows.votes], dtype=np.int8)}

    def judge(self, comparison: Comparison) -> list[Score]:
        (signal,) = self.signals
        votes, before = (side.features["negative"] for side in (comparison.current, comparison.reference))
        bad, total, bad_before, total_before = int(votes.sum()), len(votes), int(before.sum()), len(before)
        share, rate = bad / total, bad_before / total_before
        lower, upper = wilson(bad, total)
        return [
            score(
                comparison,
                self.name,
                signal,
                total,
                effect=share - rate,
                threshold=_threshold(total, bad_before, total_before, self.terms.alpha, MIN_RISE * self.terms.floor),
                p_value=_p_value(bad, total, bad_before, total_before),
                finding=VoteShares(share, lower, upper, reference_ratio=rate, reference_votes=total_before),
            )
        ]

    def mark(self, comparison: Comparison, score: Score) -> Mark | None:
        return Mark("are negative", "percent", lambda side: side.features["negative"])

    @classmethod
    def gauges(cls, score: Score) -> Mapping[str, float]:
        found = score.details.finding
        votes = {"telltale_feedback_votes": float(score.samples)}
        if not isinstance(found, VoteShares):
            return votes
        return votes | {
            "telltale_feedback_negative_ratio": found.negative_ratio,
            "telltale_feedback_negative_ratio_lower": found.negative_ratio_lower,
            "telltale_feedback_negative_ratio_upper": found.negative_ratio_upper,
        }


def wilson(hits: float, total: float, z: float = Z95) -> tuple[float, float]:
    """Wilson's interval of a share (Wilson, 1927); `total` is at least 1."""
    share = hits / total
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return max(0.0, centre - half), min(1.0, centre + half)


def _p_value(bad: int, total: int, bad_before: int, total_before: int) -> float:
    return float(hypergeom.sf(bad - 1, total + total_before, bad + bad_before, total))


def _threshold(total: int, bad_before: int, total_before: int, alpha: float, rise: float) -> float:
    """The largest rise that is not yet an alarm: the next vote would take p to alpha or below."""
    rate = bad_before / total_before

    def alarms(bad: int) -> bool:
        return bad / total - rate >= rise and _p_value(bad, total, bad_before, total_before) <= alpha

    # Once alarming, more negative votes stay so: bisection finds the first such number.
    first = bisect_left(range(total + 1), True, key=alarms)
    return (first - 0.5) / total - rate if first <= total else 1.0
