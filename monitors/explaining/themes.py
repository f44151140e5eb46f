"""What the rows that show a change are about: a few clusters of them, named by their words, with typical ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from monitors import clusters, vocabulary
from monitors.embedding import matrix
from monitors.permutation import Matrix

MOST: Final = 3
# Of fewer rows there is one cluster at most, and of less than that none.
LEAST_ROWS: Final = 5
LEAST_EACH: Final = 10
MOST_ROWS: Final = 300
# So much better must rows fit into clusters than between them (Rousseeuw's silhouette, 1987).
LEAST_SILHOUETTE: Final = 0.1
TYPICAL: Final = 3
NAMELESS: Final = "no words in common"
OWN: Final = 0.9


class Cluster(NamedTuple):
    """A name, the places of its rows, of the most typical among them, and how many texts elsewhere are like them."""

    name: str
    places: tuple[int, ...]
    typical: tuple[int, ...]
    elsewhere: int


def themes(
    texts: Sequence[str], groups: Sequence[str], marked: NDArray[np.bool_], elsewhere: Sequence[str], seed: int
) -> list[Cluster]:
    """Clusters of the marked texts, the largest first; all texts say which words are usual.

    `elsewhere` are the marked texts of the other side: as many are like a cluster as lie no further from its middle
    than nine tenths of its own.
    """
    places = np.flatnonzero(marked)
    if places.size < LEAST_ROWS:
        return []
    if places.size > MOST_ROWS:
        places = np.sort(np.random.default_rng(seed).choice(places, MOST_ROWS, replace=False))
    features = vocabulary.of(tuple(texts))
    every = matrix(features, features["words"])
    weights = _weights(every, every[places])
    vectors = _unit(every[places] @ weights)
    others = _unit(matrix(vocabulary.of(tuple(elsewhere)), features["words"]) @ weights) if elsewhere else None
    own = _clustered(vectors, seed)
    count = int(own.max()) + 1
    labels = np.full(len(texts), -1, dtype=np.int16)
    labels[places] = own
    named = clusters.names(features, labels, count, groups)
    found = []
    for number in range(count):
        inside = np.flatnonzero(own == number)
        centre = np.asarray(vectors[inside].mean(axis=0)).ravel()
        near = np.asarray(vectors[inside] @ centre).ravel()
        like = 0 if others is None else np.count_nonzero(others @ centre >= np.quantile(near, 1 - OWN))
        typical = _typical(places[inside[np.argsort(-near, kind="stable")]], groups)
        # Named by a number where nothing that several people wrote is typical of it.
        name = NAMELESS if named[number] == f"cluster {number + 1}" else str(named[number])
        found.append(Cluster(name, tuple(places[inside].tolist()), typical, int(like)))
    return sorted(found, key=lambda one: -len(one.places))


def _weights(every: Matrix, marked: Matrix) -> Matrix:
    """How much each word counts: rare ones more; one that a single text has makes it like no other, and does not."""
    texts = np.asarray(every.sum(axis=0)).ravel()
    is_shared = np.asarray((marked > 0).sum(axis=0)).ravel() > 1
    return sparse.diags(np.where(is_shared, np.log((1 + every.shape[0]) / (1 + texts)) + 1, 0.0))


def _unit(vectors: Matrix) -> Matrix:
    lengths = np.sqrt(np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel())
    return sparse.diags(np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)) @ vectors


def _clustered(vectors: Matrix, seed: int) -> NDArray[np.intp]:
    """The cluster of each row: as many as fit best, or one."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    best, score = np.zeros(vectors.shape[0], dtype=np.intp), LEAST_SILHOUETTE
    for count in range(2, min(MOST, vectors.shape[0] // LEAST_EACH, _distinct(vectors)) + 1):
        own = KMeans(count, n_init=3, random_state=seed).fit_predict(vectors)
        if len(np.unique(own)) == count and (fits := float(silhouette_score(vectors, own))) > score:
            best, score = own.astype(np.intp), fits
    return best


def _distinct(vectors: Matrix) -> int:
    """How many different rows there are; 1 where they have nothing to be told apart by."""
    rows = vectors.tocsr()
    parts = (slice(*pair) for pair in pairwise(rows.indptr))
    # Sums of the same numbers in another order differ in their last digits.
    return len({(rows.indices[part].tobytes(), rows.data[part].round(6).tobytes()) for part in parts}) or 1


def _typical(ordered: NDArray[np.intp], groups: Sequence[str]) -> tuple[int, ...]:
    """The first ones, each of another group."""
    found: dict[str, int] = {}
    for place in ordered.tolist():
        found.setdefault(groups[place], place)
        if len(found) == TYPICAL:
            break
    return tuple(found.values())
