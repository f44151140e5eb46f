"""Clusters of texts: where the reference's are, what they have in common, how many of a window's fall into each."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitors import words
from monitors.embedding import MIN_GROUPS, Vectors, matrix, spread
from monitors.permutation import MaxT
from monitors.rows import Features, Side

CLUSTERS: Final = 20
LEAST_ROWS: Final = 10
ROUNDS: Final = 50
NAMED_BY: Final = 3
LOOKED_AT: Final = 12


class Shares(NamedTuple):
    """The shares of clusters in the window and before, by key, and how they differ."""

    keys: Sequence[str]
    found: MaxT
    now: NDArray[np.float64]
    before: NDArray[np.float64]


def centres(vectors: Vectors, seed: int) -> NDArray[np.float32]:
    """Centres of at most 20 clusters (k-means); fewer for few or few different texts, at least one."""
    from scipy.cluster.vq import kmeans2

    count = min(CLUSTERS, len(vectors) // LEAST_ROWS, len(np.unique(vectors, axis=0)))
    if count < 2:
        return np.asarray(vectors[:1], dtype=np.float32)
    with warnings.catch_warnings():
        # A cluster that loses all its texts stays where it was.
        warnings.filterwarnings("ignore", message="One of the clusters is empty")
        found, _ = kmeans2(vectors.astype(np.float64), count, iter=ROUNDS, minit="++", rng=np.random.default_rng(seed))
    return np.asarray(found, dtype=np.float32)


def nearest(vectors: Vectors, found: NDArray[np.float32]) -> NDArray[np.int16]:
    """The cluster of each text."""
    own: NDArray[np.int16] = np.argmax(vectors @ found.T - (found**2).sum(axis=1) / 2, axis=1).astype(np.int16)
    return own


def names(features: Features, own: NDArray[np.int16], count: int, groups: Sequence[str]) -> NDArray[np.str_]:
    """Each cluster by the words that its texts have more often than all others, of those that several people have."""
    every = matrix(features, features["words"])
    overall = np.asarray(every.mean(axis=0)).ravel()
    found = []
    for number in range(count):
        inside = np.flatnonzero(own == number)
        texts = every[inside]
        share = np.asarray(texts.mean(axis=0)).ravel() if inside.size else overall
        common = np.flatnonzero(spread(texts, [groups[place] for place in inside.tolist()]) >= MIN_GROUPS)
        order = common[np.argsort((overall - share)[common], kind="stable")[:LOOKED_AT]]
        # Of Korean words the whole ones, not the pairs of syllables that they consist of.
        whole = words.whole([str(features["words"][i]) for i in order])
        found.append(", ".join(whole[:NAMED_BY]) or f"cluster {number + 1}")
    return np.array(found, dtype=str)


def shares(side: Side, count: int) -> NDArray[np.float64]:
    """The share of a side's rows in each cluster, by weight."""
    counted = np.bincount(side.features["clusters"], side.weights, minlength=count)
    return np.asarray(counted / max(float(side.weights.sum()), 1e-12), dtype=np.float64)
