"""Explains the scores of a window that show a change: reads what was before it, and keeps to its time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from monitors import faults
from monitors.activity import Activity
from monitors.explaining.explain import Window, explain, known_onset
from monitors.judgement import is_hit
from monitors.judging import Judgement
from monitors.monitor import Monitor
from monitors.reading import Reader
from monitors.rows import Rows
from monitors.run import Run
from monitors.vectors import Source
from telltale.records import Basis, Score, Series
from telltale.settings import Monitor as Settings
from telltale.store import Store, StoreUnavailable
from telltale.store.references import Reference

# Where everything changes at once, what is not explained in this time has its score and its table.
PER_RUN_S: Final = 30.0
# So many windows before the one that showed it first, and the ones since then, are looked at for when it began.
LOOKED_BACK: Final = 1
MOST_WINDOWS: Final = 4


class Explainer:
    """Explanations for the scores of one run after another."""

    def __init__(self, store: Store, settings: Settings, vectors: Source) -> None:
        self._store = store
        self._settings = settings
        self._vectors = vectors
        self._left = PER_RUN_S

    def begin(self) -> None:
        """A new run has its time."""
        self._left = PER_RUN_S

    def explain(
        self, activity: Activity, series: Series, basis: Basis, rows: Rows, reference: Reference,
        made: Mapping[Monitor, Judgement], earlier: Mapping[Monitor, Sequence[Score]], least: Mapping[str, int],
        run: Run,
    ) -> None:  # fmt: skip
        """Explain the scores that show a change, in place: one that cannot be explained still counts.

        Raises StoreUnavailable.
        """
        read: dict[float, Rows] = {}
        for monitor, judgement in made.items():
            for place, score in enumerate(judgement.scores):
                if not is_hit(score) or self._left <= 0:
                    continue
                began = time.process_time()
                begin = score.window_start if known_onset(score, earlier[monitor]) else _begin(score)
                try:
                    if begin not in read:
                        read[begin] = self._before(activity, series, basis, begin, score.window_start, run)
                    before = self._placed(read[begin]) if monitor.uses_vectors else read[begin]
                    window = Window(
                        rows, before, reference, basis, self._settings.season, least[monitor.name], self._settings.seed
                    )
                    told = explain(monitor, score, window, earlier[monitor])
                    judgement.scores[place] = replace(score, details=replace(score.details, explanation=told))
                except StoreUnavailable:
                    raise
                except Exception as error:  # noqa: BLE001 - the score is true without it
                    faults.tell(f"an explanation of {monitor.name}", series.model, faults.told(error))
                self._left -= time.process_time() - began

    def _before(
        self, activity: Activity, series: Series, basis: Basis, begin: float, end: float, run: Run
    ) -> Rows:  # fmt: skip
        if begin >= end:
            return Rows()
        with self._store.read() as connection:
            reader = Reader(connection, activity, self._settings.seed, run.votes)
            return reader.rows(basis, series, begin, end, 2 * self._settings.max_rows)

    def _placed(self, before: Rows) -> Rows:
        """With vectors; without those that cannot be made, nothing of before is known."""
        return Rows() if self._vectors.make(before) else self._vectors.added(before)


def _begin(score: Score) -> float:
    """From when on rows are looked at: a window before the first that showed the change."""
    length = score.window_end - score.window_start
    first = score.window_start if score.since is None else min(score.since, score.window_start)
    return max(first - LOOKED_BACK * length, score.window_start - MOST_WINDOWS * length)
