"""The monitors: effects against thresholds, states, runs."""

from __future__ import annotations

from telltale.catalogue.metric import Metric

SERIES = ("model", "version", "tenant", "segment")
_SERIES = ("monitor", "signal", "direction", *SERIES)

MONITORS = (
    Metric("telltale_monitor_effect", "gauge", "", _SERIES, "Size of the change that a monitor sees."),
    Metric("telltale_monitor_threshold", "gauge", "", _SERIES, "Size from which the monitor takes the change as real."),
    Metric("telltale_monitor_p_value", "gauge", "", _SERIES, "Chance of such a change on unchanged traffic."),
    Metric("telltale_monitor_samples", "gauge", "", _SERIES, "Rows or votes in the judged window."),
    Metric("telltale_monitor_state", "gauge", "", (*_SERIES, "lane", "state"), "1 for the state that a series is in."),
    Metric(
        "telltale_monitor_null_alarm_ratio",
        "gauge",
        "",
        ("monitor",),
        "Share of unchanged windows that the monitor takes for changed: parts of references against their rest.",
    ),
    Metric(
        "telltale_monitor_alpha", "gauge", "", ("monitor",), "Share of unchanged windows that it may take for changed."
    ),
    Metric("telltale_monitor_success", "gauge", "", ("monitor",), "1 if the monitor's last run finished."),
    Metric(
        "telltale_monitor_last_success_timestamp_seconds", "gauge", "seconds", ("monitor",), "End of the last good run."
    ),
    Metric("telltale_monitor_interval_seconds", "gauge", "seconds", ("monitor",), "Time between two runs."),
    Metric("telltale_monitor_duration_seconds", "gauge", "seconds", ("monitor",), "CPU seconds of the last run."),
    Metric(
        "telltale_monitor_reference_timestamp_seconds",
        "gauge",
        "seconds",
        ("basis", *SERIES),
        "When the reference was frozen.",
    ),
    Metric(
        "telltale_monitor_rows_without_series_total",
        "counter",
        "",
        ("model",),
        "Rows whose attributes have no series of their own, because there are too many.",
    ),
)
