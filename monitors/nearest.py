"""How far each text is from what the reference knows: the mean distance to its nearest neighbours there.

Conformal anomaly detection (Laxhammar and Falkman, 2015): a text's rank among the reference's own distances says how
rare so distant a text is, without any assumption on how texts lie. Rows of the reference are compared with rows of
other groups only, as rows of a window are.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Distances: TypeAlias = NDArray[np.float32]
Similarity: TypeAlias = Any
"""Rows by rows of the reference: a numpy array of cosines."""

NEIGHBOURS: Final = 4
# A cluster with fewer groups of the reference says too little about its own distances: many rows of one conversation,
# or one text again and again, are one opinion.
LEAST_GROUPS: Final = 100


def distances(similarity: Similarity, groups: NDArray[np.intp] | None = None) -> Distances:
    """1 minus the mean cosine of the nearest rows; `groups` where the rows are the reference's own. Overwrites."""
    if groups is not None:
        similarity[groups[:, None] == groups[None, :]] = -1.0
    rows, count = np.arange(len(similarity)), min(NEIGHBOURS, similarity.shape[1])
    largest = np.empty((len(similarity), count), np.float32)
    # For so few neighbours, to look for the largest again and again takes a fifth of what a partition does.
    for number in range(count):
        place = similarity.argmax(axis=1)
        largest[:, number] = similarity[rows, place]
        similarity[rows, place] = -np.inf
    found: Distances = 1 - largest.mean(axis=1)
    return found


def ranks(
    apart: Distances, clusters: NDArray[np.intp], known: Distances, known_clusters: NDArray[np.intp],
    known_groups: NDArray[np.intp], is_own: bool,
) -> NDArray[np.float64]:  # fmt: skip
    """The share of the reference's rows of the same cluster that are at least as distant, for each row.

    By cluster, so that more traffic in a cluster that is loose by nature is not taken for something new. Each row is
    itself one of those that it is compared with, with as many rows as a group has; rows that are the reference's
    (`is_own`) are so already.
    """
    found = np.empty(apart.size)
    for cluster in np.unique(clusters):
        inside = known_clusters == cluster
        groups = np.unique(known_groups[inside]).size
        if groups < LEAST_GROUPS:
            inside, groups = np.ones(known.size, dtype=bool), np.unique(known_groups).size
        own = np.sort(known[inside])
        itself = 0.0 if is_own else own.size / max(1, groups)
        places = clusters == cluster
        at_least = own.size - np.searchsorted(own, apart[places], side="left")
        found[places] = (at_least + itself) / (own.size + itself)
    return found
