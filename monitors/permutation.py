"""Which of many features changed between two samples, by the largest standardised difference (max-T).

Westfall and Young, Resampling-Based Multiple Testing (1993): the null distribution of the maximum comes from
permutations, so it holds for dependent features and needs no correction. Whole groups (conversations) change sides,
because rows of one conversation are not independent of each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
# Each takes a number for every feature, some times over.
AT_ONCE = 50
# Sums of the same numbers in another order differ by so much.
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class MaxT:
    """`z` is each feature's standardised difference (current minus reference), divided by its factor.

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


@dataclass(frozen=True, slots=True)
class Weighted:
    """A sample: rows by features, the group of each row, and how much each row counts."""

    values: Matrix
    groups: tuple[str, ...]
    weights: NDArray[np.float64]


def max_t(
    current: Weighted, reference: Weighted, *, alpha: float, seed: int, diffuse: bool = False,
    factors: NDArray[np.float64] | float = 1.0, whole_factor: float = 1.0,
) -> MaxT:  # fmt: skip
    """Compare two samples; `alpha` is the false-alarm rate.

    `diffuse` also looks at all features together: a new topic moves many words a little. Both come from the same
    permutations, so the rate holds for the two together. `factors` and `whole_factor`, at least 1, are by how much
    features, and all of them together, differ without any change.
    """
    both = [current.values, reference.values]
    pooled = sparse.vstack(both).tocsr() if sparse.issparse(current.values) else np.vstack(both)
    rows, others = current.values.shape[0], reference.values.shape[0]
    sides = np.zeros(rows + others)
    sides[:rows] = 1.0
    groups = [f"c{group}" for group in current.groups] + [f"r{group}" for group in reference.groups]
    differences = _Differences(pooled, np.concatenate([current.weights, reference.weights]), factors)
    z = differences.of(sides[:, None])
    observed = _statistics(z)
    random = np.random.default_rng(seed)
    drawn = _draw(differences, groups, rows, FIRST_DRAWS, random)
    draws = max(FIRST_DRAWS, int(np.ceil(2 / alpha)) - 1)
    scale = whole_factor if diffuse else np.inf
    null = _joined(drawn, drawn, scale)
    if _p_value(null, float(_joined(observed, drawn, scale)[0])) <= HOPELESS:
        drawn = np.hstack([drawn, _draw(differences, groups, rows, draws - FIRST_DRAWS, random)])
        null = _joined(drawn, drawn, scale)
    largest = float(_joined(observed, drawn, scale)[0])
    variance = rows * others / (rows + others) * max(1, z.size)
    return MaxT(
        z[:, 0],
        largest,
        float(np.quantile(null, 1 - alpha, method="higher")),
        _p_value(null, largest),
        whole=float(_on_scale(observed, drawn)[0]) / scale if diffuse else 0.0,
        excess=float(observed[1, 0] - drawn[1].mean()) / variance if diffuse else 0.0,
    )


def effect(found: MaxT, matters: NDArray[np.bool_]) -> float:
    """The largest |z| of the features whose change matters, or all features together if they changed enough.

    Changes that do not matter, however certain, never lift it over the threshold; nor does rounding.
    """
    enough = float(np.abs(found.z)[matters].max(initial=0.0))
    if found.excess >= LEAST_EXCESS:
        enough = max(enough, found.whole)
    small = max(enough, min(found.largest, found.threshold))
    return found.threshold if abs(small - found.threshold) <= ROUNDING * max(1.0, found.threshold) else small


def _statistics(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest |z| and the sum of z squared, for each column of `z`."""
    return np.vstack([np.abs(z).max(axis=0, initial=0.0), (z**2).sum(axis=0)])


def _on_scale(statistics: NDArray[np.float64], drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sums of z squared, moved and stretched to the largest |z|'s mean and spread under permutation."""
    (peak, total), (peak_spread, spread) = drawn.mean(axis=1), drawn.std(axis=1)
    on_scale: NDArray[np.float64] = peak + (statistics[1] - total) * (peak_spread / spread if spread > 1e-12 else 0.0)
    return on_scale


def _joined(statistics: NDArray[np.float64], drawn: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    largest: NDArray[np.float64] = statistics[0]
    return largest if np.isinf(scale) else np.maximum(largest, _on_scale(statistics, drawn) / scale)


def _p_value(null: NDArray[np.float64], largest: float) -> float:
    # Phipson and Smyth (2010): the observed arrangement is one of the permutations.
    return float((1 + np.count_nonzero(null >= largest - ROUNDING * max(1.0, largest))) / (1 + null.size))


def _draw(
    differences: _Differences, groups: list[str], rows: int, draws: int, random: np.random.Generator
) -> NDArray[np.float64]:
    """Statistics over permutations of groups, with about `rows` rows on the current side."""
    blocks = permuted(groups, rows, draws, random)
    return np.hstack([_statistics(differences.of(sides)) for sides in blocks]) if draws > 0 else np.empty((2, 0))


def permuted(
    groups: Sequence[str], rows: int, draws: int, random: np.random.Generator
) -> Iterator[NDArray[np.float64]]:
    """Blocks of columns, `draws` in all, with 1 for rows that a permutation of whole groups puts on the current side.

    About `rows` rows are on that side.
    """
    _, member = np.unique(groups, return_inverse=True)
    sizes = np.bincount(member)
    for begin in range(0, draws, AT_ONCE):
        count = min(AT_ONCE, draws - begin)
        sides = np.zeros((len(groups), count))
        for column in range(count):
            order = random.permutation(sizes.size)
            chosen = order[: int(np.searchsorted(np.cumsum(sizes[order]), rows)) + 1]
            current = np.zeros(sizes.size)
            current[chosen] = 1.0
            sides[:, column] = current[member]
        yield sides


class _Differences:
    """Standardised differences of the weighted means of the same rows, split in many ways."""

    def __init__(self, pooled: Matrix, weights: NDArray[np.float64], factors: NDArray[np.float64] | float) -> None:
        self._weights = weights
        self._features = pooled.T
        total = weights.sum()
        self._sums = np.asarray(self._features @ weights).reshape(-1, 1)
        squares = pooled.multiply(pooled) if sparse.issparse(pooled) else pooled**2
        squared = np.asarray(squares.T @ weights).reshape(-1, 1)
        self._spread = np.sqrt(np.maximum(squared / total - (self._sums / total) ** 2, 0.0))
        self._factors = np.asarray(factors, dtype=np.float64).reshape(-1, 1)

    def of(self, sides: NDArray[np.float64]) -> NDArray[np.float64]:
        """Features by columns of `sides`, which have 1 for rows of the current side and 0 for the others."""
        weighted = sides * self._weights[:, None]
        sums = np.asarray(self._features @ weighted)
        current = weighted.sum(axis=0)
        other = np.maximum(self._weights.sum() - current, 1e-300)
        difference = sums / np.maximum(current, 1e-300) - (self._sums - sums) / other
        # Kish, Survey Sampling (1965): so many rows of equal weight would tell as much.
        inverse = (weighted**2).sum(axis=0) / np.maximum(current, 1e-300) ** 2
        inverse += ((self._weights[:, None] - weighted) ** 2).sum(axis=0) / other**2
        error = self._spread * np.sqrt(inverse) * self._factors
        z: NDArray[np.float64] = np.divide(difference, error, out=np.zeros_like(difference), where=error > 1e-12)
        return z
