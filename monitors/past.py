"""A past time as the store has it: what `backtest.py` judges. Reads only."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from monitors import backtest, executors, faults, registry, states, vectors, windows
from monitors import references as making
from monitors import terms as own_terms
from monitors.activity import Activity
from monitors.backtest import Past, Terms, Told
from monitors.executors import Job, drive
from monitors.freezer import Freezer
from monitors.monitor import Monitor
from monitors.reading import Reader, VotesRead
from monitors.rows import Rows
from monitors.run import Run
from monitors.windows import Window
from telltale.records import Basis, Score, Series
from telltale.settings import Monitor as Settings
from telltale.store import Store, StoreUnavailable, references, scores
from telltale.store.references import Reference

BASES: Final[tuple[Basis, ...]] = ("calls", "votes")
# Calls were stored when they came; a sender's clock may have been ahead by so much.
AHEAD_S: Final = 86400.0
Show = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Span:
    """From `begin` up to before `end`, in Unix seconds."""

    begin: float
    end: float


def judge(
    store: Store, settings: Settings, span: Span, model: str | None, reference: Span | None, show: Show
) -> list[Told]:
    """What the monitors would have said of each series of a time; the series in their order.

    They compare with the references that were in force then, or with those that the rows of the time `reference` give.
    Raises StoreUnavailable.
    """
    runner = _Runner(store, settings, span, reference)
    try:
        return runner.run(model, show)
    finally:
        runner.close()


class _Runner:
    def __init__(self, store: Store, settings: Settings, span: Span, reference: Span | None) -> None:
        self._store = store
        self._settings = settings
        length = settings.window
        self._begin, self._end = math.ceil(span.begin / length) * length, span.end // length * length
        self._reference = reference
        # No time to make any: those that are stored are used.
        self._vectors = vectors.chosen(store, settings.embeddings, 0.0)
        kinds = own_terms.of(registry.MONITORS, settings, self._vectors.space)
        self._monitors = [kind.of(own) for kind, own in kinds.items()]
        self._kinds = kinds
        self._executor = executors.chosen(settings)
        since = min(span.begin, reference.begin) if reference else span.begin
        self._activity = Activity(settings.series, settings.max_series, length, since - AHEAD_S)
        self._votes = VotesRead()

    def close(self) -> None:
        self._executor.close()
        self._vectors.close()

    def run(self, model: str | None, show: Show) -> list[Told]:
        with self._store.read() as connection:
            # All votes have found their calls by now, or never will.
            self._activity.read(connection, math.inf)
        chosen = sorted(one for one in self._activity.table if model in (None, one.model))
        found = [Told(series, basis) for series in chosen for basis in BASES]
        frozen = self._frozen(chosen, found, show) if self._reference else self._known(chosen)
        drive(self._jobs(found, frozen, show), self._executor)
        return found

    def _jobs(self, found: Sequence[Told], frozen: Sequence[Reference], show: Show) -> Iterator[Job]:
        for place, told in enumerate(found):
            show(" ".join(filter(None, told.series)), place / len(found))
            yield self._guarded(told, frozen)

    def _guarded(self, told: Told, frozen: Sequence[Reference]) -> Job:
        monitors = [monitor for monitor in self._monitors if monitor.basis == told.basis]
        settings, series = self._settings, told.series
        terms = Terms(
            monitors,
            {one.name: self._kinds[type(one)].least for one in monitors},
            {one.name: own_terms.own(type(one), settings).windows for one in monitors},
            {one.name: self._kinds[type(one)].alpha for one in monitors},
            settings.window,
            settings.season,
            settings.persistence,
        )
        delay = settings.window - windows.last_end(settings.window, settings.window) + settings.interval
        past = Past(frozen, partial(self._read, told), delay=delay)
        if self._reference is None:
            past = Past(
                frozen, past.read, partial(self._earlier, series), partial(self._begun, series), delay=past.delay
            )
        counts = self._activity.counts(told.basis, series)
        try:
            yield from backtest.judge(series, told.basis, counts, self._begin, self._end, terms, past, told)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one broken series must not hide the others
            for monitor in monitors:
                told.failed[monitor.name, faults.told(error)] += 1

    def _known(self, chosen: Sequence[Series]) -> list[Reference]:
        """All references of these models that were ever made, the oldest first."""
        with self._store.read() as connection:
            every = [one for name in sorted({one.model for one in chosen}) for one in references.made(connection, name)]
        return sorted(every, key=lambda one: one.id or 0)

    def _frozen(self, chosen: Sequence[Series], found: Sequence[Told], show: Show) -> list[Reference]:
        """References of the time that was named; a series without enough rows then has none, and is told so."""
        assert self._reference is not None
        settings, span = self._settings, self._reference
        freezer = Freezer(self._store, settings, self._monitors, self._vectors)
        run = Run(span.begin, span.end, {}, {}, votes=self._votes)
        made: list[Reference] = []
        for place, told in enumerate(found):
            show("references", place / len(found))
            least = settings.min_votes if told.basis == "votes" else settings.min_rows
            asked = Reference(*told.series, told.basis, span.begin, span.end, "telltale", "a backtest")
            one = freezer.made(self._activity, asked, least, run)
            if isinstance(one, str):
                told.silent["a reference of its own", one] += 1
            else:
                made.append(one)
        return made

    def _read(
        self, told: Told, window: Window, reference: Reference, monitors: Sequence[Monitor]
    ) -> tuple[Rows, Reference, list[Monitor], str]:
        settings = self._settings
        whole = any(monitor.needs_conversations for monitor in monitors)
        with self._store.read() as connection:
            reader = Reader(connection, self._activity, settings.seed, self._votes)
            rows = reader.rows(told.basis, told.series, window.start, window.end, settings.max_rows, whole)
            if reference.id is not None:
                reference = references.load(connection, reference.id)
        ready, lacking = [monitor for monitor in monitors if not monitor.uses_vectors], ""
        if len(ready) < len(monitors):
            sides = [rows] if making.is_known(reference, monitors) else [rows, making.rows(reference)]
            lacking = next((why for one in sides if (why := self._vectors.make(one))), "")
            if not lacking:
                ready, rows = list(monitors), self._vectors.added(rows)
        known = making.known_to(
            reference, ready, self._monitors, settings.min_rows, self._vectors.added, settings.season
        )
        return rows, known, ready, lacking

    def _earlier(self, series: Series, monitor: Monitor) -> list[Score]:
        most = states.looked_back(monitor, self._settings.persistence)
        with self._store.read() as connection:
            return scores.recent(connection, monitor.name, series, most, until=self._begin)

    def _begun(self, series: Series, monitor: Monitor) -> list[float]:
        with self._store.read() as connection:
            return scores.begun(connection, monitor.name, series, self._begin, self._end)
