"""Samples: calls kept with their redacted content."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from math import inf, nextafter
from operator import attrgetter
from typing import Any

from sqlalchemy import CTE, ColumnElement, Connection, CursorResult, Row, Select, delete, func, select, tuple_

from telltale.conversation import texts
from telltale.records import Direction, Sample
from telltale.store import contents, sample_traces, vectors
from telltale.store.contents import Places, Said
from telltale.store.schema import samples, unhex

# Fields of a Sample that are columns under the same name.
_FIELDS = tuple(name for name in Sample._fields if name in samples.c and name not in ("prompt", "response", "id"))
# What a call has alone.
_PLACE = ("model", "observed_at", "trace_id", "span_id")
_PLACES = ("content_id", "frame_id", "history_id")
_COLUMNS = [samples.c[name] for name in (*_FIELDS, "user_hash", *_PLACES, "prompt", "response", "id")]
# As `_values` puts them. `prompt` and `response` are those of older versions' rows.
_NAMES = (*_FIELDS, "user_hash", *_PLACES, "stored_at", "prompt", "response")
# How many rows go into one statement, few sizes of which are all prepared before long: a statement of its own for each
# row takes as long again as the row, and asks for Python's lock each time.
_TOGETHER = (64, 32, 16, 8, 4, 2, 1)

Columns = Sequence[Sequence[object]]
# How many are deleted in one transaction: others write in between.
AT_ONCE = 500
# Whose calls may have the same ids, model and end: as many senders as are told to send what one of them sent.
MOST_TENANTS = 8


def save(connection: Connection, rows: Sequence[Sample], now: float) -> int:
    """Store samples; a call that is already stored stays as it is. Returns how many were new.

    A call is the same when its tenant, model, end, trace and span are: a sender repeats what it sent. Of two tenants'
    calls that are the same otherwise, the second one's end is stored as the next float, less than a microsecond later.
    """
    new = 0
    for _ in range(MOST_TENANTS):
        if not rows:
            break
        stored, rows = _save_once(connection, rows, now)
        new += stored
    return new


def _save_once(connection: Connection, rows: Sequence[Sample], now: float) -> tuple[int, list[Sample]]:
    """Store samples. Returns how many were new, and those whose place another tenant's had, each with the next place.

    A unique index cannot have one more column without being built anew, over every sample.
    """
    places = contents.save(connection, rows)
    columns = _values(rows, places, now)
    new, newest = (
        _save_sqlite(connection, columns) if connection.dialect.name == "sqlite" else _save(connection, columns)
    )
    others: list[Sample] = []
    if new < len(rows):
        unused: list[Places] = []
        for row, place in zip(rows, places, strict=True):
            before = _stored_as(connection, row)
            if before is None or before[0] != place.content_id:
                unused.append(place)
                if before is not None and before[1] != row.tenant:
                    others.append(row._replace(observed_at=nextafter(row.observed_at, inf)))
        contents.remove(connection, unused)
    sample_traces.merge_due(connection, newest, new)
    _save_vectors(connection, rows)
    return new, others


def _save_vectors(connection: Connection, rows: Sequence[Sample]) -> None:
    """Store the vectors that calls came with; one that is stored again keeps its own."""
    found: dict[tuple[str, Direction], dict[int, bytes]] = {}
    for row in rows:
        if not row.vectors:
            continue
        same = (samples.c[name] == getattr(row, name) for name in (*_PLACE, "tenant"))
        for number in connection.scalars(select(samples.c.id).where(*same)):
            for direction, vector in row.vectors.items():
                found.setdefault((vector.space, direction), {})[number] = vector.numbers
    for (space, direction), numbers in found.items():
        vectors.save(connection, space, direction, numbers)


def _stored_as(connection: Connection, row: Sample) -> tuple[int | None, str] | None:
    """The content and the tenant of the sample that has this one's place; None where it was just removed."""
    same = (samples.c[name] == getattr(row, name) for name in _PLACE)
    found = connection.execute(select(samples.c.content_id, samples.c.tenant).where(*same)).first()
    return None if found is None else (found.content_id, found.tenant)


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


def _values(rows: Sequence[Sample], places: Sequence[Places], now: float) -> Columns:
    named = dict(zip(_FIELDS, zip(*map(_stored, rows), strict=True), strict=True))
    # Not as bytes, which Python's driver would look up an adapter for, at the cost of ten numbers.
    ids = {name: [unhex(one) for one in named[name]] for name in ("trace_id", "span_id")}
    counts = {"redactions": [json.dumps(dict(counts)) if counts else "{}" for counts in named["redactions"]]}
    own = {"attributes": [json.dumps(dict(kept)) if kept else None for kept in named["attributes"]]}
    users = [None if row.user is None else unhex(row.user) for row in rows]
    empty = [""] * len(rows)
    columns = (named | ids | counts | own).values()
    return (*columns, users, *zip(*places, strict=True), [now] * len(rows), empty, empty)


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
    whole: bool = False,
    texts: bool = True,
) -> list[Sample]:
    """Samples observed in [since, until), oldest first. `sampled_only` leaves out promoted calls.

    Their texts are there unless they are not asked for, their conversations if `whole`.
    """
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
    if not texts:
        return [_record(row, _UNSAID) for row in connection.execute(query)]
    return _records(connection, query, whole)


def walk(
    connection: Connection,
    *,
    model: str,
    tenant: str | None = None,
    versions: Sequence[str] = (),
    since: float | None = None,
    until: float | None = None,
    last_id: int | None = None,
    page: int = 500,
    whole: bool = False,
) -> Iterator[list[Sample]]:
    """A model's samples observed in [since, until) with ids up to `last_id`, oldest first, a page at a time.

    Of this tenant alone, where one is named, and of these versions, where some are.
    """
    of_these = _of_model(model, tenant, versions, since, until)
    query = select(*_COLUMNS).where(*of_these).order_by(samples.c.observed_at, samples.c.id).limit(page)
    if last_id is not None:
        query = query.where(samples.c.id <= last_id)
    rows = connection.execute(query).all()
    while rows:
        if found := _of_rows(connection, rows, whole):
            yield found
        last = (rows[-1].observed_at, rows[-1].id)
        rows = connection.execute(query.where(tuple_(samples.c.observed_at, samples.c.id) > last)).all()


def tenants(
    connection: Connection,
    *,
    model: str,
    versions: Sequence[str] = (),
    since: float | None = None,
    until: float | None = None,
) -> list[str]:
    """Whose calls of a model are there, observed in [since, until), of these versions where some are named."""
    query = select(samples.c.tenant).where(*_of_model(model, None, versions, since, until))
    return list(connection.scalars(query.distinct().order_by(samples.c.tenant)))


def number(
    connection: Connection,
    *,
    model: str,
    tenant: str | None = None,
    versions: Sequence[str] = (),
    since: float | None = None,
    until: float | None = None,
) -> int:
    """How many samples `walk` would read."""
    of_these = _of_model(model, tenant, versions, since, until)
    return connection.execute(select(func.count()).select_from(samples).where(*of_these)).scalar_one()


def _of_model(
    model: str, tenant: str | None, versions: Sequence[str], since: float | None, until: float | None
) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = [samples.c.model == model]
    if tenant is not None:
        wanted.append(samples.c.tenant == tenant)
    if versions:
        wanted.append(samples.c.version.in_(versions))
    if since is not None:
        wanted.append(samples.c.observed_at >= since)
    if until is not None:
        wanted.append(samples.c.observed_at < until)
    return wanted


def last_id(connection: Connection) -> int:
    """The newest sample's id; 0 when there is none."""
    return connection.execute(select(func.max(samples.c.id))).scalar() or 0


def models(connection: Connection, since: float) -> list[str]:
    """Models that have samples observed since then, in the order of their names."""
    return [model for model, _, _ in activity(connection, since)]


def all_models(connection: Connection, most: int) -> list[str]:
    """Models that have samples, in the order of their names, at most so many."""
    models = _models().c.model
    return list(connection.scalars(select(models).where(models.is_not(None)).order_by(models).limit(most)))


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


def remove(connection: Connection, ids: Sequence[int]) -> int:
    """Delete these samples, and what they alone said, for good. Returns how many there were."""
    # Before they are looked at: another process may be deleting or moving them.
    contents.claim(connection)
    these = samples.c.id.in_(ids)
    columns = select(*(samples.c[name] for name in _PLACES))
    places = [Places(*row) for row in connection.execute(columns.where(these))]
    sample_traces.delete_entries(connection, these)
    vectors.remove(connection, ids)
    connection.execute(delete(samples).where(these))
    contents.remove(connection, places)
    return len(places)


def prune(connection: Connection, before: float, most: int = AT_ONCE) -> int:
    """Delete samples observed before that time, at most so many. Returns how many."""
    # Those that were stored first, because their contents are in the same blocks; then what came late.
    first = select(samples.c.id, samples.c.observed_at).order_by(samples.c.id).limit(most)
    ids = [sample_id for sample_id, observed_at in connection.execute(first) if observed_at < before]
    if not ids:
        models = _models().c.model
        for model in connection.scalars(select(models).where(models.is_not(None))).all():
            old = select(samples.c.id).where(samples.c.model == model, samples.c.observed_at < before)
            ids += connection.scalars(old.order_by(samples.c.observed_at).limit(most - len(ids)))
    return remove(connection, ids) if ids else 0


def without_place(connection: Connection, ids: Sequence[int]) -> list[Sample]:
    """Those of these samples whose content an older version wrote and nobody moved yet."""
    return _records(connection, select(*_COLUMNS).where(samples.c.id.in_(ids), samples.c.content_id.is_(None)), False)


def oldest(connection: Connection, most: int = AT_ONCE) -> list[int]:
    """The ids of the samples that were stored first, at most so many."""
    return list(connection.scalars(select(samples.c.id).order_by(samples.c.id).limit(most)))


def first_end(connection: Connection) -> float | None:
    """When the call ended that was stored first, in Unix seconds; None without samples."""
    found: float | None = connection.execute(select(samples.c.observed_at).order_by(samples.c.id).limit(1)).scalar()
    return found


def _records(connection: Connection, query: Select[Any], whole: bool) -> list[Sample]:
    return _of_rows(connection, connection.execute(query).all(), whole)


def with_answers(connection: Connection, ids: Sequence[int], whole: bool = False) -> list[tuple[Sample, int]]:
    """These samples, oldest first, each with how many answers were recorded of it, empty ones too."""
    query = select(*_COLUMNS).where(samples.c.id.in_(ids)).order_by(samples.c.observed_at, samples.c.id)
    return _pairs(connection, connection.execute(query).all(), whole)


def _of_rows(connection: Connection, rows: Sequence[Row[Any]], whole: bool) -> list[Sample]:
    return [sample for sample, _ in _pairs(connection, rows, whole)]


def _pairs(connection: Connection, rows: Sequence[Row[Any]], whole: bool) -> list[tuple[Sample, int]]:
    """The samples of these rows; one whose content is lost is left out, for nobody knows what it said."""
    said = contents.load(connection, [Places(*(getattr(row, name) for name in _PLACES)) for row in rows], whole)
    known = [
        (row, of_row or _of_older(row, whole))
        for row, of_row in zip(rows, said, strict=True)
        if of_row is not None or row.content_id is None
    ]
    return [(_record(row, of_row), of_row.answers) for row, of_row in known]


def _of_older(row: Row[tuple[Any, ...]], whole: bool) -> Said:
    """What an older version kept, which is not moved into a block yet."""
    said = texts.conversation(row.prompt, row.response) if whole else None
    return Said(row.prompt, row.response, said, answers=int(bool(row.response)))


def _record(row: Row[tuple[Any, ...]], said: Said) -> Sample:
    fields = {name: getattr(row, name) for name in _FIELDS}
    fields |= {"user": row.user_hash, "attributes": row.attributes or {}, "id": row.id}
    return Sample(
        **fields,
        prompt=said.prompt,
        response=said.response,
        conversation=said.conversation,
        parameters=said.parameters,
    )


_stored = attrgetter(*_FIELDS)
_UNSAID = Said("", "", None)
