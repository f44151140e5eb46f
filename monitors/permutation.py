"""Which of many features changed between two samples, by the largest standardised difference (max-T).

Westfall and Young, Resampling-Based Multiple Testing (1993): the null distribution of the maximum comes from
permutations, so it holds for dependent features and needs no correction. Whole groups (conversations) change sides,
because rows of one conversation are no independent witnesses.
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


@dataclass(frozen=True, slots=True)
class MaxT:
    """`z` is each feature's standardised difference (current minus reference); `largest` the maximum of |z|.

    `threshold` is what `largest` exceeds with probability `alpha` when nothing changed, `p_value` how often it does.
    """

    z: NDArray[np.float64]
    largest: float
    threshold: float
    p_value: float


def max_t(
    current: Matrix, reference: Matrix, current_groups: tuple[str, ...], reference_groups: tuple[str, ...], *,
    alpha: float, seed: int,
) -> MaxT:  # fmt: skip
    """Compare two samples, rows by features. Groups name each row's conversation; `alpha` is the false-alarm rate."""
    pooled = (
        sparse.vstack([current, reference]).tocsr() if sparse.issparse(current) else np.vstack([current, reference])
    )
    sides = np.zeros(pooled.shape[0])
    sides[: current.shape[0]] = 1.0
    groups = [f"c{group}" for group in current_groups] + [f"r{group}" for group in reference_groups]
    z = _z(pooled, sides[:, None])[:, 0]
    largest = float(np.abs(z).max(initial=0.0))
    random = np.random.default_rng(seed)
    null = _draw(pooled, groups, current.shape[0], FIRST_DRAWS, random)
    draws = max(FIRST_DRAWS, int(np.ceil(2 / alpha)) - 1)
    if _p_value(null, largest) <= HOPELESS:
        null = np.concatenate([null, _draw(pooled, groups, current.shape[0], draws - FIRST_DRAWS, random)])
    return MaxT(z, largest, float(np.quantile(null, 1 - alpha, method="higher")), _p_value(null, largest))


def effect(found: MaxT, moved: NDArray[np.float64], floor: NDArray[np.float64] | float, threshold: float) -> float:
    """The largest |z| of features that moved by at least `floor`; smaller moves never lift it over the threshold."""
    size = np.abs(found.z)
    enough = size[np.abs(moved) >= floor].max(initial=0.0)
    return float(max(enough, min(found.largest, threshold)))


def _p_value(null: NDArray[np.float64], largest: float) -> float:
    # Phipson and Smyth (2010): the observed arrangement is one of the permutations.
    return float((1 + np.count_nonzero(null >= largest - 1e-12)) / (1 + null.size))


def _draw(pooled: Matrix, groups: list[str], rows: int, draws: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Maxima of |z| over permutations of groups, with about `rows` rows on the current side."""
    _, member = np.unique(groups, return_inverse=True)
    sizes = np.bincount(member)
    null = np.empty(draws)
    for begin in range(0, draws, 200):
        count = min(200, draws - begin)
        sides = np.zeros((len(groups), count))
        for column in range(count):
            order = random.permutation(sizes.size)
            chosen = order[: int(np.searchsorted(np.cumsum(sizes[order]), rows)) + 1]
            current = np.zeros(sizes.size)
            current[chosen] = 1.0
            sides[:, column] = current[member]
        null[begin : begin + count] = np.abs(_z(pooled, sides)).max(axis=0, initial=0.0)
    return null


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
