"""Accepted feedback is counted by what it says, under names of which there are only so many."""

from __future__ import annotations

from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from telltale.feedback_count import MOST_NAMES, EventCount, verdict
from telltale.metrics import Metrics
from telltale.records import Feedback

VOTE = Feedback(0.0, "shop", "1" * 32, None, "thumb", "helpful", 1.0, "user", "k")


@pytest.mark.parametrize(("value", "said"), [(0.0, "negative"), (0.5, "neutral"), (0.51, "positive"), (None, "none")])
def test_what_a_value_says(value: float | None, said: str) -> None:
    assert verdict(replace(VOTE, value=value)) == said


def test_names_that_senders_make_up_do_not_make_series_without_end() -> None:
    registry = CollectorRegistry()
    count = EventCount(Metrics(registry))
    for number in range(10 * MOST_NAMES):
        count.add(replace(VOTE, name=f"name {number}"))
    count.add(replace(VOTE, name="name 1"))

    found = {
        sample.labels["name"]: sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "telltale_feedback_events_total"
    }
    assert len(found) == MOST_NAMES + 1
    assert found["name 1"] == 2
    assert found["other"] == 9 * MOST_NAMES
