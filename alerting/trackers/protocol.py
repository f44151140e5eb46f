"""What a tracker is: it accepts one change of a ticket at a time, or says whether trying again makes sense."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from telltale.records import Ticket
from telltale.store.tickets import TicketEvent


@dataclass(frozen=True, slots=True)
class TicketChange:
    """What happened to a ticket, and the ticket as it is now.

    `key` identifies the change at every attempt: a tracker that is not idempotent by itself searches for it before it
    writes, at the latest when `attempt`, counted from 1, is above 1. `reference` is the tracker's own name for the
    ticket, as returned for an earlier change; `None` before that.
    """

    key: str
    ticket: Ticket
    event: TicketEvent
    attempt: int = 1
    reference: str | None = None


class Delivery(NamedTuple):
    """The outcome of one attempt: the tracker's own name for the ticket, or `None` when the change was not accepted.

    Then `retryable` says whether the same change may be accepted later (the tracker does not respond, or is busy) or
    never (it refuses the change itself), and `error` why, in one line without secrets.
    """

    result: str | None
    retryable: bool = False
    error: str = ""


class Tracker(Protocol):
    """One place where tickets are tracked. Used by one thread."""

    @property
    def name(self) -> str:
        """Its name in the outbox, metrics and logs: lower case, at most 32 characters, never changed."""

    def deliver(self, change: TicketChange) -> Delivery:
        """Make the tracker show this change. Returns within half a minute; the same change twice is harmless."""
