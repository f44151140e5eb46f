"""One writer thread: it takes what is waiting, runs it in one transaction, and answers after the commit.

A commit that is shared by many writes costs one fsync, so durable writes stay cheap under load; with one write at a
time it is no slower than a commit per write.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from telltale.store.errors import StoreBusy, StoreUnavailable, is_damage, is_passing, reason

T = TypeVar("T")
Write = Callable[[Connection], T]
MAX_GROUP = 512
# A connection that nobody used for so long goes back to the pool, which sees to it that it still stands.
IDLE_S = 1.0


@dataclass(frozen=True, slots=True)
class _Job:
    write: Write[Any]
    future: Future[Any]


class Writer:
    """Group commit. A write is a function of a connection; it may run twice, so it must do nothing but use it."""

    def __init__(self, engine: Engine, queue_rows: int, is_replaced: Callable[[], bool]) -> None:
        """`is_replaced` says whether what the engine connected to is another one now. Raises StoreUnavailable."""
        self._engine = engine
        self._is_replaced = is_replaced
        self._connection: Connection | None = None
        self.refusal: str | None = None
        self._limit = queue_rows
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._hasty = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, write: Write[T]) -> Future[T]:
        """Queue a write; the future is done after its commit. Raises StoreBusy when the queue is full."""
        if self._closed.is_set():
            raise StoreUnavailable("the store is closed")
        if self._queue.qsize() >= self._limit:
            raise StoreBusy(f"{self._limit} writes are waiting")
        future: Future[T] = Future()
        self._queue.put(_Job(write, future))
        return future

    @property
    def waiting(self) -> int:
        return self._queue.qsize()

    def hasten(self) -> None:
        """The end is near: what refuses one group from now on refuses all that wait, which would each wait for it."""
        self._hasty.set()

    def close(self) -> None:
        """Commit everything that was queued, as long as the store takes it, then stop."""
        self.hasten()
        if not self._closed.is_set():
            self._closed.set()
            self._queue.put(None)
            self._thread.join()

    def _run(self) -> None:
        while True:
            jobs, last = self._take()
            self._commit(jobs)
            if last:
                self._let_go()
                return

    def _take(self) -> tuple[list[_Job], bool]:
        try:
            first = self._queue.get(timeout=IDLE_S)
        except queue.Empty:
            self._let_go()
            first = self._queue.get()
        if first is None:
            return [], True
        jobs = [first]
        while len(jobs) < MAX_GROUP:
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                break
            if job is None:
                return jobs, True
            jobs.append(job)
        return jobs, False

    def _commit(self, jobs: list[_Job]) -> None:
        jobs = [job for job in jobs if job.future.set_running_or_notify_cancel()]
        if not jobs:
            return
        try:
            results = self._transaction(jobs)
        except Exception as error:  # noqa: BLE001 - whatever a write raises belongs to its sender, not to this thread
            self._refuse(jobs, error)
            return
        for job, result in zip(jobs, results, strict=True):
            job.future.set_result(result)

    def _transaction(self, jobs: list[_Job]) -> list[Any]:
        if self._is_replaced():
            self._let_go()
        # Kept from one commit to the next: to ask the pool for it each time takes as long as to commit a row.
        connection = self._connection = self._connection or self._engine.connect()
        with connection.begin():
            results = [job.write(connection) for job in jobs]
        self.refusal = None
        return results

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _refuse(self, jobs: list[_Job], error: Exception) -> None:
        if is_passing(error) or is_damage(error) or isinstance(error, StoreUnavailable):
            # A broken connection must not be used for the next group.
            self._let_go()
            self._engine.dispose()
            refusal = error if isinstance(error, StoreUnavailable) else StoreUnavailable(reason(error))
            self.refusal = reason(refusal)
            for job in jobs:
                job.future.set_exception(refusal)
            if self._hasty.is_set():
                self._refuse_waiting(refusal)
        elif len(jobs) == 1:
            jobs[0].future.set_exception(error)
        else:
            # One write of the group is at fault; alone, only that one fails.
            for job in jobs:
                self._commit_alone(job)

    def _refuse_waiting(self, refusal: StoreUnavailable) -> None:
        # As many as there are now: whoever is refused may come again at once.
        for _ in range(self._queue.qsize()):
            job = self._queue.get()
            if job is None:
                self._queue.put(None)
            elif job.future.set_running_or_notify_cancel():
                job.future.set_exception(refusal)

    def _commit_alone(self, job: _Job) -> None:
        try:
            result = self._transaction([job])[0]
        except Exception as error:  # noqa: BLE001 - as above
            self._refuse([job], error)
        else:
            job.future.set_result(result)
