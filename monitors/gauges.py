"""The newest scores as gauges, read from the store at each scrape: a restart shows the same, stale series vanish."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import get_args

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from monitors import registry
from telltale.metrics import gauge_family
from telltale.records import Score, ScoreState
from telltale.store import Store, StoreUnavailable, references, scores

Labels = tuple[str, ...]


class Gauges(Collector):
    """`waiting` are windows with too few rows yet, shown once a series had no judged window for `patience` seconds.

    A series without any news for `shown` seconds vanishes.
    """

    def __init__(
        self, store: Store, clock: Callable[[], float], waiting: Mapping[Labels, Score], patience: float, shown: float
    ) -> None:
        self._store = store
        self._clock = clock
        self._waiting = waiting
        self._patience = patience
        self._shown = shown

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        try:
            with self._store.read() as connection:
                found = scores.latest(connection, since=self._clock() - self._shown)
                frozen = references.frozen(connection)
        except StoreUnavailable:
            # Absent beats wrong: the run's own gauges show that something is wrong.
            return
        newest = list(self._with_waiting(_newest(found)).values())
        yield from _series(newest)
        yield _references(frozen, {(score.direction, score.model) for score in newest})
        yield from _own(newest)

    def _with_waiting(self, newest: dict[Labels, Score]) -> dict[Labels, Score]:
        for key, score in list(self._waiting.items()):
            judged = newest.get(key)
            if judged is None or judged.window_end < self._clock() - self._patience:
                newest[key] = score
        return newest


def _newest(found: Iterable[Score]) -> dict[Labels, Score]:
    """One score per series: an old version's ends when a newer version's appears."""
    newest: dict[Labels, Score] = {}
    for score in sorted(found, key=lambda score: score.window_end):
        newest[(score.monitor, score.signal, score.direction, score.model, score.tenant)] = score
    return newest


def _series(found: list[Score]) -> Iterable[Metric]:
    numbers: dict[str, Callable[[Score], float | None]] = {
        "telltale_monitor_effect": lambda score: score.effect,
        "telltale_monitor_threshold": lambda score: score.threshold,
        "telltale_monitor_p_value": lambda score: score.p_value,
        "telltale_monitor_samples": lambda score: float(score.samples),
    }
    for name, read in numbers.items():
        family = gauge_family(name)
        for score in found:
            value = read(score)
            if value is not None:
                family.add_metric(_labels(score), value)
        yield family
    states = gauge_family("telltale_monitor_state")
    for score in found:
        for state in get_args(ScoreState):
            states.add_metric([*_labels(score), state], float(score.state == state))
    yield states


def _references(frozen: Iterable[tuple[str, str, float]], shown: set[tuple[str, str]]) -> Metric:
    """When each shown series' reference was frozen; a model that is gone has none."""
    family = gauge_family("telltale_monitor_reference_timestamp_seconds")
    for model, direction, frozen_at in frozen:
        if (direction, model) in shown:
            family.add_metric([direction, model], frozen_at)
    return family


def _own(found: Iterable[Score]) -> Iterable[Metric]:
    """The monitors' own metrics, by model and version."""
    monitors = {monitor.name: monitor for monitor in registry.MONITORS}
    families: dict[str, GaugeMetricFamily] = {}
    for score in found:
        # A score may be from a monitor that no longer exists.
        monitor = monitors.get(score.monitor)
        for name, value in monitor.gauges(score).items() if monitor else ():
            family = families.setdefault(name, gauge_family(name))
            family.add_metric([score.model, score.version], value)
    return families.values()


def _labels(score: Score) -> list[str]:
    return [score.monitor, score.signal, score.direction, score.model, score.version, score.tenant]
