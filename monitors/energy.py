"""Whether two samples of vectors lie differently: the energy distance, under permutation of whole groups.

Szekely and Rizzo, Energy statistics (2013). With weights that sum to 1 on each side and u their difference, the
distance is -u'Du, D being the distances between all rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from monitors.permutation import HOPELESS, ROUNDING, stages
from monitors.splits import Split


class Energy(NamedTuple):
    """`distance` between two samples, what it exceeds with probability alpha when nothing changed, and how often."""

    distance: float
    threshold: float
    p_value: float
    mean: float
    """What it is on average when nothing changed."""


def energy(
    vectors: tuple[NDArray[np.float32], NDArray[np.float32]], groups: tuple[tuple[str, ...], tuple[str, ...]],
    weights: tuple[NDArray[np.float64], NDArray[np.float64]], *, alpha: float, seed: int,
) -> Energy:  # fmt: skip
    """Compare rows of unit vectors, those of the window first."""
    pooled = np.vstack(vectors)
    split = Split.of(*groups)
    apart = _weighted_distances(pooled, np.concatenate(weights).astype(np.float32))
    of_groups = np.bincount(split.member, np.concatenate(weights)).astype(np.float32)
    if of_groups.size < len(pooled):
        joined = sparse.csr_matrix((np.ones(len(pooled), np.float32), (split.member, np.arange(len(pooled)))))
        apart = joined @ (joined @ apart).T
    observed = float(_distances(apart, of_groups, split.observed[:, None].astype(np.float32))[0])

    null = np.empty(0, np.float32)
    for begin, end in stages(alpha):
        sides = np.hstack([*split.draws(begin, end, seed)], dtype=np.float32, casting="same_kind")
        null = np.concatenate([null, _distances(apart, of_groups, sides)])
        if np.count_nonzero(null >= observed) >= HOPELESS:
            break
    beyond = np.count_nonzero(null >= observed - ROUNDING * max(1.0, observed))
    return Energy(
        observed,
        float(np.quantile(null, 1 - alpha, method="higher")),
        float((1 + beyond) / (1 + null.size)),
        float(null.mean()),
    )


def _weighted_distances(vectors: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """The distances between all unit vectors, times both weights; in place, for it is most of what this costs."""
    apart: NDArray[np.float32] = vectors @ vectors.T
    apart *= -2.0
    apart += 2.0
    np.maximum(apart, 0.0, out=apart)
    np.sqrt(apart, out=apart)
    apart *= weights[:, None]
    apart *= weights[None, :]
    return apart


def _distances(
    apart: NDArray[np.float32], weights: NDArray[np.float32], sides: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The energy distance of each column's sides; `apart` and `weights` are sums over groups."""
    now = weights @ sides
    before = weights.sum() - now
    difference = sides / np.maximum(now, 1e-12) - (1 - sides) / np.maximum(before, 1e-12)
    found: NDArray[np.float32] = -np.einsum("ij,ij->j", difference, apart @ difference)
    return found
