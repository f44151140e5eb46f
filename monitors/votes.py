"""More negative votes than the reference had: Fisher's exact test, one-sided, with a smallest rise that matters."""

from __future__ import annotations

from bisect import bisect_left
from math import sqrt

from scipy.stats import hypergeom

from monitors.judgement import score
from telltale.records import Score, Window

MONITOR, SIGNAL = "feedback", "negative_ratio"
MIN_RISE = 0.05
Z95 = 1.959964


def judge(window: Window, *, min_votes: int, alpha: float) -> Score:
    """Compare the share of negative votes with the reference's. Effect: the rise of the share; threshold likewise."""
    votes, before = window.votes, window.reference_votes
    if len(votes) < min_votes or len(before) < min_votes:
        return score(window, MONITOR, SIGNAL, len(votes))
    rate = sum(before) / len(before)
    lower, upper = wilson(sum(votes), len(votes))
    return score(
        window,
        MONITOR,
        SIGNAL,
        len(votes),
        effect=sum(votes) / len(votes) - rate,
        threshold=_threshold(len(votes), sum(before), len(before), alpha),
        p_value=_p_value(sum(votes), len(votes), sum(before), len(before)),
        details={
            "negative_ratio": sum(votes) / len(votes),
            "negative_ratio_lower": lower,
            "negative_ratio_upper": upper,
            "reference_ratio": rate,
            "reference_votes": len(before),
        },
    )


def wilson(hits: int, total: int, z: float = Z95) -> tuple[float, float]:
    """Wilson's interval of a share (Wilson, 1927); `total` is at least 1."""
    share = hits / total
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return max(0.0, centre - half), min(1.0, centre + half)


def _p_value(bad: int, total: int, bad_before: int, total_before: int) -> float:
    return float(hypergeom.sf(bad - 1, total + total_before, bad + bad_before, total))


def _threshold(total: int, bad_before: int, total_before: int, alpha: float) -> float:
    """The largest rise that is not yet an alarm: the next vote would take p to alpha or below."""
    rate = bad_before / total_before

    def alarms(bad: int) -> bool:
        return bad / total - rate >= MIN_RISE and _p_value(bad, total, bad_before, total_before) <= alpha

    # Once alarming, more negative votes stay so: bisection finds the first such number.
    first = bisect_left(range(total + 1), True, key=alarms)
    return (first - 0.5) / total - rate if first <= total else 1.0
