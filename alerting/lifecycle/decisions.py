"""Decisions on tickets, each one transaction: the ticket, its timeline and the outbox change together or not at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from alerting import trackers
from alerting.intake.notification import Alert
from alerting.lifecycle.state import WONT_FIX, Observation, Step, close, is_firing, observe, receive
from telltale.records import Ticket, TicketState
from telltale.store import audit, ticket_outbox, tickets
from telltale.store.tickets import TicketEvent

LIVE: tuple[TicketState, ...] = ("open", "recovering", "blind")
MAX_LIVE = 10_000


def by_key(alerts: Iterable[Alert]) -> dict[str, list[Alert]]:
    """Alerts that deserve a ticket, by the ticket they belong to."""
    groups = defaultdict(list)
    for alert in alerts:
        if alert.deserves_ticket:
            groups[alert.key].append(alert)
    return dict(groups)


def live(connection: Connection) -> list[Ticket]:
    """Tickets that are not closed."""
    return tickets.load(connection, states=LIVE, limit=MAX_LIVE)


def apply_notification(
    connection: Connection, alerts: Sequence[Alert], now: float, reopen_window: float
) -> list[Ticket]:
    """Apply a notification's alerts. Returns the tickets that it opened or changed."""
    tickets.lock(connection)
    steps = (
        receive(tickets.newest(connection, key), group, now, reopen_window) for key, group in by_key(alerts).items()
    )
    return [ticket for step in steps if (ticket := _save(connection, step, now))]


def apply_observation(
    connection: Connection, key: str, observation: Observation, now: float, close_hold: float, reopen_window: float
) -> Ticket | None:
    """Bring one ticket in line with the real state, or open the one that a lost notification asked for."""
    tickets.lock(connection)
    known = tickets.newest(connection, key)
    if known is None:
        loud = [alert for alert in observation.active if not alert.muted]
        return _save(connection, receive(None, loud, now, reopen_window), now)
    step = observe(known, observation, now, close_hold, reopen_window)
    if step.ticket is not None and step.ticket != known and not step.events:
        # Only when it was last looked at: no news for its timeline and the trackers.
        tickets.save(connection, step.ticket)
    return _save(connection, step, now)


def comment(connection: Connection, ticket: Ticket, actor: str, text: str, now: float) -> None:
    """Add a person's comment to the timeline."""
    _add_by_hand(connection, ticket, TicketEvent(now, "comment", actor, {"words": text}))


def acknowledge(connection: Connection, ticket: Ticket, actor: str, now: float) -> None:
    """Note that a person is working on it."""
    _add_by_hand(connection, ticket, TicketEvent(now, "acknowledged", actor, {}))


def wont_fix(connection: Connection, ticket: Ticket, actor: str, text: str, now: float) -> None:
    """Close by decision: only a person reopens it."""
    _save(connection, close(ticket, WONT_FIX, actor, now, text), now)
    _audit(connection, ticket, "closed", actor, now)


def reopen(connection: Connection, ticket: Ticket, actor: str, now: float) -> None:
    """Undo a person's closing."""
    state: TicketState = "open" if is_firing(ticket.alerts) else "recovering"
    opened = replace(ticket, state=state, episode=ticket.episode + 1, closed_at=None, close_reason=None, updated_at=now)
    _save(connection, Step(opened, (TicketEvent(now, "reopened", actor, {"episode": opened.episode}),)), now)
    _audit(connection, ticket, "reopened", actor, now)


def _add_by_hand(connection: Connection, ticket: Ticket, event: TicketEvent) -> None:
    _save(connection, Step(replace(ticket, updated_at=event.at), (event,)), event.at)
    _audit(connection, ticket, event.kind, event.actor, event.at)


def _audit(connection: Connection, ticket: Ticket, action: str, actor: str, now: float) -> None:
    audit.record(connection, actor=actor, action=f"ticket_{action}", subject=f"T-{ticket.id}", now=now)


def _save(connection: Connection, step: Step, now: float) -> Ticket | None:
    if step.ticket is None or not (step.events or step.is_recount):
        return None
    saved = tickets.save(connection, step.ticket)
    if saved.id is None:
        raise RuntimeError("the database gave no id to the ticket")
    for event in step.events:
        event_id = tickets.add_event(connection, saved.id, event)
        ticket_outbox.add(connection, trackers.names(), saved.id, event_id, now)
    return saved
