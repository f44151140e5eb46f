"""One writer thread: it runs all waiting writes in one transaction and completes their futures after the commit.

Writes that share a commit share its fsync, so durable writes stay cheap under load; a write on its own is no
slower than with a separate commit.
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
# After this long without a write the connection goes back to the pool, which checks that it still works.
IDLE_S = 1.0
# Where a write notes, in its connection's `info`, what is to be done once it is committed.
COMMITTED = "telltale.committed"


@dataclass(frozen=True, slots=True)
class _Job:
    write: Write[Any]
    future: Future[Any]


class Writer:
    """Group commit. A write is a function of a connection; it may run twice, so it must do nothing but use it."""

    def __init__(
        self,
        engine: Engine,
        queue_rows: int,
        is_replaced: Callable[[], bool],
        after_commit: Callable[[Connection, Any], None] | None = None,
    ) -> None:
        """`after_commit` gets what a write noted in its connection's `info[COMMITTED]`; it must not raise.

        `is_replaced` returns whether the database file was replaced since it was opened. Raises StoreUnavailable."""
        self._engine = engine
        self._is_replaced = is_replaced
        self._after_commit = after_commit
        self._connection: Connection | None = None
        self.refusal: str | None = None
        # What was committed since it was opened: how many groups, and how many writes in them.
        self.commits = 0
        self.writes = 0
        self._limit = queue_rows
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._closing_soon = threading.Event()
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

    def prepare_to_close(self) -> None:
        """From now on, if one group is refused, all waiting writes are: each would wait for the same lock."""
        self._closing_soon.set()

    def close(self) -> None:
        """Commit everything that was queued, as long as the store accepts it, then stop."""
        self.prepare_to_close()
        if not self._closed.is_set():
            self._closed.set()
            self._queue.put(None)
            self._thread.join()

    def _run(self) -> None:
        while True:
            jobs, last = self._next_group()
            self._commit(jobs)
            if last:
                self._release_connection()
                return

    def _next_group(self) -> tuple[list[_Job], bool]:
        try:
            first = self._queue.get(timeout=IDLE_S)
        except queue.Empty:
            self._release_connection()
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
        except Exception as error:  # noqa: BLE001 - whatever a write raises goes to its sender, and must not end this thread
            self._refuse(jobs, error)
            return
        for job, result in zip(jobs, results, strict=True):
            job.future.set_result(result)

    def _transaction(self, jobs: list[_Job]) -> list[Any]:
        if self._is_replaced():
            self._release_connection()
        # Kept from one commit to the next: getting it from the pool takes as long as committing a row.
        connection = self._connection = self._connection or self._engine.connect()
        with connection.begin():
            connection.info.pop(COMMITTED, None)
            results = [job.write(connection) for job in jobs]
        if self._after_commit and (noted := connection.info.pop(COMMITTED, None)) is not None:
            self._after_commit(connection, noted)
        self.refusal = None
        self.commits += 1
        self.writes += len(jobs)
        return results

    def _release_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _refuse(self, jobs: list[_Job], error: Exception) -> None:
        if is_passing(error) or is_damage(error) or isinstance(error, StoreUnavailable):
            # A broken connection must not be used for the next group.
            self._release_connection()
            self._engine.dispose()
            refusal = error if isinstance(error, StoreUnavailable) else StoreUnavailable(reason(error))
            self.refusal = reason(refusal)
            for job in jobs:
                job.future.set_exception(refusal)
            if self._closing_soon.is_set():
                self._refuse_waiting(refusal)
        elif len(jobs) == 1:
            jobs[0].future.set_exception(error)
        else:
            # One write of the group is faulty; run alone, only that one fails.
            for job in jobs:
                self._commit_alone(job)

    def _refuse_waiting(self, refusal: StoreUnavailable) -> None:
        # Only those waiting now: a refused sender may retry at once.
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
