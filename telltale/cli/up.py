"""`telltale up`: the whole stack on one machine."""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from telltale import exits
from telltale.binaries import find
from telltale.cli import stack, start_logging
from telltale.serving.listen import on_stop
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
        if unusable := stack.unusable(settings):
            print("\n".join(unusable), file=sys.stderr)
            return exits.USAGE
        _announce(settings)
        supervisor = Supervisor(stack.processes(settings, file), _print_line)
        run_until_stopped(supervisor, settings, file)
    return exits.OK


def prepare(settings: Settings) -> None:
    """Do all that can fail for wrong settings before anything starts: data folder, store, configuration."""
    from telltale.store import open_configured

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    # Prompts, hashes of API keys and the audit log are for this user only.
    settings.data_dir.chmod(0o700)
    stack.processes(settings, None)
    open_configured(settings).close()
    stack.write_configuration(settings)


def run_until_stopped(supervisor: Supervisor, settings: Settings, file: Path | None) -> None:
    """Run until SIGTERM or SIGINT; follow the settings file for new scrape targets."""
    stop = threading.Event()
    on_stop(stop.set)
    watch = _SettingsWatch(settings, file)
    try:
        while not stop.is_set():
            supervisor.tick()
            watch.tick()
            stop.wait(TICK)
    finally:
        log.info("stopping")
        supervisor.stop()


@contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Lock the data folder. Raises SettingsError when another stack has locked it."""
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
    """Applies new scrape targets of a changed settings file; logs that other changes need a restart."""

    def __init__(self, settings: Settings, file: Path | None) -> None:
        self._settings = settings
        self._file = file
        self._stamp = self._read_stamp()
        self._next_check = 0.0

    def tick(self) -> None:
        if time.monotonic() < self._next_check:
            return
        self._next_check = time.monotonic() + SETTINGS_CHECK
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


def _print_line(name: str, line: str) -> None:
    print(f"{name:<13}| {line}", file=sys.stderr, flush=True)
