"""Feedback: append-only events, idempotent when sent twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from typing import Literal

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects import postgresql, sqlite

from telltale.feedback import NEUTRAL
from telltale.records import Feedback
from telltale.store.errors import Conflict
from telltale.store.schema import feedback

_COLUMNS = [feedback.c[field.name] for field in fields(Feedback)]
_VALUES = [field.name for field in fields(Feedback) if field.name != "id"]
# Built once: composing the statement would cost more than running it.
_INSERT = {
    dialect: insert(feedback)
    .on_conflict_do_nothing(index_elements=["tenant", "idempotency_key"])
    .returning(feedback.c.id)
    for dialect, insert in (("sqlite", sqlite.insert), ("postgresql", postgresql.insert))
}


def append(connection: Connection, event: Feedback, body_sha256: str) -> tuple[Feedback, bool]:
    """Store an event; returns it with its id, and whether it was there before under its idempotency key.

    Raises Conflict when the key was used for another body.
    """
    values = {name: getattr(event, name) for name in _VALUES}
    number = connection.execute(_INSERT[connection.dialect.name], {**values, "body_sha256": body_sha256}).scalar()
    if number is not None:
        return replace(event, id=number), False
    ((known, body),) = under_keys(connection, event.tenant, [event.idempotency_key])
    if body != body_sha256:
        raise Conflict(f"idempotency key {event.idempotency_key!r} was used for another body")
    return known, True


def get(connection: Connection, event_id: int) -> Feedback | None:
    row = connection.execute(select(*_COLUMNS).where(feedback.c.id == event_id)).first()
    return None if row is None else Feedback(**row._asdict())


def under_keys(connection: Connection, tenant: str, keys: Sequence[str]) -> list[tuple[Feedback, str]]:
    """A tenant's events under these idempotency keys with their bodies' hashes, oldest first."""
    query = (
        select(*_COLUMNS, feedback.c.body_sha256)
        .where(feedback.c.tenant == tenant, feedback.c.idempotency_key.in_(keys))
        .order_by(feedback.c.id)
    )
    rows = [row._asdict() for row in connection.execute(query)]
    hashes = [row.pop("body_sha256") for row in rows]
    return [(Feedback(**row), body) for row, body in zip(rows, hashes, strict=True)]


def load(
    connection: Connection,
    *,
    after_id: int | None = None,
    since: float | None = None,
    until: float | None = None,
    trace_ids: Iterable[str] | None = None,
    limit: int | None = None,
) -> list[Feedback]:
    """Events in the order of their arrival."""
    query = select(*_COLUMNS).order_by(feedback.c.id)
    if after_id is not None:
        query = query.where(feedback.c.id > after_id)
    if since is not None:
        query = query.where(feedback.c.received_at >= since)
    if until is not None:
        query = query.where(feedback.c.received_at < until)
    if trace_ids is not None:
        query = query.where(feedback.c.trace_id.in_(list(trace_ids)))
    if limit is not None:
        query = query.limit(limit)
    return [Feedback(**row._asdict()) for row in connection.execute(query)]


def recent(
    connection: Connection,
    *,
    limit: int,
    before_id: int | None = None,
    show: Literal["all", "negative", "comments"] = "all",
) -> list[Feedback]:
    """The newest events (below `before_id`), newest first: all, those with a negative value, or those with text."""
    query = select(*_COLUMNS).order_by(feedback.c.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(feedback.c.id < before_id)
    if show == "negative":
        query = query.where(feedback.c.value < NEUTRAL)
    if show == "comments":
        query = query.where(feedback.c.comment.is_not(None))
    return [Feedback(**row._asdict()) for row in connection.execute(query)]


def count(connection: Connection, since: float) -> int:
    """Events received since then."""
    query = select(func.count()).select_from(feedback).where(feedback.c.received_at >= since)
    return connection.execute(query).scalar_one()


def last_id(connection: Connection) -> int:
    """The newest event's id; 0 when there is none."""
    return connection.execute(select(func.max(feedback.c.id))).scalar() or 0
