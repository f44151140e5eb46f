"""What people say of responses: events as they come in, and the share of negative votes as the monitor scores it."""

from __future__ import annotations

from telltale.catalogue.metric import Metric
from telltale.catalogue.monitors import SERIES

FEEDBACK = (
    Metric("telltale_feedback_events_total", "counter", "", ("kind",), "Feedback accepted, by kind."),
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
