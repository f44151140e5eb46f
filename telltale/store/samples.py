"""Samples: calls kept with their redacted content."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from sqlalchemy import Connection, Row, delete, func, select, tuple_

from telltale.records import Sample
from telltale.store.schema import samples

_COLUMNS = [samples.c[name] for name in Sample._fields]
# All but the last two, `redactions` and `id`.
_PLAIN = Sample._fields[:-2]
_COUNT = len(_PLAIN) + 2
# Rows in one statement, where there are many: SQLite's thread asks for Python's lock once for them, not once a row.
_TOGETHER = 32


def _insert(rows: int, mark: str, otherwise: str = "") -> str:
    """Written out, as the drivers take it: through the expression language a row costs several times its insert."""
    row = f"({', '.join([mark] * _COUNT)})"
    return (
        f"INSERT {otherwise} INTO samples ({', '.join(_PLAIN)}, redactions, stored_at)"  # noqa: S608  # names of our own
        f" VALUES {', '.join([row] * rows)} ON CONFLICT (trace_id, span_id) DO NOTHING"
    )


_ONE = {"sqlite": _insert(1, "?"), "postgresql": _insert(1, "%s")}
# A fault ends the transaction anyway: SQLite need not keep what the statement alone would have to undo.
_MANY = _insert(_TOGETHER, "?", "OR FAIL")


def save(connection: Connection, rows: Sequence[Sample], now: float) -> int:
    """Store samples; one already stored under its (trace_id, span_id) stays as it is. Returns how many were new."""
    values = [(*row[:-2], json.dumps(row.redactions) if row.redactions else "{}", now) for row in rows]
    done = new = 0
    if connection.dialect.name == "sqlite":
        for done in range(_TOGETHER, len(values) + 1, _TOGETHER):
            many = tuple(chain.from_iterable(values[done - _TOGETHER : done]))
            new += connection.exec_driver_sql(_MANY, many).rowcount
    if values[done:]:
        new += connection.exec_driver_sql(_ONE[connection.dialect.name], values[done:]).rowcount
    return new


def load(
    connection: Connection,
    *,
    model: str | None = None,
    since: float | None = None,
    until: float | None = None,
    trace_ids: Iterable[str] | None = None,
    ids: Iterable[int] | None = None,
    sampled_only: bool = False,
    limit: int | None = None,
) -> list[Sample]:
    """Samples observed in [since, until), oldest first. `sampled_only` leaves out promoted calls."""
    query = select(*_COLUMNS).order_by(samples.c.observed_at, samples.c.id)
    if model is not None:
        query = query.where(samples.c.model == model)
    if since is not None:
        query = query.where(samples.c.observed_at >= since)
    if until is not None:
        query = query.where(samples.c.observed_at < until)
    if trace_ids is not None:
        query = query.where(samples.c.trace_id.in_(list(trace_ids)))
    if ids is not None:
        query = query.where(samples.c.id.in_(list(ids)))
    if sampled_only:
        query = query.where(samples.c.inclusion_probability.is_not(None))
    if limit is not None:
        query = query.limit(limit)
    return [_record(row) for row in connection.execute(query)]


def walk(
    connection: Connection,
    *,
    model: str,
    since: float | None = None,
    until: float | None = None,
    last_id: int | None = None,
    page: int = 500,
) -> Iterator[list[Sample]]:
    """A model's samples observed in [since, until) with ids up to `last_id`, oldest first, a page at a time."""
    query = select(*_COLUMNS).where(samples.c.model == model).order_by(samples.c.observed_at, samples.c.id).limit(page)
    if since is not None:
        query = query.where(samples.c.observed_at >= since)
    if until is not None:
        query = query.where(samples.c.observed_at < until)
    if last_id is not None:
        query = query.where(samples.c.id <= last_id)
    rows = [_record(row) for row in connection.execute(query)]
    while rows:
        yield rows
        last = (rows[-1].observed_at, rows[-1].id)
        following = query.where(tuple_(samples.c.observed_at, samples.c.id) > last)
        rows = [_record(row) for row in connection.execute(following)]


def last_id(connection: Connection) -> int:
    """The newest sample's id; 0 when there is none."""
    return connection.execute(select(func.max(samples.c.id))).scalar() or 0


def models(connection: Connection, since: float) -> list[str]:
    """Models that have samples observed since then."""
    query = select(samples.c.model).where(samples.c.observed_at >= since).distinct().order_by(samples.c.model)
    return list(connection.execute(query).scalars())


def activity(connection: Connection, since: float) -> list[tuple[str, int, float]]:
    """(model, samples, time of the last one) of samples observed since then."""
    query = (
        select(samples.c.model, func.count(), func.max(samples.c.observed_at))
        .where(samples.c.observed_at >= since)
        .group_by(samples.c.model)
    )
    return [(model, number, last) for model, number, last in connection.execute(query)]


def count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(samples)).scalar_one()


def prune(connection: Connection, before: float) -> int:
    """Delete samples observed before that time. Returns how many."""
    return connection.execute(delete(samples).where(samples.c.observed_at < before)).rowcount


def _record(row: Row[tuple[object, ...]]) -> Sample:
    return Sample(**row._asdict())
