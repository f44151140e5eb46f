"""Which series of a whole fleet changed in the last day: of those that are named, at most a tenth did not. Pure.

One p-value a series, from those of all its windows and signals (Simes, 1986), then Benjamini and Hochberg (1995) over
the series. Both hold where p-values depend on each other positively, as those of one reference and of one traffic do.
It is a list to look through, and pages nobody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from telltale.records import Score, Series

FALSE_SHARE: Final = 0.1
DAY_S: Final = 86400.0


@dataclass(frozen=True, slots=True)
class Changed:
    """A series that changed: `p_value` is that of its day, `strongest` the score that shows it best."""

    series: Series
    p_value: float
    strongest: Score


def changed(scores: Iterable[Score], now: float, false_share: float = FALSE_SHARE) -> list[Changed]:
    """The series that changed in the day before `now`, the most certain first."""
    by_series: dict[Series, list[Score]] = defaultdict(list)
    for score in scores:
        if score.p_value is not None and now - DAY_S < score.window_end <= now:
            by_series[score.series].append(score)
    found = [
        Changed(series, simes([one.p_value or 0.0 for one in own]), min(own, key=lambda one: one.p_value or 0.0))
        for series, own in by_series.items()
    ]
    ordered = sorted(found, key=lambda one: (one.p_value, one.series))
    return ordered[: rejected([one.p_value for one in ordered], false_share)]


def lines(scores: Sequence[Score], now: float) -> list[str]:
    """What `telltale monitor digest` prints."""
    judged = {score.series for score in scores if score.p_value is not None and now - DAY_S < score.window_end <= now}
    found = changed(scores, now)
    told = [f"{len(found)} of {len(judged)} series changed in the last day; at most {FALSE_SHARE:.0%} of them did not"]
    for one in found:
        best = one.strongest
        by = f"{best.monitor} {best.signal} of the {best.direction}s: {best.state}"
        told.append(f"p {one.p_value:<8.2g} {' '.join(filter(None, one.series))}   {by}, score {best.id}")
    return told


def simes(p_values: Sequence[float]) -> float:
    """The p-value of several tests together; there is at least one."""
    ordered = sorted(p_values)
    return min(1.0, min(len(ordered) * p / rank for rank, p in enumerate(ordered, start=1)))


def rejected(ordered: Sequence[float], false_share: float) -> int:
    """How many of these p-values, the smallest first, are taken for changes; so much of them may be false."""
    last = 0
    for rank, p in enumerate(ordered, start=1):
        if p <= false_share * rank / len(ordered):
            last = rank
    return last
