"""What a tracker is: it takes one change of a ticket at a time, and says whether it did or whether to try again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from telltale.records import Ticket
from telltale.store.tickets import TicketEvent


@dataclass(frozen=True, slots=True)
class TicketChange:
    """What happened to a ticket, and the ticket as it is now.

    `key` identifies the change at every attempt: a tracker that is not idempotent by itself looks for it among what it
    has before it writes, at the latest when `attempt`, counted from 1, is above 1. `reference` is what the tracker
    called the ticket when it took an earlier change; `None` before that.
    """

    key: str
    ticket: Ticket
    event: TicketEvent
    attempt: int = 1
    reference: str | None = None


class Delivery(NamedTuple):
    """What became of one attempt: what the tracker calls the ticket, or `None` when it did not take the change.

    Then `retryable` says whether it may take the same change later (it does not answer, it is busy) or never (it
    refuses the change itself), and `error` why, in one line without secrets.
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
        """Make the tracker show this change. Ends within half a minute; taking a change twice is harmless."""
