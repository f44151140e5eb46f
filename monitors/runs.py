"""One run over the store: each series gets its reference, then each monitor judges its windows that are over.

Here are the store and the order; what is decided is decided by pure modules. No monitor is known by name.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from monitors import clock, executors, faults, freezing, registry, states, terms, unchanged, vectors, windows
from monitors import references as making
from monitors.activity import Activity
from monitors.course import Course, Pace
from monitors.evidently.reports import Make, Reports
from monitors.executors import Job, drive
from monitors.explainer import Explainer
from monitors.freezer import Freezer
from monitors.judging import Judgement
from monitors.monitor import Monitor
from monitors.reading import Reader
from monitors.rows import Rows
from monitors.run import Run
from monitors.states import Standing
from monitors.windows import Window
from monitors.work import Ask, Outcome, Task
from telltale.records import Basis, Series
from telltale.settings import Monitor as Settings
from telltale.store import Store, StoreUnavailable, references, scores, series_states
from telltale.store.references import Reference
from telltale.store.series_states import SeriesStatus

log = logging.getLogger(__name__)

# Windows of one series that one run catches up on; the next run goes on from there.
MOST_AT_ONCE = 20
MONTH_S = 30 * 86400.0


class Runs:
    """Judges every series. Of the last run, `failed` names the monitors that failed, `seconds` is what each took."""

    def __init__(self, store: Store, settings: Settings, report: Make, retention: float = MONTH_S) -> None:
        self._store = store
        self._settings = settings
        self._retention = retention
        self.reports = Reports(store, settings.evidently, report)
        self._vectors = vectors.chosen(store, settings.embeddings, settings.embeddings.per_run)
        self._terms = terms.of(registry.MONITORS, settings, self._vectors.space)
        self._monitors = [kind.of(own) for kind, own in self._terms.items()]
        self._least = {monitor.name: self._terms[type(monitor)].least for monitor in self._monitors}
        self._step = {monitor.name: terms.own(type(monitor), settings).windows for monitor in self._monitors}
        self._activity: Activity | None = None
        self._freezer = Freezer(store, settings, self._monitors, self._vectors)
        self._explainer = Explainer(store, settings, self._vectors)
        self._executor = executors.chosen(settings)
        self.failed: set[str] = set()
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @property
    def folded(self) -> Counter[str]:
        """Rows of series that have none of their own, by model."""
        return self._activity.table.folded if self._activity else Counter()

    def run(self, now: float, show: Callable[[str, float], None] = lambda what, share: None) -> int:
        """Judge all windows that are over; `show` is told how far it is. Returns how many scores are new.

        A failing monitor or series does not stop the others. Raises StoreUnavailable.
        """
        self.failed.clear()
        self.seconds.clear()
        self._vectors.begin()
        self._explainer.begin()
        until = windows.last_end(now, self._settings.window)
        with self._store.read() as connection:
            known = {states.key_of(status): status for status in series_states.load(connection)}
            activity = self._activity or self._begin(known.values(), now)
            activity.read(connection, now)
            current = {(one.series, one.basis): one for one in references.current(connection)}
            asked = references.asked(connection)
        self._activity = activity
        known |= clock.set_back(self._store, list(known.items()), now, until, self._settings.window)
        run = Run(now, until, known, current)
        for reference in asked:
            self._freezer.make_asked(activity, reference, run)
        drive(self._jobs(activity, run, show), self._executor)
        activity.forget(now, self._retention)
        changed = [status for status in run.found if states.changed(known, status)]
        if changed:
            self._store.write(lambda c: series_states.save(c, changed))
        return run.scores

    @property
    def alphas(self) -> dict[str, float]:
        """The false alarms that each monitor may have, a window and direction."""
        return {kind.name: own.alpha for kind, own in self._terms.items()}

    def judge_unchanged(self, number: int) -> unchanged.Tally:
        """How the monitors judge parts of the reference of that id. Raises StoreUnavailable, KeyError."""
        with self._store.read() as connection:
            reference = references.load(connection, number)
        return unchanged.judge(reference, self._monitors, self._settings.max_rows, self._settings.seed + number)

    def close(self, *, finish: bool = False) -> None:
        """Wait for the current report; queued ones are made if `finish`, else dropped."""
        self._executor.close()
        self.reports.close(finish=finish)
        self._vectors.close()

    def _begin(self, known: Iterable[SeriesStatus], now: float) -> Activity:
        """Counts from where the monitors are, and as far back as a reference needs."""
        judged = [one.judged_until for one in known if one.judged_until is not None and one.state != "stale"]
        since = min([now - 2 * self._settings.reference_span - 86400.0, *judged])
        settings = self._settings
        return Activity(settings.series, settings.max_series, settings.window, max(since, now - self._retention))

    def _jobs(self, activity: Activity, run: Run, show: Callable[[str, float], None]) -> Iterator[Job]:
        every = list(activity.table)
        for place, series in enumerate(every):
            show(" ".join(filter(None, series)), place / len(every))
            yield self._guarded(activity, series, "calls", run)
            yield self._guarded(activity, series, "votes", run)

    def _guarded(self, activity: Activity, series: Series, basis: Basis, run: Run) -> Job:
        monitors = [monitor for monitor in self._monitors if monitor.basis == basis]
        try:
            yield from self._catch_up(activity, series, basis, monitors, run)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one broken series must not blind the others
            self._fail([monitor.name for monitor in monitors], series, faults.told(error))

    def _catch_up(self, activity: Activity, series: Series, basis: Basis, monitors: Sequence[Monitor], run: Run) -> Job:
        """Freeze the series' reference if it is time, then judge window after window until none is due."""
        length, counts = self._settings.window, activity.counts(basis, series)
        reference, standing = run.current.get((series, basis)), None
        if reference is None:
            standing = self._freezer.freeze(activity, series, basis, run)
            reference = run.current.get((series, basis)) or freezing.predecessor(run.current, series, basis)
        if reference is None:
            for monitor in monitors:
                self._wait(monitor, series, standing or Standing("no_reference", ""), 0, run)
            return
        first = min(counts, default=windows.number(run.until, length)) * length
        is_own = (series, basis) in run.current and not clock.is_ahead(reference.ends_at, run.now, length)
        begin = reference.ends_at if is_own else first
        paces = {
            monitor: Pace(self._start(monitor, series, begin, run), self._least[monitor.name], self._step[monitor.name])
            for monitor in monitors
        }
        course = Course(counts, run.until, length, paces)
        for _ in range(MOST_AT_ONCE):
            due = course.due()
            if due is None:
                break
            window, together = due
            done = yield from self._judge(activity, series, basis, window, together, reference, run)
            # A monitor that failed goes on from this window at the next run.
            course.passed(window, done, [monitor for monitor in together if monitor not in done])
        for monitor, window in course.gathering():
            self._gather(monitor, series, basis, window, counts, run)

    def _start(self, monitor: Monitor, series: Series, begin: float, run: Run) -> float:
        """Where the monitor's next window begins: after the last one that it is done with."""
        done = [status.judged_until for key in states.keys(monitor, series) if (status := run.known.get(key))]
        return max(begin, *(until for until in done if until is not None), begin)

    def _judge(
        self, activity: Activity, series: Series, basis: Basis, window: Window, monitors: Sequence[Monitor],
        reference: Reference, run: Run,
    ) -> Generator[Task, Outcome, list[Monitor]]:  # fmt: skip
        """Let a window be judged and store what came of it. Returns the monitors that judged it."""
        settings = self._settings
        whole = any(monitor.needs_conversations for monitor in monitors)
        with self._store.read() as connection:
            reader = Reader(connection, activity, settings.seed, run.votes)
            rows = reader.rows(basis, series, window.start, window.end, settings.max_rows, whole)
            reference = reference if reference.id is None else references.load(connection, reference.id)
            # A window that is judged late, or after a clock that was ahead, has later ones, which say nothing of it.
            earlier = {
                m: scores.recent(
                    connection, m.name, series, states.looked_back(m, settings.persistence), until=window.start
                )
                for m in monitors
            }
        ready = [monitor for monitor in monitors if not monitor.uses_vectors]
        if len(ready) < len(monitors) and self._place(series, monitors, reference, run, rows):
            ready = list(monitors)
            rows = self._vectors.added(rows)
        reference = self._known_to(reference, ready)
        asks = tuple(Ask(monitor, self._least[monitor.name], earlier[monitor]) for monitor in ready)
        # What the rows said is evidence, and not compared.
        compared = replace(reference, content=b"")
        outcome = yield Task(
            series, basis, window.start, window.end, rows, compared, settings.season, settings.persistence, asks
        )
        for name, why in outcome.failed.items():
            self._fail([name], series, why)
        for name, seconds in outcome.seconds.items():
            self.seconds[name] += seconds
        made = {monitor: outcome.made[monitor.name] for monitor in ready if monitor.name in outcome.made}
        self._explainer.explain(activity, series, basis, rows, reference, made, earlier, self._least, run)
        self._keep(series, window, rows, reference, made, run)
        return list(made)

    def _keep(
        self, series: Series, window: Window, rows: Rows, reference: Reference, made: Mapping[Monitor, Judgement],
        run: Run,
    ) -> None:  # fmt: skip
        """Store what was judged, and how far: together, so that no window is judged twice or never."""
        judged = [score for judgement in made.values() for score in judgement.scores]
        found: list[SeriesStatus] = []

        def write(connection: Connection) -> None:
            found.clear()
            for score, score_id in zip(judged, scores.save(connection, judged), strict=True):
                key = score.monitor, score.signal, score.direction, series
                found.append(states.judged(key, score, score_id, run.known.get(key), run.now))
            for monitor, judgement in made.items():
                found.extend(
                    states.passed(key, judgement.unjudged[key[2]], window, run.known.get(key), run.now)
                    for key in states.keys(monitor, series)
                    if key[2] in judgement.unjudged
                )
            series_states.save(connection, found)

        self._store.write(write)
        run.known |= {states.key_of(status): status for status in found}
        run.scores += len(judged)
        told = [replace(score, id=one.score_id) for score, one in zip(judged, found, strict=False)]
        self.reports.judged(rows, told, reference.id)

    def _place(self, series: Series, monitors: Sequence[Monitor], reference: Reference, run: Run, rows: Rows) -> bool:
        """Whether texts have vectors, those of a new reference too; else the series says what is missing."""
        whole = [rows] if making.is_known(reference, monitors) else [rows, making.rows(reference)]
        lacking = next((why for one in whole if (why := self._vectors.make(one))), None)
        if lacking is None:
            return True
        for monitor in monitors:
            if monitor.uses_vectors:
                self._wait(monitor, series, Standing("gathering", lacking), len(rows), run)
        return False

    def _known_to(self, reference: Reference, monitors: Sequence[Monitor]) -> Reference:
        """The reference, described by monitors that are newer than it too, or that describe by a newer method."""
        described = making.known_to(
            reference, monitors, self._monitors, self._settings.min_rows, self._vectors.added, self._settings.season
        )
        number, features = reference.id, described.features
        if described is not reference and number is not None and features is not None:
            self._store.write(lambda c: references.put_features(c, number, features))
        return described

    def _gather(
        self, monitor: Monitor, series: Series, basis: Basis, window: Window, counts: Counter[int], run: Run
    ) -> None:
        length = self._settings.window
        last = windows.newest(counts, run.now, length)
        what = "votes" if basis == "votes" else "rows"
        standing = states.gathering(window, self._least[monitor.name], what, last, run.now, length, self._retention)
        self._wait(monitor, series, standing, window.rows, run)

    def _wait(self, monitor: Monitor, series: Series, standing: Standing, rows: int, run: Run) -> None:
        for key in states.keys(monitor, series):
            status = states.waiting(key, standing, rows, run.known.get(key), run.now, self._settings.window)
            if status is not None:
                run.found.append(status)

    def _fail(self, names: Sequence[str], series: Series, why: str) -> None:
        faults.tell(", ".join(names) or "a reference", series.model, why)
        self.failed.update(names)
