"""The share of ordinary sampled calls that had content; absent before the first one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from telltale.metrics import gauge_family

# With each call, the weight of all that came before.
RECENT: Final = 0.99


class Coverage(Collector):
    """A moving average over the last hundred calls or so."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._ratio: float | None = None
        registry.register(self)

    def add(self, covered: float) -> None:
        """1 for a call with content, 0 for one without."""
        self._ratio = covered if self._ratio is None else RECENT * self._ratio + (1 - RECENT) * covered

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = gauge_family("telltale_collector_content_coverage_ratio")
        if self._ratio is not None:
            family.add_metric([], self._ratio)
        yield family
