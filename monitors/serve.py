"""Run the monitors on a schedule and expose their scores."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping

from prometheus_client import CollectorRegistry, Gauge

from monitors import registry
from monitors.evidently import process
from monitors.evidently.exchange import Asked, Made
from monitors.evidently.gauges import EvidentlyGauges
from monitors.gauges import Gauges
from monitors.null_rates import NullRates
from monitors.runs import Runs
from telltale import exits
from telltale.metrics import Metrics
from telltale.serving import asgi, pages
from telltale.serving.listen import listen, on_stop
from telltale.settings import Settings
from telltale.store import Store, StoreUnavailable, open_configured

log = logging.getLogger(__name__)


def serve(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT. Returns an exit code. Raises UsageError, StoreUnavailable."""
    metrics, stop = Metrics(CollectorRegistry()), threading.Event()
    with listen("monitor.listen", settings.monitor.listen) as listener:
        store = open_configured(settings)
        on_stop(stop.set)
        app = asgi.Pages(None, pages.table(pages.exposition(metrics.registry), store.unready), settings.host_names)
        try:
            with asgi.in_background(app, listener):
                _schedule(settings, store, metrics, stop)
        finally:
            store.close()
    return exits.OK


def judge_once(settings: Settings, store: Store, show: Callable[[str, float], None]) -> tuple[int, list[str]]:
    """Judge what is due, make its evidence, and end. Returns how many scores are new, and the monitors that failed."""
    runs = _runs(settings, store, threading.Event())
    try:
        return runs.run(time.time(), show), sorted(runs.failed)
    finally:
        runs.close(finish=True)


def _runs(settings: Settings, store: Store, stop: threading.Event) -> Runs:
    """Reports that are being made end with `stop`."""

    def make(asked: Asked) -> Made:
        return process.make(asked, stop, settings.monitor.evidently.timeout)

    return Runs(store, settings.monitor, make, settings.store.retention)


def _schedule(settings: Settings, store: Store, metrics: Metrics, stop: threading.Event) -> None:
    runs = _runs(settings, store, stop)
    metrics.registry.register(Gauges(store, lambda: runs.folded))
    shown = settings.monitor.evidently.most_series
    metrics.registry.register(EvidentlyGauges(store, shown, lambda: runs.reports.outcomes))
    health = _Health(metrics, settings.monitor.interval)
    rates = NullRates(store, runs.judge_unchanged, metrics)
    allowed = metrics.gauge("telltale_monitor_alpha")
    for name, alpha in runs.alphas.items():
        allowed.labels(name).set(alpha)
    while not stop.is_set():
        began = time.monotonic()
        try:
            new = runs.run(time.time())
        except StoreUnavailable as error:
            log.warning("nothing judged: %s", error)
            health.failed()
        except Exception:  # whatever fails, the next run is due: a monitor that ended would watch nothing
            log.exception("the run failed")
            health.failed()
        else:
            if new:
                log.info("%d scores", new)
            health.done(runs.seconds, time.time(), runs.failed)
            rates.step(time.time())
        stop.wait(max(0.1, settings.monitor.interval - (time.monotonic() - began)))
    runs.close()


class _Health:
    """Whether and when the monitors last ran."""

    def __init__(self, metrics: Metrics, interval: float) -> None:
        self._success = metrics.gauge("telltale_monitor_success")
        self._last = metrics.gauge("telltale_monitor_last_success_timestamp_seconds")
        self._duration = metrics.gauge("telltale_monitor_duration_seconds")
        _set(metrics.gauge("telltale_monitor_interval_seconds"), interval)

    def failed(self) -> None:
        _set(self._success, 0)

    def done(self, seconds: Mapping[str, float], now: float, failed: Collection[str]) -> None:
        """After a run in which each monitor took so many seconds."""
        for name in registry.names():
            self._success.labels(name).set(name not in failed)
            self._duration.labels(name).set(seconds.get(name, 0.0))
            if name not in failed:
                self._last.labels(name).set(now)


def _set(gauge: Gauge, value: float) -> None:
    for name in registry.names():
        gauge.labels(name).set(value)
