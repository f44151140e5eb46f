"""Vectors of rows: those that are stored, and those that are still to be made, a bounded time at each run."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitors import embedders
from monitors.brought import DIRECTIONS, Brought
from monitors.embedders import Embedder, NoVectors
from monitors.embedding import unit
from monitors.rows import Rows
from telltale.records import Direction
from telltale.settings.table import Embeddings
from telltale.store import Store, vectors

log = logging.getLogger(__name__)

AT_ONCE: Final = 32
# Those of a reference, whose samples may be gone, and of the windows of some series; more where one of them has more.
MOST_KEPT: Final = 30_000


def chosen(store: Store, settings: Embeddings, per_run: float) -> Source:
    """Where vectors come from: `per_run` are the seconds that a run may spend on making some. Raises UsageError."""
    if settings.kind == "spans":
        return Brought(store)
    return Vectors(store, embedders.chosen(settings), per_run)


class Vectors:
    """Without an embedder rows stay as they are, and nothing is missing. Close it."""

    def __init__(self, store: Store, embedder: Embedder | None, per_run: float) -> None:
        self._store = store
        self._embedder = embedder
        self._per_run = per_run
        self._until = 0.0
        self._known: OrderedDict[int, bytes] = OrderedDict()
        self._most = MOST_KEPT
        self._size = 0

    @property
    def space(self) -> str:
        """Names what makes them; empty where nothing does."""
        return self._embedder.space if self._embedder is not None else ""

    def begin(self) -> None:
        """A new run has its time."""
        self._until = time.monotonic() + self._per_run

    def close(self) -> None:
        if self._embedder is not None:
            self._embedder.close()

    def make(self, rows: Rows) -> str:
        """Make what is missing, as long as this run may. Returns what is missing still, in words; else nothing."""
        if self._embedder is None:
            return ""
        try:
            return self._make(self._embedder, rows)
        except NoVectors as error:
            log.warning("no vectors: %s", error)
            return f"no vectors: {error}"

    def _make(self, embedder: Embedder, rows: Rows) -> str:
        # A window and its reference are needed together.
        self._most = max(self._most, MOST_KEPT, 2 * len(DIRECTIONS) * len(rows))
        for direction in DIRECTIONS:
            missing = self._missing(rows, direction, embedder.space)
            total = len({text for text in rows.texts.get(direction, ()) if text is not None})
            while missing:
                if time.monotonic() >= self._until:
                    return f"{total - len(missing)} of {total} {direction}s have vectors"
                batch, missing = missing[:AT_ONCE], missing[AT_ONCE:]
                self._embed(embedder, direction, batch)
        return ""

    def added(self, rows: Rows) -> Rows:
        """The rows with their vectors, all of which have been made."""
        if self._embedder is None:
            return rows
        made: dict[str, NDArray[np.float16]] = {
            direction: np.stack([self._vector(text) for text in rows.texts[direction]])
            for direction in DIRECTIONS
            if any(text is not None for text in rows.texts.get(direction, ()))
        }
        return replace(rows, vectors=made)

    def _vector(self, text: str | None) -> NDArray[np.float16]:
        if text is None:
            # A row without a text is not judged.
            return np.zeros(self._size // 2, np.float16)
        return np.frombuffer(self._known[hash(text)], dtype="<f2")

    def _missing(self, rows: Rows, direction: Direction, space: str) -> list[tuple[int, str]]:
        """(sample, text) of each text whose vector is neither here nor stored."""
        wanted: dict[str, int] = {}
        for number, text in zip(rows.ids, rows.texts.get(direction, ()), strict=False):
            if text is not None and hash(text) in self._known:
                self._known.move_to_end(hash(text))
            elif text is not None:
                wanted[text] = number
        if not wanted:
            return []
        with self._store.read() as connection:
            stored = vectors.load(connection, space, direction, list(wanted.values()))
        for text, number in wanted.items():
            if number in stored:
                self._keep(text, stored[number])
        return [(number, text) for text, number in wanted.items() if number not in stored]

    def _embed(self, embedder: Embedder, direction: Direction, batch: Sequence[tuple[int, str]]) -> None:
        # Of length 1, because half a float ends at 65,504; only the direction counts.
        found = unit(embedder.embed([text for _, text in batch])).astype("<f2")
        self._check(2 * found.shape[1])
        made = {sample_id: vector.tobytes() for (sample_id, _), vector in zip(batch, found, strict=True)}
        self._store.write(lambda c: vectors.save(c, embedder.space, direction, made))
        for sample_id, text in batch:
            self._keep(text, made[sample_id])

    def _keep(self, text: str, vector: bytes) -> None:
        self._check(len(vector))
        self._known[hash(text)] = vector
        while len(self._known) > self._most:
            self._known.popitem(last=False)

    def _check(self, size: int) -> None:
        """All vectors of a space are of one size in bytes. Raises NoVectors."""
        self._size = self._size or size
        if size != self._size:
            raise NoVectors(
                f"they have {size // 2} numbers, and those made before {self._size // 2}; the model behind "
                "monitor.embeddings is another: name it anew there"
            )


Source = Vectors | Brought
"""Where the vectors of rows come from."""
