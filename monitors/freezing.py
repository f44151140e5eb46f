"""When a reference is made: by itself after a healthy span, or because a person named a period."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from monitors import states, windows
from monitors.judgement import is_hit
from monitors.states import Standing
from telltale.records import Basis, Score, Series
from telltale.settings import Monitor as Settings
from telltale.store.references import Reference
from telltale.store.series_states import SeriesStatus


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time that a reference may be made of."""

    start: float
    end: float


def due(counts: Mapping[int, int], until: float, basis: Basis, settings: Settings) -> Span | Standing:
    """The span of a series' first reference, or what it still lacks."""
    what, needed = ("votes", settings.reference_votes) if basis == "votes" else ("rows", settings.reference_rows)
    last = windows.number(until, settings.window)
    over = [place for place in counts if counts[place] and place < last]
    start = min(over, default=last) * settings.window
    rows, seen = sum(counts[place] for place in over), until - start
    if rows < needed or seen < settings.reference_span:
        newest = windows.newest(counts, until + settings.window, settings.window)
        lacking = states.no_reference(rows, needed, what, seen, settings.reference_span)
        return states.silent(rows, start, newest, what, until, settings.window) or lacking
    # The shortest span that is long enough: what comes after it is judged.
    total = 0
    for place in sorted(over):
        total += counts[place]
        end = (place + 1) * settings.window
        if total >= needed and end - start >= settings.reference_span:
            return Span(start, end)
    return Span(start, until)


def acceptance(known: Iterable[SeriesStatus | None], latest: Sequence[Score], needed: int) -> Standing | None:
    """What a version that is compared with the one before it still lacks to become what is compared with.

    `known` is all that is said of it, `latest` its last scores of this basis: of so many windows none may show a
    change. One that differs a person must accept.
    """
    if any(status is not None and status.state in ("alert", "suspect") for status in known):
        return Standing("no_reference", "it differs from the version before it: a person must accept it")
    if any(map(is_hit, latest)):
        return Standing("no_reference", "it differed from the version before it in a window of late")
    windows_of = Counter((score.monitor, score.signal, score.direction) for score in latest)
    if not windows_of or min(windows_of.values()) < needed:
        return Standing("no_reference", "it is compared with the version before it")
    return None


def after(counts: Mapping[int, int], alerts: Iterable[float], length: float) -> Mapping[int, int]:
    """The rows since the last window that ended in an alert: a reference is made of a healthy span."""
    first = windows.number(max(alerts, default=0.0), length)
    return {place: rows for place, rows in counts.items() if place >= first}


def predecessor(current: Mapping[tuple[Series, Basis], Reference], series: Series, basis: Basis) -> Reference | None:
    """What a version that has no reference of its own is compared with: the newest of another version of the same."""
    others = [
        reference
        for (other, its_basis), reference in current.items()
        if its_basis == basis and other._replace(version=series.version) == series
    ]
    return max(others, key=lambda reference: (reference.ends_at, reference.id or 0), default=None)
