"""Vectors that calls brought along in their spans: they are read, and none are made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitors.rows import Rows
from telltale.records import Direction, Vector
from telltale.store import Store, vectors

DIRECTIONS: Final[tuple[Direction, ...]] = ("prompt", "response")


class Brought:
    """Adds to rows what their calls brought along. A text without a vector has none; others may still be judged."""

    space: Final = "spans"

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(self) -> None:
        """Nothing is made, so a run needs no time for it."""

    def close(self) -> None:
        """Nothing is held."""

    def make(self, _rows: Rows) -> str:
        """Nothing is missing that could still come: vectors are stored with their calls."""
        return ""

    def added(self, rows: Rows) -> Rows:
        """The rows with the vectors of the space, of each direction, that most of its texts have."""
        made: dict[str, NDArray[np.float16]] = {}
        spaces: dict[str, tuple[str | None, ...]] = {}
        for direction in DIRECTIONS:
            texts = rows.texts.get(direction, ())
            ids = [number for number, text in zip(rows.ids, texts, strict=False) if text is not None]
            if not ids:
                continue
            with self._store.read() as connection:
                found = vectors.load_brought(connection, direction, ids)
            space = _most(found)
            placed = [one if (one := found.get(number)) and one.space == space else None for number in rows.ids]
            size = next((len(one.numbers) for one in placed if one), 0) // 2
            made[direction] = np.zeros((len(rows), size), np.float16)
            for place, one in enumerate(placed):
                if one:
                    made[direction][place] = np.frombuffer(one.numbers, dtype="<f2")
            spaces[direction] = tuple([space if one else None for one in placed])
        return replace(rows, vectors=made, spaces=spaces)


def _most(found: Mapping[int, Vector]) -> str:
    """The space of most of these vectors; of equally many the one whose name comes first."""
    number = Counter([one.space for one in found.values()])
    return min(number, key=lambda space: (-number[space], space), default="")
