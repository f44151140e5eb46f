"""Evidently's numbers as metrics, beside ours: those of the newest reports, read from the store at each scrape."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from pydantic import ValidationError

from monitors.evidently.exchange import Numbers
from monitors.evidently.reports import Outcome
from telltale.evidence import codec
from telltale.metrics import counter_family, gauge_family
from telltale.store import Store, StoreUnavailable, evidently_reports

log = logging.getLogger(__name__)

# The others are on the page; each metric here is a series a column.
SHOWN: Final = ("ValueDrift", "MeanValue", "MissingValueCount.share")


class EvidentlyGauges(Collector):
    """Of at most `most` series and directions; `outcomes` tells how many reports ended how."""

    def __init__(self, store: Store, most: int, outcomes: Callable[[], Mapping[Outcome, int]]) -> None:
        self._store = store
        self._most = most
        self._outcomes = outcomes

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        reports_total = counter_family("telltale_evidently_reports_total")
        for outcome, number in self._outcomes().items():
            reports_total.add_metric([outcome], number)
        yield reports_total
        try:
            with self._store.read() as connection:
                newest = evidently_reports.newest(connection, self._most)
                known = evidently_reports.count(connection)
        except StoreUnavailable:
            # Absent beats wrong: the monitors' own gauges show that something is wrong.
            return
        values = gauge_family("telltale_evidently_value")
        detected = gauge_family("telltale_evidently_detected")
        ends = gauge_family("telltale_evidently_window_timestamp_seconds")
        for report in newest:
            labels = [report.direction, *report.series]
            ends.add_metric(labels, report.window_end)
            for one in _numbers(report.numbers).values:
                if one.metric in SHOWN:
                    values.add_metric([one.metric, one.column, one.method, *labels], one.value)
                if one.detected is not None:
                    detected.add_metric([one.column, one.method, *labels], float(one.detected))
        not_shown = gauge_family("telltale_evidently_series_not_shown")
        not_shown.add_metric([], known - len(newest))
        yield from (values, detected, ends, not_shown)


def _numbers(stored: object) -> Numbers:
    """None where a later version wrote them otherwise."""
    try:
        return codec.load(Numbers, stored)
    except ValidationError:
        return Numbers()
