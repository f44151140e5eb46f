"""What the feedback part keeps while the web application runs."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import Counter

from feedback.gathering import Gathering
from feedback.labelling.gauges import Gauges
from telltale.web import State
from telltale.web.limits import Buckets

VOTES_PER_MINUTE = 10


@dataclass(frozen=True, slots=True)
class FeedbackState:
    """The counter of accepted events, the submits that wait to be stored, and how often each person may vote."""

    events: Counter
    gathering: Gathering
    vote_rate: Buckets

    def count(self, kind: str) -> None:
        """Count a new event."""
        self.events.labels(kind).inc()


def make_state(here: State) -> FeedbackState:
    here.metrics.registry.register(Gauges(here.store, here.clock))
    return FeedbackState(
        events=here.metrics.counter("telltale_feedback_events_total"),
        gathering=Gathering(here.store, here.settings.store.queue_rows),
        vote_rate=Buckets(VOTES_PER_MINUTE / 60, burst=VOTES_PER_MINUTE),
    )
