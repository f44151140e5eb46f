"""How good a model's answers are, from a review of few of them: the share of good ones over all calls, not over votes.

Who votes is no sample of who asks: with six times as many votes from unhappy people, 90 % of good answers look like
56 %. So items are drawn by us, from strata, each with a known probability, and weighted by its inverse: Horvitz and
Thompson, "A Generalization of Sampling Without Replacement" (1952), as the ratio of Hájek (1971), for the number of
calls is itself estimated.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import sqrt
from typing import Final, NamedTuple

Z95: Final = 1.959964
# With fewer labels a share is not shown: the interval would say "anything".
LEAST_LABELS: Final = 30


class Labelled(NamedTuple):
    """One reviewed call: its stratum, with which probability it was drawn, and how good it is, from 0 to 1."""

    stratum: str
    probability: float
    value: float


class Estimate(NamedTuple):
    """The mean over all calls with its 95 % interval; `labels` are what it rests on."""

    mean: float
    lower: float
    upper: float
    labels: int


def estimate(labelled: Sequence[Labelled]) -> Estimate | None:
    """The mean of all calls that the labelled ones were drawn from; None with fewer than LEAST_LABELS.

    Raises ValueError for a probability outside (0, 1] or a value outside [0, 1].
    """
    for one in labelled:
        if not 0 < one.probability <= 1 or not 0 <= one.value <= 1:
            raise ValueError(f"{one}: a probability is in (0, 1], a value in [0, 1]")
    if len(labelled) < LEAST_LABELS:
        return None
    calls = sum(1 / one.probability for one in labelled)
    mean = sum(one.value / one.probability for one in labelled) / calls
    lower, upper = _wilson(mean, _effective(labelled, mean, calls))
    return Estimate(mean, lower, upper, len(labelled))


def _effective(labelled: Sequence[Labelled], mean: float, calls: float) -> float:
    """How many labels of a simple random sample would tell as much (Korn and Graubard, 1998).

    Where no two labels differ the variance says nothing, and only the weights count (Kish, 1965).
    """
    kish = calls**2 / sum(1 / one.probability**2 for one in labelled)
    variance = sum(_variance(stratum, mean) for stratum in _by_stratum(labelled)) / calls**2
    return mean * (1 - mean) / variance if variance > 0 and 0 < mean < 1 else kish


def _by_stratum(labelled: Iterable[Labelled]) -> Iterable[list[Labelled]]:
    found: defaultdict[str, list[Labelled]] = defaultdict(list)
    for one in labelled:
        found[one.stratum].append(one)
    return found.values()


def _variance(stratum: Sequence[Labelled], mean: float) -> float:
    """Of a stratum's part of the total, linearised; draws within a stratum are independent.

    Not less where much of a stratum was drawn: of what was drawn perhaps little is labelled yet.
    """
    parts = [(one.value - mean) / one.probability for one in stratum]
    if len(parts) == 1:
        return parts[0] ** 2
    centre = sum(parts) / len(parts)
    return len(parts) / (len(parts) - 1) * sum((part - centre) ** 2 for part in parts)


def _wilson(share: float, size: float) -> tuple[float, float]:
    """Wilson's interval (1927), which holds for few labels and for shares near 0 and 1 too."""
    centre = (share + Z95**2 / (2 * size)) / (1 + Z95**2 / size)
    half = Z95 / (1 + Z95**2 / size) * sqrt(share * (1 - share) / size + Z95**2 / (4 * size * size))
    return max(0.0, centre - half), min(1.0, centre + half)
