"""`telltale up`: the whole stack on one machine."""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from telltale import exits
from telltale.binaries import find
from telltale.cli import stack, start_logging
from telltale.settings import Settings, SettingsError, find_file, load
from telltale.supervise import Supervisor

log = logging.getLogger("telltale.up")

TICK = 0.2
SETTINGS_CHECK = 2.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Nothing but the settings."""


def run(args: argparse.Namespace) -> int:
    settings = load(args.config)
    start_logging(settings.log_level)
    file = find_file(args.config)
    with only_one(settings.data_dir):
        prepare(settings)
        for line in stack.taken(settings):
            print(line, file=sys.stderr)
        if stack.taken(settings):
            return exits.USAGE
        _announce(settings)
        supervisor = Supervisor(stack.processes(settings, file), _show)
        until_told(supervisor, settings, file)
    return exits.OK


def prepare(settings: Settings) -> None:
    """Everything that can be refused, before anything starts: folder, store, configuration."""
    from telltale.store import open_configured

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    # Prompts, keys' hashes and the audit log are nobody else's business.
    settings.data_dir.chmod(0o700)
    stack.processes(settings, None)
    open_configured(settings).close()
    stack.write_configuration(settings)


def until_told(supervisor: Supervisor, settings: Settings, file: Path | None) -> None:
    """Run until SIGTERM or SIGINT; follow the settings file for new scrape targets."""
    told = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal told
        told = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    watch = _SettingsWatch(settings, file)
    try:
        while not told:
            supervisor.tick()
            watch.tick()
            time.sleep(TICK)
    finally:
        log.info("stopping")
        supervisor.stop()


@contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Hold the data folder. Raises SettingsError when another stack holds it."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "up.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise SettingsError(
                f"data_dir = {data_dir}: "
                f"another stack (pid {lock.read().strip() or '?'}) runs in it; stop it or choose another"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


class _SettingsWatch:
    """Takes new scrape targets from a changed settings file; says that other changes need a restart."""

    def __init__(self, settings: Settings, file: Path | None) -> None:
        self._settings = settings
        self._file = file
        self._stamp = self._read_stamp()
        self._next = 0.0

    def tick(self) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + SETTINGS_CHECK
        stamp = self._read_stamp()
        if stamp != self._stamp:
            self._stamp = stamp
            self._changed()

    def _changed(self) -> None:
        try:
            new = load(self._file)
        except SettingsError as error:
            log.error("the changed settings are not used: %s", error)
            return
        if new.prometheus.scrape != self._settings.prometheus.scrape:
            stack.write_targets(new)
            log.info("scrape targets updated: %d", sum(len(target.targets) for target in new.prometheus.scrape))
        kept = new.model_copy(update={"prometheus": self._settings.prometheus})
        prometheus = new.prometheus.model_copy(update={"scrape": self._settings.prometheus.scrape})
        if kept != self._settings or prometheus != self._settings.prometheus:
            log.warning("settings other than prometheus.scrape changed; they take effect at the next start")
        else:
            self._settings = new

    def _read_stamp(self) -> tuple[int, int] | None:
        try:
            stat = self._file.stat() if self._file else None
        except OSError:
            return None
        return (stat.st_mtime_ns, stat.st_size) if stat else None


def _announce(settings: Settings) -> None:
    log.info("pages and feedback API: %s", settings.web_url)
    log.info("OTLP: grpc %s, http %s", settings.collector.grpc_listen, settings.collector.http_listen)
    log.info("Prometheus: %s, Alertmanager: %s", settings.prometheus_url, settings.alertmanager_url)
    if find(settings, "grafana") is None:
        log.info("Grafana: no binary found; `telltale dashboards` writes what it reads")


def _show(name: str, line: str) -> None:
    print(f"{name:<13}| {line}", file=sys.stderr, flush=True)
