"""The embedded tracker: Telltale's own tickets, as its pages show them.

The store is the system of record. A ticket and its timeline are written in the transaction that writes the outbox
item, so whatever the outbox can hold stands in this tracker already, and it acknowledges at once. As a member like any
other it has the whole way from decision to delivery walked by each ticket of each installation, so that the outbox's
age tells whether deliveries work before somebody relies on them.
"""

from __future__ import annotations

from alerting.trackers.protocol import Delivery, TicketChange


class EmbeddedTracker:
    """Acknowledges what the ticket's own transaction has written."""

    name = "embedded"

    def deliver(self, change: TicketChange) -> Delivery:
        return Delivery(f"T-{change.ticket.id}")
