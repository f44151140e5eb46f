"""prometheus_client objects made from the catalogue, for everything that is not on the per-span path."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from telltale.catalogue import Kind, Metric, metric

if TYPE_CHECKING:
    from telltale.store import Store


class Metrics:
    """Makes metrics of the catalogue in one registry; a name or type that the catalogue lacks is an error at start."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry

    def counter(self, name: str) -> Counter:
        entry = _entry(name, "counter")
        return Counter(entry.name, entry.help, entry.labels, registry=self.registry)

    def gauge(self, name: str) -> Gauge:
        entry = _entry(name, "gauge")
        return Gauge(entry.name, entry.help, entry.labels, registry=self.registry)

    def histogram(self, name: str) -> Histogram:
        entry = _entry(name, "histogram")
        return Histogram(entry.name, entry.help, entry.labels, registry=self.registry, buckets=entry.buckets)


def gauge_family(name: str) -> GaugeMetricFamily:
    """An empty gauge family, for collectors that build theirs fresh at every scrape so that stale series vanish."""
    entry = _entry(name, "gauge")
    return GaugeMetricFamily(entry.name, entry.help, labels=entry.labels)


def counter_family(name: str) -> CounterMetricFamily:
    """The same of a counter."""
    entry = _entry(name, "counter")
    return CounterMetricFamily(entry.name, entry.help, labels=entry.labels)


class WriterMetrics(Collector):
    """What a part's store committed and what waits, as it is at each scrape."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterable[Family]:
        commits, writes = self._store.committed
        for name, value in (("telltale_store_commits_total", commits), ("telltale_store_writes_total", writes)):
            counted = counter_family(name)
            counted.add_metric([], value)
            yield counted
        waiting = gauge_family("telltale_store_writes_waiting")
        waiting.add_metric([], self._store.waiting)
        yield waiting


def _entry(name: str, kind: Kind) -> Metric:
    entry = metric(name)
    if entry.kind != kind:
        raise ValueError(f"{name} is a {entry.kind} in the catalogue, not a {kind}")
    return entry
