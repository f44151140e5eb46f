"""One series: which of its windows is due, and its monitors' scores. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from monitors import windows
from monitors.judgement import score
from monitors.monitor import Monitor
from monitors.persistence import derive_state
from monitors.sources import Observation, Source
from telltale.records import Rows, Score, Window
from telltale.settings import Monitor as MonitorSettings
from telltale.store.references import Reference


@dataclass(frozen=True, slots=True)
class Due:
    """A window that is over, with its rows."""

    start: float
    end: float
    rows: Rows


@dataclass(slots=True)
class Judgement:
    """Scores of one window, and the errors of monitors that gave none, by name."""

    scores: list[Score] = field(default_factory=list)
    failures: dict[str, Exception] = field(default_factory=dict)


def next_start(earlier: Sequence[Score], reference: Reference, until: float) -> float:
    """Where the next window begins: after the last judged one, else after the reference; a day back at most."""
    judged = [score.window_end for score in earlier]
    return max(max(judged, default=reference.end), until - windows.LONGEST)


def first_due(
    source: Source, found: Sequence[Observation], start: float, until: float, settings: MonitorSettings
) -> Due | None:
    """The shortest window from `start` with enough rows, else the longest there is; None when none is over."""
    due = None
    for end in windows.ends(start, until, settings.window):
        part = [observed for observed in found if observed.at < end]
        if len(part) < source.minimum and end < until:
            continue
        due = Due(start, end, source.rows(part, settings.max_rows))
        if len(due.rows.ids) >= source.minimum:
            break
    return due


def judge(
    source: Source, due: Due, reference: Reference, monitors: Sequence[Monitor], earlier: Sequence[Score],
    settings: MonitorSettings,
) -> tuple[Window, Judgement]:  # fmt: skip
    """Every monitor's judgement of the window; `earlier` are the series' judged scores, oldest first.

    No monitor sees a window with too few rows: its state is always `insufficient_data`.
    """
    window = windows.compare(
        reference.model, source.direction, due.start, due.end, due.rows, reference.rows, reference.calibration
    )
    rows, made = len(due.rows.ids), Judgement()
    if rows < source.minimum:
        made.scores = [score(window, m.name, signal, rows) for m in monitors for signal in m.signals]
        return window, made
    examples = source.examples(due.rows, reference.rows)
    for monitor in monitors:
        try:
            single = monitor.judge(window)
        except Exception as error:  # noqa: BLE001 - the other monitors still judge this window
            made.failures[monitor.name] = error
            continue
        for found in single:
            details = replace(found.details, examples=examples, reference_id=reference.id)
            same = [e for e in earlier if (e.monitor, e.signal) == (found.monitor, found.signal)]
            made.scores.append(derive_state(replace(found, details=details), same, *settings.persistence))
    return window, made
