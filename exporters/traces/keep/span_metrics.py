"""Metrics of spans as they came: how many of each convention and operation, second spans of calls, what was dropped."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from exporters.traces.keep.tally import Tally
from telltale.metrics import Metrics


class SpanMetrics:
    """Counts the spans of requests. Its owner locks."""

    def __init__(self, registry: CollectorRegistry) -> None:
        metrics = Metrics(registry)
        self._spans = metrics.counter("telltale_collector_spans_total")
        self._operations = metrics.counter("telltale_collector_operations_total")
        self._duplicates = metrics.counter("telltale_collector_duplicates_total")
        self._dropped = metrics.counter("telltale_collector_dropped_total")

    def count(self, tally: Tally) -> None:
        """Count a request that is durable."""
        for convention, number in tally.conventions.items():
            self._spans.labels(convention).inc(number)
        for operation, number in tally.operations.items():
            self._operations.labels(operation).inc(number)
        for pair, number in tally.duplicates.items():
            self._duplicates.labels(pair).inc(number)
        if tally.dropped_attributes or tally.dropped_events:
            self._dropped.labels("attributes").inc(tally.dropped_attributes)
            self._dropped.labels("events").inc(tally.dropped_events)
