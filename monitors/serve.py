"""Run the monitors on a schedule and expose their scores."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from collections.abc import Collection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import generate_latest

from monitors import registry, report
from monitors.gauges import Gauges
from monitors.runs import Runs
from telltale.metrics import Metrics
from telltale.records import Window
from telltale.settings import Settings
from telltale.store import Store, StoreUnavailable, open_configured, retention

log = logging.getLogger(__name__)

EXIT_USAGE = 2
# A series without news for this many windows is gone.
SHOWN_WINDOWS = 12
PATIENCE_WINDOWS = 3
PRUNE_EVERY_S = 3600.0


def serve(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT. Returns 0, or 2 when the address cannot be used."""
    registry = CollectorRegistry()
    try:
        server = _page(settings.monitor.listen, registry)
    except OSError as error:
        print(f"monitor.listen = {settings.monitor.listen}: {error.strerror}", file=sys.stderr)
        return EXIT_USAGE
    store = open_configured(settings)
    stop = threading.Event()

    def told(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, told)
    signal.signal(signal.SIGINT, told)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        _schedule(settings, store, registry, stop)
    finally:
        server.shutdown()
        server.server_close()
        store.close()
    return 0


def judge_once(settings: Settings) -> int:
    """Judge what is due and make its evidence. Returns 0, or 1 when a monitor failed."""
    store = open_configured(settings)
    runs = Runs(store, settings.monitor, lambda window: _report(window, threading.Event()))
    try:
        runs.run(time.time())
    finally:
        runs.close(finish=True)
        store.close()
    return int(bool(runs.failed))


def _schedule(settings: Settings, store: Store, registry: CollectorRegistry, stop: threading.Event) -> None:
    runs = Runs(store, settings.monitor, lambda window: _report(window, stop))
    window = settings.monitor.window
    registry.register(Gauges(store, time.time, runs.waiting, PATIENCE_WINDOWS * window, SHOWN_WINDOWS * window))
    health = _Health(registry, settings.monitor.interval)
    next_prune = time.monotonic()
    while not stop.is_set():
        began = time.monotonic()
        try:
            new = runs.run(time.time())
            if began >= next_prune:
                next_prune = began + PRUNE_EVERY_S
                _prune(store, time.time() - settings.store.retention)
        except StoreUnavailable as error:
            log.warning("nothing judged: %s", error)
            health.failed()
        except Exception:  # whatever fails, the next run is due: a monitor that ended would watch nothing
            log.exception("the run failed")
            health.failed()
        else:
            if new:
                log.info("%d scores", new)
            health.done(time.monotonic() - began, time.time(), runs.failed)
        stop.wait(max(0.1, settings.monitor.interval - (time.monotonic() - began)))
    runs.close()


def _prune(store: Store, before: float) -> None:
    deleted = store.write(lambda connection: retention.prune(connection, before))
    if deleted:
        log.info("%d rows older than store.retention deleted", deleted)


class _Health:
    """Whether and when the monitors last ran."""

    def __init__(self, registry: CollectorRegistry, interval: float) -> None:
        metrics = Metrics(registry)
        self._success = metrics.gauge("telltale_monitor_success")
        self._last = metrics.gauge("telltale_monitor_last_success_timestamp_seconds")
        self._duration = metrics.gauge("telltale_monitor_duration_seconds")
        _set(metrics.gauge("telltale_monitor_interval_seconds"), interval)

    def failed(self) -> None:
        _set(self._success, 0)

    def done(self, seconds: float, now: float, failed: Collection[str]) -> None:
        for name in registry.names():
            self._success.labels(name).set(name not in failed)
            if name not in failed:
                self._last.labels(name).set(now)
        _set(self._duration, seconds)


def _set(gauge: Gauge, value: float) -> None:
    for name in registry.names():
        gauge.labels(name).set(value)


def _report(window: Window, stop: threading.Event) -> bytes | None:
    try:
        return report.make(window, stop)
    except (report.NoReport, OSError) as error:
        log.warning("no Evidently report: %s", error)
        return None


def _page(listen: str, registry: CollectorRegistry) -> ThreadingHTTPServer:
    class Page(BaseHTTPRequestHandler):
        # A client that sends nothing must not hold a thread for ever.
        timeout = 10.0

        def do_GET(self) -> None:
            if self.path in ("/-/healthy", "/-/ready"):
                self._answer(200, b"ok\n", "text/plain")
            elif self.path.partition("?")[0] == "/metrics":
                self._answer(200, generate_latest(registry), "text/plain; version=0.0.4; charset=utf-8")
            else:
                self._answer(404, b"see /metrics\n", "text/plain")

        def _answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """One line a scrape helps nobody."""

    host, _, port = listen.rpartition(":")
    return ThreadingHTTPServer((host.strip("[]"), int(port)), Page)
