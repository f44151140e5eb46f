"""Closing by hand: the reasons that a person can give, and what each does to an alert that returns. Pure.

Nothing that fails is swallowed for ever: each decision ends by itself, at its date or when its alerts outlast it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from telltale.evidence.alerts import TicketAlert
from telltale.records import Ticket

Reason = Literal["fixed", "accepted", "duplicate", "wontfix"]
WONT_FIX: Final = "wontfix"
DUPLICATE: Final = "duplicate"
DAY_S: Final = 86400.0
MOST_MUTED_S: Final = 90 * DAY_S
OUTLAST_S: Final = DAY_S
"""Alerts that fire on for so long after a ticket was closed as over open it again."""
MAX_WORDS: Final = 4000
# The clocks of two hosts may differ by so much; a time further ahead was written by a clock that was wrong.
CLOCK_SKEW_S: Final = 10.0


class CannotClose(ValueError):
    """It cannot be closed so; the message names what is missing or wrong."""


@dataclass(frozen=True, slots=True)
class Closing:
    """What a person decided. `other` is the ticket that stands for a duplicate, `until` the end of a won't fix."""

    reason: Reason
    words: str
    other: int | None = None
    until: float | None = None


def check(closing: Closing, now: float) -> None:
    """Raises CannotClose where something is missing."""
    if not 0 < len(closing.words.strip()) <= MAX_WORDS:
        raise CannotClose(f"say why in 1 to {MAX_WORDS} characters: whoever sees the next alert reads it")
    if (closing.reason == DUPLICATE) != (closing.other is not None):
        raise CannotClose("name the ticket that it is a duplicate of, such as T-12, and only for a duplicate")
    if closing.reason != WONT_FIX:
        return
    if closing.until is None:
        raise CannotClose("say until when it will not be fixed: a decision without an end hides the next failure")
    if not now < closing.until <= now + MOST_MUTED_S:
        raise CannotClose(f"until when: after today, and at most {MOST_MUTED_S / DAY_S:.0f} days from now")


def is_muted(ticket: Ticket, now: float) -> bool:
    """Whether it stays closed whatever its alerts do. An end further ahead than any may be was set by a wrong clock."""
    if ticket.close_reason != WONT_FIX:
        return False
    return ticket.muted_until is None or now < ticket.muted_until <= now + MOST_MUTED_S + CLOCK_SKEW_S


def reopens(ticket: Ticket, alerts: Mapping[str, TicketAlert], now: float) -> bool:
    """Whether a closed ticket opens again, whose alerts are these now, also those that it cannot keep.

    It does when one returned, or outlasted the decision.
    """
    firing = {name: alert for name, alert in alerts.items() if alert.is_firing}
    if not firing or is_muted(ticket, now):
        return False
    since = ticket.closed_at or 0.0
    return any(begins(alert, ticket, name, since, now) for name, alert in firing.items()) or is_outlasted(ticket, now)


def is_outlasted(ticket: Ticket, now: float) -> bool:
    """Whether what fires on since it was closed has waited for long enough."""
    if ticket.close_reason == WONT_FIX:
        return not is_muted(ticket, now)
    return ticket.closed_at is not None and abs(now - ticket.closed_at) >= OUTLAST_S


def is_decided(ticket: Ticket) -> bool:
    """Whether a person closed it while nobody had seen it recover: it is looked at until that is so."""
    decided = ticket.close_reason in ("fixed", "accepted") or ticket.muted_until is not None
    return ticket.state == "closed" and decided and ticket.verified_since is None


def quiet_until(ticket: Ticket) -> float:
    """Since when a closed ticket is out of date: after its decision's end, if it has one."""
    return max(ticket.closed_at or 0.0, ticket.muted_until or 0.0)


def begins(alert: TicketAlert, ticket: Ticket, fingerprint: str, since: float, now: float) -> bool:
    """Whether a firing alert is news to the ticket, which knew of all that fired `since` then."""
    known = ticket.alerts.get(fingerprint)
    if known is None:
        # It may be one of those that are counted only.
        is_ahead = since > now + CLOCK_SKEW_S
        return ticket.more_alerts == 0 or is_ahead or alert.starts_at > since - CLOCK_SKEW_S
    return not known.is_firing or known.starts_at != alert.starts_at
