"""What a store needs from time to time: deletion, merging of small blocks, moving what older versions wrote.

Samples, scores, evidence and states of series go when they are older than `store.retention`; samples, the oldest first,
also when the store is larger than `store.max_bytes`. Feedback, tickets, references and the audit log are kept: they
record what people said and decided. Everything is done in small transactions, between which others write, and may be
broken off at any time.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from telltale.store import Store, evidence, evidently_reports, moving, samples, scores, series_states, size
from telltale.store.contents import blocks
from telltale.store.engine import database_file

log = logging.getLogger(__name__)

ROUND_S: Final = 20.0
"""How long a round may take, in seconds; the next goes on from there."""
# What is deleted at once when the store is too large, as a share of its limit.
MARGIN: Final = 0.01
BLOCKS_AT_ONCE: Final = 5000
# So many small blocks are merged even if they do not fill one.
MANY: Final = 16
# While contents are moved, the log of changes and the first new blocks take room.
FREE_BYTES: Final = 512 << 20


@dataclass(slots=True)
class Report:
    """What a round did: samples deleted by reason; `is_done` says whether nothing is left to do now."""

    expired: int = 0
    over_limit: int = 0
    is_done: bool = True


class Upkeep:
    """Keeps one store. Of several processes that do, one at a time changes contents."""

    def __init__(
        self, store: Store, retention: float, max_bytes: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`retention` in seconds; `max_bytes` 0: no limit; `clock`: seconds since any moment."""
        self._store = store
        self._retention = retention
        self._max_bytes = max_bytes
        self._clock = clock
        self._stopped = False
        self._until = 0.0
        # Blocks up to this one are merged as far as they can be.
        self._merged = 0
        self._warned = False

    def round(self, now: float) -> Report:
        """Do what is due. `now` is in Unix seconds. Blocks. Raises StoreUnavailable."""
        self._until, report, before = self._clock() + ROUND_S, Report(), now - self._retention
        while self._is_time() and (deleted := self._store.write(lambda c: samples.prune(c, before))):
            report.expired += deleted
        # Scores and what is known of reports first: they point to their evidence.
        while self._is_time() and self._store.write(lambda c: scores.prune(c, before)):
            pass
        if self._is_time():
            self._store.write(lambda c: evidently_reports.prune(c, before))
        while self._is_time() and self._store.write(lambda c: evidence.prune(c, before)):
            pass
        if self._is_time():
            self._store.write(lambda c: series_states.prune(c, before))
        while self._is_time() and self._merge():
            pass
        is_moving = True
        while self._is_time() and (is_moving := self._move()):
            pass
        # What is moved takes a third of its bytes: before all of it is, nothing needs to go for their sake.
        while not is_moving and self._is_time() and (deleted := self._shrink(report.over_limit > 0)):
            report.over_limit += deleted
        report.is_done = self._is_time()
        return report

    def stop(self) -> None:
        """End the round that is under way after its current step, and do nothing from now on."""
        self._stopped = True

    def _is_time(self) -> bool:
        return not self._stopped and self._clock() < self._until

    def _shrink(self, has_begun: bool) -> int:
        """Delete some of the oldest samples if the store is too large, then a little more than it must."""
        if not self._max_bytes:
            return 0
        limit = self._max_bytes * (1 - MARGIN) if has_begun else self._max_bytes
        with self._store.read() as connection:
            if size.used(connection) <= limit:
                return 0
        return self._store.write(lambda c: samples.remove(c, samples.oldest(c)))

    def _merge(self) -> bool:
        """Merge blocks of the next stretch. Returns whether there are more."""
        with self._store.read() as connection:
            if blocks.last_id(connection) < self._merged:
                # All were deleted, and SQLite began to count anew.
                self._merged = 0
            found = blocks.sizes(connection, self._merged, BLOCKS_AT_ONCE)
        groups, merged = to_merge(found, self._merged)
        for group in groups:
            if not self._is_time():
                return False
            self._store.write(partial(blocks.merge, block_ids=group))
        self._merged = merged
        return len(found) == BLOCKS_AT_ONCE

    def _move(self) -> bool:
        """Move some contents of older versions' rows. Returns whether there are more that can be moved now."""
        with self._store.read() as connection:
            if not moving.left(connection):
                return False
        file = database_file(self._store.url)
        free = FREE_BYTES if file is None else shutil.disk_usage(file.parent).free
        if free < FREE_BYTES:
            if not self._warned:
                log.warning(
                    "%s: %d MiB are free, %d are needed before contents of older versions are moved into blocks",
                    self._store.place, free >> 20, FREE_BYTES >> 20,
                )  # fmt: skip
            self._warned = True
            return False
        return self._store.write(moving.move)


def to_merge(sizes: Sequence[tuple[int, int]], merged: int) -> tuple[list[list[int]], int]:
    """Which blocks to merge, of (id, bytes) in order of ids, and up to which one there is nothing left to look at.

    Blocks next to each other that make a large one are merged, or that are many; with a block that is half as large
    already little would be gained. So a content is merged some three times at most, however slowly contents come.
    """
    groups: list[list[int]] = []
    run: list[int] = []
    total = 0
    for block_id, size_of in sizes:
        if size_of >= blocks.MERGED_BYTES // 2:
            if len(run) >= MANY or total >= blocks.MERGED_BYTES // 2:
                groups.append(run)
            run, total, merged = [], 0, block_id
            continue
        run.append(block_id)
        total += size_of
        if total >= blocks.MERGED_BYTES:
            groups.append(run)
            run, total, merged = [], 0, block_id
    if len(run) >= MANY:
        groups.append(run)
    return [group for group in groups if len(group) > 1], merged
