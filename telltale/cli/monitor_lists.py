"""What `telltale monitor states` and `telltale monitor references` print, line by line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from sqlalchemy import Connection

from telltale import pinning
from telltale.records import Score, Series
from telltale.store import references as stored
from telltale.store import scores, series_states
from telltale.store.references import Reference
from telltale.store.series_states import SeriesStatus


def states(connection: Connection, model: str | None) -> Iterator[str]:
    """Each series, then each monitor's state of it with its reason. Raises CannotAsk for an unknown model."""
    found = series_states.load(connection, model=model)
    if model is not None and not found:
        pinning.check_known(Series(model, ""), [], pinning.models(connection))
    newest = {score.id: score for score in scores.latest(connection, model=model)}
    if not found:
        yield "no series yet: the monitors have not run, or no calls came"
    last: Series | None = None
    for status in sorted(found, key=lambda one: (one.series, one.monitor, one.direction, one.signal)):
        if status.series != last:
            yield named(status.series)
            last = status.series
        yield "  " + _state(status, newest)


def references(connection: Connection, model: str | None) -> Iterator[str]:
    """References, the newest first: all of a model, or the current and asked for ones of all.

    Raises CannotAsk for an unknown model.
    """
    if model is None:
        found = sorted((*stored.current(connection), *stored.asked(connection)), key=lambda one: -(one.id or 0))
    else:
        found = stored.history(connection, model)
        if not found and not series_states.load(connection, model=model):
            pinning.check_known(Series(model, ""), [], pinning.models(connection))
    if not found:
        yield "no references yet"
    for one in found:
        yield f"R-{one.id}  {_standing(one):<9} {one.basis:<5}  {named(one.series)}"
        rows = f", {one.rows:,} rows" if one.rows else ""
        yield f"  {_at(one.begins_at)} to {_at(one.ends_at)}{rows}; by {one.made_by}: {one.why}"
        yield from (f"  {line}" for line in _found(one.checks))


def named(series: Series) -> str:
    """A series as the options of `pin` name it."""
    options = zip(("version", "tenant", "segment"), series[1:], strict=True)
    return " ".join((series.model, *(f"--{name} {value}" for name, value in options if value)))


def _state(status: SeriesStatus, newest: Mapping[int | None, Score]) -> str:
    score = newest.get(status.score_id)
    since = score.since if score and score.since and score.state == status.state else status.changed_at
    has_effect = score is not None and score.effect is not None and score.threshold is not None
    effect = f", effect {score.effect:.3g} (from {score.threshold:.3g})" if score and has_effect else ""
    what = f"{status.monitor} {status.signal} of the {status.direction}"
    reason = f": {status.reason}" if status.reason else ""
    until = f", judged until {_at(status.judged_until)}" if status.judged_until else ""
    number = f", score {score.id}" if score else ""
    return f"{what:<36} {status.state} since {_at(since)}{until}{effect}{number}{reason}"


def _standing(reference: Reference) -> str:
    if reference.frozen_at is None:
        return "asked for"
    if "refused" in reference.checks:
        return "refused"
    return "current" if reference.is_current else "old"


def _found(checks: Mapping[str, object]) -> Iterator[str]:
    if "refused" in checks:
        yield f"refused: {checks['refused']}"
    repeated = checks.get("repeated")
    for one in repeated if isinstance(repeated, list) else ():
        what = "a burst: left out" if one.get("left_out") else "all the time: part of the traffic"
        yield f"{one.get('rows', 0):,} nearly identical prompts, {what}"


def _at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
