"""How a ticket was closed, in words: for its own page and for every other that names it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from telltale.records import Ticket

TITLES: Final[Mapping[str, str]] = {
    "fixed": "fixed",
    "accepted": "accepted as the new normal",
    "duplicate": "duplicate",
    "wontfix": "won't fix",
    "recovered": "recovered",
    "superseded": "superseded",
}
DECIDED: Final = frozenset(("fixed", "accepted", "duplicate", "wontfix"))
"""Reasons that a person gave."""


def closed_as(ticket: Ticket) -> str:
    """Why it was closed, and until when that holds."""
    if ticket.merged_into is not None:
        return f"duplicate of T-{ticket.merged_into}"
    name = TITLES.get(ticket.close_reason or "", ticket.close_reason or "")
    if ticket.close_reason != "wontfix":
        return name
    if ticket.muted_until is None:
        return f"{name}, for ever"
    return f"{name} until {datetime.fromtimestamp(ticket.muted_until, UTC).date().isoformat()}"
