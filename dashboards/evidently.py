"""Evidently's numbers beside those of the monitors, on the models' page."""

from __future__ import annotations

from dashboards import style
from dashboards.panels import About, Look, lines, table
from dashboards.query import Query, where
from dashboards.style import Json


def panels(series: str, of: str) -> list[Json]:
    """`series` is the selector of what is chosen, `of` the labels of a series of traffic."""
    return [_columns(series, of), _share(series, of), _reports()]


def _columns(series: str, of: str) -> Json:
    by = f"column, method, direction, {of}"
    of_scores, of_means = (where(series, f'metric="{name}"') for name in ("ValueDrift", "MeanValue"))

    def of_drift(expression: str) -> Query:
        return Query(f"max by ({by}) ({expression})", table=True)

    ended = (
        f"telltale_evidently_detected{series} * 0"
        f" + on (direction, {of}) group_left max by (direction, {of})"
        f" (telltale_evidently_window_timestamp_seconds{series}) * 1000"
    )
    heads = {
        "model": "Model",
        "version": "Version",
        "tenant": "Tenant",
        "segment": "Segment",
        "direction": "Direction",
        "column": "Column",
        "method": "Method",
        "Value #A": "Evidently says",
        "Value #B": "Its score",
        "Value #C": "Mean",
        "Value #D": "Window ended",
    }
    mean = (
        f"telltale_evidently_detected{series} * 0 + on (column, direction, {of}) group_left"
        f" max by (column, direction, {of}) (telltale_evidently_value{of_means})"
    )
    return table(
        "Evidently's newest report of each series, by column",
        About(
            "What Evidently says of each property of the texts by itself. A p-value is drift to it when small, a"
            " distance when large. It alarms nobody: it counts rows that belong together as many, and tests each column"
            " as if it were the only one.",
            "decide by the monitors above; the report says how the two go together.",
        ),
        Look(
            "none",
            overrides=[
                style.by_name(
                    "Evidently says",
                    mappings=style.values({"0": ("drift not detected", "text"), "1": ("drift detected", "text")}),
                    custom__width=160,
                ),
                style.by_name("Its score", decimals=4),
                style.by_name("Mean", decimals=2),
                style.by_name("Window ended", unit="dateTimeAsIso"),
            ],
        ),
        heads,
        of_drift(f"telltale_evidently_detected{series}"),
        of_drift(f"telltale_evidently_value{of_scores}"),
        of_drift(mean),
        of_drift(ended),
        sort="Evidently says",
        height=8,
    )


def _share(series: str, of: str) -> Json:
    by = f"direction, {of}"
    return lines(
        "Columns that Evidently says drifted",
        About(
            "Share of columns of the newest report of each series for which Evidently says drift, the ten largest. In"
            " unchanged traffic some columns do by chance.",
            "nothing by itself; where it parts from our states for long, read a report.",
        ),
        Look("percentunit"),
        Query(
            f"topk(10, avg by ({by}) (telltale_evidently_detected{series}))",
            "{{model}} {{version}} {{direction}} {{tenant}} {{segment}}",
        ),
        width=16,
        height=7,
        legend="beside",
    )


def _reports() -> Json:
    return lines(
        "Evidently reports",
        About(
            "Reports made in the last hour, failed, and left out because too many waited or a newer one took the place;"
            " and series whose numbers are not shown here because there are too many.",
            "failed: an alarm's page says why. Many left out: set monitor.evidently.when to alarm or daily.",
        ),
        Look("short", decimals=0),
        Query("sum by (outcome) (increase(telltale_evidently_reports_total[1h]))", "{{outcome}}"),
        Query("sum(telltale_evidently_series_not_shown)", "series not shown"),
        width=8,
        height=7,
    )
