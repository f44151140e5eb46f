"""Which team owns a ticket."""

from __future__ import annotations

from alerting.teams import team_of
from telltale.records import Ticket
from telltale.settings import Settings


def owner_of(ticket: Ticket, settings: Settings) -> str:
    """The team of the ticket's alerts, of the one that began first if they differ; empty when none is named."""
    in_order = sorted(ticket.alerts.values(), key=lambda alert: (alert.starts_at, alert.name))
    teams = (team_of(alert.labels, settings) for alert in in_order)
    return next((team for team in teams if team), "")
