"""How many of the rows show a change, with an interval that knows which rows belong together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitors.mark import Mark
from monitors.rows import Side
from monitors.votes import Z95, wilson
from telltale.evidence.explanation import Measure

# Fewer rows than one cannot be worth less.
LEAST_WORTH: Final = 1.0


def measure(mark: Mark, current: Side, reference: Side) -> Measure:
    """The mark's share, or mean, on both sides. Both have rows."""
    now, before = mark.values(current), mark.values(reference)
    mean = float(current.weights @ now / current.weights.sum())
    worth = max(LEAST_WORTH, len(now) / design_effect(now - mean, current.groups, current.weights))
    if mark.unit == "percent":
        lower, upper = wilson_of(mean, worth)
    else:
        half = Z95 * float(now.std()) / np.sqrt(worth)
        lower, upper = mean - half, mean + half
    return Measure(
        mark.name,
        mark.unit,
        mean,
        float(lower),
        float(upper),
        float(reference.weights @ before / reference.weights.sum()),
        len(current),
        len(set(current.groups)),
        len(reference),
    )


def design_effect(residuals: NDArray[np.float64], groups: Sequence[str], weights: NDArray[np.float64]) -> float:
    """By how much more the mean of these rows varies than that of as many independent ones of equal weight; at least 1.

    `residuals` are rows less their mean; weights are 1 on average. Kish, Survey Sampling (1965).
    """
    weighted = residuals * weights
    by_group = np.bincount(np.unique(groups, return_inverse=True)[1], weighted)
    alone = float(np.square(residuals).sum())
    # Of rows that are all alike only the weights and the groups' sizes tell.
    if alone <= 1e-12:
        sizes = np.bincount(np.unique(groups, return_inverse=True)[1], weights)
        return max(1.0, float(np.square(sizes).sum() / weights.sum()))
    return max(1.0, float(np.square(by_group).sum() / alone))


def wilson_of(share: float, worth: float) -> tuple[float, float]:
    """Wilson's interval of a share of rows that are worth so many independent ones."""
    lower, upper = wilson(share * worth, worth)
    return min(lower, share), max(upper, share)
