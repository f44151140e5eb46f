"""What changed in what texts are about: clusters that grew or shrank, and the words of novel texts. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitors import embedding, words
from monitors.clusters import Shares
from monitors.rows import Comparison, Features, Side
from telltale.evidence.scores import ClusterChanges, ShareChange, WordChange

REPORTED: Final = 8


def changes(comparison: Comparison, shares: Shares) -> ClusterChanges:
    names, found = comparison.reference.features["names"], shares.found
    return ClusterChanges(
        tuple(
            ShareChange(
                str(names[i]), round(float(found.z[i]), 2), round(float(shares.now[i]), 4),
                round(float(shares.before[i]), 4),
            )
            for i in np.argsort(-np.abs(found.z))[:REPORTED]
        )
    )  # fmt: skip


def new_words(current: Side, known: Features, is_novel: NDArray[np.bool_]) -> tuple[WordChange, ...]:
    """The words by which the novel texts stand out from the reference's, with the difference in standard errors.

    Of those that several conversations or users have: rare texts are people's own.
    """
    now, inside = current.features, np.flatnonzero(is_novel)
    if not inside.size or not now["words"].size:
        return ()
    texts = embedding.matrix(now, now["words"])[inside]
    is_common = embedding.spread(texts, [current.groups[place] for place in inside]) >= embedding.MIN_GROUPS
    novel = np.asarray(texts.mean(axis=0)).ravel()
    before = np.asarray(embedding.matrix(known, now["words"]).mean(axis=0)).ravel()
    count, known_count = inside.size, known["starts"].size - 1
    pooled = (novel * count + before * known_count) / (count + known_count)
    z = (novel - before) / np.sqrt(np.maximum(pooled * (1 - pooled) * (1 / count + 1 / known_count), 1e-12))
    order = np.argsort(-np.where(is_common, z, 0.0), kind="stable")[: 3 * REPORTED]
    risen: dict[str, int] = {}
    for i in order:
        if is_common[i] and z[i] > 0:
            risen.setdefault(str(now["words"][i]).strip(), int(i))
    # Of Korean words the whole ones, not the pairs of syllables that they consist of.
    found = [(word, risen[word]) for word in words.whole([*risen])[:REPORTED]]
    return tuple(
        WordChange(word, round(float(z[i]), 2), round(float(novel[i]), 4), round(float(before[i]), 4))
        for word, i in found
    )
