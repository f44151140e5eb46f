"""Tickets that open again and again: they say so, and their recovery has to hold for longer. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from telltale.records import Ticket

LABEL: Final = "flapping"
SPAN_S: Final = 86400.0
MOST_EPISODES: Final = 3
"""More of them than these within the span are flapping."""


def marked(ticket: Ticket, episodes: int) -> Ticket:
    """A ticket that was opened just now, for so many times within the span."""
    labels = tuple(label for label in ticket.labels if label != LABEL)
    return replace(ticket, labels=(*labels, LABEL) if episodes > MOST_EPISODES else labels)


def hold(ticket: Ticket, close_hold: float) -> float:
    """How long its recovery has to hold, in seconds."""
    return close_hold * (2 if LABEL in ticket.labels else 1)
