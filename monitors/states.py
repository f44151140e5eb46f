"""The state of a series: what a monitor says of it, or why it says nothing. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from monitors.monitor import Monitor
from monitors.windows import Window
from telltale.records import Direction, Score, Series, SeriesState
from telltale.store.series_states import SeriesStatus

Key = tuple[str, str, Direction, Series]
"""Monitor, signal, direction, series."""

# A judgement is shown for so many windows after it; then the state says what is missing.
PATIENCE_WINDOWS: Final = 3
STALE_WINDOWS: Final = 12
# Rows that come once a day are not silent after half of one.
STALE_GAPS: Final = 5
DAY_S: Final = 86400.0
JUDGED: Final = frozenset(("ok", "suspect", "alert"))


class Standing(NamedTuple):
    """A state with its reason."""

    state: SeriesState
    reason: str


def keys(monitor: Monitor, series: Series) -> Iterable[Key]:
    """Everything that a monitor says of a series."""
    for direction in monitor.directions:
        for signal in monitor.signals:
            yield monitor.name, signal, direction, series


def looked_back(monitor: Monitor, persistence: tuple[int, int]) -> int:
    """How many scores of a series persistence may look at: those of its last windows."""
    return persistence[1] * len(monitor.signals) * len(monitor.directions)


def gathering(
    window: Window, least: int, what: str, last: float | None, now: float, length: float, retention: float
) -> Standing:
    """Of a window that has too few rows so far; `last` is when the newest row came, if any is known."""
    if (silence := silent(window.rows, window.start, last, what, now, length)) is not None:
        return silence
    took = max(now - window.start, length)
    ever = window.rows * retention / took
    if took > DAY_S and ever < least:
        return Standing(
            "not_enough_data",
            f"{window.rows} {what} in {_ago(took)}: {least} are needed, and {_ago(retention)} are kept",
        )
    return Standing("gathering", f"{window.rows} of {least} {what} since {_ago(took)}")


def silent(rows: int, start: float, last: float | None, what: str, now: float, length: float) -> Standing | None:
    """Of a series that nothing comes of any more; the rows since `start` tell how far apart they usually are."""
    if last is None:
        return Standing("stale", f"no {what}")
    usual = max(last - start, 0.0) / rows if rows else 0.0
    if now - last <= max(STALE_WINDOWS * length, STALE_GAPS * usual):
        return None
    return Standing("stale", f"no {what} for {_ago(now - last)}")


def no_reference(rows: int, needed: int, what: str, seen: float, span: float) -> Standing:
    """Of a series that nothing can be compared with yet; `seen` and `span` in seconds."""
    missing = [f"{min(rows, needed)} of {needed} {what}"]
    if span and seen < span:
        missing.append(f"{_ago(seen)} of {_ago(span)}")
    return Standing("no_reference", f"a reference is gathered: {', '.join(missing)}")


def judged(key: Key, score: Score, score_id: int, known: SeriesStatus | None, now: float) -> SeriesStatus:
    """After a window was judged."""
    return _status(
        key, Standing(score.state, ""), known, now,
        judged_until=score.window_end, rows=score.samples, score_id=score_id,
        reference_id=score.details.reference_id,
    )  # fmt: skip


def passed(key: Key, reason: str, window: Window, known: SeriesStatus | None, now: float) -> SeriesStatus:
    """After a window that could not be judged, and that no more rows will come to."""
    return _status(
        key, Standing("not_enough_data", reason), known, now,
        judged_until=window.end, rows=window.rows,
        score_id=None, reference_id=known.reference_id if known else None,
    )  # fmt: skip


def waiting(
    key: Key, standing: Standing, rows: int, known: SeriesStatus | None, now: float, length: float
) -> SeriesStatus | None:
    """While nothing is due; None where what is known still holds."""
    is_over = known is not None and (known.state in JUDGED or known.state == "not_enough_data")
    if known is not None and is_over and known.judged_until is not None:
        is_fresh = now - known.judged_until <= PATIENCE_WINDOWS * length
        if is_fresh and standing.state != "no_reference":
            return None
    return _status(
        key, standing, known, now,
        judged_until=known.judged_until if known else None,
        rows=rows,
        score_id=known.score_id if known and standing.state == "gathering" else None,
        reference_id=known.reference_id if known else None,
    )  # fmt: skip


def changed(known: Mapping[Key, SeriesStatus], status: SeriesStatus) -> bool:
    """Whether anything but the time at which it was looked at is new."""
    before = known.get(key_of(status))
    return before is None or any(
        getattr(before, name) != getattr(status, name)
        for name in ("state", "reason", "judged_until", "rows", "score_id", "reference_id")
    )


def key_of(status: SeriesStatus) -> Key:
    return status.monitor, status.signal, status.direction, status.series


def _status(
    key: Key, standing: Standing, known: SeriesStatus | None, now: float, *,
    judged_until: float | None, rows: int, score_id: int | None, reference_id: int | None,
) -> SeriesStatus:  # fmt: skip
    monitor, signal, direction, series = key
    is_same = known is not None and known.state == standing.state
    return SeriesStatus(
        monitor, signal, direction, *series,
        state=standing.state,
        reason=standing.reason,
        changed_at=known.changed_at if known is not None and is_same else now,
        seen_at=now,
        judged_until=judged_until,
        rows=rows,
        score_id=score_id,
        reference_id=reference_id,
    )  # fmt: skip


def _ago(seconds: float) -> str:
    for size, name in ((DAY_S, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} seconds"
