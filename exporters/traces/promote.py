"""Moves unsampled calls that people have voted on since from the buffer to the store."""

from __future__ import annotations

import asyncio
import logging
import time

from exporters.traces.pipeline import Pipeline
from exporters.traces.receive.outage_log import AGAIN_S
from telltale.records import Sample
from telltale.store import Store, StoreUnavailable, feedback, samples

log = logging.getLogger(__name__)

POLL_S = 1.0


class Promoter:
    """Looks for votes each second. One round at a time."""

    def __init__(self, store: Store, pipeline: Pipeline, after: int) -> None:
        """`after`: id of the newest feedback to skip."""
        self._store = store
        self._pipeline = pipeline
        self._after = after
        # Removed from the buffer but not stored yet. No more are promoted before these are stored, so they never exceed
        # the buffer's size.
        self._promoted: list[Sample] = []
        self._warned_at = float("-inf")

    async def run(self) -> None:
        """Run until cancelled, even if a round fails."""
        while True:
            await asyncio.sleep(POLL_S)
            try:
                await asyncio.to_thread(self._round)
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
        now = time.monotonic()
        if now >= self._warned_at + AGAIN_S:
            self._warned_at = now
            log.warning("%s", message)

    def _round(self) -> None:
        self._save()
        with self._store.read() as connection:
            events = feedback.load(connection, after_id=self._after)
        if events:
            self._after = events[-1].id or self._after
        self._promoted = self._pipeline.promote([bytes.fromhex(event.trace_id) for event in events], "feedback")
        self._save()

    def _save(self) -> None:
        promoted = self._promoted
        if promoted:
            self._store.write(lambda connection: samples.save(connection, promoted, time.time()))
            self._promoted = []


def _number_of(promoted: list[Sample]) -> str:
    if len(promoted) == 1:
        return "1 sample of a call that somebody voted on is"
    return f"{len(promoted)} samples of calls that somebody voted on are"
