"""Make references of the rows in the store: of a series' first healthy span, or of the period that a person named.

`freezing.py` decides when, `references.py` what is in them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from monitors import faults, freezing, states
from monitors import references as making
from monitors.activity import Activity
from monitors.monitor import Monitor
from monitors.reading import Reader
from monitors.run import Run
from monitors.states import Standing
from monitors.vectors import Source
from telltale.records import Basis, Series
from telltale.settings import Monitor as Settings
from telltale.store import Store, StoreUnavailable, references, scores
from telltale.store.references import Reference

log = logging.getLogger(__name__)

# Votes that a reference is made of, at most.
MOST_VOTES: Final = 100_000


class Freezer:
    """Makes references as all `monitors` know them."""

    def __init__(self, store: Store, settings: Settings, monitors: Sequence[Monitor], vectors: Source) -> None:
        self._store = store
        self._settings = settings
        self._monitors = monitors
        self._vectors = vectors

    def freeze(self, activity: Activity, series: Series, basis: Basis, run: Run) -> Standing | None:
        """Freeze a series' own reference once it has been healthy for long enough; else what it lacks."""
        settings, counts = self._settings, activity.counts(basis, series)
        span = freezing.due(counts, run.until, basis, settings)
        if isinstance(span, Standing):
            return span
        if freezing.predecessor(run.current, series, basis) is not None:
            monitors = [monitor for monitor in self._monitors if monitor.basis == basis]
            with self._store.read() as connection:
                latest = [
                    one
                    for m in monitors
                    for one in scores.recent(connection, m.name, series, states.looked_back(m, settings.persistence))
                ]
                alerts = scores.alerts(connection, series, since=span.start)
            # What differs in one way must not become normal in another meanwhile.
            known = [run.known.get(key) for monitor in self._monitors for key in states.keys(monitor, series)]
            lacking = freezing.acceptance(known, latest, settings.persistence[1])
            if lacking is not None:
                return lacking
            healthy = freezing.after(counts, alerts, settings.window)
            span = freezing.due(healthy, run.until, basis, settings)
            if isinstance(span, Standing):
                return span
        needed = settings.reference_votes if basis == "votes" else settings.reference_rows
        asked = Reference(*series, basis, span.start, span.end, "telltale", "the first healthy span")
        lacking_rows = self._make(activity, asked, needed, run)
        return Standing("no_reference", lacking_rows) if lacking_rows else None

    def make_asked(self, activity: Activity, asked: Reference, run: Run) -> None:
        """Make a reference that a person asked for. What cannot be made is refused, so that it is not tried for ever.

        Raises StoreUnavailable.
        """
        least = self._settings.min_votes if asked.basis == "votes" else self._settings.min_rows
        try:
            why = self._make(activity, asked, least, run)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one broken request must not blind the monitors
            faults.tell("a reference", asked.model, faults.told(error))
            why = f"it could not be made: {type(error).__name__}; the monitors' log says where"
        if why:
            self._store.write(lambda c: references.refuse(c, asked, why, run.now))

    def _make(self, activity: Activity, asked: Reference, needed: int, run: Run) -> str:
        """Make a reference of the rows of its span. Returns why it cannot be made, else nothing."""
        made = self.made(activity, asked, needed, run)
        if isinstance(made, str):
            return made
        frozen = self._store.write(lambda c: references.freeze(c, made))
        run.current[asked.series, asked.basis] = frozen
        log.info("reference frozen: %s of %s, %d rows", asked.basis, " ".join(filter(None, asked.series)), frozen.rows)
        return ""

    def made(self, activity: Activity, asked: Reference, needed: int, run: Run) -> Reference | str:
        """The reference of the rows of its span, not stored; or why it cannot be made."""
        settings, basis = self._settings, asked.basis
        most, what = (MOST_VOTES, "votes") if basis == "votes" else (settings.reference_rows, "rows")
        with self._store.read() as connection:
            reader = Reader(connection, activity, settings.seed, run.votes)
            rows = reader.rows(basis, asked.series, asked.begins_at, asked.ends_at, most)
        if len(rows) < needed:
            return f"{len(rows)} {what} in that time, {needed} needed"
        placed = basis == "calls" and any(one.uses_vectors for one in self._monitors) and not self._vectors.make(rows)
        # A monitor whose vectors take longer describes the reference when it first judges by it.
        monitors = [monitor for monitor in self._monitors if placed or not monitor.uses_vectors]
        made = making.freeze(
            asked.series, basis, self._vectors.added(rows) if placed else rows, asked.begins_at, asked.ends_at, run.now,
            monitors=monitors, least=settings.min_rows, made_by=asked.made_by, why=asked.why, id=asked.id,
            season=settings.season,
        )  # fmt: skip
        if made.rows < min(needed, settings.min_rows):
            return f"{made.rows} of {len(rows)} {what} are left without bursts of one prompt, {needed} needed"
        return made
