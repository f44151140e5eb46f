"""A storm in one ticket: which of its alerts it keeps, and how its timeline tells of many at once. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from alerting.lifecycle.attention import WAKING
from telltale.evidence.alerts import TicketAlert
from telltale.store.tickets import TicketEvent

MAX_KEPT = 50
"""A ticket's row is written at every change: it keeps so many alerts, and of the others how many fire."""
MAX_LINES = 5
"""More lines of one kind than these, told at once, are one line."""


def fold(alerts: Mapping[str, TicketAlert]) -> tuple[dict[str, TicketAlert], int]:
    """The alerts that a ticket keeps, and how many more fire.

    One of each rule stays, because a ticket closes when what it keeps has recovered. Firing ones go before others, of
    these what wakes people and then those that fire longest: which ones are kept does not depend on the order in which
    they came, so a repeated notification of a storm changes nothing.
    """
    if len(alerts) <= MAX_KEPT:
        return dict(alerts), 0
    ranked = sorted(alerts.items(), key=lambda item: _rank(*item))
    first = {(alert.key, alert.name): fingerprint for fingerprint, alert in reversed(ranked)}
    ranked.sort(key=lambda item: first[item[1].key, item[1].name] != item[0])
    return dict(ranked[:MAX_KEPT]), sum(alert.is_firing for _, alert in ranked[MAX_KEPT:])


def tell(lines: Sequence[TicketEvent], more: int = 0) -> list[TicketEvent]:
    """The lines themselves, or for each kind that has many the first one and how many others there are.

    `more` is how many alerts fire of which there is no line.
    """
    told: list[TicketEvent] = []
    for kind in dict.fromkeys(line.kind for line in lines):
        found = [line for line in lines if line.kind == kind]
        others = len(found) - 1 + (more if kind == "alert_firing" else 0)
        if len(found) <= MAX_LINES and others < MAX_LINES:
            told += found
        else:
            told.append(replace(found[0], details={**found[0].details, "reason": f"and {others} more"}))
    return told


def _rank(fingerprint: str, alert: TicketAlert) -> tuple[bool, bool, float, str]:
    if not alert.is_firing:
        # The latest: a late copy of their notification is recognised by them.
        return True, False, -(alert.ends_at or 0.0), fingerprint
    return False, alert.labels.get("severity") != WAKING, alert.starts_at, fingerprint
