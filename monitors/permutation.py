"""Which of many features changed between two samples, by the largest standardised difference (max-T).

Westfall and Young, Resampling-Based Multiple Testing (1993): the null distribution of the maximum comes from
permutations, so it holds for dependent features and needs no correction. Whole groups (conversations) change sides,
because rows of one conversation are not independent of each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from monitors.splits import Split
from telltale.evidence.scores import Interval

Matrix: TypeAlias = Any
"""Rows by features: a numpy array or a scipy sparse matrix of float64 (scipy has no types)."""

FIRST_DRAWS = 199
# Draws go on while so few exceed what was observed (Besag and Clifford, Sequential Monte Carlo p-values, 1991).
HOPELESS = 10


# Excess of the mean squared standardised difference, free of the number of rows: where clinc/oos-eval's topics shift
# their shares by a fifth it stays below this, with a fifth of new topics it is two to four times as much.
LEAST_EXCESS = 0.001
# Sums of the same numbers in another order differ by so much.
ROUNDING = 1e-9
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class MaxT:
    """`z` is each feature's standardised difference (current minus reference), divided by its factor.

    `largest` is the largest |z|, or `whole` where that is more: the sum of all z squared, on the scale of the largest
    |z|. `threshold` is what `largest` exceeds with probability `alpha` when nothing changed, `p_value` how
    often it does. `excess` is the mean squared difference beyond chance, in variances of rows. `halves` are half
    the widths of the differences' 95 % intervals, which hold for all features together; factors widen them.
    """

    z: NDArray[np.float64]
    largest: float
    threshold: float
    p_value: float
    whole: float = 0.0
    excess: float = 0.0
    halves: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))


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
    split = Split.of(current.groups, reference.groups)
    differences = _Differences(pooled, np.concatenate([current.weights, reference.weights]), split.member, factors)
    z = differences.of(split.observed[:, None])
    observed = _statistics(z)
    scale = whole_factor if diffuse else np.inf
    drawn = np.empty((2, 0))
    for begin, end in stages(alpha):
        drawn = np.hstack([drawn, _draw(differences, split, begin, end, seed)])
        null = _joined(drawn, drawn, scale)
        largest = float(_joined(observed, drawn, scale)[0])
        if np.count_nonzero(null >= largest) >= HOPELESS:
            break
    return MaxT(
        z[:, 0],
        largest,
        float(np.quantile(null, 1 - alpha, method="higher")),
        _p_value(null, largest),
        whole=float(_on_scale(observed, drawn)[0]) / scale if diffuse else 0.0,
        excess=differences.excess(z[:, 0], split.observed) if diffuse else 0.0,
        halves=differences.errors(split.observed) * np.quantile(null, CONFIDENCE),
    )


def stages(alpha: float) -> list[tuple[int, int]]:
    """Which draws are made one after the other: at last enough for a p-value of half of alpha."""
    ends = [FIRST_DRAWS]
    while ends[-1] < 2 / alpha - 1:
        ends.append(min(2 * ends[-1] + 1, int(np.ceil(2 / alpha)) - 1))
    return list(zip([0, *ends], ends, strict=False))


def effect(found: MaxT, matters: NDArray[np.bool_]) -> float:
    """The largest |z| of the features whose change matters, or all features together if they changed enough.

    Changes that do not matter, however certain, never lift it over the threshold; nor does rounding.
    """
    enough = float(np.abs(found.z)[matters].max(initial=0.0))
    if found.excess >= LEAST_EXCESS:
        enough = max(enough, found.whole)
    small = max(enough, min(found.largest, found.threshold))
    return found.threshold if abs(small - found.threshold) <= ROUNDING * max(1.0, found.threshold) else small


def interval(found: MaxT, names: Sequence[str], now: NDArray[np.float64], before: NDArray[np.float64]) -> Interval:
    """That of the difference of the feature that changed most; `now` and `before` are the means of each."""
    place = int(np.argmax(np.abs(found.z)))
    seen, half = float(now[place] - before[place]), float(found.halves[place])
    return Interval(f"{names[place]}, now minus before", *(round(one, 5) for one in (seen, seen - half, seen + half)))


def _statistics(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest |z| and the sum of z squared, for each column of `z`."""
    return np.vstack([np.abs(z).max(axis=0, initial=0.0), np.einsum("ij,ij->j", z, z)])


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


def _draw(differences: _Differences, split: Split, begin: int, end: int, seed: int) -> NDArray[np.float64]:
    """Statistics over the draws of these numbers."""
    blocks = [_statistics(differences.of(sides)) for sides in split.draws(begin, end, seed)]
    return np.hstack(blocks) if blocks else np.empty((2, 0))


class _Differences:
    """Standardised differences of the weighted means of the same rows, split in many ways, whole groups at a time.

    What a feature's mean differs by chance depends on how alike the rows of a group are in it, so each is standardised
    by how its sums over groups vary (the linearised variance of a ratio; Cochran, Sampling Techniques, 1977, 9A). One
    spread of rows for all would let the most clustered feature hide the others.
    """

    def __init__(
        self, pooled: Matrix, weights: NDArray[np.float64], member: NDArray[np.intp],
        factors: NDArray[np.float64] | float,
    ) -> None:  # fmt: skip
        rows = np.arange(weights.size)
        self._weights = np.bincount(member, weights)
        of_groups = sparse.csr_matrix((weights, (member, rows)), shape=(self._weights.size, weights.size)) @ pooled
        self._features = of_groups.T.tocsr() if sparse.issparse(of_groups) else np.ascontiguousarray(of_groups.T)
        self._sums = np.asarray(of_groups.sum(axis=0)).reshape(-1, 1)
        means, total = self._sums / weights.sum(), float(weights.sum())
        squares = _squares(of_groups, np.ones(self._weights.size))
        apart = squares - 2 * means * (self._features @ self._weights)[:, None] + means**2 * (self._weights**2).sum()
        # Of a constant only rounding is left.
        self._spread = np.sqrt(np.where(apart > ROUNDING * squares, apart, 0.0) / (self._weights**2).sum())
        self._of_rows = np.maximum(_squares(pooled, weights) / total - means**2, 0.0)
        self._of_weights = np.vstack([self._weights, self._weights**2])
        self._factors = np.asarray(factors, dtype=np.float64).reshape(-1, 1)

    def of(self, sides: NDArray[np.float64]) -> NDArray[np.float64]:
        """Features by columns of `sides`, which have 1 for groups of the current side and 0 for the others."""
        current, inverse = self._sizes(sides)
        other = np.maximum(self._weights.sum() - current, 1e-300)
        # The difference of the means, of one product with all features.
        difference = np.asarray(self._features @ sides)
        difference *= 1 / np.maximum(current, 1e-300) + 1 / other
        difference -= self._sums / other
        error = self._spread * self._factors
        difference *= np.divide(1.0, error, out=np.zeros_like(error), where=error > 1e-12)
        difference *= 1 / np.sqrt(np.maximum(inverse, 1e-300))
        return difference

    def errors(self, side: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standard errors of the differences between that side and the other."""
        errors: NDArray[np.float64] = (self._spread * self._factors)[:, 0] * np.sqrt(self._sizes(side[:, None])[1])
        return errors

    def excess(self, z: NDArray[np.float64], side: NDArray[np.float64]) -> float:
        """The mean of the squared differences beyond chance, in variances of the features over rows."""
        if not z.size:
            return 0.0
        over = np.divide(self._spread**2, self._of_rows, out=np.zeros_like(self._of_rows), where=self._of_rows > 1e-12)
        return float(np.mean((z**2 - self._factors[:, 0] ** -2.0) * over[:, 0]) * self._sizes(side[:, None])[1][0])

    def _sizes(self, sides: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The weight of the current sides, and one over so many groups of equal weight as would tell as much.

        Kish, Survey Sampling (1965), for both sides together.
        """
        (current, squared), (total, all_squared) = self._of_weights @ sides, self._of_weights.sum(axis=1)
        inverse = squared / np.maximum(current, 1e-300) ** 2
        inverse += (all_squared - squared) / np.maximum(total - current, 1e-300) ** 2
        return current, inverse


def _squares(values: Matrix, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weighted sum of each feature's squares, as a column."""
    squared = values.multiply(values) if sparse.issparse(values) else values**2
    return np.asarray(squared.T @ weights, dtype=np.float64).reshape(-1, 1)
