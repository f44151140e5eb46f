"""Where texts lie among each other: one vector of unit length for each.

Without a model of language, by latent semantic analysis of the reference's own words (Deerwester et al., Indexing by
latent semantic analysis, 1990): words that occur together there are near each other. The axes are worked out once,
when the reference is frozen, and stored with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from monitors.permutation import Matrix
from monitors.rows import Features

Vectors = NDArray[np.float32]

DIMENSIONS: Final = 64
MOST_WORDS: Final = 4000
# Of the decomposition: directions beyond those that are kept, and rounds that sharpen them.
OVERSAMPLED: Final = 10
POWERS: Final = 3
MIN_TEXTS: Final = 2
# A word that fewer conversations or users have may be one person's name or address, and is not shown.
MIN_GROUPS: Final = 5
# A word is frequent that this share of the texts has.
FREQUENT: Final = 0.02


def fitted(features: Features, seed: int) -> Features:
    """The axes for texts of which `features` says which words they have: `axis_words`, and `axes`, words by axes.

    A text's vector is the sum of its words' rows. Without any word that two texts share there are no axes.
    """
    counts = matrix(features, features["words"])
    texts = np.asarray(counts.sum(axis=0)).ravel()
    order = np.argsort(-texts, kind="stable")[:MOST_WORDS]
    kept = np.sort(order[texts[order] >= MIN_TEXTS])
    weights = np.log((1 + counts.shape[0]) / (1 + texts[kept])) + 1
    weighted = _unit_rows(counts[:, kept] @ sparse.diags(weights))
    dimensions = min(DIMENSIONS, min(weighted.shape) - 1)
    if dimensions < 1:
        return {"axis_words": np.array([], dtype=str), "axes": np.zeros((0, 1), np.float16)}
    components = _components(weighted.astype(np.float64), dimensions, np.random.default_rng(seed))
    return {
        "axis_words": features["words"][kept],
        "axes": (weights[:, None] * components.T).astype(np.float16),
    }


def _components(texts: Matrix, count: int, random: np.random.Generator) -> NDArray[np.float64]:
    """The first right singular vectors, the largest first: a randomised decomposition.

    Halko, Martinsson and Tropp, Finding structure with randomness (2011), algorithm 4.4 and 5.1.
    """
    beyond = min(count + OVERSAMPLED, *texts.shape)
    basis = texts @ random.standard_normal((texts.shape[1], beyond))
    for _ in range(POWERS):
        basis = np.linalg.qr(texts.T @ np.linalg.qr(basis)[0])[0]
        basis = texts @ basis
    small = (texts.T @ np.linalg.qr(basis)[0]).T
    found: NDArray[np.float64] = np.linalg.svd(small, full_matrices=False)[2][:count]
    return found


def placed(features: Features, axes: Features) -> Vectors:
    """The vectors of texts on these axes; that of a text without a known word is zero."""
    counts = matrix(features, axes["axis_words"])
    return unit(np.asarray(counts @ axes["axes"].astype(np.float32), dtype=np.float32))


def unit(vectors: Vectors) -> Vectors:
    """The same directions with length 1; zero stays zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    found: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 1e-6)
    return found


def matrix(features: Features, words: NDArray[np.str_]) -> Matrix:
    """Texts by `words` (sorted), 1 where a text has the word."""
    own = np.searchsorted(words, features["words"])
    is_known = np.zeros(features["words"].size, dtype=bool)
    inside = own < words.size
    is_known[inside] = words[own[inside]] == features["words"][inside]
    rows = np.repeat(np.arange(features["starts"].size - 1), np.diff(features["starts"]))
    taken = is_known[features["places"]] if is_known.size else np.zeros(0, dtype=bool)
    places = own[features["places"][taken]] if taken.size else np.zeros(0, dtype=np.int64)
    shape = (features["starts"].size - 1, words.size)
    return sparse.csr_matrix((np.ones(places.size, np.float32), (rows[taken], places)), shape=shape)


def spread(texts: Matrix, groups: Sequence[str]) -> NDArray[np.intp]:
    """In how many groups each word of these texts is."""
    _, own = np.unique(groups, return_inverse=True)
    shape = (int(own.max(initial=-1)) + 1, len(groups))
    by_group = sparse.csr_matrix((np.ones(own.size, np.float32), (own, np.arange(own.size))), shape=shape) @ texts
    return np.asarray((by_group > 0).sum(axis=0), dtype=np.intp).ravel()


def words_in_common(features: Features, known: Features) -> NDArray[np.float32]:
    """The cosine of each text's words with those of each text of the reference, rare words counting more.

    A word that the reference has once counts as much as one that it does not have: its only text must not look
    better known than a new one would. A word that only this text has is in nothing else.
    """
    counts = matrix(known, known["words"])
    texts = np.asarray(counts.sum(axis=0)).ravel()
    weights = np.log((1 + counts.shape[0]) / np.maximum(texts, 1)).astype(np.float32)
    now = matrix(features, known["words"])
    strange = np.log(1 + counts.shape[0]) ** 2 * (np.diff(features["starts"]) - np.asarray(now.sum(axis=1)).ravel())
    lengths, lengths_known = (
        np.sqrt(np.maximum(np.asarray(one.power(2) @ weights**2).ravel() + extra, 1e-9))
        for one, extra in ((now, strange), (counts, 0.0))
    )
    # Of words that many texts have, a product of dense matrices takes a tenth of what one of sparse ones does.
    is_frequent = texts >= FREQUENT * counts.shape[0]
    dense, rest = np.flatnonzero(is_frequent), np.flatnonzero(~is_frequent)
    weighted = now @ sparse.diags(weights**2)
    common = np.asarray((weighted[:, rest] @ counts[:, rest].T).toarray(), dtype=np.float32)
    if dense.size:
        common += weighted[:, dense].toarray() @ counts[:, dense].toarray().T
    common /= lengths[:, None].astype(np.float32)
    common /= lengths_known[None, :].astype(np.float32)
    return common


def _unit_rows(matrix: Matrix) -> Matrix:
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return sparse.diags(np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)) @ matrix
