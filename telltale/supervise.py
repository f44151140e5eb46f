"""Keep processes running: start, restart with back-off, stop cleanly, leave no orphans.

Each child runs in a session of its own, so that Ctrl-C reaches only the supervisor, which then stops the children in
order. If the supervisor is killed, the kernel ends the children (`PR_SET_PDEATHSIG`, prctl(2)).
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from telltale import exits
from telltale.launch import bound

log = logging.getLogger(__name__)

FIRST_DELAY = 0.5
LONGEST_DELAY = 60.0
# A process that ran this long started successfully: its next failure counts as the first.
GOOD_RUN = 30.0
STOP_TIMEOUT = 15.0
LINES_KEPT = 20

Sink = Callable[[str, str], None]
"""Called with a process's name and each line that it prints."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process to keep running."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    exit_codes_final: frozenset[int] = frozenset({exits.USAGE})
    """Codes that a restart cannot fix, such as wrong settings or an address in use."""


@dataclass(slots=True)
class _Child:
    process: Process
    popen: subprocess.Popen[str] | None = None
    started: float = 0.0
    failures: int = 0
    start_at: float = 0.0
    given_up: bool = False
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=LINES_KEPT))


@dataclass(frozen=True, slots=True)
class State:
    """The state of a process: `pid` is None while it waits for its next start."""

    name: str
    pid: int | None
    failures: int
    given_up: bool
    last_lines: tuple[str, ...]


class Supervisor:
    """Keeps processes running until `stop`. Use it from one thread: a child dies with the thread that started it."""

    def __init__(self, processes: Sequence[Process], sink: Sink, clock: Callable[[], float] = time.monotonic) -> None:
        self._children = [_Child(process) for process in processes]
        self._sink = sink
        self._clock = clock

    def tick(self) -> None:
        """Start every process that should run but does not; call this a few times a second."""
        now = self._clock()
        for child in self._children:
            if child.popen is not None and child.popen.poll() is not None:
                self._ended(child, child.popen.returncode, now)
            if child.popen is None and not child.given_up and now >= child.start_at:
                self._start(child, now)

    def states(self) -> list[State]:
        return [
            State(c.process.name, c.popen.pid if c.popen else None, c.failures, c.given_up, tuple(c.last_lines))
            for c in self._children
        ]

    def stop(self, timeout: float = STOP_TIMEOUT) -> None:
        """Send SIGTERM to all and wait; send SIGKILL to those still running after `timeout` seconds."""
        running = [child for child in self._children if child.popen is not None and child.popen.poll() is None]
        for child in running:
            _signal(child, signal.SIGTERM)
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
            child.popen = None

    def _start(self, child: _Child, now: float) -> None:
        child.popen = subprocess.Popen(
            bound(child.process.command),
            env={**os.environ, "PYTHONUNBUFFERED": "1", **child.process.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        child.started = now
        log.info("%s started (pid %d)", child.process.name, child.popen.pid)
        threading.Thread(target=self._pump, args=(child, child.popen), daemon=True).start()

    def _ended(self, child: _Child, code: int, now: float) -> None:
        child.failures = 1 if now - child.started >= GOOD_RUN else child.failures + 1
        child.popen = None
        child.given_up = code in child.process.exit_codes_final
        if child.given_up:
            log.error("%s ended with code %d, which a restart does not mend", child.process.name, code)
            return
        delay = min(FIRST_DELAY * 2 ** (child.failures - 1), LONGEST_DELAY)
        child.start_at = now + delay
        log.warning("%s ended with code %d; next start in %.1f s", child.process.name, code, delay)

    def _pump(self, child: _Child, popen: subprocess.Popen[str]) -> None:
        if popen.stdout is None:
            return
        with popen.stdout:
            for line in popen.stdout:
                child.last_lines.append(line.rstrip())
                self._sink(child.process.name, line.rstrip())


def _signal(child: _Child, number: signal.Signals) -> None:
    if child.popen is not None and child.popen.poll() is None:
        child.popen.send_signal(number)
