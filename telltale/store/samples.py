"""Samples: calls kept with their redacted content."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from operator import attrgetter
from typing import Any

from sqlalchemy import CTE, Connection, CursorResult, Row, and_, delete, func, select, tuple_

from telltale.records import Sample
from telltale.store import sample_traces
from telltale.store.schema import samples, unhex

_FIELDS = tuple(name for name in Sample._fields if name in samples.c)
_COLUMNS = [samples.c[name] for name in _FIELDS]
# As `_values` puts them: all but `id`, which the database gives, and the time of storing.
_NAMES = (*_FIELDS[:-1], "stored_at")
# How many rows go into one statement, few sizes of which are all prepared before long: a statement of its own for each
# row takes as long again as the row, and asks for Python's lock each time.
_TOGETHER = (64, 32, 16, 8, 4, 2, 1)

Columns = Sequence[Sequence[object]]


def save(connection: Connection, rows: Sequence[Sample], now: float) -> int:
    """Store samples; a call that is already stored stays as it is. Returns how many were new.

    A call is the same when its model, end, trace and span are: a sender repeats what it sent.
    """
    if not rows:
        return 0
    columns = _values(rows, now)
    new, newest = (
        _save_sqlite(connection, columns) if connection.dialect.name == "sqlite" else _save(connection, columns)
    )
    sample_traces.merge_due(connection, newest, new)
    return new


def _save(connection: Connection, columns: Columns) -> tuple[int, int]:
    """How many were new, and the newest one's id."""
    statement = f"WITH new AS ({_insert(1, _NAMES, '%s')} RETURNING id, trace_id) {sample_traces.ADD} new"
    new = connection.exec_driver_sql(statement, list(zip(*columns, strict=True))).rowcount
    return new, last_id(connection)


def _save_sqlite(connection: Connection, columns: Columns) -> tuple[int, int]:
    new = newest = start = 0
    for size in _TOGETHER:
        while start + size <= len(columns[0]):
            inserted = _save_together(connection, [column[start : start + size] for column in columns])
            if inserted.rowcount:
                new, newest = new + inserted.rowcount, inserted.lastrowid
            start += size
    if new:
        # Nobody else writes in the meantime, so these are the last ids.
        connection.exec_driver_sql(f"{sample_traces.ADD} samples WHERE id > ?", (newest - new,))
    return new, newest


def _values(rows: Sequence[Sample], now: float) -> Columns:
    trace_ids, span_ids, *others, redactions = zip(*map(_stored, rows), strict=True)
    return (
        # Not as bytes, which Python's driver would look up an adapter for, at the cost of ten numbers.
        [unhex(one) for one in trace_ids],
        [unhex(one) for one in span_ids],
        *others,
        [json.dumps(counts) if counts else "{}" for counts in redactions],
        [now] * len(rows),
    )


def _save_together(connection: Connection, columns: Columns) -> CursorResult[Any]:
    size = len(columns[0])
    # A column without any value is left out: binding None takes the driver time too.
    filled = [place for place, column in enumerate(columns) if column[0] is not None or column.count(None) < size]
    statement = _insert(size, tuple([_NAMES[place] for place in filled]), "?")
    values = zip(*[columns[place] for place in filled], strict=True)
    return connection.exec_driver_sql(statement, tuple(chain.from_iterable(values)))


@lru_cache(maxsize=256)
def _insert(rows: int, names: tuple[str, ...], mark: str) -> str:
    """The statement as text: building it from expressions would take several times as long as the insert."""
    row = f"({', '.join([mark] * len(names))})"
    # An error ends the transaction anyway, so SQLite need not keep what undoing this statement alone would take.
    otherwise = " OR FAIL" if mark == "?" else ""
    return (
        f"INSERT{otherwise} INTO samples ({', '.join(names)})"
        f" VALUES {', '.join([row] * rows)} ON CONFLICT (model, observed_at, trace_id, span_id) DO NOTHING"
    )


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
        query = query.where(sample_traces.of_traces(trace_ids))
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
    """Models that have samples observed since then, in the order of their names."""
    return [model for model, _, _ in activity(connection, since)]


def activity(connection: Connection, since: float) -> list[tuple[str, int, float]]:
    """(model, samples, time of the last one) of samples observed since then, in the order of the models' names."""
    models = _models()
    lately = (samples.c.model == models.c.model, samples.c.observed_at >= since)
    query = select(
        models.c.model,
        select(func.count()).where(*lately).scalar_subquery().label("number"),
        select(func.max(samples.c.observed_at)).where(*lately).scalar_subquery(),
    ).order_by(models.c.model)
    return [(model, number, last) for model, number, last in connection.execute(query) if number]


def _models() -> CTE:
    """Every model, found by one index lookup each: `DISTINCT` would scan every sample."""
    models = select(func.min(samples.c.model).label("model")).cte("models", recursive=True)
    following = select(func.min(samples.c.model)).where(samples.c.model > models.c.model).scalar_subquery()
    return models.union_all(select(following).where(models.c.model.is_not(None)))


def count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(samples)).scalar_one()


def prune(connection: Connection, before: float) -> int:
    """Delete samples observed before that time. Returns how many."""
    models = _models().c.model
    known = connection.scalars(select(models).where(models.is_not(None))).all()
    return sum(_prune(connection, model, before) for model in known)


def _prune(connection: Connection, model: str, before: float) -> int:
    old = and_(samples.c.model == model, samples.c.observed_at < before)
    sample_traces.delete_entries(connection, old)
    return connection.execute(delete(samples).where(old)).rowcount


def _record(row: Row[tuple[object, ...]]) -> Sample:
    return Sample(**row._asdict())


_stored = attrgetter(*_FIELDS[:-1])
