"""What the monitors would have said of a past time: the same windows, the same judgement, nothing stored. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from monitors import freezing, states
from monitors.course import Course, Pace
from monitors.judgement import is_hit
from monitors.monitor import Monitor
from monitors.rows import Rows
from monitors.windows import Window
from monitors.work import Ask, Outcome, Task
from telltale.records import Basis, Direction, Score, Series
from telltale.store.references import Reference

# Alerts of one monitor that are kept to be listed; all are counted.
MOST_LISTED: Final = 200
OWN_TIME: Final = "it is part of the reference"

Key = tuple[str, str, Direction]
"""Monitor, signal, direction."""


@dataclass(slots=True)
class Tally:
    """What one monitor said of one series. `alerts` are windows in alert, `begun` those that began one, listed."""

    windows: int = 0
    rows: int = 0
    hits: int = 0
    suspects: int = 0
    alerts: int = 0
    expected: float = 0.0
    begun: int = 0
    listed: list[Score] = field(default_factory=list)

    def add(self, score: Score, alpha: float) -> None:
        """Count a score of a test that takes a share `alpha` of unchanged windows for changed."""
        self.windows += 1
        self.rows += score.samples
        self.expected += alpha
        self.hits += is_hit(score)
        self.suspects += score.state == "suspect"
        self.alerts += score.state == "alert"
        persistence = score.details.persistence
        if score.state == "alert" and not (persistence and persistence.alert_before):
            self.begun += 1
            if len(self.listed) < MOST_LISTED:
                self.listed.append(score)


@dataclass(slots=True)
class Told:
    """What was said of one series and basis: by monitor, signal and direction; and how often what was not, and why.

    `failed` has the faults among these, by monitor.
    """

    series: Series
    basis: Basis
    tallies: dict[Key, Tally] = field(default_factory=dict)
    silent: Counter[tuple[str, str]] = field(default_factory=Counter)
    failed: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Terms:
    """How the monitors of one basis judge: least rows, windows' lengths in stretches, and false alarms, by name."""

    monitors: Sequence[Monitor]
    least: Mapping[str, int]
    step: Mapping[str, int]
    alpha: Mapping[str, float]
    length: float
    season: str
    persistence: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of a past time: its references, and what is read of it.

    `read` gives a window's rows, and what they are compared with, ready for these monitors; or why there are none.
    `earlier` gives a monitor's scores of before, oldest first; `begun` where windows began that were judged then.
    """

    references: Sequence[Reference]
    read: Callable[[Window, Reference, Sequence[Monitor]], tuple[Rows, Reference, list[Monitor], str]]
    earlier: Callable[[Monitor], Sequence[Score]] = lambda monitor: ()
    begun: Callable[[Monitor], Iterable[float]] = lambda monitor: ()
    # A reference was in force for windows that were over so long before it was frozen: the next run judged them.
    delay: float = 0.0


def in_force(past: Past, series: Series, basis: Basis, window: Window) -> Reference | None:
    """What a window was compared with when it was over.

    A series' own reference frozen by then, else that of the version before it, else the first one that ends before the
    window: it was judged as soon as that was frozen.
    """
    known = [one for one in past.references if one.basis == basis and one.frozen_at is not None]
    then = [one for one in known if (one.frozen_at or 0.0) <= window.end + past.delay]
    newest = {(one.series, one.basis): one for one in then}
    if (own := newest.get((series, basis))) is not None:
        return own
    if (before := freezing.predecessor(newest, series, basis)) is not None:
        return before
    later = [one for one in known if one.series == series and one.ends_at <= window.start]
    return later[0] if later else None


def judge(
    series: Series, basis: Basis, counts: Mapping[int, int], begin: float, end: float, terms: Terms, past: Past,
    told: Told,
) -> Generator[Task, Outcome, None]:  # fmt: skip
    """Judge every window of [begin, end) as the monitors would have when it was over; what comes of it is `told`."""
    earlier = {monitor: list(past.earlier(monitor)) for monitor in terms.monitors}
    course = Course(counts, end, terms.length, {one: _pace(one, counts, begin, end, terms, past) for one in earlier})
    while (due := course.due()) is not None:
        window, monitors = due
        reference = in_force(past, series, basis, window)
        if reference is None:
            _silent(told, monitors, "no reference was frozen then")
            course.passed(window, monitors, [])
            continue
        if reference.series == series and window.start < reference.ends_at:
            _silent(told, monitors, OWN_TIME)
            course.passed(window._replace(end=reference.ends_at), monitors, [])
            continue
        rows, compared, ready, lacking = past.read(window, reference, monitors)
        _silent(told, [monitor for monitor in monitors if monitor not in ready], lacking)
        asks = tuple(
            Ask(one, terms.least[one.name], earlier[one][-states.looked_back(one, terms.persistence) :])
            for one in ready
        )
        outcome = yield Task(
            series, basis, window.start, window.end, rows, replace(compared, content=b""), terms.season,
            terms.persistence, asks,
        )  # fmt: skip
        for monitor in ready:
            earlier[monitor] += _tell(told, monitor, outcome, terms.alpha[monitor.name])
            del earlier[monitor][: -states.looked_back(monitor, terms.persistence)]
        course.passed(window, monitors, [])
    for monitor, window in course.gathering():
        if window.rows:
            what = "votes" if basis == "votes" else "rows"
            _silent(told, [monitor], f"the last {window.rows} {what} are fewer than {terms.least[monitor.name]}")


def _pace(
    monitor: Monitor, counts: Mapping[int, int], begin: float, end: float, terms: Terms, past: Past
) -> Pace:  # fmt: skip
    """From `begin` on, or where the first window began that was judged then: later ones began where it ended."""
    pace = Pace(begin, terms.least[monitor.name], terms.step[monitor.name])
    first = Course(counts, end, terms.length, {monitor: pace}).due()
    starts = [start for start in past.begun(monitor) if begin <= start and (first is None or start < first[0].end)]
    return replace(pace, start=min(starts, default=begin))


def _tell(told: Told, monitor: Monitor, outcome: Outcome, alpha: float) -> list[Score]:
    """Count what one monitor made of a window. Returns its scores."""
    name = monitor.name
    if name in outcome.failed:
        told.failed[name, outcome.failed[name]] += 1
        return []
    made = outcome.made[name]
    for score in made.scores:
        told.tallies.setdefault((name, score.signal, score.direction), Tally()).add(score, alpha / len(monitor.signals))
    for direction, why in made.unjudged.items():
        told.silent[f"{name} of the {direction}", why] += 1
    return made.scores


def _silent(told: Told, monitors: Iterable[Monitor], why: str) -> None:
    for monitor in monitors:
        told.silent[monitor.name, why] += 1
