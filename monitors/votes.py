"""More negative votes than the reference had: in this window by itself, and in all votes since a change began.

A window by itself is judged by Fisher's exact test, one-sided, with a smallest rise that matters. Where votes are few,
none of their windows shows a rise of some points: a CUSUM sums up what they say together. Both compare with the
reference's votes and with those since then that showed no change, until that are enough to know the share well: the
error of a small reference is the smallest rise that anybody can see.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import sqrt
from types import MappingProxyType
from typing import ClassVar, Self

import numpy as np
from scipy.stats import hypergeom

from monitors import cusum
from monitors.judgement import score
from monitors.mark import Mark
from monitors.monitor import Monitor, Terms
from monitors.rows import Comparison, Features, Rows, Side
from telltale.evidence.scores import Cusum, Finding, Interval, VoteShares
from telltale.records import Basis, Direction, Score

# What shall be found rises by more: at a floor, half of the windows of that very rise show less, however many votes.
MIN_RISE = 0.02
# Of the false alarms: windows of hundreds of votes find most by themselves, and a sum needs few more votes to be rarer.
CUSUM_SHARE = 0.2
# Of its threshold: a sum below that comes often without any change.
PENDING = 0.5
Z95 = 1.959964


@dataclass(frozen=True)
class Votes(Monitor):
    """Compares the share of negative votes with the reference's; each person has one vote a question."""

    name: ClassVar[str] = "feedback"
    signals: ClassVar[tuple[str, ...]] = ("negative_ratio", "cusum")
    basis: ClassVar[Basis] = "votes"
    directions: ClassVar[tuple[Direction, ...]] = ("feedback",)
    finds: ClassVar[str] = "more negative votes than the reference had"
    effect: ClassVar[str] = (
        "rise of the share of negative votes, from -1 to 1; `cusum`: how much likelier votes are after a rise, as a "
        "natural logarithm"
    )
    evidence: ClassVar[type[Finding]] = VoteShares
    # A hundred times as rare as its threshold without a change.
    at_once: ClassVar[Mapping[str, float]] = MappingProxyType({"cusum": 1.6})

    terms: Terms

    @classmethod
    def of(cls, terms: Terms) -> Self:
        return cls(terms)

    def describe(self, rows: Rows, direction: Direction) -> Features:
        """1 for a negative vote and 0 for any other, and when it was given."""
        times = rows.times or (0.0,) * len(rows)
        return {
            "negative": np.array([vote or 0 for vote in rows.votes], dtype=np.int8),
            "times": np.array(times, dtype=np.float64),
        }

    def judge(self, comparison: Comparison) -> list[Score]:
        before = _standing(comparison)
        # The window itself, and the sum of evidence up to its end.
        limit = cusum.threshold(CUSUM_SHARE * self.terms.alpha, len(comparison.current))
        ceiling = self.at_once[self.signals[1]] * limit
        passage = cusum.proceed(before, _votes(comparison.current), ceiling, self.terms.floor or 1.0)
        shares = _shares(comparison, _known(before, limit), passage.state)
        return [self._window(comparison, before, limit, shares), self._since(comparison, passage, limit, shares)]

    def _window(self, comparison: Comparison, before: Cusum, limit: float, shares: VoteShares) -> Score:
        bad, total = _counts(comparison.current)
        bad_before, total_before = map(round, _known(before, limit))
        rise, alpha = MIN_RISE * self.terms.floor, (1 - CUSUM_SHARE) * self.terms.alpha
        return score(
            comparison,
            self.name,
            self.signals[0],
            total,
            effect=bad / total - bad_before / total_before,
            threshold=_threshold(total, bad_before, total_before, alpha, rise),
            p_value=_p_value(bad, total, bad_before, total_before),
            interval=Interval("share of negative votes", bad / total, *wilson(bad, total)),
            finding=shares,
        )

    def _since(self, comparison: Comparison, passage: cusum.Passage, limit: float, shares: VoteShares) -> Score:
        """By the sum of evidence; where it alarms, the change began when that was last zero."""
        found = score(
            comparison,
            self.name,
            self.signals[1],
            len(comparison.current),
            effect=passage.highest,
            threshold=limit,
            p_value=cusum.p_value(passage.highest, len(comparison.current)),
            finding=shares,
        )
        return replace(found, since=passage.since if found.state == "suspect" else None)

    def mark(self, comparison: Comparison, score: Score) -> Mark | None:
        return Mark("are negative", "percent", lambda side: side.features["negative"])

    @classmethod
    def gauges(cls, score: Score) -> Mapping[str, float]:
        found = score.details.finding
        if score.signal != cls.signals[0]:
            return {}
        votes = {"telltale_feedback_votes": float(score.samples)}
        if not isinstance(found, VoteShares):
            return votes
        return votes | {
            "telltale_feedback_negative_ratio": found.negative_ratio,
            "telltale_feedback_negative_ratio_lower": found.negative_ratio_lower,
            "telltale_feedback_negative_ratio_upper": found.negative_ratio_upper,
        }


def _standing(comparison: Comparison) -> Cusum:
    """Where the sum of evidence stands before this window: what the newest score tells, else nothing but the reference.

    It knows how votes were before: those of the reference, and those since then that showed no change.
    """
    stood = (
        finding.cusum for one in reversed(comparison.earlier)
        if isinstance(finding := one.details.finding, VoteShares) and finding.cusum
    )  # fmt: skip
    return next(stood, None) or cusum.begin(_votes(comparison.reference), comparison.start)


def _counts(side: Side) -> tuple[int, int]:
    """Negative votes, and all votes."""
    votes = side.features["negative"]
    return int(votes.sum()), len(votes)


def _known(before: Cusum, limit: float) -> tuple[float, float]:
    """Negative votes, and all votes, of the time before.

    Those that the sum has not made up its mind about belong to it while they are far from an alarm: without them only
    votes that came out well would be known.
    """
    if before.level >= PENDING * limit:
        return before.known_negative, before.known_votes
    return before.known_negative + before.negative, before.known_votes + before.votes


def _shares(comparison: Comparison, known: tuple[float, float], after: Cusum) -> VoteShares:
    bad, total = _counts(comparison.current)
    bad_before, before = known
    return VoteShares(bad / total, *wilson(bad, total), bad_before / before, round(before), after)


def _votes(side: Side) -> list[cusum.Vote]:
    # A reference that an earlier version described does not tell when.
    times = side.features["times"].tolist() if "times" in side.features else [0.0] * len(side)
    return cusum.one_each(times, side.features["negative"].tolist(), side.groups)


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
