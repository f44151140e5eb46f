"""Which words texts have, as the rows of a sparse matrix over the words in their order (CSR)."""

from __future__ import annotations

from array import array
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitors import words
from monitors.rows import Features

# Of a side's words and pieces the most frequent are kept: a reference stays bounded, whatever is sent.
MOST_DISTINCT: Final = 200_000
_NOTHING: Final = np.array([], dtype=np.int32)


@lru_cache(maxsize=4)
def of(texts: tuple[str | None, ...]) -> Features:
    """`words`, and where each text's begin (`starts`) among the `places` of words; several monitors ask for it."""
    numbers: dict[str, int] = {}
    places = array("i")
    starts = np.zeros(len(texts) + 1, np.int32)
    for row, text in enumerate(texts, start=1):
        for word in words.of(text or ""):
            places.append(numbers.setdefault(word, len(numbers)))
        starts[row] = len(places)
    found = np.frombuffer(places, dtype=np.int32) if places else _NOTHING
    return _sorted(list(numbers), starts, found)


def _sorted(names: list[str], starts: NDArray[np.int32], places: NDArray[np.int32]) -> Features:
    """The words in their order, and of very many the most frequent."""
    count = len(names)
    kept = np.arange(count)
    if count > MOST_DISTINCT:
        texts = np.bincount(places, minlength=count)
        kept = np.sort(np.argsort(-texts, kind="stable")[:MOST_DISTINCT])
    order = sorted(kept.tolist(), key=names.__getitem__)
    own = np.full(count, -1, np.int32)
    own[order] = np.arange(len(order), dtype=np.int32)
    renamed = own[places]
    if count > MOST_DISTINCT:
        is_kept = renamed >= 0
        ends = np.concatenate([[0], np.cumsum(is_kept)])
        starts, renamed = ends[starts].astype(np.int32), renamed[is_kept]
    return {"words": np.array([names[number] for number in order], dtype=str), "starts": starts, "places": renamed}


def part(features: Features, places: NDArray[np.intp]) -> Features:
    """The same of the texts at these places."""
    starts, counts = features["starts"], np.diff(features["starts"])[places]
    taken = [features["places"][starts[place] : starts[place + 1]] for place in places]
    ends = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return {"words": features["words"], "starts": ends, "places": np.concatenate(taken) if taken else _NOTHING}
