"""`telltale up`: the whole stack on one machine."""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from telltale import exits, private, survivors
from telltale.binaries import find
from telltale.cli import stack, start_logging
from telltale.serving.listen import on_stop
from telltale.settings import Settings, SettingsError, find_file, load, named_files
from telltale.supervise import Supervisor

log = logging.getLogger("telltale.up")

TICK = 0.2
SETTINGS_CHECK = 2.0
# Below the data folder: what runs, for the next start to end what outlives this one.
PIDS = "up.pids"


def configure(parser: argparse.ArgumentParser) -> None:
    """Nothing but the settings."""


def run(args: argparse.Namespace) -> int:
    settings = load(args.config)
    start_logging(settings.log_level)
    file = find_file(args.config)
    with only_one(settings.data_dir):
        pids = settings.data_dir / PIDS
        if ended := survivors.end(pids):
            log.warning("ended what an earlier start had left running: pid %s", ", ".join(map(str, ended)))
        prepare(settings)
        if unusable := stack.unusable(settings):
            print("\n".join(unusable), file=sys.stderr)
            return exits.USAGE
        _announce(settings)
        supervisor = Supervisor(stack.processes(settings, file), _print_line, pids=pids)
        run_until_stopped(supervisor, settings, file)
    return exits.OK


def prepare(settings: Settings) -> None:
    """Do all that can fail for wrong settings before anything starts: data folder, store, configuration."""
    from telltale.store import open_configured

    private.make_folder(settings.data_dir)
    stack.processes(settings, None)
    open_configured(settings).close()
    stack.write_configuration(settings)


def run_until_stopped(supervisor: Supervisor, settings: Settings, file: Path | None) -> None:
    """Run until SIGTERM or SIGINT; follow the settings' files for new scrape targets and for mended mistakes."""
    stop = threading.Event()
    on_stop(stop.set)
    watch = _SettingsWatch(settings, file, supervisor)
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
    private.make_folder(data_dir)
    with open(data_dir / "up.lock", "a+", opener=private.opener) as lock:
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
    """Applies what a changed settings file says, as far as that is safe while everything runs.

    New scrape targets are used at once. Parts that their settings kept down start again with the new ones, for which
    Prometheus and Alertmanager are told the new addresses. All else takes effect at the next start, and the log says
    so. Files that the settings name, such as that of a token, are followed too.
    """

    def __init__(self, settings: Settings, file: Path | None, supervisor: Supervisor) -> None:
        self._settings = settings
        self._file = file
        self._supervisor = supervisor
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
            # A part reads its settings when it starts: it may listen elsewhere then.
            self._supervisor.replace(stack.processes(new, self._file))
            if restarted := self._supervisor.retry():
                log.info("the settings changed: starting %s again", ", ".join(restarted))
                stack.write_configuration(new)
                self._supervisor.reload("prometheus")
                self._supervisor.reload("alertmanager")
            targets_changed = new.prometheus.scrape != self._settings.prometheus.scrape
            if targets_changed:
                stack.write_targets(new)
        except (SettingsError, OSError, subprocess.SubprocessError) as error:
            # A full disk is no reason to stop what runs either.
            log.error("the changed settings are not used: %s", error)
            return
        if targets_changed:
            log.info("scrape targets updated: %d", sum(len(target.targets) for target in new.prometheus.scrape))
        kept = new.model_copy(update={"prometheus": self._settings.prometheus})
        prometheus = new.prometheus.model_copy(update={"scrape": self._settings.prometheus.scrape})
        if kept != self._settings or prometheus != self._settings.prometheus:
            log.warning("what runs keeps its settings until the next start; only prometheus.scrape is used at once")
        else:
            self._settings = new

    def _read_stamp(self) -> list[tuple[int, int] | None]:
        return [_stamp(file) for file in (self._file, *named_files(self._settings).values())]


def _stamp(file: Path | None) -> tuple[int, int] | None:
    try:
        stat = file.stat() if file else None
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
