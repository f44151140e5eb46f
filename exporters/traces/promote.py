"""Moves unsampled calls that people have voted on since from the buffer to the store."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

from exporters.traces.pipeline import Pipeline
from exporters.traces.receive.outage_log import AGAIN_S
from telltale.records import Sample
from telltale.store import Store, StoreUnavailable, feedback, samples

log = logging.getLogger(__name__)

POLL_S = 1.0
# A person may vote before the call's span is here: SDKs send every five seconds, and calls are in the buffer only once
# their request is durable. Most votes are on calls that were sampled, which no second look finds either.
SECOND_LOOK_S = 15.0
MAX_MISSED = 10_000

Vote = tuple[bytes, str]
"""The trace that it is on, and the voter's tenant, whose calls alone it may promote."""


class Promoter:
    """Looks for votes each second. One round at a time."""

    def __init__(
        self, store: Store, pipeline: Pipeline, after: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`after`: id of the newest feedback to skip; `clock`: seconds since any moment."""
        self._store = store
        self._pipeline = pipeline
        self._after = after
        self._clock = clock
        # Votes that were here before their calls, and when to look for these once more.
        self._missed: deque[tuple[float, Vote]] = deque(maxlen=MAX_MISSED)
        # Removed from the buffer but not stored yet. No more are promoted before these are stored, so they never exceed
        # the buffer's size.
        self._promoted: list[Sample] = []
        self._warned_at = float("-inf")

    async def run(self) -> None:
        """Run until cancelled, even if a round fails."""
        while True:
            await asyncio.sleep(POLL_S)
            try:
                await asyncio.to_thread(self.round)
            except StoreUnavailable as error:
                what = f"{_number_of(self._promoted)} not stored yet" if self._promoted else "feedback cannot be read"
                self._warn(f"{what}, each second tries again: {error}")
            except Exception:
                # Whatever it was, later votes are others: one that cannot be followed must not be the last. What failed
                # by itself would fail for ever.
                lost, self._promoted = self._promoted, []
                log.exception("votes could not be followed; %s lost", _number_of(lost))

    def _warn(self, message: str) -> None:
        """Log a warning, now and then while an outage lasts."""
        now = self._clock()
        if now >= self._warned_at + AGAIN_S:
            self._warned_at = now
            log.warning("%s", message)

    def round(self) -> None:
        """Promote what was voted on since the last round, and what was not here yet when it was. Blocks.

        Raises StoreUnavailable.
        """
        self._save()
        with self._store.read() as connection:
            events = feedback.load(connection, after_id=self._after)
        if events:
            self._after = events[-1].id or self._after
        voted = {(bytes.fromhex(event.trace_id), event.tenant) for event in events}
        wanted: dict[bytes, set[str]] = {}
        for trace, tenant in [*voted, *self._due()]:
            wanted.setdefault(trace, set()).add(tenant)
        self._promoted = self._pipeline.promote(wanted, "feedback")
        found = {(bytes.fromhex(sample.trace_id), sample.tenant) for sample in self._promoted}
        self._missed.extend((self._clock() + SECOND_LOOK_S, vote) for vote in sorted(voted - found))
        self._save()

    def _due(self) -> list[Vote]:
        due: list[Vote] = []
        while self._missed and self._missed[0][0] <= self._clock():
            due.append(self._missed.popleft()[1])
        return due

    def _save(self) -> None:
        promoted = self._promoted
        if promoted:
            self._store.write(lambda connection: samples.save(connection, promoted, time.time()))
            self._promoted = []


def _number_of(promoted: list[Sample]) -> str:
    if len(promoted) == 1:
        return "1 sample of a call that somebody voted on is"
    return f"{len(promoted)} samples of calls that somebody voted on are"
