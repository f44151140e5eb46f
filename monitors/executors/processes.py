"""Judge in processes beside this one, each bound to end with it.

A pool of our own, because those of the standard library lose all tasks when one worker ends, and end no worker that
hangs.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe, wait
from typing import Final

from monitors import work
from monitors.executors.executor import Lost
from monitors.work import Outcome, Task
from telltale.launch import bound

# Each takes memory of its own; more are for those who say so.
MOST_BY_ITSELF: Final = 4
# What many windows leave in a process is given back.
TASKS_EACH: Final = 500
# To import what judges takes a second, and longer where the machine is busy.
START_S: Final = 120.0
# A message goes in milliseconds where the other side reads it.
MESSAGE_S: Final = 60


class Processes:
    """`workers` processes, 0 for one a core; each has `patience` seconds for a window, and is ended after that."""

    def __init__(self, workers: int, patience: float) -> None:
        self.room = workers or min(MOST_BY_ITSELF, len(os.sched_getaffinity(0)))
        self._patience = patience
        self._idle: list[_Worker] = []
        self._busy: list[_Worker] = []

    def submit(self, number: int, task: Task) -> None:
        worker = self._idle.pop() if self._idle else _Worker()
        worker.take(number, task, self._patience)
        self._busy.append(worker)

    def collect(self) -> tuple[int, Outcome | Lost]:
        while True:
            worker = self._next()
            answer = worker.answer() if worker.pipe.poll() else Lost(f"not judged within {self._patience:g} s")
            if answer is None:
                worker.begin(self._patience)
                continue
            self._busy.remove(worker)
            if isinstance(answer, Lost) or worker.tasks >= TASKS_EACH:
                worker.end()
            else:
                self._idle.append(worker)
            return worker.number, answer

    def drop(self) -> None:
        for worker in self._busy:
            worker.end()
        self._busy.clear()

    def close(self) -> None:
        self.drop()
        for worker in self._idle:
            worker.end()
        self._idle.clear()

    def _next(self) -> _Worker:
        """The first worker that has answered, ended, or taken too long."""
        first = min(self._busy, key=lambda worker: worker.deadline)
        ready = wait([worker.pipe for worker in self._busy], max(0.0, first.deadline - time.monotonic()))
        return next((worker for worker in self._busy if worker.pipe in ready), first)


class _Worker:
    """One process. `number` and `deadline` are those of the task that it is at."""

    def __init__(self) -> None:
        self.number = 0
        self.deadline = 0.0
        self.tasks = 0
        self._is_ready = False
        self._task: Task | None = None
        self.pipe, other = Pipe()
        _limit(self.pipe)
        command = [sys.executable, "-m", "monitors.executors.processes", str(other.fileno())]
        self._child = subprocess.Popen(bound(command), stdin=subprocess.DEVNULL, pass_fds=[other.fileno()])
        other.close()

    def take(self, number: int, task: Task, patience: float) -> None:
        """Begin a task, or do so when it is ready: until then it would read nothing."""
        self.number, self._task, self.tasks = number, task, self.tasks + 1
        self.deadline = time.monotonic() + START_S
        if self._is_ready:
            self.begin(patience)

    def begin(self, patience: float) -> None:
        """What it does not take is lost when the time is over."""
        self._is_ready = True
        with suppress(OSError):
            self.pipe.send(self._task)
        self._task = None
        self.deadline = time.monotonic() + patience

    def answer(self) -> Outcome | Lost | None:
        """None when it is ready for its first task."""
        try:
            found: Outcome | None = self.pipe.recv()
        except (EOFError, OSError):
            return Lost("the worker ended")
        return found

    def end(self) -> None:
        self._child.kill()
        self._child.wait()
        self.pipe.close()


def _limit(pipe: Connection) -> None:
    """No message waits for ever for a process that hangs in the middle of it."""
    seconds = struct.pack("ll", MESSAGE_S, 0)
    with socket.socket(fileno=os.dup(pipe.fileno())) as end:
        for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
            end.setsockopt(socket.SOL_SOCKET, option, seconds)


def _tasks(pipe: Connection) -> Iterator[Task]:
    while True:
        try:
            yield pipe.recv()
        except EOFError:
            return


def _serve(pipe: Connection) -> None:
    # Ctrl-C is the parent's affair.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe.send(None)
    for task in _tasks(pipe):
        pipe.send(work.judge(task))


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])))
