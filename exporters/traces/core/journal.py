"""What one request changed in memory, and how to undo it when the request is refused after all.

A request is ingested at once and gets its response once its samples are durable. Its changes are visible to requests
that arrive in between: one that reads or changes the same state depends on it, commits no earlier, and fails with it.
It is undone before the one it depends on, so changes of the same state are always undone from newest to oldest,
whatever the order in which requests end.

Bounded structures do not restore what a refused request evicted from them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Final

from mypy_extensions import i64

from telltale.store.errors import StoreUnavailable

_Whole = tuple[Future[int], Future[int] | None, list[Future[int]]]
# `row`: what is to be completed next in this thread.
_completing: Final = threading.local()


class Journal:
    """The changes of one request.

    Calls are numbered as they come, so that a request's need no key each: it added those from `first` to before `end`.
    """

    __slots__ = (
        "_journals", "_keys", "_undo", "builds_on", "dependents", "durable", "end", "first", "is_open", "number",
    )  # fmt: skip

    def __init__(self, journals: Journals, number: int) -> None:
        self._journals = journals
        # Later ones have greater numbers.
        self.number = number
        # With the journal that had changed the same before.
        self._keys: list[tuple[Hashable, Journal | None]] = []
        self._undo: list[Callable[[], object]] = []
        self.builds_on: list[Journal] = []
        self.dependents: list[Journal] = []
        # Done when the request's samples are durable; None while it has none to store and waits for nobody's.
        self.durable: Future[int] | None = None
        self.first: i64 = 0
        self.end: i64 = 0
        self.is_open = True

    def reads(self, key: Hashable) -> None:
        """Build on whoever changed this last, if that is not durable yet."""
        owner = self._journals.owners.get(key)
        if owner is not None:
            self._build_on(owner)

    def reads_call(self, number: i64) -> None:
        """As `reads`, of the call with that number: who added it, and who changed what is known of it."""
        self.reads(int(number))
        if not self.first <= number < self.end:
            for other in self._journals.open:
                if other.first <= number < other.end:
                    self._build_on(other)

    def on_rollback(self, undo: Callable[[], object]) -> None:
        """Note what undoes a change of what only this request adds to."""
        self._undo.append(undo)

    def changes(self, key: Hashable, undo: Callable[[], object]) -> None:
        """Note a change that was made, and what undoes it."""
        owners = self._journals.owners
        owner = owners.get(key)
        if owner is not self:
            if owner is not None:
                self._build_on(owner)
            self._keys.append((key, owner))
            owners[key] = self
        self._undo.append(undo)

    def wait_for(self, stored: Future[int] | None) -> None:
        """Become durable with one's own samples, if there are any, and with all that this builds on."""
        others = [other.durable for other in self.builds_on if other.durable is not None]
        self.durable = _together(stored, others) if others else stored

    def undo(self) -> None:
        """Undo the changes, the newest first."""
        while self._undo:
            self._undo.pop()()

    def close(self, is_durable: bool) -> None:
        owners = self._journals.owners
        for key, before in self._keys:
            if owners.get(key) is self:
                if before is not None and before.is_open and not is_durable:
                    owners[key] = before
                else:
                    del owners[key]
        self.is_open = False
        self._keys.clear()
        self._undo.clear()
        self.builds_on.clear()
        self.dependents.clear()

    def _build_on(self, other: Journal) -> None:
        if other is not self and other not in self.builds_on:
            self.builds_on.append(other)
            other.dependents.append(self)


class Journals:
    """Those of requests that are not committed yet. Their owner locks."""

    def __init__(self) -> None:
        # In the order in which the requests came.
        self.open: list[Journal] = []
        # Who changed what last.
        self.owners: dict[Hashable, Journal] = {}
        self._begun = 0

    def begin(self) -> Journal:
        """The journal of a request that comes now."""
        self._begun += 1
        journal = Journal(self, self._begun)
        self.open.append(journal)
        return journal

    def commit(self, journal: Journal) -> bool:
        """Keep the changes for good. Returns whether it was still open, so that the caller counts it only once."""
        if not journal.is_open:
            return False
        self._close(journal, is_durable=True)
        return True

    def rollback(self, journal: Journal) -> None:
        """Undo the changes of a request, after those of all requests that depend on it."""
        if not journal.is_open:
            return
        undone, unseen = {journal}, [journal]
        while unseen:
            for later in unseen.pop().dependents:
                if later.is_open and later not in undone:
                    undone.add(later)
                    unseen.append(later)
        for one in sorted(undone, key=lambda one: one.number, reverse=True):
            one.undo()
            self._close(one, is_durable=False)

    def _close(self, journal: Journal, is_durable: bool) -> None:
        self.open.remove(journal)
        journal.close(is_durable)


def _together(stored: Future[int] | None, others: list[Future[int]]) -> Future[int]:
    """Done when all of these are, with the sum; failed when one is, with the request's own error where it has one."""
    whole: Future[int] = Future()
    futures = [*others, stored] if stored is not None else others
    left = len(futures)
    lock = threading.Lock()

    def one_is_done(_: Future[int]) -> None:
        nonlocal left
        with lock:
            left -= 1
            if left:
                return
        _complete(whole, stored, others)

    for future in futures:
        future.add_done_callback(one_is_done)
    return whole


def _complete(whole: Future[int], stored: Future[int] | None, others: list[Future[int]]) -> None:
    """Complete `whole`, and then what waits for it: one after the other, for hundreds may stand in one row."""
    row: deque[_Whole] | None = getattr(_completing, "row", None)
    if row is not None:
        row.append((whole, stored, others))
        return
    row = _completing.row = deque([(whole, stored, others)])
    try:
        while row:
            whole, stored, others = row.popleft()
            failed = _failure(stored, others)
            if failed is not None:
                whole.set_exception(failed)
            else:
                whole.set_result(sum(future.result() for future in others) + (stored.result() if stored else 0))
    finally:
        del _completing.row


def _failure(stored: Future[int] | None, others: list[Future[int]]) -> BaseException | None:
    failed = stored.exception() if stored is not None else None
    if failed is not None:
        return failed
    for other in others:
        failed = other.exception()
        if isinstance(failed, StoreUnavailable):
            return failed
        if failed is not None:
            # The fault is another request's. This one was undone with it, and is as good as any when it comes again.
            return StoreUnavailable("a request that this one builds on was not stored")
    return None
