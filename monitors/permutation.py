"""Which of many features changed between two samples, by the largest standardised difference (max-T).

Westfall and Young, Resampling-Based Multiple Testing (1993): the null distribution of the maximum comes from
permutations, so it holds for dependent features and needs no correction. Whole groups (conversations) change sides,
because rows of one conversation are not independent of each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Matrix: TypeAlias = Any
"""Rows by features: a numpy array or a scipy sparse matrix of float64 (scipy has no types)."""

FIRST_DRAWS = 199
# Above this first p-value, more draws could not bring the window near an alarm.
HOPELESS = 0.05


# Excess of the mean squared standardised difference, free of the number of rows: where clinc/oos-eval's topics shift
# their shares by a fifth it stays below this, with a fifth of new topics it is two to four times as much.
LEAST_EXCESS = 0.001


@dataclass(frozen=True, slots=True)
class MaxT:
    """`z` is each feature's standardised difference (current minus reference).

    `largest` is the largest |z|, or `whole` where that is more: the sum of all z squared, on the scale of the largest
    |z|. `threshold` is what `largest` exceeds with probability `alpha` when nothing changed, `p_value` how
    often it does. `excess` is the mean squared difference beyond chance, in variances.
    """

    z: NDArray[np.float64]
    largest: float
    threshold: float
    p_value: float
    whole: float = 0.0
    excess: float = 0.0


def max_t(
    current: Matrix, reference: Matrix, current_groups: tuple[str, ...], reference_groups: tuple[str, ...], *,
    alpha: float, seed: int, diffuse: bool = False,
) -> MaxT:  # fmt: skip
    """Compare two samples, rows by features. Groups name each row's conversation; `alpha` is the false-alarm rate.

    `diffuse` also looks at all features together: a new topic moves many words a little. Both come from the same
    permutations, so the rate holds for the two together.
    """
    pooled = (
        sparse.vstack([current, reference]).tocsr() if sparse.issparse(current) else np.vstack([current, reference])
    )
    rows, others = current.shape[0], reference.shape[0]
    sides = np.zeros(rows + others)
    sides[:rows] = 1.0
    groups = [f"c{group}" for group in current_groups] + [f"r{group}" for group in reference_groups]
    z = _z(pooled, sides[:, None])
    observed = _statistics(z)
    random = np.random.default_rng(seed)
    drawn = _draw(pooled, groups, rows, FIRST_DRAWS, random)
    draws = max(FIRST_DRAWS, int(np.ceil(2 / alpha)) - 1)
    null = _joined(drawn, drawn, diffuse)
    if _p_value(null, float(_joined(observed, drawn, diffuse)[0])) <= HOPELESS:
        drawn = np.hstack([drawn, _draw(pooled, groups, rows, draws - FIRST_DRAWS, random)])
        null = _joined(drawn, drawn, diffuse)
    largest = float(_joined(observed, drawn, diffuse)[0])
    variance = rows * others / (rows + others) * max(1, z.size)
    return MaxT(
        z[:, 0],
        largest,
        float(np.quantile(null, 1 - alpha, method="higher")),
        _p_value(null, largest),
        whole=float(_on_scale(observed, drawn)[0]) if diffuse else 0.0,
        excess=float(observed[1, 0] - drawn[1].mean()) / variance if diffuse else 0.0,
    )


def effect(found: MaxT, moved: NDArray[np.float64], floor: NDArray[np.float64] | float, threshold: float) -> float:
    """The largest |z| of features that moved by at least `floor`, or all features together if they did so enough.

    Smaller moves, however certain, never lift it over the threshold.
    """
    enough = float(np.abs(found.z)[np.abs(moved) >= floor].max(initial=0.0))
    if found.excess >= LEAST_EXCESS:
        enough = max(enough, found.whole)
    return max(enough, min(found.largest, threshold))


def _statistics(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest |z| and the sum of z squared, for each column of `z`."""
    return np.vstack([np.abs(z).max(axis=0, initial=0.0), (z**2).sum(axis=0)])


def _on_scale(statistics: NDArray[np.float64], drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sums of z squared, moved and stretched to the largest |z|'s mean and spread under permutation."""
    (peak, total), (peak_spread, spread) = drawn.mean(axis=1), drawn.std(axis=1)
    on_scale: NDArray[np.float64] = peak + (statistics[1] - total) * (peak_spread / spread if spread > 1e-12 else 0.0)
    return on_scale


def _joined(statistics: NDArray[np.float64], drawn: NDArray[np.float64], diffuse: bool) -> NDArray[np.float64]:
    largest: NDArray[np.float64] = statistics[0]
    return np.maximum(largest, _on_scale(statistics, drawn)) if diffuse else largest


def _p_value(null: NDArray[np.float64], largest: float) -> float:
    # Phipson and Smyth (2010): the observed arrangement is one of the permutations.
    return float((1 + np.count_nonzero(null >= largest - 1e-12)) / (1 + null.size))


def _draw(pooled: Matrix, groups: list[str], rows: int, draws: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Statistics over permutations of groups, with about `rows` rows on the current side."""
    _, member = np.unique(groups, return_inverse=True)
    sizes = np.bincount(member)
    drawn = np.empty((2, draws))
    for begin in range(0, draws, 200):
        count = min(200, draws - begin)
        sides = np.zeros((len(groups), count))
        for column in range(count):
            order = random.permutation(sizes.size)
            chosen = order[: int(np.searchsorted(np.cumsum(sizes[order]), rows)) + 1]
            current = np.zeros(sizes.size)
            current[chosen] = 1.0
            sides[:, column] = current[member]
        drawn[:, begin : begin + count] = _statistics(_z(pooled, sides))
    return drawn


def _z(pooled: Matrix, sides: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standardised differences of means, features by columns of `sides` (1: current, 0: reference)."""
    total = pooled.shape[0]
    sums = np.asarray(pooled.T @ sides)
    all_sums = np.asarray(pooled.sum(axis=0)).reshape(-1, 1)
    squares = np.asarray(pooled.multiply(pooled).sum(axis=0) if sparse.issparse(pooled) else (pooled**2).sum(axis=0))
    variance = squares.reshape(-1, 1) / total - (all_sums / total) ** 2
    current = sides.sum(axis=0)
    other = total - current
    difference = sums / current - (all_sums - sums) / np.maximum(other, 1)
    error = np.sqrt(np.maximum(variance, 0.0) * (1 / current + 1 / np.maximum(other, 1)))
    z: NDArray[np.float64] = np.divide(difference, error, out=np.zeros_like(difference), where=error > 1e-12)
    return z
