"""Decisions on tickets, each one transaction: the ticket, its timeline and the outbox change together or not at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from alerting import trackers
from alerting.intake.notification import Alert
from alerting.lifecycle import closing, duplicates, flapping
from alerting.lifecycle.closing import Closing
from alerting.lifecycle.state import Observation, Step, close, is_firing, observe, receive, reopened
from telltale.records import Ticket, TicketState
from telltale.store import audit, ticket_outbox, tickets
from telltale.store.tickets import TicketEvent

LIVE: tuple[TicketState, ...] = ("open", "recovering", "blind")
MAX_LIVE = 10_000
MAX_WATCHED = 1000


def by_key(alerts: Iterable[Alert]) -> dict[str, list[Alert]]:
    """Alerts that deserve a ticket, by the ticket they belong to."""
    groups = defaultdict(list)
    for alert in alerts:
        if alert.deserves_ticket:
            groups[alert.key].append(alert)
    return dict(groups)


def watched(connection: Connection, now: float) -> list[Ticket]:
    """Tickets that are not closed, and those that a person closed whose end nobody has seen yet."""
    since = now - closing.MOST_MUTED_S
    live = tickets.load(connection, states=LIVE, limit=MAX_LIVE)
    closed = filter(closing.is_decided, tickets.closed_since(connection, since, limit=MAX_WATCHED))
    # Of one identity only the newest is compared.
    newest = {ticket.key: ticket for ticket in reversed([*live, *closed])}
    return list(newest.values())


def by_ticket(connection: Connection, groups: Mapping[str, list[Alert]]) -> dict[str, list[Alert]]:
    """Groups of alerts by the identity of the ticket that stands for theirs."""
    found: dict[str, list[Alert]] = defaultdict(list)
    merged = tickets.merged_keys(connection)
    for key, alerts in groups.items():
        stands = duplicates.standing(connection, key) if key in merged else None
        found[stands.key if stands else key] += alerts
    return dict(found)


def apply_notification(
    connection: Connection, alerts: Sequence[Alert], now: float, reopen_window: float
) -> list[Ticket]:
    """Apply a notification's alerts. Returns the tickets that it opened or changed."""
    tickets.lock(connection)
    steps = (
        receive(duplicates.standing(connection, key), group, now, reopen_window)
        for key, group in by_key(alerts).items()
    )
    return [ticket for step in steps if (ticket := _save(connection, step, now))]


def apply_observation(
    connection: Connection, key: str, observation: Observation, now: float, close_hold: float, reopen_window: float
) -> Ticket | None:
    """Bring one ticket in line with the real state, or open the one that a lost notification asked for."""
    tickets.lock(connection)
    known = duplicates.standing(connection, key)
    if known is None:
        loud = [alert for alert in observation.active if not alert.muted]
        return _save(connection, receive(None, loud, now, reopen_window), now)
    if known.key != key:
        # Merged since the list was read: these are a part of its alerts, and the verdict is on another ticket.
        loud = [alert for alert in observation.active if not alert.muted]
        return _save(connection, receive(known, loud, now, reopen_window), now)
    step = observe(known, observation, now, flapping.hold(known, close_hold), reopen_window)
    if step.ticket is not None and step.ticket != known and not step.events:
        # Only when it was last looked at: no news for its timeline and the trackers.
        tickets.save(connection, step.ticket)
    return _save(connection, step, now)


def comment(connection: Connection, ticket: Ticket, actor: str, text: str, now: float) -> None:
    """Add a person's comment to the timeline."""
    _add_by_hand(connection, ticket, TicketEvent(now, "comment", actor, {"words": text}))


def close_by_hand(connection: Connection, ticket: Ticket, decision: Closing, actor: str, now: float) -> None:
    """Close by a person's decision. Raises CannotClose."""
    closing.check(decision, now)
    steps: tuple[Step, ...]
    if decision.other is not None:
        steps = duplicates.merge(connection, ticket, decision.other, actor, now, decision.words)
    else:
        muted = replace(ticket, muted_until=decision.until)
        ends = {} if decision.until is None else {"until": decision.until}
        steps = (close(muted, decision.reason, actor, now, decision.words, ends),)
    for step in steps:
        _save(connection, step, now)
    given = {"reason": decision.reason, "until": decision.until, "duplicate_of": decision.other}
    details = {name: value for name, value in given.items() if value is not None}
    _audit(connection, ticket, "closed", actor, now, {**details, "words": decision.words})


def reopen(connection: Connection, ticket: Ticket, actor: str, now: float) -> None:
    """Undo a person's closing."""
    state: TicketState = "open" if is_firing(ticket.alerts) else "recovering"
    opened = replace(reopened(ticket), state=state, updated_at=now)
    _save(connection, Step(opened, (TicketEvent(now, "reopened", actor, {"episode": opened.episode}),)), now)
    _audit(connection, ticket, "reopened", actor, now)


def _add_by_hand(connection: Connection, ticket: Ticket, event: TicketEvent) -> None:
    _save(connection, Step(replace(ticket, updated_at=event.at), (event,)), event.at)
    _audit(connection, ticket, event.kind, event.actor, event.at)


def by_hand(
    connection: Connection, step: Step, action: str, actor: str, now: float, details: Mapping[str, object] = {}
) -> None:
    """Take a person's step: the ticket, its timeline, the outbox and the audit log."""
    saved = _save(connection, step, now)
    if saved is not None:
        _audit(connection, saved, action, actor, now, details)


def _audit(
    connection: Connection, ticket: Ticket, action: str, actor: str, now: float, details: Mapping[str, object] = {}
) -> None:
    subject = f"T-{ticket.id}"
    audit.record(connection, actor=actor, action=f"ticket_{action}", subject=subject, now=now, details=dict(details))


def _save(connection: Connection, step: Step, now: float) -> Ticket | None:
    if step.ticket is None or not (step.events or step.is_recount):
        return None
    ticket = step.ticket
    if ticket.id is not None and any(event.kind == "reopened" for event in step.events):
        before = tickets.count_episodes(connection, ticket.id, now - flapping.SPAN_S)
        ticket = flapping.marked(ticket, before + 1)
    saved = tickets.save(connection, ticket)
    if saved.id is None:
        raise RuntimeError("the database gave no id to the ticket")
    event_ids = tickets.add_events(connection, saved.id, step.events)
    ticket_outbox.add(connection, trackers.names(), saved.id, event_ids, now)
    return saved
