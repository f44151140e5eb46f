"""Whether two samples of vectors lie differently: the energy distance, under permutation of whole groups.

Szekely and Rizzo, Energy statistics (2013). With weights that sum to 1 on each side and u their difference, the
distance is -u'Du, D being the distances between all rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitors.permutation import FIRST_DRAWS, HOPELESS, ROUNDING, permuted


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
    rows = len(vectors[0])
    pooled = np.vstack(vectors)
    apart = np.sqrt(np.maximum(2 - 2 * (pooled @ pooled.T), 0.0))
    weighted = np.concatenate(weights).astype(np.float32)
    sides = np.zeros((len(pooled), 1), np.float32)
    sides[:rows] = 1.0
    observed = float(_distances(apart, weighted, sides)[0])
    labels = [f"c{group}" for group in groups[0]] + [f"r{group}" for group in groups[1]]
    random = np.random.default_rng(seed)

    def drawn(draws: int) -> NDArray[np.float32]:
        sides = permuted(labels, rows, draws, random)
        return np.concatenate([_distances(apart, weighted, one.astype(np.float32)) for one in sides])

    null = drawn(FIRST_DRAWS)
    more = int(np.ceil(2 / alpha)) - 1 - FIRST_DRAWS
    if more > 0 and np.mean(null >= observed) <= HOPELESS:
        null = np.concatenate([null, drawn(more)])
    beyond = np.count_nonzero(null >= observed - ROUNDING * max(1.0, observed))
    return Energy(
        observed,
        float(np.quantile(null, 1 - alpha, method="higher")),
        float((1 + beyond) / (1 + null.size)),
        float(null.mean()),
    )


def _distances(
    apart: NDArray[np.float32], weights: NDArray[np.float32], sides: NDArray[np.float32]
) -> NDArray[np.float32]:
    now, before = sides * weights[:, None], (1 - sides) * weights[:, None]
    apart_by = now / np.maximum(now.sum(axis=0), 1e-12) - before / np.maximum(before.sum(axis=0), 1e-12)
    found: NDArray[np.float32] = -np.einsum("ij,ij->j", apart_by, apart @ apart_by)
    return found
