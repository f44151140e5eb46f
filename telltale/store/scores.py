"""Scores: what the monitors judged, one row a series and window."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from telltale.evidence.scores import dump_details, load_details
from telltale.records import Score, Series
from telltale.store.schema import scores, series_states

# How many are deleted in one transaction: others write in between.
AT_ONCE = 5000
_COLUMNS = [scores.c[field.name] for field in fields(Score)]
_SERIES = ("monitor", "signal", "direction", "model", "version", "tenant", "segment")


def save(connection: Connection, rows: Sequence[Score]) -> list[int]:
    """Store scores; a window already scored stays as it is. Returns their ids, in their order."""
    if not rows:
        return []
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(scores).on_conflict_do_nothing(index_elements=[*_SERIES, "window_start"])
    connection.execute(statement, [_values(row) for row in rows])
    return [_id(connection, row) for row in rows]


def _id(connection: Connection, row: Score) -> int:
    same = (scores.c[name] == getattr(row, name) for name in (*_SERIES, "window_start"))
    return int(connection.execute(select(scores.c.id).where(*same)).scalar_one())


def load(
    connection: Connection,
    *,
    model: str | None = None,
    version: str | None = None,
    since: float | None = None,
    limit: int | None = None,
) -> list[Score]:
    """Scores of windows that ended since then, oldest first."""
    query = select(*_COLUMNS).order_by(scores.c.window_end, scores.c.id)
    if model is not None:
        query = query.where(scores.c.model == model)
    if version is not None:
        query = query.where(scores.c.version == version)
    if since is not None:
        query = query.where(scores.c.window_end >= since)
    if limit is not None:
        query = query.limit(limit)
    return [_record(row) for row in connection.execute(query)]


def last_end(connection: Connection, monitor: str, series: Series, until: float) -> float | None:
    """The end of the last window by then that a monitor judged of a series."""
    query = select(func.max(scores.c.window_end)).where(
        scores.c.model == series.model,
        scores.c.monitor == monitor,
        scores.c.window_end <= until,
        *(scores.c[name] == getattr(series, name) for name in ("version", "tenant", "segment")),
    )
    return connection.execute(query).scalar()


def begun(connection: Connection, monitor: str, series: Series, since: float, until: float) -> list[float]:
    """When the first windows of [since, until) began that a monitor judged of a series, one for each direction."""
    query = (
        select(func.min(scores.c.window_start))
        .where(scores.c.model == series.model, scores.c.monitor == monitor)
        .where(scores.c.window_start >= since, scores.c.window_end <= until)
        .where(*(scores.c[name] == getattr(series, name) for name in ("version", "tenant", "segment")))
        .group_by(scores.c.signal, scores.c.direction)
    )
    return list(connection.scalars(query))


def recent(connection: Connection, monitor: str, series: Series, limit: int, until: float | None = None) -> list[Score]:
    """The last `limit` scores that a monitor gave a series, of windows that ended by `until`, oldest first."""
    query = (
        select(*_COLUMNS)
        .where(scores.c.model == series.model, scores.c.monitor == monitor)
        .where(*(scores.c[name] == getattr(series, name) for name in ("version", "tenant", "segment")))
        .order_by(scores.c.window_end.desc(), scores.c.id.desc())
        .limit(limit)
    )
    if until is not None:
        query = query.where(scores.c.window_end <= until)
    return [_record(row) for row in connection.execute(query)][::-1]


def around(
    connection: Connection,
    model: str,
    parts: Collection[tuple[str, str]],
    spans: Sequence[tuple[float, float]],
    limit: int,
) -> list[Score]:
    """The newest scores of these parts (tenant, segment) of a model's traffic, without their details, oldest first.

    Their windows ended in one of these spans, both ends included.
    """
    query = (
        select(*(column for column in _COLUMNS if column.name != "details"))
        .where(scores.c.model == model)
        .where(or_(*(scores.c.window_end.between(begin, end) for begin, end in spans)))
        .where(or_(*(and_(scores.c.tenant == tenant, scores.c.segment == segment) for tenant, segment in parts)))
        .order_by(scores.c.window_end.desc(), scores.c.id.desc())
        .limit(limit)
    )
    return [Score(**row._asdict()) for row in connection.execute(query)][::-1]


def get(connection: Connection, ids: Collection[int]) -> dict[int, Score]:
    """The scores with these ids, by id."""
    query = select(*_COLUMNS).where(scores.c.id.in_(list(ids)))
    return {row.id: _record(row) for row in connection.execute(query)}


def alerts(connection: Connection, series: Series, since: float) -> list[float]:
    """The ends of a series' windows since then that ended in an alert, of any monitor."""
    query = select(scores.c.window_end).where(
        scores.c.model == series.model,
        scores.c.window_end >= since,
        scores.c.state == "alert",
        *(scores.c[name] == getattr(series, name) for name in ("version", "tenant", "segment")),
    )
    return list(connection.scalars(query))


def latest(connection: Connection, *, model: str | None = None) -> list[Score]:
    """The newest score of every series that is judged now, and of each of its monitors and signals."""
    judged = select(series_states.c.score_id)
    if model is not None:
        judged = judged.where(series_states.c.model == model)
    query = select(*_COLUMNS).where(scores.c.id.in_(judged)).order_by(scores.c.id)
    return [_record(row) for row in connection.execute(query)]


def attach_evidence(connection: Connection, score_id: int, evidence_id: int) -> None:
    connection.execute(update(scores).where(scores.c.id == score_id).values(evidence_id=evidence_id))


def prune(connection: Connection, before: float, most: int = AT_ONCE) -> int:
    """Delete scores of windows that ended before that time, at most so many. Returns how many."""
    old = select(scores.c.id).where(scores.c.window_end < before).limit(most)
    return connection.execute(delete(scores).where(scores.c.id.in_(old))).rowcount


def _values(score: Score) -> dict[str, object]:
    own = {field.name: getattr(score, field.name) for field in fields(Score) if field.name != "id"}
    return {**own, "details": dump_details(score.details)}


def _record(row: Row[tuple[Any, ...]]) -> Score:
    return Score(**{**row._asdict(), "details": load_details(row.details)})
