"""The parent's watch over the sampler: starts it, notices a driver call that hangs, and carries on without that GPU.

The parent is single-threaded and never loads the driver's library, so it can fork at any time and cannot hang.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import time
from collections.abc import Callable
from typing import Any, NoReturn

from exporters.gpu import sampler
from exporters.gpu.config import Config
from exporters.gpu.shared_page import NO_GPU, Page, Snapshot

log = logging.getLogger("telltale.gpu")

FIRST_RETRY, LONGEST_RETRY = 10.0, 300.0
"""Seconds until a GPU that hung is tried again, doubled each time it hangs again."""
MOST_ABANDONED = 3
QUICK_BACKOFF, SLOW_BACKOFF = 1.0, 5.0
MISMATCH = "driver_library_mismatch"


class Child:
    """One forked process and the page it writes."""

    def __init__(self, work: Callable[[Page, int], NoReturn], skipped: frozenset[int] = frozenset()) -> None:
        self.page = Page()
        for gpu in skipped:
            self.page.skip(gpu, True)
        self.started = time.monotonic()
        self.killed_at = 0.0
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            work(self.page, parent)

    def ended(self) -> int | None:
        """Its exit code (minus the signal) once it is gone. A child that somebody else reaped counts as gone."""
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            return 0
        return os.waitstatus_to_exitcode(status) if pid else None

    def send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.killed_at = time.monotonic()


class Quarantine:
    """A GPU whose call hung: left alone until `retry`."""

    def __init__(self, call: str, now: float) -> None:
        self.call = call
        self.pause = FIRST_RETRY
        self.retry = now + self.pause

    def extend(self, now: float) -> None:
        self.pause = min(LONGEST_RETRY, self.pause * 2)
        self.retry = now + self.pause


class Watch:
    """Keeps one sampler running. `tick` often; read `snapshot`, `quarantined`, `error` at will."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.child: Child | None = None
        self.probe: tuple[int, Child] | None = None
        self.abandoned: list[Child] = []
        self.quarantined: dict[int, Quarantine] = {}
        # Zero from the start, so that increase() sees the first one.
        self.restarts = {"driver": 0, "died": 0, "hung": 0}
        self.error = "starting"
        self.released = False
        self.mismatch_since: float | None = None
        self.snapshot: Snapshot | None = None
        self._saved: dict[str, Any] = {}
        self._start_at, self._backoff = 0.0, 0.0
        self._events, self._event_hangs = True, 0

    def tick(self, now: float) -> None:
        """Start, check and stop processes. Quick, never blocks."""
        self.abandoned = [child for child in self.abandoned if child.ended() is None]
        if self.child is not None:
            self._check_sampler(self.child, now)
        if self.probe is not None:
            self._check_probe(*self.probe, now)
        elif not self.released:
            self._probe_due(now)
        if self.child is None and not self.released and now >= self._start_at:
            self._start()

    def refresh(self) -> Snapshot | None:
        """The newest page, from the shared memory when it changed."""
        child = self.child
        if child is not None and (self.snapshot is None or child.page.sequence != self.snapshot.sequence):
            self._read_page(child)
        return self.snapshot

    def stop(self, patience: float = 2.0) -> None:
        """Stop every child process: SIGTERM, then SIGKILL."""
        children = [child for child in (self.child, self.probe[1] if self.probe else None) if child]
        for child in children:
            child.send(signal.SIGTERM)
        until = time.monotonic() + patience
        while children and time.monotonic() < until:
            children = [child for child in children if child.ended() is None]
            time.sleep(0.01)
        for child in children:
            child.kill()
        self.child = self.probe = None

    def release(self, released: bool) -> None:
        """Release the driver, so that it can be unloaded or a GPU unbound; or open it again."""
        self.released = released
        if released:
            self.stop()
            self.error = "released on request (SIGUSR1)"
        log.warning("driver %s", "released" if released else "opened again")

    def _read_page(self, child: Child) -> None:
        fresh = child.page.read()
        if fresh is None:
            return
        self.snapshot = fresh
        if self.error:
            log.info("readings arrive (process %d)%s", child.pid, " of SIMULATED GPUs" if self._config.simulate else "")
        self.error, self._backoff, self.mismatch_since = "", 0.0, None

    def _start(self) -> None:
        if len(self.abandoned) >= MOST_ABANDONED:
            self.error = f"{len(self.abandoned)} samplers hang in the driver and cannot be killed"
            return
        saved, config, events = self._saved_counters(), self._config, self._events

        def work(page: Page, parent: int) -> NoReturn:
            sampler.run(config, page, saved, parent, events)

        self.snapshot = None if self.snapshot is None else self.snapshot._replace(sequence=0)
        self.child = Child(work, frozenset(self.quarantined))

    def _saved_counters(self) -> dict[str, Any]:
        """The counters of the last page, for the next sampler to go on with."""
        if self.snapshot is not None:
            self._saved |= json.loads(self.snapshot.facts)["counters"]
        return self._saved

    def _check_sampler(self, child: Child, now: float) -> None:
        self.refresh()
        code = child.ended()
        if code is not None:
            self._sampler_ended(child, code, now)
            return
        since, gpu, call = child.page.current()
        waiting = child.page.waiting_since()
        if since and now - since > self._config.watchdog:
            self._sampler_hung(child, gpu, call, now)
        elif waiting and now - waiting > 1.0 + self._config.watchdog:
            self._event_hangs += 1
            self._events = self._event_hangs < 3
            self._sampler_hung(child, NO_GPU, "nvmlEventSetWait_v2", now)

    def _sampler_ended(self, child: Child, code: int, now: float) -> None:
        self.child = None
        reported = child.page.error()
        failed = reported or f"the sampler ended with {code}"
        if failed != self.error:
            log.warning("no readings: %s", failed)
        self.error = failed
        if MISMATCH in reported and self.mismatch_since is None:
            self.mismatch_since = now
        longest = QUICK_BACKOFF if reported else SLOW_BACKOFF
        self._schedule_restart("driver" if reported else "died", now, 0.1, longest)

    def _sampler_hung(self, child: Child, gpu: int, call: str, now: float) -> None:
        child.kill()
        self.child = None
        self.abandoned.append(child)
        if gpu == NO_GPU:
            self.error = f"{call} hangs"
            self._schedule_restart("hung", now, 0.5, SLOW_BACKOFF)
        else:
            self.quarantined[gpu] = Quarantine(call, now)
            self._schedule_restart("hung", now, 0.0, 0.0)
        log.error("%s hangs%s; sampler killed", call, "" if gpu == NO_GPU else f" on GPU {gpu}, now left alone")

    def _schedule_restart(self, reason: str, now: float, first: float, longest: float) -> None:
        self.restarts[reason] += 1
        self._backoff = min(longest, max(first, self._backoff * 2))
        self._start_at = now + self._backoff

    def _probe_due(self, now: float) -> None:
        due = [gpu for gpu, quarantine in self.quarantined.items() if now >= quarantine.retry]
        if not due or len(self.abandoned) >= MOST_ABANDONED:
            return
        gpu, config = min(due, key=lambda gpu: self.quarantined[gpu].retry), self._config

        def work(page: Page, parent: int) -> NoReturn:
            sampler.probe(config, page, gpu, parent)

        self.probe = gpu, Child(work, frozenset(range(256)) - {gpu})

    def _check_probe(self, gpu: int, child: Child, now: float) -> None:
        code = child.ended()
        if code is None and now - child.started <= self._config.watchdog + 1.0:
            return
        self.probe = None
        if code is None:
            child.kill()
            self.abandoned.append(child)
        if code == 0:
            self._end_quarantine(gpu)
        elif gpu in self.quarantined:
            self.quarantined[gpu].extend(now)

    def _end_quarantine(self, gpu: int) -> None:
        del self.quarantined[gpu]
        if self.child is not None:
            self.child.page.skip(gpu, False)
        # The driver responds again: the other GPUs need not wait for their retry.
        for quarantine in self.quarantined.values():
            quarantine.retry = 0.0
        log.warning("GPU %d responds again", gpu)
