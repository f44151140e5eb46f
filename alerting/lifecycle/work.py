"""People's work on tickets: who has it, who knows of it, until when it rests, its labels, and what it belongs to.

What a person asks for is a step, as a pure function, and one transaction that takes it. What cannot be is `Refused` in
words for that person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection

from alerting.lifecycle import decisions
from alerting.lifecycle.attention import MAX_SNOOZE_S
from alerting.lifecycle.closing import DUPLICATE, CannotClose, Closing
from alerting.lifecycle.state import Step
from telltale.records import Ticket
from telltale.store import access, tickets
from telltale.store.tickets import MAX_LINKS, TicketEvent

MAX_LABELS: Final = 20
MAX_LABEL: Final = 50


class Refused(Exception):
    """It cannot be done; the message says why."""


def assign(connection: Connection, ticket: Ticket, person: str, actor: str, now: float, was: str | None = None) -> None:
    """Give it to a person, or with "" to nobody. `was` is who had it on the page that was read. Raises Refused."""
    if was is not None and was != ticket.assignee:
        raise Refused(f"It was given to {ticket.assignee or 'nobody'} meanwhile; look at it again.")
    if person:
        known = access.find_person(connection, person)
        if known is None:
            raise Refused(f"There is no person {person}.")
        if known.disabled_at is not None:
            raise Refused(f"{person} is disabled and can take no ticket.")
    _take(connection, assigned(ticket, person, actor, now), actor, now, {"person": person})


def assigned(ticket: Ticket, person: str, actor: str, now: float) -> Step:
    if ticket.assignee == person:
        return Step(None)
    kind = "assigned" if person else "unassigned"
    return _step(replace(ticket, assignee=person), kind, actor, now, {"person": person} if person else {})


def acknowledge(connection: Connection, ticket: Ticket, actor: str, now: float) -> None:
    """Note that a person knows of it. Raises Refused where somebody else said so first, or it is closed."""
    _take(connection, acknowledged(ticket, actor, now), actor, now)


def acknowledged(ticket: Ticket, actor: str, now: float) -> Step:
    _refuse_closed(ticket)
    if ticket.acknowledged_at is not None:
        if ticket.acknowledged_by == actor:
            return Step(None)
        raise Refused(f"{ticket.acknowledged_by} has acknowledged it already.")
    return _step(replace(ticket, acknowledged_by=actor, acknowledged_at=now), "acknowledged", actor, now)


def snooze(connection: Connection, ticket: Ticket, until: float, actor: str, now: float) -> None:
    """Let it rest until then. Raises Refused for a time that is past or too far ahead, or a closed ticket."""
    _take(connection, snoozed(ticket, until, actor, now), actor, now, {"until": until})


def snoozed(ticket: Ticket, until: float, actor: str, now: float) -> Step:
    _refuse_closed(ticket)
    if not now < until <= now + MAX_SNOOZE_S:
        raise Refused("A snooze ends in the future, at most 31 days ahead.")
    return _step(replace(ticket, snoozed_until=until), "snoozed", actor, now, {"until": until})


def wake(connection: Connection, ticket: Ticket, actor: str, now: float) -> None:
    """End its snooze."""
    if ticket.snoozed_until is not None:
        _take(connection, _step(replace(ticket, snoozed_until=None), "woken", actor, now), actor, now)


def label(connection: Connection, ticket: Ticket, text: str, actor: str, now: float) -> None:
    """Add a label. Raises Refused for one that is empty, too long or not printable, and for too many."""
    step = labelled(ticket, text, actor, now)
    _take(connection, step, actor, now, {"label": " ".join(text.split())})


def labelled(ticket: Ticket, text: str, actor: str, now: float) -> Step:
    name = " ".join(text.split())
    if not 0 < len(name) <= MAX_LABEL or not name.isprintable() or "," in name:
        raise Refused(f"A label has 1 to {MAX_LABEL} printable characters and no comma.")
    if name in ticket.labels:
        return Step(None)
    if len(ticket.labels) >= MAX_LABELS:
        raise Refused(f"A ticket has at most {MAX_LABELS} labels; remove one first.")
    return _step(replace(ticket, labels=(*ticket.labels, name)), "labelled", actor, now, {"label": name})


def unlabel(connection: Connection, ticket: Ticket, text: str, actor: str, now: float) -> None:
    """Remove a label, if it has it."""
    if text in ticket.labels:
        left = tuple(name for name in ticket.labels if name != text)
        step = _step(replace(ticket, labels=left), "unlabelled", actor, now, {"label": text})
        _take(connection, step, actor, now, {"label": text})


def link(connection: Connection, ticket: Ticket, other: int, actor: str, now: float) -> None:
    """Link it with another ticket, which says so too. Raises Refused."""
    found = _other(connection, ticket, other, "linked with")
    if len(tickets.linked(connection, ticket.id or 0)) >= MAX_LINKS:
        raise Refused(f"A ticket has at most {MAX_LINKS} links.")
    if tickets.link(connection, ticket.id or 0, other):
        _both(connection, ticket, found, ("linked", "linked"), actor, now)


def unlink(connection: Connection, ticket: Ticket, other: int, actor: str, now: float) -> None:
    """Take a link away, if there is one. Raises Refused."""
    found = _other(connection, ticket, other, "linked with")
    if tickets.unlink(connection, ticket.id or 0, other):
        _both(connection, ticket, found, ("unlinked", "unlinked"), actor, now)


def merge(connection: Connection, ticket: Ticket, into: int, actor: str, now: float, words: str) -> None:
    """Close it as a duplicate of another one, which stands for both from now on. Raises Refused."""
    _refuse_closed(ticket)
    try:
        decisions.close_by_hand(connection, ticket, Closing(DUPLICATE, words, into), actor, now)
    except CannotClose as error:
        raise Refused(f"Not merged: {error}.") from error


def reopen(connection: Connection, ticket: Ticket, actor: str, now: float) -> None:
    """Undo a closing. Raises Refused where another ticket has its alerts by now."""
    newest = tickets.newest(connection, ticket.key)
    if newest is not None and newest.id != ticket.id:
        raise Refused(f"T-{newest.id} is about the same and newer: its alerts go there.")
    decisions.reopen(connection, ticket, actor, now)


def _both(
    connection: Connection, ticket: Ticket, other: Ticket, kinds: tuple[str, str], actor: str, now: float
) -> None:
    for one, kind, partner in ((ticket, kinds[0], other), (other, kinds[1], ticket)):
        details = {"other": partner.id}
        decisions.by_hand(connection, _step(one, kind, actor, now, details), kind, actor, now, details)


def _other(connection: Connection, ticket: Ticket, number: int, what: str) -> Ticket:
    if number == ticket.id:
        raise Refused(f"A ticket cannot be {what} itself.")
    found = tickets.get(connection, number)
    if found is None:
        raise Refused(f"There is no ticket T-{number}.")
    return found


def _refuse_closed(ticket: Ticket) -> None:
    if ticket.state == "closed":
        raise Refused("The ticket is closed meanwhile; look at it again.")


def _take(connection: Connection, step: Step, actor: str, now: float, details: Mapping[str, object] = {}) -> None:
    if step.events:
        decisions.by_hand(connection, step, step.events[0].kind, actor, now, details)


def _step(ticket: Ticket, kind: str, actor: str, now: float, details: Mapping[str, object] = {}) -> Step:
    return Step(replace(ticket, updated_at=now), (TicketEvent(now, kind, actor, details),))
