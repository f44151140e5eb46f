"""The outbox: ticket changes on their way to the trackers.

An item is written in the transaction that decides the change, so that neither is stored without the other. A
worker claims an item before it delivers it, which counts the attempt and reserves the item until a deadline; if the
worker dies, the item becomes due again. Delivery is therefore at least once; the key lets a tracker recognise repeats.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Select, delete, func, or_, select, update

from telltale.store.schema import ticket_outbox

LONGEST_WAIT_S = 300.0
"""No claim and no pause may be longer."""

_c = ticket_outbox.c


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """One change of one ticket for one tracker, claimed for delivery.

    `key` is the same at every attempt, and no other change's; `attempt` counts from 1: above it, an earlier attempt may
    have reached the tracker. `reference` is what the tracker calls the ticket, once it accepted a change of it.
    """

    id: int
    tracker: str
    ticket_id: int
    event_id: int
    key: str
    attempt: int
    reference: str | None = None


def add(connection: Connection, trackers: Sequence[str], ticket_id: int, event_ids: Iterable[int], now: float) -> None:
    """Put changes, events of a ticket's timeline, in the outbox of each tracker."""
    keys = {event_id: uuid.uuid4().hex for event_id in event_ids}
    rows = [
        {
            "tracker": tracker, "ticket_id": ticket_id, "event_id": event_id, "key": key, "created_at": now,
            "state": "pending", "attempts": 0, "due_at": now,
        }
        for event_id, key in keys.items()
        for tracker in trackers
    ]  # fmt: skip
    if rows:
        connection.execute(ticket_outbox.insert(), rows)


def is_due(connection: Connection, tracker: str, now: float) -> bool:
    """Whether there is something to claim; a read, so that an idle worker writes nothing."""
    return connection.execute(_due(tracker, now)).first() is not None


def claim(connection: Connection, tracker: str, now: float, until: float) -> OutboxItem | None:
    """Claim the item due longest; of each ticket only its oldest change, the next waits until that one is finished.

    Nobody else can claim the same item before `until`: one statement reads and writes, in both databases.
    """
    row = connection.execute(
        update(ticket_outbox)
        .where(_c.id.in_(_due(tracker, now)), _c.state == "pending", _is_due(now))
        .values(attempts=_c.attempts + 1, due_at=until)
        .returning(_c.id, _c.ticket_id, _c.event_id, _c.key, _c.attempts)
    ).first()
    if row is None:
        return None
    id_, ticket_id, event_id, key, attempt = row
    return OutboxItem(id_, tracker, ticket_id, event_id, key, attempt, _reference(connection, tracker, ticket_id))


def delivered(connection: Connection, item: OutboxItem, reference: str) -> None:
    """Mark an item as taken by its tracker. Of a ticket's delivered changes only the newest stays, for `reference`.

    It counts even where another worker's attempt was refused meanwhile: the tracker has the change.
    """
    _settle(connection, item, _c.state != "delivered", state="delivered", reference=reference, error=None)
    older = (_c.tracker == item.tracker, _c.ticket_id == item.ticket_id, _c.state == "delivered", _c.id < item.id)
    connection.execute(delete(ticket_outbox).where(*older))


def failed(connection: Connection, item: OutboxItem, error: str) -> None:
    """Mark an item as refused for good; it stays, and the ticket's next changes are delivered."""
    _settle(connection, item, _c.state == "pending", state="failed", error=error)


def postponed(connection: Connection, item: OutboxItem, error: str, due_at: float) -> None:
    """Give a claimed item back, to be tried again at `due_at`; not where somebody else has claimed it since."""
    unchanged = (_c.state == "pending", _c.attempts == item.attempt)
    _settle(connection, item, *unchanged, due_at=due_at, error=error)


def oldest_pending(connection: Connection) -> dict[str, float]:
    """By tracker, when its oldest pending item was written; a tracker without one is not among them."""
    query = select(_c.tracker, func.min(_c.created_at).label("at")).where(_c.state == "pending").group_by(_c.tracker)
    return {row.tracker: row.at for row in connection.execute(query)}


def count_failed(connection: Connection) -> dict[str, int]:
    """By tracker, how many items were refused for good."""
    query = select(_c.tracker, func.count().label("items")).where(_c.state == "failed").group_by(_c.tracker)
    return {row.tracker: row.items for row in connection.execute(query)}


def _due(tracker: str, now: float) -> Select[tuple[int]]:
    pending = (_c.tracker == tracker, _c.state == "pending")
    oldest = select(func.min(_c.id)).where(*pending).group_by(_c.ticket_id)
    return select(_c.id).where(_c.id.in_(oldest), _is_due(now)).order_by(_c.due_at, _c.id).limit(1)


def _is_due(now: float) -> ColumnElement[bool]:
    # A time far off was set before the clock was set back: nothing would be delivered until it is there again. Three
    # times as far as any wait, because the clocks of two hosts may differ, and each must respect the other's pauses.
    return or_(_c.due_at <= now, _c.due_at > now + 3 * LONGEST_WAIT_S)


def _reference(connection: Connection, tracker: str, ticket_id: int) -> str | None:
    done = (_c.tracker == tracker, _c.ticket_id == ticket_id, _c.state == "delivered")
    return connection.execute(select(_c.reference).where(*done).order_by(_c.id.desc()).limit(1)).scalar()


def _settle(connection: Connection, item: OutboxItem, *only: ColumnElement[bool], **values: object) -> None:
    connection.execute(update(ticket_outbox).where(_c.id == item.id, *only).values(values))
