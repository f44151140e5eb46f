"""Where texts lie: on the reference's axes, in its clusters, and how far from its own texts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitors import clusters, embedding, nearest
from monitors.rows import SPACE, Comparison, Features, Side

# The whole reference's arrays, where only some of its rows are compared.
ALL: Final = "all/"


def placed(comparison: Comparison) -> Comparison:
    """With the window's texts on the reference's axes and in its clusters."""
    features, known = comparison.current.features, comparison.reference.features
    if "clusters" in features:
        return comparison
    lie = vectors(features, known)
    own: Features = {
        "vectors": lie,
        "clusters": clusters.nearest(lie, known["centres"]),
        "is_compared": np.ones(len(lie), dtype=bool),
    }
    return replace(comparison, current=replace(comparison.current, features={**features, **own}))


def is_of_another_model(comparison: Comparison) -> bool:
    """Whether the window's vectors are of another length than the reference's, though their space is named alike."""
    current, known = comparison.current.features, comparison.reference.features
    given = current.get("vectors")
    return given is not None and (given.shape[1] != known["vectors"].shape[1] or bool(unlike(current, known)))


def unlike(current: Features, reference: Features) -> str:
    """Why vectors that came with calls cannot be compared; empty where they can, or where none came."""
    if SPACE not in current or SPACE not in reference:
        return ""
    now, known = str(current[SPACE][0]), str(reference[SPACE][0])
    return "" if now == known else f"vectors of two models: {now} here, {known} in the reference"


def half(groups: Sequence[str], seed: int) -> NDArray[np.bool_]:
    """Half of the groups, drawn: whether each row is in one of them."""
    _, group = np.unique(groups, return_inverse=True)
    drawn: NDArray[np.bool_] = np.random.default_rng(seed).permutation(int(group.max(initial=0)) + 1)[group] % 2 == 0
    return drawn


def compared(side: Side) -> Side:
    """The rows that take part where the axes matter."""
    places = np.flatnonzero(side.features["is_compared"])
    if places.size == len(side):
        return side
    features = {name: side.features[name][places] for name in ("vectors", "clusters")}
    return Side(tuple([side.groups[place] for place in places]), side.weights[places], features)


def vectors(features: Features, axes: Features) -> embedding.Vectors:
    given = features.get("vectors")
    return embedding.placed(features, axes) if given is None else given.astype(np.float32)


def apart(features: Features, known: Features, groups: Sequence[str] | None = None) -> nearest.Distances:
    """How far each text is from the reference; `groups` where it is one of the reference's.

    Without vectors that texts came with, by the words that they have in common: axes are too few for that.
    """
    if "axes" in known:
        similarity = embedding.words_in_common(features, known)
    else:
        similarity = features["vectors"].astype(np.float32) @ known["vectors"].astype(np.float32).T
    own = None if groups is None else np.unique(groups, return_inverse=True)[1]
    return nearest.distances(similarity, own)


def own_apart(known: Side) -> nearest.Distances:
    """How far each text of the reference is from those of its other groups."""
    features = whole(known.features)
    return features["apart"] if "apart" in features else apart(features, features, known.groups)


def whole(features: Features) -> Features:
    """All that the reference knows, also where only its rows of the same hours are compared."""
    everything = {name.removeprefix(ALL): array for name, array in features.items() if name.startswith(ALL)}
    return everything or features


def ranks(side: Side, known: Side, own: nearest.Distances) -> NDArray[np.float64]:
    """How rare texts so distant are in the reference, for each text of a side, which may be the reference itself."""
    everything = whole(known.features)
    if side.features is not known.features:
        far = apart(side.features, everything)
        return nearest.ranks(
            far, side.features["clusters"], own, everything["clusters"], everything["groups"], is_own=False
        )
    found = nearest.ranks(own, everything["clusters"], own, everything["clusters"], everything["groups"], is_own=True)
    return found[known.features["taken"]] if "taken" in known.features else found
