"""How loudly a ticket asks for people: its severity, and what ends their acknowledgement and their snooze. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from alerting.lifecycle.closing import CLOCK_SKEW_S, DAY_S, begins
from telltale.evidence.alerts import TicketAlert
from telltale.records import Ticket
from telltale.store.tickets import TicketEvent

SEVERITIES: Final = ("page", "ticket", "info")
"""The gravest first."""
WAKING: Final = "page"
MAX_SNOOZE_S: Final = 31 * DAY_S


def gravest(alerts: Iterable[TicketAlert]) -> str:
    """The gravest severity of these alerts."""
    found = {alert.labels.get("severity", "") for alert in alerts}
    return next((severity for severity in SEVERITIES if severity in found), "ticket")


def anew(ticket: Ticket) -> Ticket:
    """A ticket that was opened again: nobody has acknowledged that, it does not rest, and stands for itself."""
    return replace(ticket, acknowledged_by="", acknowledged_at=None, snoozed_until=None, merged_into=None)


def rests(ticket: Ticket, now: float) -> bool:
    """Whether it is snoozed."""
    return ticket.snoozed_until is not None and now < ticket.snoozed_until


def wake(
    ticket: Ticket, alerts: Mapping[str, TicketAlert], actor: str, now: float
) -> tuple[Ticket, tuple[TicketEvent, ...]]:
    """The ticket, awake if an alert that wakes people began to fire; these are its alerts now."""
    if not rests(ticket, now):
        return ticket, ()
    since = ticket.updated_at
    loud = [alert for name, alert in alerts.items() if _wakes(alert) and begins(alert, ticket, name, since, now)]
    if (ticket.snoozed_until or 0.0) > now + MAX_SNOOZE_S + CLOCK_SKEW_S:
        reason = "the snooze was set by a clock that was ahead"
        return replace(ticket, snoozed_until=None), (TicketEvent(now, "woken", actor, {"reason": reason}),)
    if not loud:
        return ticket, ()
    event = TicketEvent(now, "woken", actor, {"alert": loud[0].name, "summary": loud[0].summary})
    return replace(ticket, snoozed_until=None), (event,)


def _wakes(alert: TicketAlert) -> bool:
    return alert.is_firing and alert.labels.get("severity") == WAKING
