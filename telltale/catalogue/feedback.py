"""What people say of responses: events as they come in, and the share of negative votes as the monitor scores it."""

from __future__ import annotations

from telltale.catalogue.metric import Metric
from telltale.catalogue.monitors import SERIES

FEEDBACK = (
    Metric(
        "telltale_feedback_events_total",
        "counter",
        "",
        ("kind", "name", "verdict"),
        "Feedback accepted, by kind, by name (the first 20; any more are `other`) and by what its value says: "
        "negative, neutral, positive, or none where it has no value.",
    ),
    Metric(
        "telltale_feedback_submit_seconds",
        "histogram",
        "seconds",
        (),
        "Time until an accepted event was committed to the store.",
        (0.001, 0.0025, 0.005, 0.01, 0.025, 0.06, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
    ),
    Metric("telltale_feedback_negative_ratio", "gauge", "ratio", SERIES, "Share of negative votes."),
    Metric(
        "telltale_feedback_negative_ratio_lower",
        "gauge",
        "ratio",
        SERIES,
        "Lower Wilson bound (95 %) of the share of negative votes.",
    ),
    Metric(
        "telltale_feedback_negative_ratio_upper",
        "gauge",
        "ratio",
        SERIES,
        "Upper Wilson bound (95 %) of the share of negative votes.",
    ),
    Metric("telltale_feedback_votes", "gauge", "", SERIES, "Votes in the last judged window."),
)
