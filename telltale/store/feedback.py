"""Feedback: append-only events, idempotent when sent twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from functools import lru_cache
from operator import attrgetter
from typing import Final, Literal

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects import postgresql, sqlite

from telltale.feedback import NEUTRAL, VOTE_KINDS
from telltale.records import Feedback
from telltale.store.errors import Conflict
from telltale.store.schema import feedback

_COLUMNS = [feedback.c[field.name] for field in fields(Feedback)]
_VALUES = [field.name for field in fields(Feedback) if field.name != "id"]
_get_values = attrgetter(*_VALUES)
MOST_TOGETHER: Final = 64
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


def append_all(
    connection: Connection, events: Sequence[tuple[Feedback, str]]
) -> list[tuple[Feedback, bool] | Conflict]:
    """`append` of several events with their bodies' hashes, in their order; a Conflict is returned, not raised.

    One statement stores many rows: each statement waits for its turn among the process's threads, which under load
    takes longer than the statement.
    """
    first: dict[tuple[str, str], tuple[Feedback, str]] = {}
    for event, body in events:
        first.setdefault((event.tenant, event.idempotency_key), (event, body))
    known: dict[tuple[str, str], tuple[Feedback, str]] = {}
    rows = list(first.values())
    for start in range(0, len(rows), MOST_TOGETHER):
        known |= _insert(connection, rows[start : start + MOST_TOGETHER])
    new = set(known)
    for tenant in {tenant for tenant, _ in first.keys() - new}:
        keys = [key for owner, key in first.keys() - new if owner == tenant]
        known |= {
            (tenant, event.idempotency_key): (event, body) for event, body in under_keys(connection, tenant, keys)
        }
    results: list[tuple[Feedback, bool] | Conflict] = []
    for event, body in events:
        place = event.tenant, event.idempotency_key
        stored, stored_body = known[place]
        is_first = place in new and first[place][0] is event
        same = body == stored_body
        results.append((stored, not is_first) if same else Conflict(f"{event.idempotency_key!r} had another body"))
    return results


def _insert(
    connection: Connection, rows: Sequence[tuple[Feedback, str]]
) -> dict[tuple[str, str], tuple[Feedback, str]]:
    """The rows that were not there, by tenant and idempotency key, with their ids."""
    # The driver's own statement: composing one for so many rows would cost more than running it.
    values = [value for event, body in rows for value in (*_get_values(event), body)]
    statement = _statement(connection.dialect.paramstyle, len(rows))
    numbers = connection.exec_driver_sql(statement, tuple(values)).fetchall()
    by_key = {(tenant, key): number for number, tenant, key in numbers}
    stored = {}
    for event, body in rows:
        number = by_key.get((event.tenant, event.idempotency_key))
        if number is not None:
            stored[event.tenant, event.idempotency_key] = replace(event, id=number), body
    return stored


@lru_cache(maxsize=2 * 64)
def _statement(paramstyle: str, rows: int) -> str:
    mark = "?" if paramstyle == "qmark" else "%s"
    row = f"({', '.join([mark] * (len(_VALUES) + 1))})"
    # Made of the table's own names; every value is a parameter.
    return (
        f"INSERT INTO {feedback.name} ({', '.join(_VALUES)}, body_sha256) VALUES {', '.join([row] * rows)} "  # noqa: S608
        "ON CONFLICT (tenant, idempotency_key) DO NOTHING RETURNING id, tenant, idempotency_key"
    )


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
    """The newest events (below `before_id`), newest first: all, those with a negative vote, or those with text."""
    query = select(*_COLUMNS).order_by(feedback.c.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(feedback.c.id < before_id)
    if show == "negative":
        query = query.where(feedback.c.value < NEUTRAL, feedback.c.kind.in_(sorted(VOTE_KINDS)))
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
