"""Review: what waits for labels, and how good models' answers are by what was audited."""

from __future__ import annotations

from telltale.catalogue.metric import Metric

_VERSION = ("model", "version")

REVIEW = (
    Metric("telltale_review_items", "gauge", "", ("state",), "Items of open review queues, by state."),
    Metric(
        "telltale_quality_ratio",
        "gauge",
        "ratio",
        _VERSION,
        "Share of good answers over all calls, as the newest audit by reviewers estimates it.",
    ),
    Metric(
        "telltale_quality_ratio_lower", "gauge", "ratio", _VERSION, "Lower bound (95 %) of the share of good answers."
    ),
    Metric(
        "telltale_quality_ratio_upper", "gauge", "ratio", _VERSION, "Upper bound (95 %) of the share of good answers."
    ),
    Metric("telltale_quality_labels", "gauge", "", _VERSION, "Labelled calls that the share of good answers rests on."),
)
