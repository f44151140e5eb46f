"""Who has which item: given out by one statement, so that no item has more people than it needs.

Reading first and writing then gives an item to two people at once: of 2,000 items that eight people pulled from
PostgreSQL, 1,833 were. A lease that is over gives its place to the next person, unless its holder labels before.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Row, case, exists, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from telltale.store.schema import review_assignments as assignments
from telltale.store.schema import review_items as items
from telltale.store.schema import review_queues as queues

LeaseState = Literal["leased", "labelled", "skipped", "expired"]


@dataclass(frozen=True, slots=True)
class Lease:
    """An item in somebody's hands; `token` is what a label must come with."""

    id: int
    item_id: int
    reviewer: str
    token: str
    state: LeaseState
    leased_at: float
    lease_until: float
    reason: str | None = None


class Share(NamedTuple):
    """A person's part in a queue, in items: what they labelled, skipped, and have now; what may still be theirs."""

    reviewer: str
    labelled: int
    skipped: int
    leased: int
    left: int


_COLUMNS = [assignments.c[name] for name in Lease.__dataclass_fields__]


def take(connection: Connection, queue_id: int, reviewer: str, now: float) -> Lease | None:
    """The next item of a queue for this person: one that they neither have, nor labelled, nor skipped.

    None when there is none for them. A closed queue gives out nothing, and one for named people only to them.
    """
    expire(connection, now)
    queue = connection.execute(
        select(queues.c.lease_s, queues.c.source).where(queues.c.id == queue_id, queues.c.closed_at.is_(None))
    ).first()
    if queue is None or reviewer not in queue.source.get("people", [reviewer]):
        return None
    had = exists().where(
        assignments.c.item_id == items.c.id, assignments.c.reviewer == reviewer, assignments.c.state != "expired"
    )
    free = (items.c.state == "open", items.c.taken < items.c.needed)
    following = (
        select(items.c.id)
        .where(items.c.queue_id == queue_id, *free, ~had)
        .order_by(items.c.priority.desc(), items.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    statement = (
        update(items)
        .where(items.c.id == following.scalar_subquery(), *free)
        .values(taken=items.c.taken + 1)
        .returning(items.c.id)
    )
    number = connection.execute(statement).scalar()
    return None if number is None else _lease(connection, number, reviewer, now, now + queue.lease_s)


def held(connection: Connection, queue_id: int, reviewer: str, now: float) -> list[Lease]:
    """What a person has of a queue now, in the order in which it was given out: a second tab shows the same."""
    query = (
        select(*_COLUMNS)
        .join(items, items.c.id == assignments.c.item_id)
        .where(items.c.queue_id == queue_id, assignments.c.reviewer == reviewer)
        .where(assignments.c.state == "leased", assignments.c.lease_until >= now)
        .order_by(assignments.c.leased_at, assignments.c.id)
    )
    return [_of(row) for row in connection.execute(query)]


def by_person(connection: Connection, queue_id: int) -> list[Share]:
    """How far each person is whom a queue is for, or who was ever given an item of it, by name."""
    states = (items.c.queue_id == queue_id, items.c.id == assignments.c.item_id)
    labelled, skipped, leased = (
        func.sum(case((assignments.c.state == state, 1), else_=0)) for state in ("labelled", "skipped", "leased")
    )
    is_free = (items.c.state == "open") & (items.c.taken < items.c.needed)
    # Of what is free, whatever they had is not left for them, unless their time was over.
    mine = func.sum(case((is_free & (assignments.c.state != "expired"), 1), else_=0))
    query = (
        select(assignments.c.reviewer, labelled, skipped, leased, mine).where(*states).group_by(assignments.c.reviewer)
    )
    free = connection.execute(
        select(func.count()).select_from(items).where(items.c.queue_id == queue_id, is_free)
    ).scalar_one()
    rows = connection.execute(query.order_by(assignments.c.reviewer))
    assigned = connection.execute(select(queues.c.source).where(queues.c.id == queue_id)).scalar_one().get("people", [])
    found = [Share(name, int(a), int(b), int(c), int(free - own)) for name, a, b, c, own in rows]
    # Who has taken nothing yet has all of it before them; who it is not for has nothing.
    found = [one if not assigned or one.reviewer in assigned else one._replace(left=0) for one in found]
    began = {one.reviewer for one in found}
    return sorted(found + [Share(name, 0, 0, 0, int(free)) for name in assigned if name not in began])


def find(connection: Connection, token: str) -> Lease | None:
    row = connection.execute(select(*_COLUMNS).where(assignments.c.token == token)).first()
    return None if row is None else _of(row)


def of(connection: Connection, item_id: int, reviewer: str) -> Lease | None:
    """What a person has, or had, of an item."""
    mine = (assignments.c.item_id == item_id, assignments.c.reviewer == reviewer)
    row = connection.execute(select(*_COLUMNS).where(*mine)).first()
    return None if row is None else _of(row)


def renew(connection: Connection, token: str, reviewer: str, now: float) -> Lease | None:
    """The lease, which runs anew; None when the person has it no longer."""
    length = (
        select(queues.c.lease_s)
        .join(items, items.c.queue_id == queues.c.id)
        .where(items.c.id == assignments.c.item_id)
        .scalar_subquery()
    )
    statement = (
        update(assignments)
        .where(assignments.c.token == token, assignments.c.reviewer == reviewer, assignments.c.state == "leased")
        .values(lease_until=now + length)
        .returning(*_COLUMNS)
    )
    row = connection.execute(statement).first()
    return None if row is None else _of(row)


def claim(connection: Connection, lease: Lease) -> bool:
    """Whether the holder may label: while the lease lasts, or its place is not yet somebody else's."""
    if lease.state in ("leased", "labelled"):
        return True
    free = (items.c.state == "open", items.c.taken < items.c.needed)
    statement = update(items).where(items.c.id == lease.item_id, *free).values(taken=items.c.taken + 1)
    return connection.execute(statement).rowcount == 1


def labelled(connection: Connection, lease: Lease) -> None:
    """The holder has labelled the item for the first time."""
    connection.execute(update(assignments).where(assignments.c.id == lease.id).values(state="labelled"))
    connection.execute(update(items).where(items.c.id == lease.item_id).values(done=items.c.done + 1))


def skip(connection: Connection, lease: Lease, reason: str) -> bool:
    """Give an item back; this person is not asked for it again. False when they have it no longer."""
    return _give_back(connection, lease.token, "skipped", reason)


def release(connection: Connection, reviewer: str) -> int:
    """Give back all that a person has: they were disabled. Returns how much it was."""
    mine = (assignments.c.reviewer == reviewer, assignments.c.state == "leased")
    tokens = list(connection.scalars(select(assignments.c.token).where(*mine)))
    return sum(_give_back(connection, token, "expired", None) for token in tokens)


def expire(connection: Connection, now: float) -> int:
    """Give back what is held for too long. Returns how much it was."""
    over = (assignments.c.state == "leased", assignments.c.lease_until < now)
    tokens = list(connection.scalars(select(assignments.c.token).where(*over).limit(500)))
    return sum(_give_back(connection, token, "expired", None) for token in tokens)


def _give_back(connection: Connection, token: str, state: LeaseState, reason: str | None) -> bool:
    mine = (assignments.c.token == token, assignments.c.state == "leased")
    statement = update(assignments).where(*mine).values(state=state, reason=reason).returning(assignments.c.item_id)
    number = connection.execute(statement).scalar()
    if number is None:
        return False
    connection.execute(update(items).where(items.c.id == number).values(taken=items.c.taken - 1))
    return True


def _lease(connection: Connection, item_id: int, reviewer: str, now: float, until: float) -> Lease:
    """A new lease, in place of one of the same person that was over."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    values = {"token": secrets.token_hex(16), "state": "leased", "leased_at": now, "lease_until": until, "reason": None}
    statement = (
        insert(assignments)
        .values(item_id=item_id, reviewer=reviewer, **values)
        .on_conflict_do_update(index_elements=["item_id", "reviewer"], set_=values)
        .returning(*_COLUMNS)
    )
    return _of(connection.execute(statement).one())


def _of(row: Row[Any]) -> Lease:
    return Lease(**row._asdict())
