"""Which words texts have, as the rows of a sparse matrix over the words in their order (CSR)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer

from monitors import words
from monitors.rows import Features

# Of a side's words and pieces the most frequent are kept: a reference stays bounded, whatever is sent.
MOST_DISTINCT: Final = 200_000
_NOTHING: Final = np.array([], dtype=np.int32)


@lru_cache(maxsize=4)
def of(texts: tuple[str | None, ...]) -> Features:
    """`words`, and where each text's begin (`starts`) among the `places` of words; several monitors ask for it."""
    vectoriser = CountVectorizer(analyzer=words.of, dtype=np.float64, max_features=MOST_DISTINCT)
    try:
        found = vectoriser.fit_transform([text or "" for text in texts]).tocsr()
    except ValueError:
        # No text has any word.
        return {"words": np.array([], dtype=str), "starts": np.zeros(len(texts) + 1, np.int32), "places": _NOTHING}
    names = np.asarray(vectoriser.get_feature_names_out(), dtype=str)
    return {"words": names, "starts": found.indptr.astype(np.int32), "places": found.indices.astype(np.int32)}


def part(features: Features, places: NDArray[np.intp]) -> Features:
    """The same of the texts at these places."""
    starts, counts = features["starts"], np.diff(features["starts"])[places]
    taken = [features["places"][starts[place] : starts[place + 1]] for place in places]
    ends = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return {"words": features["words"], "starts": ends, "places": np.concatenate(taken) if taken else _NOTHING}
