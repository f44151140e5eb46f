"""Tickets of an earlier Telltale, which told alerts apart by other labels: they get the identity that theirs have now.

Otherwise their alerts would open second ones, and what people did on the first would be lost with it.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from alerting.intake import identity
from alerting.lifecycle.decisions import LIVE, MAX_LIVE
from telltale.records import Ticket
from telltale.store import tickets


def renew(connection: Connection) -> int:
    """Give open tickets the identity of their alerts. Returns how many changed; once for all, so it may be repeated."""
    tickets.lock(connection)
    changed = 0
    for ticket in reversed(tickets.load(connection, states=LIVE, limit=MAX_LIVE)):
        renewed = _renewed(ticket)
        # Where its alerts have a ticket already, that one is theirs.
        if renewed is not None and tickets.newest(connection, renewed.key) is None:
            tickets.save(connection, renewed)
            changed += 1
    return changed


def _renewed(ticket: Ticket) -> Ticket | None:
    """The ticket as that of the first of its alerts; where it was of several, the others get their own."""
    own = [alert for alert in ticket.alerts.values() if alert.key == ticket.key]
    if not own:
        return None
    first = min(own, key=lambda alert: (not alert.is_firing, alert.starts_at))
    key = identity.key(first.labels)
    if key == ticket.key:
        return None
    alerts = {name: replace(alert, key=identity.key(alert.labels)) for name, alert in ticket.alerts.items()}
    return replace(ticket, key=key, alerts=alerts)
