"""The monitors: effects against thresholds, states, runs."""

from __future__ import annotations

from telltale.catalogue.metric import Metric

SERIES = ("model", "version", "tenant", "segment")
_SERIES = ("monitor", "signal", "direction", *SERIES)
_OF_TEXTS = ("direction", *SERIES)

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
        "telltale_evidently_value",
        "gauge",
        "",
        ("metric", "column", "method", *_OF_TEXTS),
        "A number of Evidently's newest report of the series, by Evidently's name of the metric.",
    ),
    Metric(
        "telltale_evidently_detected",
        "gauge",
        "",
        ("column", "method", *_OF_TEXTS),
        "1 where Evidently's own test of that column says drift; it alarms nobody.",
    ),
    Metric(
        "telltale_evidently_window_timestamp_seconds",
        "gauge",
        "seconds",
        _OF_TEXTS,
        "End of the window that Evidently's newest report of the series is on.",
    ),
    Metric(
        "telltale_evidently_series_not_shown",
        "gauge",
        "",
        (),
        "Series and directions whose newest report has no metrics, because there are too many.",
    ),
    Metric(
        "telltale_evidently_reports_total",
        "counter",
        "",
        ("outcome",),
        "Evidently reports that were made, that failed, and that were left out because too many waited.",
    ),
    Metric(
        "telltale_monitor_rows_without_series_total",
        "counter",
        "",
        ("model",),
        "Rows whose attributes have no series of their own, because there are too many.",
    ),
)
