"""What the feedback part keeps while the web application runs."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from prometheus_client import Histogram

from feedback.gathering import Gathering
from feedback.labelling.gauges import Gauges
from telltale.feedback_count import EventCount
from telltale.web import State
from telltale.web.limits import Buckets

VOTES_PER_MINUTE = 10


@dataclass(frozen=True, slots=True)
class FeedbackState:
    """What is counted of accepted events, the submits that wait to be stored, how often each person may vote.

    And who makes a data set: one at a time.
    """

    events: EventCount
    submit_seconds: Histogram
    gathering: Gathering
    vote_rate: Buckets
    making: threading.Lock


def make_state(here: State) -> FeedbackState:
    here.metrics.registry.register(Gauges(here.store, here.clock, here.audits))
    return FeedbackState(
        events=EventCount(here.metrics),
        submit_seconds=here.metrics.histogram("telltale_feedback_submit_seconds"),
        gathering=Gathering(here.store, here.settings.store.queue_rows),
        vote_rate=Buckets(VOTES_PER_MINUTE / 60, burst=VOTES_PER_MINUTE),
        making=threading.Lock(),
    )
