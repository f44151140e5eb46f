"""Which team owns a ticket."""

from __future__ import annotations

from telltale.records import Ticket
from telltale.settings import Settings


def owner_of(ticket: Ticket, settings: Settings) -> str:
    """The team of the ticket's alerts, of the one that began first if they differ; empty when none is named."""
    return ""
