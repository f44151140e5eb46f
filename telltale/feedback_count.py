"""Counting of accepted feedback, the same wherever it is accepted, under labels of few values."""

from __future__ import annotations

from typing import Final, Literal

from telltale.feedback import is_negative, is_positive
from telltale.metrics import Metrics
from telltale.records import Feedback

MOST_NAMES: Final = 20
"""So many names have a series of their own in a process, those that came first; senders make up names."""
OTHER: Final = "other"

Verdict = Literal["negative", "neutral", "positive", "none"]


class EventCount:
    """`telltale_feedback_events_total` of one process. Safe to use from several threads."""

    def __init__(self, metrics: Metrics) -> None:
        self._counter = metrics.counter("telltale_feedback_events_total")
        self._names: set[str] = set()

    def add(self, event: Feedback) -> None:
        """Count an event that is newly stored."""
        if event.name not in self._names and len(self._names) < MOST_NAMES:
            self._names.add(event.name)
        name = event.name if event.name in self._names else OTHER
        self._counter.labels(event.kind, name, verdict(event)).inc()


def verdict(event: Feedback) -> Verdict:
    """What its value says; `none` for what has no value: comments, corrections, categories, retractions."""
    if event.value is None:
        return "none"
    if is_negative(event):
        return "negative"
    return "positive" if is_positive(event) else "neutral"
