"""What review says as gauges: what waits for labels, and how good models' answers are. Absent where nobody knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import get_args

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from telltale.metrics import gauge_family
from telltale.store import Store, StoreUnavailable
from telltale.store.review.audits import Audit, Recent
from telltale.store.review.queues import ItemState


class Gauges(Collector):
    """Absent while the store cannot be read."""

    def __init__(self, store: Store, clock: Callable[[], float], recent: Recent) -> None:
        self._store = store
        self._clock = clock
        self._recent = recent

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        now = self._clock()
        try:
            with self._store.read() as connection:
                found, waiting = self._recent.newest(connection, now), self._recent.waiting(connection, now)
        except StoreUnavailable:
            # Absent beats wrong: the store's own gauges show that something is wrong.
            return
        items = gauge_family("telltale_review_items")
        for state in get_args(ItemState):
            items.add_metric([state], waiting.get(state, 0))
        yield items
        yield from _quality(found)


def _quality(found: list[Audit]) -> Iterable[Metric]:
    read: dict[str, Callable[[Audit], float]] = {
        "telltale_quality_ratio": lambda one: one.estimate.mean,
        "telltale_quality_ratio_lower": lambda one: one.estimate.lower,
        "telltale_quality_ratio_upper": lambda one: one.estimate.upper,
        "telltale_quality_labels": lambda one: float(one.estimate.labels),
    }
    for name, value in read.items():
        family = gauge_family(name)
        for one in found:
            family.add_metric([one.model, one.version], value(one))
        yield family
