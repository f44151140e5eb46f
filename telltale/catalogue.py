"""Every metric once: name, type, unit, labels, help.

Rules, dashboards, runbooks and the README speak only of metrics that stand here; each entry is emitted by one part.
Names follow the OTel GenAI conventions (dots written as underscores) and Prometheus' base units;
`telltale_` only where no standard name exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from telltale.catalogue_gpu import ROWS as _GPU_ROWS

Kind = Literal["counter", "gauge", "histogram"]

# semantic-conventions 1.41, docs/gen-ai/gen-ai-metrics.md
DURATION_BUCKETS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
LAG_BUCKETS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
TPOT_BUCKETS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
# The convention's bounds plus vLLM's own above 10 s, so that queues show.
TTFT_BUCKETS = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
    *(20.0, 40.0, 80.0, 160.0),
)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric family. `unit` is the base unit ('' for a pure number); `buckets` only for histograms."""

    name: str
    kind: Kind
    unit: str
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()


_CALL = (
    *("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_response_model"),
    *("tenant", "layer", "error_type"),
)
_USE = ("tenant", "model", "layer", "operation", "status")
_SERIES = ("monitor", "signal", "direction", "model", "version", "tenant")

INFERENCE = (
    Metric(
        "gen_ai_client_operation_duration_seconds",
        "histogram",
        "seconds",
        _CALL,
        "Duration of calls as the client or gateway saw them.",
        DURATION_BUCKETS,
    ),
    Metric(
        "gen_ai_client_operation_time_to_first_chunk_seconds",
        "histogram",
        "seconds",
        _CALL,
        "Time to the first chunk of streamed answers, as the client or gateway saw it.",
        TTFT_BUCKETS,
    ),
    Metric(
        "gen_ai_server_request_duration_seconds",
        "histogram",
        "seconds",
        _CALL,
        "Duration of requests as the inference server saw them.",
        DURATION_BUCKETS,
    ),
    Metric(
        "gen_ai_server_time_to_first_token_seconds",
        "histogram",
        "seconds",
        _CALL,
        "Time to the first token, as the inference server saw it.",
        TTFT_BUCKETS,
    ),
    Metric(
        "gen_ai_server_time_per_output_token_seconds",
        "histogram",
        "seconds",
        _CALL,
        "Time per output token after the first.",
        TPOT_BUCKETS,
    ),
    Metric("telltale_requests_total", "counter", "", _USE, "Calls, by outcome: ok, error or aborted."),
    Metric(
        "telltale_tokens_total",
        "counter",
        "",
        (*_USE, "kind"),
        "Tokens by kind: input (with cached_input and cache_write_input), output (with reasoning_output).",
    ),
    Metric(
        "telltale_cost_usd_total",
        "counter",
        "usd",
        _USE,
        "Cost in US dollars by the price table; calls without a price are not in it.",
    ),
)

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
        "Calls with tokens of a model that the price table does not name.",
    ),
    Metric("telltale_collector_queue_bytes", "gauge", "bytes", (), "Request bodies in work."),
    Metric(
        "telltale_collector_content_coverage_ratio",
        "gauge",
        "ratio",
        (),
        "Share of recent successful calls whose span carried the prompt or the answer.",
    ),
    Metric(
        "telltale_samples_total",
        "counter",
        "",
        ("outcome",),
        "Sampling decisions, by outcome; redaction_failed: left out afterwards, because Presidio did not answer.",
    ),
)

MONITORS = (
    Metric("telltale_monitor_effect", "gauge", "", _SERIES, "Size of the change that a monitor sees."),
    Metric("telltale_monitor_threshold", "gauge", "", _SERIES, "Size from which the monitor takes the change as real."),
    Metric("telltale_monitor_p_value", "gauge", "", _SERIES, "Chance of such a change on unchanged traffic."),
    Metric("telltale_monitor_samples", "gauge", "", _SERIES, "Rows or votes in the judged window."),
    Metric("telltale_monitor_state", "gauge", "", (*_SERIES, "state"), "1 for the state that the series is in."),
    Metric("telltale_monitor_success", "gauge", "", ("monitor",), "1 if the monitor's last run finished."),
    Metric(
        "telltale_monitor_last_success_timestamp_seconds", "gauge", "seconds", ("monitor",), "End of the last good run."
    ),
    Metric("telltale_monitor_interval_seconds", "gauge", "seconds", ("monitor",), "Time between two runs."),
    Metric("telltale_monitor_duration_seconds", "gauge", "seconds", ("monitor",), "Duration of the last run."),
    Metric(
        "telltale_monitor_reference_timestamp_seconds",
        "gauge",
        "seconds",
        ("direction", "model"),
        "When the reference was frozen.",
    ),
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

WEB = (
    Metric("telltale_feedback_events_total", "counter", "", ("kind",), "Feedback accepted, by kind."),
    Metric("telltale_web_requests_total", "counter", "", ("route", "status"), "Requests to pages and API."),
)

TICKETS = (
    Metric("telltale_tickets", "gauge", "", ("lane", "state"), "Tickets by lane and state."),
    Metric(
        "telltale_webhook_notifications_total",
        "counter",
        "",
        ("outcome",),
        "Notifications from Alertmanager, by what became of them.",
    ),
    Metric(
        "telltale_ticket_reconcile_last_success_timestamp_seconds",
        "gauge",
        "seconds",
        (),
        "Last time the tickets were compared with Alertmanager and Prometheus.",
    ),
    Metric(
        "telltale_ticket_outbox_oldest_age_seconds",
        "gauge",
        "seconds",
        ("tracker",),
        "Age of the oldest ticket change that its tracker has not taken yet; 0 when none waits.",
    ),
    Metric(
        "telltale_ticket_outbox_failed",
        "gauge",
        "",
        ("tracker",),
        "Ticket changes that the tracker refused for good.",
    ),
)

GPU = tuple(Metric(*row) for row in _GPU_ROWS)

METRICS = (*INFERENCE, *COLLECTOR, *MONITORS, *WEB, *TICKETS, *GPU)


def metric(name: str) -> Metric:
    """The entry of that name. Raises KeyError when the catalogue has none."""
    return _BY_NAME[name]


_BY_NAME = {entry.name: entry for entry in METRICS}
