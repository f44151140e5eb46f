"""A person asks for a new reference: what may be asked for, and the period that is offered. The monitors make it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection

from telltale.records import Basis, Score, Series
from telltale.redaction import redact
from telltale.store import audit, references, series_states
from telltale.store.references import Reference
from telltale.store.series_states import SeriesStatus

MAX_WHY: Final = 1000
BASES: Final[tuple[Basis, ...]] = ("calls", "votes")
_NAMED: Final = 20


class CannotAsk(ValueError):
    """Nothing can be made of what was asked for; the message names value and mend."""


@dataclass(frozen=True, slots=True)
class Request:
    """A reference of these series' rows of [begins_at, ends_at), one for each basis."""

    series: Series
    bases: Sequence[Basis]
    begins_at: float
    ends_at: float
    why: str


def ask(
    connection: Connection, request: Request, *, actor: str, now: float, retention: float, rules: Mapping[str, str]
) -> list[Reference]:
    """Store the request for the monitors' next run, with an entry in the audit log. Raises CannotAsk."""
    series, why = request.series, redact(request.why.strip(), rules)[0]
    check_period(request.begins_at, request.ends_at, now, retention)
    if not 0 < len(why) <= MAX_WHY:
        raise CannotAsk(f"say why in 1 to {MAX_WHY} characters: whoever sees the next alert reads it")
    check_known(series, known(connection, series.model), models(connection))
    waiting = {one.basis: one for one in references.asked(connection) if one.series == series}
    for basis in request.bases:
        if basis in waiting:
            by = waiting[basis].made_by
            raise CannotAsk(f"a reference of its {basis} is asked for already, by {by}: the next run makes it")
    asked = [
        references.ask(connection, Reference(*series, basis, request.begins_at, request.ends_at, actor, why))
        for basis in request.bases
    ]
    details: dict[str, object] = {
        **{name: value for name, value in series._asdict().items() if name != "model" and value},
        "basis": ", ".join(request.bases),
        "from": written(request.begins_at),
        "to": written(request.ends_at),
        "why": why,
    }
    audit.record(connection, actor=actor, action="reference_asked", subject=series.model, now=now, details=details)
    return asked


def models(connection: Connection) -> list[str]:
    """Models that the monitors know."""
    return sorted({status.model for status in series_states.load(connection)})


def known(connection: Connection, model: str) -> list[Series]:
    """The series of a model that the monitors know."""
    return sorted({status.series for status in series_states.load(connection, model=model)})


def check_known(series: Series, mine: Sequence[Series], models: Sequence[str]) -> None:
    """Raises CannotAsk that names those that are known."""
    if not mine:
        raise CannotAsk(f"the monitors know no model {series.model!r}; they know {_named(models)}")
    for place, name in ((1, "version"), (2, "tenant"), (3, "segment")):
        above = [one for one in mine if one[:place] == series[:place]]
        if all(one[place] != series[place] for one in above):
            told = f"{name} {series[place]!r}" if series[place] else f"series without a {name}"
            raise CannotAsk(f"{series.model} has no {told}; there are {_named(one[place] for one in above)}")


def check_period(begins_at: float, ends_at: float, now: float, retention: float) -> None:
    """Raises CannotAsk where no rows of that time can be known."""
    if begins_at >= ends_at:
        raise CannotAsk(f"from {written(begins_at)} to {written(ends_at)}: it must begin before it ends")
    if ends_at > now:
        raise CannotAsk(f"to {written(ends_at)}: that is in the future; now it is {written(now)}")
    if begins_at < now - retention:
        since = written(now - retention)
        raise CannotAsk(f"from {written(begins_at)}: calls are kept since {since} only (store.retention)")


def healthy(statuses: Iterable[SeriesStatus], newest: Iterable[Score], span: float, now: float) -> tuple[float, float]:
    """The newest `span` seconds before anything was seen to differ: begin and end, in whole seconds."""
    judged = [status.judged_until for status in statuses if status.judged_until is not None]
    changed = differs_since(newest)
    end = int(changed if changed is not None else max(judged, default=now))
    return float(end - max(1, int(span))), float(end)


def differs_since(newest: Iterable[Score]) -> float | None:
    """The start of the first window that showed a change which shows now."""
    found = [score.since or score.window_start for score in newest if score.state != "ok"]
    return min(found, default=None)


def parse_time(text: str) -> float:
    """A moment as ISO 8601 writes it, in UTC where it names no zone. Raises CannotAsk."""
    try:
        found = datetime.fromisoformat(text.strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise CannotAsk(f"{text[:40]!r} is no time: write one such as 2026-11-30T14:00, in UTC") from None


def written(seconds: float) -> str:
    """A moment as people and `parse_time` read it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _named(values: Iterable[str]) -> str:
    names = sorted(set(values))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(repr(name) for name in names[:_NAMED]) + more if names else "none yet"
