"""Calls that were not sampled and that people have voted on since: out of the ring, into the store."""

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
        """`after`: number of the newest feedback that is passed over."""
        self._store = store
        self._pipeline = pipeline
        self._after = after
        # Out of the ring and not stored yet. No more is taken before these are in the store: they are never more than
        # the ring held once.
        self._found: list[Sample] = []
        self._said = float("-inf")

    async def run(self) -> None:
        """Go on until cancelled, whatever becomes of one round."""
        while True:
            await asyncio.sleep(POLL_S)
            try:
                await asyncio.to_thread(self._round)
            except StoreUnavailable as error:
                what = f"{_those(self._found)} not stored yet" if self._found else "feedback cannot be read"
                self._complain(f"{what}, each second tries again: {error}")
            except Exception:
                # Whatever it was, later votes are others: one that cannot be followed must not be the last. What failed
                # for itself would fail for ever.
                lost, self._found = self._found, []
                log.exception("votes could not be followed; %s lost", _those(lost))

    def _complain(self, what: str) -> None:
        now = time.monotonic()
        if now >= self._said + AGAIN_S:
            self._said = now
            log.warning("%s", what)

    def _round(self) -> None:
        self._save()
        with self._store.read() as connection:
            events = feedback.load(connection, after_id=self._after)
        if events:
            self._after = events[-1].id or self._after
        self._found = self._pipeline.promote([bytes.fromhex(event.trace_id) for event in events], "feedback")
        self._save()

    def _save(self) -> None:
        found = self._found
        if found:
            self._store.write(lambda c: samples.save(c, found, time.time()))
            self._found = []


def _those(found: list[Sample]) -> str:
    if len(found) == 1:
        return "1 sample of a call that somebody voted on is"
    return f"{len(found)} samples of calls that somebody voted on are"
