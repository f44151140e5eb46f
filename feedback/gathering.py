"""Submits that arrive together are stored together: one write, one commit and one wake-up for all of them.

While a group is being committed the next one gathers, so groups grow with the load, and a submit on its own waits for
nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from telltale.records import Feedback
from telltale.store import Conflict, Store, StoreBusy, StoreUnavailable
from telltale.store import feedback as store_feedback

MAX_GROUP = 512
# Those that were just answered send again within moments; whoever comes first of them waits so long for the others,
# as a share of what the last group took and at most in seconds. PostgreSQL's commit_delay does the same.
PAUSE_SHARE, MOST_PAUSE_S = 0.25, 0.002
Stored = tuple[Feedback, bool]
"""An event with its id, and whether it was there before."""


class _Waiting(NamedTuple):
    event: Feedback
    body_sha256: str
    answer: asyncio.Future[Stored | Conflict]


class Gathering:
    """Stores events for the coroutines of one event loop, in the order of the calls."""

    def __init__(self, store: Store, most_waiting: int) -> None:
        self._store, self._most = store, most_waiting
        self._waiting: list[_Waiting] = []
        self._sending: asyncio.Task[None] | None = None
        self._last_size, self._last_took = 0, 0.0

    def add(self, event: Feedback, body_sha256: str) -> asyncio.Future[Stored | Conflict]:
        """Store the event; the future is done after the commit.

        Its result is a Conflict when the event's key was used for another body. StoreUnavailable is raised here when
        too many wait, and set in the future when the store cannot write.
        """
        if len(self._waiting) >= self._most:
            raise StoreBusy(f"{self._most} writes are waiting")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Stored | Conflict] = loop.create_future()
        self._waiting.append(_Waiting(event, body_sha256, answer))
        if self._sending is None or self._sending.done():
            # A task begins in the loop's next turn: whatever is read in this one belongs to its group.
            self._sending = loop.create_task(self._send())
        return answer

    async def _send(self) -> None:
        clock = asyncio.get_running_loop().time
        while self._waiting:
            if len(self._waiting) < self._last_size:
                await asyncio.sleep(min(MOST_PAUSE_S, PAUSE_SHARE * self._last_took))
            begun = clock()
            group, self._waiting = self._waiting[:MAX_GROUP], self._waiting[MAX_GROUP:]
            await self._store_group(group)
            self._last_size, self._last_took = len(group), clock() - begun

    async def _store_group(self, group: Sequence[_Waiting]) -> None:
        rows = [(waiting.event, waiting.body_sha256) for waiting in group]
        try:
            write = self._store.submit(lambda connection: store_feedback.append_all(connection, rows))
            results = await asyncio.wrap_future(write)
        except StoreUnavailable as error:
            _refuse(group, error)
        except Exception as error:  # noqa: BLE001 - one of them is faulty; stored alone, only that one fails
            if len(group) == 1:
                _refuse(group, error)
                return
            for waiting in group:
                await self._store_group([waiting])
        else:
            for waiting, result in zip(group, results, strict=True):
                if not waiting.answer.done():
                    waiting.answer.set_result(result)


def _refuse(group: Sequence[_Waiting], error: Exception) -> None:
    for waiting in group:
        # Whoever hung up has cancelled theirs.
        if not waiting.answer.done():
            waiting.answer.set_exception(error)
