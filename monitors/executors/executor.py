"""What an executor is, and how the series of a run share one."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from monitors import work
from monitors.work import Outcome, Task

Job: TypeAlias = Generator[Task, Outcome, None]
"""One series: it gives a task, is told its outcome, and goes on with the next; it reads and writes the store itself."""

# A worker that ends or hangs may have done so by chance, or for want of memory.
TRIES = 2


@dataclass(frozen=True, slots=True)
class Lost:
    """No outcome: the worker ended or hung; `why` says which."""

    why: str


class Executor(Protocol):
    """Does tasks, several at a time, and gives their outcomes in whatever order they come."""

    room: int
    """So many tasks may be under way at once."""

    def submit(self, number: int, task: Task) -> None:
        """Begin a task. Its number comes back with its outcome."""
        ...

    def collect(self) -> tuple[int, Outcome | Lost]:
        """Wait for one of the tasks that are under way."""
        ...

    def drop(self) -> None:
        """Forget all that is under way."""
        ...

    def close(self) -> None:
        """End all workers; what they are at is dropped."""
        ...


@dataclass(slots=True)
class _Part:
    """A task under way: all of what a job waits for, or one monitor's part of it."""

    task: Task
    whole: _Whole
    tries: int = 1


@dataclass(slots=True)
class _Whole:
    """What a job waits for: parts still under way, and what came of the others."""

    job: Job
    missing: int = 1
    outcomes: list[Outcome] = field(default_factory=list)


def drive(jobs: Iterable[Job], executor: Executor) -> None:
    """Do all jobs, as many at once as the executor has room for. They start in their order.

    A task whose worker ended or hung is done again, each monitor by itself, so that one takes no other with it; what
    fails again is told as failed. What a job raises ends all.
    """
    _Drive(executor).run(jobs)


class _Drive:
    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._number = 0
        self._parts: dict[int, _Part] = {}

    def run(self, jobs: Iterable[Job]) -> None:
        try:
            for job in jobs:
                self._go_on(job, None)
                while len(self._parts) >= self._executor.room:
                    self._collect()
            while self._parts:
                self._collect()
        finally:
            # After a job raised, outcomes of others are still to come: nobody waits for them.
            if self._parts:
                self._executor.drop()
            for part in self._parts.values():
                part.whole.job.close()

    def _go_on(self, job: Job, outcome: Outcome | None) -> None:
        try:
            task = next(job) if outcome is None else job.send(outcome)
        except StopIteration:
            return
        self._submit(_Part(task, _Whole(job)))

    def _submit(self, part: _Part) -> None:
        self._number += 1
        self._parts[self._number] = part
        self._executor.submit(self._number, part.task)

    def _collect(self) -> None:
        number, outcome = self._executor.collect()
        part = self._parts.pop(number)
        whole = part.whole
        if isinstance(outcome, Lost):
            if part.tries < TRIES:
                again = part.task.single()
                whole.missing += len(again) - 1
                for task in again:
                    self._submit(_Part(task, whole, part.tries + 1))
                return
            outcome = work.failed(part.task, outcome.why)
        whole.missing -= 1
        whole.outcomes.append(outcome)
        if not whole.missing:
            self._go_on(whole.job, work.joined(whole.outcomes))
