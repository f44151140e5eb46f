"""What the monitors say of each series as gauges, read from the store at each scrape: a restart shows the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from monitors import registry
from telltale.metrics import counter_family, gauge_family
from telltale.records import Score, SeriesState
from telltale.store import Store, StoreUnavailable, references, scores, series_states
from telltale.store.references import Reference
from telltale.store.series_states import SeriesStatus


class Gauges(Collector):
    """`folded` tells how many rows had no series of their own, by model."""

    def __init__(self, store: Store, folded: Callable[[], Mapping[str, int]]) -> None:
        self._store = store
        self._folded = folded

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        try:
            with self._store.read() as connection:
                statuses = series_states.load(connection)
                newest = scores.latest(connection)
                frozen = references.current(connection)
        except StoreUnavailable:
            # Absent beats wrong: the run's own gauges show that something is wrong.
            return
        yield _states(statuses)
        yield from _scores(newest)
        seen = {status.series for status in statuses}
        yield _references(one for one in frozen if one.series in seen)
        yield from _own(newest)
        yield _rows_folded(self._folded())


def _states(statuses: Iterable[SeriesStatus]) -> Metric:
    family = gauge_family("telltale_monitor_state")
    lanes = {monitor.name: monitor.lane for monitor in registry.MONITORS}
    for status in statuses:
        for state in get_args(SeriesState):
            labels = [*_labels(status), lanes.get(status.monitor, "ops"), state]
            family.add_metric(labels, float(status.state == state))
    return family


def _scores(newest: Iterable[Score]) -> Iterable[Metric]:
    numbers: dict[str, Callable[[Score], float | None]] = {
        "telltale_monitor_effect": lambda score: score.effect,
        "telltale_monitor_threshold": lambda score: score.threshold,
        "telltale_monitor_p_value": lambda score: score.p_value,
        "telltale_monitor_samples": lambda score: float(score.samples),
    }
    shown = list(newest)
    for name, read in numbers.items():
        family = gauge_family(name)
        for score in shown:
            value = read(score)
            if value is not None:
                family.add_metric(_labels(score), value)
        yield family


def _references(frozen: Iterable[Reference]) -> Metric:
    """When each series' reference was frozen, of those that were seen lately: versions come and go."""
    family = gauge_family("telltale_monitor_reference_timestamp_seconds")
    for reference in frozen:
        if reference.frozen_at is not None:
            family.add_metric([reference.basis, *reference.series], reference.frozen_at)
    return family


def _own(newest: Iterable[Score]) -> Iterable[Metric]:
    """The monitors' own metrics, by series."""
    monitors = {monitor.name: monitor for monitor in registry.MONITORS}
    families: dict[str, GaugeMetricFamily] = {}
    for score in newest:
        # A score may be from a monitor that no longer exists.
        monitor = monitors.get(score.monitor)
        for name, value in monitor.gauges(score).items() if monitor else ():
            family = families.setdefault(name, gauge_family(name))
            family.add_metric([*score.series], value)
    return families.values()


def _rows_folded(folded: Mapping[str, int]) -> CounterMetricFamily:
    family = counter_family("telltale_monitor_rows_without_series_total")
    for model, rows in folded.items():
        family.add_metric([model], rows)
    return family


def _labels(one: SeriesStatus | Score) -> list[str]:
    return [one.monitor, one.signal, one.direction, *one.series]
