"""What people say of responses: events as they come in, and the share of negative votes as the monitor scores it."""

from __future__ import annotations

from telltale.catalogue.metric import Metric

FEEDBACK = (
    Metric("telltale_feedback_events_total", "counter", "", ("kind",), "Feedback accepted, by kind."),
    Metric("telltale_feedback_negative_ratio", "gauge", "ratio", ("model", "version"), "Share of negative votes."),
    Metric(
        "telltale_feedback_negative_ratio_lower",
        "gauge",
        "ratio",
        ("model", "version"),
        "Lower Wilson bound (95 %) of the share of negative votes.",
    ),
    Metric(
        "telltale_feedback_negative_ratio_upper",
        "gauge",
        "ratio",
        ("model", "version"),
        "Upper Wilson bound (95 %) of the share of negative votes.",
    ),
    Metric("telltale_feedback_votes", "gauge", "", ("model", "version"), "Votes in the last judged window."),
)
