"""Keep processes running: start, restart with back-off or when they hang, stop cleanly, leave no orphans.

Each child runs in a session of its own, so that Ctrl-C reaches only the supervisor, which then stops the children in
order, and so that a child's own children end with it. If the supervisor is killed, the kernel ends the children
(`PR_SET_PDEATHSIG`, prctl(2)); those that hang are ended by the next one, which finds them in the list that this one
keeps (`survivors`).
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from telltale import exits, survivors
from telltale.launch import bound
from telltale.liveness import EVERY_S, Watch, responds

log = logging.getLogger(__name__)

FIRST_DELAY = 0.5
LONGEST_DELAY = 60.0
# A process that ran this long started successfully: its next failure counts as the first.
GOOD_RUN = 30.0
# Of one whose settings cannot be used: they may be mended without the settings' file, such as by freeing a port.
SETTINGS_DELAY = 60.0
STOP_TIMEOUT = 15.0
# A start may take this long before silence counts: migrations, a large write-ahead log of Prometheus.
START_GRACE = 120.0
# Questions in a row without a response, five to ten seconds each, until a process is taken as hung: half a minute, so
# that neither a long garbage collection nor a busy machine ends one that works.
MISSED = 5
LINES_KEPT = 20

Sink = Callable[[str, str], None]
"""Called with a process's name and each line that it prints."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process to keep running."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    exit_codes_blocked: frozenset[int] = frozenset({exits.USAGE})
    """Codes that no quick restart mends, such as wrong settings or an address in use."""
    listens: str = ""
    """The address at which it responds while it is alive; empty: nobody asks."""


@dataclass(slots=True)
class _Child:
    process: Process
    popen: subprocess.Popen[str] | None = None
    started: float = 0.0
    failures: int = 0
    start_at: float = 0.0
    blocked: bool = False
    watch: Watch | None = None
    # When it is killed if it has not ended by then.
    kill_at: float | None = None
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=LINES_KEPT))


@dataclass(frozen=True, slots=True)
class State:
    """The state of a process: `pid` is None while it waits for its next start, `blocked` if settings keep it down."""

    name: str
    pid: int | None
    failures: int
    blocked: bool
    last_lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds, and how many questions without a response in a row, before a process is taken as hung."""

    start: float = START_GRACE
    missed: int = MISSED
    stop: float = STOP_TIMEOUT


class Supervisor:
    """Keeps processes running until `stop`. Use it from one thread: a child dies with the thread that started it."""

    def __init__(
        self,
        processes: Sequence[Process],
        sink: Sink,
        clock: Callable[[], float] = time.monotonic,
        *,
        pids: Path | None = None,
        patience: Patience = Patience(),
        ask: Callable[[str], bool] = responds,
        every: float = EVERY_S,
    ) -> None:
        """`pids`: the file that lists what runs, for the next supervisor to end what survives this one.

        `ask`: whether what listens at an address responds, asked `every` so many seconds of each process.
        """
        self._children = [_Child(process) for process in processes]
        self._sink = sink
        self._clock = clock
        self._pids = pids
        self._patience = patience
        self._ask, self._every = ask, every

    def tick(self) -> None:
        """Start every process that should run but does not, and end those that hang; call this a few times a second."""
        now = self._clock()
        for child in self._children:
            if child.popen is not None and child.popen.poll() is not None:
                self._ended(child, child.popen.returncode, now)
            if child.popen is None and now >= child.start_at:
                self._start(child, now)
            elif child.popen is not None:
                self._end_if_hung(child, now)

    def replace(self, processes: Iterable[Process]) -> None:
        """What is to run from each one's next start on, by name: the settings have changed. What runs stays."""
        new = {process.name: process for process in processes}
        for child in self._children:
            child.process = new.get(child.process.name, child.process)

    def retry(self) -> list[str]:
        """Start at once what waits because of its settings: they have changed. Returns the names."""
        waiting = [child for child in self._children if child.popen is None and child.blocked]
        for child in waiting:
            child.start_at, child.failures, child.blocked = self._clock(), 0, False
        return [child.process.name for child in waiting]

    def reload(self, name: str) -> None:
        """Have a process read its configuration again, as Prometheus and Alertmanager do on SIGHUP."""
        for child in self._children:
            if child.process.name == name:
                _signal(child, signal.SIGHUP)

    def states(self) -> list[State]:
        return [
            State(c.process.name, c.popen.pid if c.popen else None, c.failures, c.blocked, tuple(c.last_lines))
            for c in self._children
        ]

    def stop(self, timeout: float = STOP_TIMEOUT) -> None:
        """Send SIGTERM to all and wait; send SIGKILL to those still running after `timeout` seconds."""
        running = [child for child in self._children if child.popen is not None and child.popen.poll() is None]
        for child in running:
            _end(child)
        deadline = self._clock() + timeout
        for child in running:
            if child.popen is None:
                continue
            try:
                child.popen.wait(max(0.1, deadline - self._clock()))
            except subprocess.TimeoutExpired:
                log.warning("%s did not stop in %.0f s and was killed", child.process.name, timeout)
                _signal(child, signal.SIGKILL)
                child.popen.wait()
            self._forget(child)
        self._note()

    def _start(self, child: _Child, now: float) -> None:
        try:
            child.popen = _open(child.process)
        except OSError as error:
            # No memory or process left for now: the others go on.
            child.failures += 1
            delay = _delay(child.failures)
            child.start_at = now + delay
            log.error("%s cannot be started: %s; next try in %.1f s", child.process.name, error.strerror, delay)
            return
        child.started, child.kill_at = now, None
        address = child.process.listens
        child.watch = Watch(lambda: self._responds(child, address), self._every) if address else None
        self._note()
        level = logging.DEBUG if child.blocked else logging.INFO
        log.log(level, "%s started (pid %d)", child.process.name, child.popen.pid)
        threading.Thread(target=self._pump, args=(child, child.popen), daemon=True).start()

    def _responds(self, child: _Child, address: str) -> bool:
        # It may have read changed settings before we saw them, and listen there already.
        return any(self._ask(asked) for asked in dict.fromkeys((address, child.process.listens)) if asked)

    def _end_if_hung(self, child: _Child, now: float) -> None:
        patience, watch = self._patience, child.watch
        if child.kill_at is not None:
            if now >= child.kill_at:
                log.error("%s did not stop in %.0f s and is killed", child.process.name, patience.stop)
                _signal(child, signal.SIGKILL)
                child.kill_at = float("inf")
        elif watch is not None and watch.missed >= patience.missed and now - child.started >= patience.start:
            log.error(
                "%s does not respond (asked %d times) and is restarted", child.process.name, watch.missed,
            )  # fmt: skip
            child.kill_at = now + patience.stop
            _end(child)

    def _ended(self, child: _Child, code: int, now: float) -> None:
        was_blocked = child.blocked
        child.failures = 1 if now - child.started >= GOOD_RUN else child.failures + 1
        child.blocked = code in child.process.exit_codes_blocked
        self._forget(child)
        self._note()
        if child.blocked:
            child.start_at = now + SETTINGS_DELAY
            if not was_blocked:
                log.error(
                    "%s ended with code %d: its settings cannot be used (see its lines above); it is tried again each "
                    "minute, and at once when the settings change", child.process.name, code,
                )  # fmt: skip
            return
        delay = _delay(child.failures)
        child.start_at = now + delay
        log.warning("%s ended with code %d; next start in %.1f s", child.process.name, code, delay)

    def _forget(self, child: _Child) -> None:
        """Leave nothing of a process that ended: what it started itself ends too."""
        if child.popen is not None:
            survivors.kill_group(child.popen.pid)
        if child.watch is not None:
            child.watch.stop()
        child.popen = child.watch = child.kill_at = None

    def _note(self) -> None:
        if self._pids is None:
            return
        try:
            survivors.note(self._pids, [child.popen.pid for child in self._children if child.popen is not None])
        except OSError as error:
            # Such as a full disk: it is no reason to stop what runs.
            log.warning("%s cannot be written: %s; what hangs would survive a kill", self._pids, error.strerror)

    def _pump(self, child: _Child, popen: subprocess.Popen[str]) -> None:
        if popen.stdout is None:
            return
        with popen.stdout:
            for line in popen.stdout:
                child.last_lines.append(line.rstrip())
                self._sink(child.process.name, line.rstrip())


def _open(process: Process) -> subprocess.Popen[str]:
    return subprocess.Popen(
        bound(process.command),
        env={**os.environ, "PYTHONUNBUFFERED": "1", **process.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )


def _delay(failures: int) -> float:
    """Seconds until the next start after so many failures in a row."""
    return min(FIRST_DELAY * 2.0 ** min(failures - 1, 10), LONGEST_DELAY)


def _end(child: _Child) -> None:
    """Ask a process to end, also one that was stopped (SIGSTOP)."""
    _signal(child, signal.SIGTERM)
    _signal(child, signal.SIGCONT)


def _signal(child: _Child, number: signal.Signals) -> None:
    if child.popen is not None and child.popen.poll() is None:
        child.popen.send_signal(number)
