"""One run over the store: each series of each model gets its reference, then judges its windows that are over."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sqlalchemy import Connection

from monitors import freezing, judging, registry, windows
from monitors.monitor import Monitor
from monitors.persistence import begins_alert
from monitors.reports import Report, Reports
from monitors.sources import Source, sources
from telltale.records import Score, Window
from telltale.settings import Monitor as MonitorSettings
from telltale.store import Store, StoreUnavailable, references, samples, scores
from telltale.store.references import Reference

log = logging.getLogger(__name__)

# Windows of one series that one run catches up on; the next run goes on from there.
MOST_AT_ONCE = 20


class Runs:
    """Judges every model that has samples. Judging is pure and lives elsewhere; here are the store and the order.

    `waiting` holds the scores of windows with too few rows yet, by series; `failed` names the monitors that failed in
    the last run.
    """

    def __init__(self, store: Store, settings: MonitorSettings, report: Report) -> None:
        self._store = store
        self._settings = settings
        self._reports = Reports(store, report)
        made = [kind.of(settings) for kind in registry.MONITORS]
        self._series = [
            (source, [monitor for monitor in made if source.direction in monitor.directions])
            for source in sources(settings)
        ]
        self.waiting: dict[tuple[str, ...], Score] = {}
        self.failed: set[str] = set()

    def run(self, now: float) -> int:
        """Judge all windows that are over. Returns how many scores are new.

        A failing series does not stop the others; `failed` then names its monitors. Raises StoreUnavailable.
        """
        self.failed.clear()
        with self._store.read() as connection:
            models = samples.models(connection, since=now - windows.LONGEST)
        return sum(
            self._catch_up(model, source, monitors, now)
            for model in models
            for source, monitors in self._series
            if monitors
        )

    def close(self, *, finish: bool = False) -> None:
        """Wait for the current report; queued ones are made if `finish`, else dropped."""
        self._reports.close(finish=finish)

    def _catch_up(self, model: str, source: Source, monitors: Sequence[Monitor], now: float) -> int:
        """Judge window after window until none is due."""
        total = 0
        try:
            for _ in range(MOST_AT_ONCE):
                new = self._judge_next(model, source, monitors, now)
                total += new
                if not new:
                    break
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one broken series must not blind the others
            self._fail([monitor.name for monitor in monitors], model, error)
        return total

    def _judge_next(self, model: str, source: Source, monitors: Sequence[Monitor], now: float) -> int:
        """Judge the next window that is over, or freeze the reference. Returns how many scores are new."""
        until = windows.last_end(now, self._settings.window)
        with self._store.read() as connection:
            reference = references.current(connection, model, source.direction)
            if reference is None:
                found = source.first(connection, model, until)
            else:
                earlier = self._earlier(connection, model, source, monitors, now)
                start = judging.next_start(earlier, reference, until)
                found = source.read(connection, model, start, until)
        if reference is None:
            self._freeze(freezing.freeze(model, source, found, monitors, self._settings, now))
            return 0
        due = judging.first_due(source, found, start, until, self._settings)
        if due is None:
            return 0
        window, made = judging.judge(source, due, reference, monitors, earlier, self._settings)
        for name, error in made.failures.items():
            self._fail([name], model, error)
        return self._keep(made.scores, window)

    def _freeze(self, reference: Reference | None) -> None:
        if reference is None:
            return
        self._store.write(lambda c: references.freeze(c, reference))
        log.info("reference frozen: %s of %s, %d rows", reference.direction, reference.model, len(reference.rows.ids))

    def _earlier(
        self, connection: Connection, model: str, source: Source, monitors: Sequence[Monitor], now: float
    ) -> list[Score]:
        """As many scores as persistence looks back on, of all monitors of the direction, oldest first."""
        limit = 4 * sum(len(monitor.signals) for monitor in monitors) * self._settings.persistence[1]
        since = now - 7 * windows.LONGEST
        return scores.recent(connection, model=model, direction=source.direction, since=since, limit=limit)

    def _keep(self, judged: Sequence[Score], window: Window) -> int:
        """Store scores. A window with too few rows is not over: its rows wait for more, and `waiting` says so."""
        enough = [score for score in judged if score.state != "insufficient_data"]
        for score in judged:
            key = (score.monitor, score.signal, score.direction, score.model, score.tenant)
            if score.state == "insufficient_data":
                self.waiting[key] = score
            else:
                self.waiting.pop(key, None)
        if not enough:
            return 0
        new = self._store.write(lambda c: scores.save(c, enough))
        if new and window.texts and any(map(begins_alert, enough)):
            self._reports.request(window)
        return new

    def _fail(self, names: Sequence[str], model: str, error: Exception) -> None:
        # Neither the message nor the values: they may contain user content.
        line = error.__traceback__
        while line and line.tb_next:
            line = line.tb_next
        where = f"{line.tb_frame.f_code.co_filename}:{line.tb_lineno}" if line else "?"
        log.error("%s of %s failed: %s at %s", ", ".join(names), model, type(error).__name__, where)
        self.failed.update(names)
