"""What was refused and cut, counted in metrics and named in the log."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Literal

from alerting.intake.notification import Refusal, Taken
from telltale.metrics import Metrics

log = logging.getLogger(__name__)

Source = Literal["notification", "listing"]
REASONS = ("alert", "labels", "fingerprint", "status", "startsAt", "endsAt", "too_many")
FIELDS = ("label", "annotation")
MAX_NAMED = 5


class Account:
    """Of the list of alerts, which is read every minute, each refusal is named once for as long as it lasts."""

    def __init__(self, metrics: Metrics) -> None:
        self._refused = metrics.counter("telltale_alerts_refused_total")
        self._cut = metrics.counter("telltale_alerts_cut_total")
        for reason in REASONS:
            self._refused.labels(reason)
        for field in FIELDS:
            self._cut.labels(field)
        self._listed: frozenset[Refusal] = frozenset()

    def note(self, taken: Taken, source: Source) -> None:
        """Count what one body had of it; a name in the log is at most MAX_NAMED times in a line."""
        for refusal in taken.refused:
            self._refused.labels(refusal.field).inc(refusal.times)
        for field, number in taken.cut.items():
            self._cut.labels(field).inc(number)
        found = frozenset(taken.refused)
        new = found - self._listed if source == "listing" else found
        if source == "listing":
            self._listed = found
        if new:
            log.warning("%d alerts of Alertmanager's %s were left out: %s", len(new), source, _named(new))


def _named(refusals: Iterable[Refusal]) -> str:
    faults = sorted(f"{refusal.field} of {refusal.name!r} ({refusal.fingerprint!r})" for refusal in refusals)
    rest = len(faults) - MAX_NAMED
    return ", ".join(faults[:MAX_NAMED]) + (f" and {rest} more" if rest > 0 else "")
