"""Tickets, their timeline, and the notifications that opened them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace

from sqlalchemy import Connection, delete, func, select, text, update

from telltale.records import Ticket, TicketState
from telltale.store.schema import notifications, ticket_events, tickets

_WRITE_LOCK = 0x7E11_71C5
_COLUMNS = [tickets.c[field.name] for field in fields(Ticket)]


@dataclass(frozen=True, slots=True)
class TicketEvent:
    """One line of a ticket's timeline: what happened, who did it."""

    at: float
    kind: str
    actor: str
    details: Mapping[str, object]
    ticket_id: int | None = None
    id: int | None = None


def lock(connection: Connection) -> None:
    """Be the only one who changes tickets until the transaction ends: read, decide and save are then one step."""
    if connection.dialect.name == "postgresql":
        # SQLite has one writer anyway.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITE_LOCK})


def save(connection: Connection, ticket: Ticket) -> Ticket:
    """Insert a ticket without id, else update the one it has. Returns it with its id."""
    values = {**asdict(ticket), "alerts": {key: dict(alert) for key, alert in ticket.alerts.items()}}
    ticket_id = values.pop("id")
    if ticket_id is not None:
        connection.execute(update(tickets).where(tickets.c.id == ticket_id).values(values))
        return ticket
    key = connection.execute(tickets.insert().values(values)).inserted_primary_key
    return replace(ticket, id=key[0] if key else None)


def get(connection: Connection, ticket_id: int) -> Ticket | None:
    row = connection.execute(select(*_COLUMNS).where(tickets.c.id == ticket_id)).first()
    return None if row is None else Ticket(**row._asdict())


def newest(connection: Connection, key: str) -> Ticket | None:
    """The newest ticket with that identity."""
    query = select(*_COLUMNS).where(tickets.c.key == key).order_by(tickets.c.id.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else Ticket(**row._asdict())


def load(connection: Connection, *, states: Sequence[TicketState] | None = None, limit: int = 200) -> list[Ticket]:
    """Tickets, newest first."""
    query = select(*_COLUMNS).order_by(tickets.c.id.desc()).limit(limit)
    if states is not None:
        query = query.where(tickets.c.state.in_(states))
    return [Ticket(**row._asdict()) for row in connection.execute(query)]


def count_by_state(connection: Connection) -> list[tuple[str, str, int]]:
    """(lane, state, tickets)."""
    query = select(tickets.c.lane, tickets.c.state, func.count()).group_by(tickets.c.lane, tickets.c.state)
    return [(lane, state, number) for lane, state, number in connection.execute(query)]


def add_event(connection: Connection, ticket_id: int, event: TicketEvent) -> None:
    values = {**asdict(event), "details": dict(event.details), "ticket_id": ticket_id}
    del values["id"]
    connection.execute(ticket_events.insert().values(values))


def events(connection: Connection, ticket_id: int) -> list[TicketEvent]:
    """A ticket's timeline, oldest first."""
    query = select(ticket_events).where(ticket_events.c.ticket_id == ticket_id).order_by(ticket_events.c.id)
    return [TicketEvent(**row._asdict()) for row in connection.execute(query)]


def add_notification(connection: Connection, payload: Mapping[str, object], sha256: str, now: float) -> None:
    """Keep a notification as it came."""
    connection.execute(notifications.insert().values(received_at=now, sha256=sha256, payload=dict(payload)))


def prune_notifications(connection: Connection, before: float) -> int:
    """Delete notifications received before that time. Returns how many."""
    return connection.execute(delete(notifications).where(notifications.c.received_at < before)).rowcount
