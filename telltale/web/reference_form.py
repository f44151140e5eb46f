"""The form in which a reviewer asks for a new reference: what it offers, and what it sends."""

from __future__ import annotations

import json
from dataclasses import dataclass

from telltale import pinning
from telltale.records import Basis, Series
from telltale.settings import Settings
from telltale.web.model_view import SeriesRow


@dataclass(frozen=True, slots=True)
class Form:
    """What the form shows: the period as text, the bases that there are and those that are chosen."""

    series: Series
    begins: str
    ends: str
    bases: tuple[Basis, ...]
    chosen: tuple[Basis, ...]
    changed_since: float | None = None
    why: str = ""
    error: str = ""


def offered(row: SeriesRow, settings: Settings, now: float, *, since_change: bool) -> Form:
    """The last healthy span of a series, or the time since it changed."""
    monitor = settings.monitor
    newest = [one.score for one in row.judged if one.score is not None]
    statuses = [one.status for one in row.judged]
    begins, ends = pinning.healthy(statuses, newest, max(monitor.reference_span, monitor.window), now)
    changed = pinning.differs_since(newest)
    if since_change and changed is not None:
        begins, ends = changed, max(status.judged_until or changed for status in statuses)
    # A minute later the person is done with the form, and what is kept begins later.
    begins = max(begins, float(int(now - settings.store.retention) + 60))
    known = bases(row)
    return Form(row.series, _local(begins), _local(ends), known, known[:1], changed)


def bases(row: SeriesRow) -> tuple[Basis, ...]:
    """What references of that series may be made of."""
    found = {one.basis for one in row.judged}
    return tuple(basis for basis in pinning.BASES if basis in found)


def series_value(series: Series) -> str:
    """A series of a known model as the form sends it."""
    return json.dumps(series[1:], ensure_ascii=False)


def read_series(model: str, value: str) -> Series:
    """What `series_value` wrote. Raises CannotAsk."""
    try:
        told = json.loads(value)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, list) or len(told) != 3 or not all(isinstance(name, str) for name in told):
        raise pinning.CannotAsk("choose one of the series")
    return Series(model, *told)


def _local(seconds: float) -> str:
    """As an input of type datetime-local takes it."""
    return pinning.written(seconds).removesuffix("Z")
