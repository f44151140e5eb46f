"""Tickets, their timeline, and the notifications that opened them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Row, bindparam, delete, func, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from telltale.evidence.alerts import TicketAlert
from telltale.evidence.codec import dump
from telltale.evidence.codec import load as decode
from telltale.records import Ticket, TicketState
from telltale.store import ticket_terms
from telltale.store.schema import notifications, ticket_events, ticket_links, tickets

log = logging.getLogger(__name__)

MAX_LINKS = 50
_WRITE_LOCK = 0x7E11_71C5
# Made once: making them takes longer than the database does.
_INSERT = tickets.insert()
_UPDATE = (
    update(tickets)
    .where(tickets.c.id == bindparam("ticket_id"))
    .values({column.name: bindparam(column.name) for column in tickets.c if column.name != "id"})
)
_NEWEST = select(tickets).where(tickets.c.key == bindparam("wanted")).order_by(tickets.c.id.desc()).limit(1)
_ADD_EVENTS = ticket_events.insert().returning(ticket_events.c.id, sort_by_parameter_order=True)


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
    """Lock tickets against other writers until the transaction ends, so that read, decide and save are one step."""
    if connection.dialect.name == "postgresql":
        # SQLite has one writer anyway.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITE_LOCK})


def save(connection: Connection, ticket: Ticket) -> Ticket:
    """Insert a ticket without id, else update the one it has. Returns it with its id."""
    values = {column.name: getattr(ticket, column.name) for column in tickets.c}
    # Unreadable entries are written back unchanged; a newer report of the same alert replaces them.
    alerts = {fingerprint: dump(TicketAlert, alert) for fingerprint, alert in ticket.alerts.items()}
    values["alerts"] = {**ticket.unreadable_alerts, **alerts}
    values["labels"] = list(ticket.labels)
    ticket_id = values.pop("id")
    if ticket_id is not None:
        connection.execute(_UPDATE, {**values, "ticket_id": ticket_id})
        saved = ticket
    else:
        key = connection.execute(_INSERT, values).inserted_primary_key
        saved = replace(ticket, id=_id_of(key))
    ticket_terms.keep(connection, saved)
    return saved


def get(connection: Connection, ticket_id: int) -> Ticket | None:
    row = connection.execute(select(tickets).where(tickets.c.id == ticket_id)).first()
    return None if row is None else _ticket(row)


def of_ids(connection: Connection, ids: Sequence[int]) -> list[Ticket]:
    """The tickets with these ids, in their order."""
    found = {row.id: _ticket(row) for row in connection.execute(select(tickets).where(tickets.c.id.in_(ids)))}
    return [found[number] for number in ids if number in found]


def merged_into(connection: Connection, ticket_id: int, limit: int = MAX_LINKS) -> list[Ticket]:
    """The tickets for which this one stands, newest first."""
    query = select(tickets).where(tickets.c.merged_into == ticket_id).order_by(tickets.c.id.desc()).limit(limit)
    return [_ticket(row) for row in connection.execute(query)]


def linked(connection: Connection, ticket_id: int) -> list[Ticket]:
    """The tickets that are linked with this one, newest first."""
    pair = (ticket_links.c.ticket_id, ticket_links.c.other_id)
    ids = {
        number
        for own, other in (pair, pair[::-1])
        for number in connection.scalars(select(other).where(own == ticket_id).limit(MAX_LINKS))
    }
    return of_ids(connection, sorted(ids, reverse=True))


def link(connection: Connection, one: int, other: int) -> bool:
    """Link two tickets. Returns whether they were not linked before."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    values = {"ticket_id": min(one, other), "other_id": max(one, other)}
    return connection.execute(insert(ticket_links).values(values).on_conflict_do_nothing()).rowcount > 0


def unlink(connection: Connection, one: int, other: int) -> bool:
    """Take a link away. Returns whether there was one."""
    both = (ticket_links.c.ticket_id == min(one, other), ticket_links.c.other_id == max(one, other))
    return connection.execute(delete(ticket_links).where(*both)).rowcount > 0


def newest(connection: Connection, key: str) -> Ticket | None:
    """The newest ticket with that identity."""
    row = connection.execute(_NEWEST, {"wanted": key}).first()
    return None if row is None else _ticket(row)


def load(connection: Connection, *, states: Sequence[TicketState] | None = None, limit: int = 200) -> list[Ticket]:
    """Tickets, newest first."""
    query = select(tickets).order_by(tickets.c.id.desc()).limit(limit)
    if states is not None:
        query = query.where(tickets.c.state.in_(states))
    return [_ticket(row) for row in connection.execute(query)]


def closed_since(connection: Connection, since: float, *, limit: int) -> list[Ticket]:
    """Tickets that were closed since then, newest first."""
    query = select(tickets).where(tickets.c.state == "closed", tickets.c.closed_at >= since)
    return [_ticket(row) for row in connection.execute(query.order_by(tickets.c.closed_at.desc()).limit(limit))]


def decided(connection: Connection, reasons: Collection[str], limit: int) -> list[Ticket]:
    """Closed tickets with one of these reasons, each the newest of its identity, newest first."""
    newest = select(func.max(tickets.c.id)).group_by(tickets.c.key)
    query = select(tickets).where(tickets.c.state == "closed", tickets.c.close_reason.in_(reasons))
    query = query.where(tickets.c.id.in_(newest)).order_by(tickets.c.id.desc()).limit(limit)
    return [_ticket(row) for row in connection.execute(query)]


def merged_keys(connection: Connection) -> set[str]:
    """Identities of tickets that were merged into others."""
    return set(connection.scalars(select(tickets.c.key).where(tickets.c.merged_into.is_not(None)).distinct()))


def count_by_state(connection: Connection) -> list[tuple[str, str, int]]:
    """(lane, state, tickets)."""
    query = select(tickets.c.lane, tickets.c.state, func.count()).group_by(tickets.c.lane, tickets.c.state)
    return [(lane, state, number) for lane, state, number in connection.execute(query)]


def add_events(connection: Connection, ticket_id: int, events: Sequence[TicketEvent]) -> list[int]:
    """Add lines to a ticket's timeline. Returns their ids, in the same order."""
    rows = [
        {"ticket_id": ticket_id, "at": event.at, "kind": event.kind, "actor": event.actor, "details": {**event.details}}
        for event in events
    ]
    return list(connection.scalars(_ADD_EVENTS, rows)) if rows else []


def event(connection: Connection, event_id: int) -> TicketEvent | None:
    row = connection.execute(select(ticket_events).where(ticket_events.c.id == event_id)).first()
    return None if row is None else TicketEvent(**row._asdict())


def events(connection: Connection, ticket_id: int, limit: int | None = None) -> list[TicketEvent]:
    """A ticket's timeline, oldest first; the newest `limit` lines of it."""
    query = select(ticket_events).where(ticket_events.c.ticket_id == ticket_id).order_by(ticket_events.c.id.desc())
    return [TicketEvent(**row._asdict()) for row in connection.execute(query.limit(limit))][::-1]


def count_episodes(connection: Connection, ticket_id: int, since: float) -> int:
    """How often it was opened since then."""
    kinds = ticket_events.c.kind.in_(("opened", "reopened"))
    query = select(func.count()).where(ticket_events.c.ticket_id == ticket_id, kinds, ticket_events.c.at >= since)
    return int(connection.execute(query).scalar_one())


def count_events(connection: Connection, ticket_id: int) -> int:
    """How many lines a ticket's timeline has."""
    query = select(func.count()).select_from(ticket_events).where(ticket_events.c.ticket_id == ticket_id)
    return connection.execute(query).scalar_one()


def add_notification(connection: Connection, payload: Mapping[str, object], sha256: str, now: float) -> None:
    """Store a notification as it was received."""
    connection.execute(notifications.insert().values(received_at=now, sha256=sha256, payload=dict(payload)))


def prune_notifications(connection: Connection, before: float) -> int:
    """Delete notifications received before that time. Returns how many."""
    return connection.execute(delete(notifications).where(notifications.c.received_at < before)).rowcount


def _id_of(inserted: Row[Any] | None) -> int:
    if inserted is None:
        raise RuntimeError("the database gave no id to the row")
    number: int = inserted[0]
    return number


def _ticket(row: Row[Any]) -> Ticket:
    values = row._asdict()
    values["alerts"], unreadable = _alerts(row.id, values["alerts"])
    labels = values["labels"]
    values["labels"] = tuple(map(str, labels)) if isinstance(labels, list) else ()
    return Ticket(**values, unreadable_alerts=unreadable)


def _alerts(ticket_id: int, stored: object) -> tuple[dict[str, TicketAlert], dict[str, object]]:
    """The alerts of a ticket, and the stored form of unreadable ones: one unreadable alert never hides the others."""
    readable: dict[str, TicketAlert] = {}
    unreadable: dict[str, object] = {}
    for fingerprint, alert in (stored if isinstance(stored, dict) else {"": stored}).items():
        try:
            readable[fingerprint] = decode(TicketAlert, alert)
        except ValidationError:
            unreadable[fingerprint] = alert
    if unreadable:
        log.warning("ticket T-%s: %d alerts in the store cannot be read", ticket_id, len(unreadable))
    return readable, unreadable
