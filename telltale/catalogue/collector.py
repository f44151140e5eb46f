"""The collector of traces: what it receives, refuses and samples."""

from __future__ import annotations

from telltale.catalogue.metric import Metric

LAG_BUCKETS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)

COLLECTOR = (
    Metric("telltale_collector_requests_total", "counter", "", ("signal",), "Requests accepted, by signal."),
    Metric(
        "telltale_collector_lag_seconds",
        "histogram",
        "seconds",
        (),
        "From the end of a request's newest call until it was accepted.",
        LAG_BUCKETS,
    ),
    Metric("telltale_collector_spans_total", "counter", "", ("convention",), "Spans received, by convention."),
    Metric(
        "telltale_collector_operations_total",
        "counter",
        "",
        ("operation",),
        "Spans of known operations that are no calls of a model, by operation: execute_tool, invoke_agent, retrieval.",
    ),
    Metric("telltale_collector_duplicates_total", "counter", "", ("pair",), "Second spans of a call already counted."),
    Metric("telltale_collector_rejected_total", "counter", "", ("reason",), "Requests or spans refused, by reason."),
    Metric(
        "telltale_collector_dropped_total",
        "counter",
        "",
        ("kind",),
        "Attributes and events that senders' own limits dropped from spans.",
    ),
    Metric(
        "telltale_collector_vectors_total",
        "counter",
        "",
        ("outcome",),
        "Vectors of texts that sampled spans brought along: kept, or why not (length, not_numbers, not_finite, zero, "
        "no_model, several).",
    ),
    Metric(
        "telltale_collector_folded_total",
        "counter",
        "",
        (),
        "Calls with a new label set beyond collector.max_series, counted under `other`.",
    ),
    Metric(
        "telltale_unpriced_calls_total",
        "counter",
        "",
        ("model",),
        "Calls with tokens and without a cost: the table names no such model, or not all numbers are known.",
    ),
    Metric(
        "telltale_collector_queue_bytes",
        "gauge",
        "bytes",
        (),
        "Request bodies in work: being decoded, or waiting to be stored.",
    ),
    Metric(
        "telltale_collector_content_coverage_ratio",
        "gauge",
        "ratio",
        (),
        "Share of recent successful calls whose span carried the prompt or the response.",
    ),
    Metric(
        "telltale_samples_total",
        "counter",
        "",
        ("outcome",),
        "Sampling decisions, by outcome; redaction_failed: left out afterwards, because Presidio did not respond.",
    ),
)
