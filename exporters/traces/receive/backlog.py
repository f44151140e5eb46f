"""What all connections together hold of bytes that wait: responses unsent, requests read and not complete.

Each connection's part is small; a thousand of them are not. Bodies are accounted for by the receiver.
"""

from __future__ import annotations

import logging
from typing import Protocol

log = logging.getLogger(__name__)

LIMIT = 16 << 20
# What is left when connections had to be closed, as a part of the limit.
AFTER = 0.75
# A connection that holds less is not looked at.
FREE = 2048
# Seconds: who holds something for longer is as bad as who has held it for so long; what has just come weighs, too.
OLDEST_S = 10.0
NEWEST_S = 0.1
LOG_S = 60.0


class Holder(Protocol):
    """A connection."""

    def abort(self) -> None:
        """Close at once and drop what it holds."""


class Backlog:
    """Bytes by connection, with a bound on their sum: above it, those that hold the most for the longest are closed."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._held: dict[Holder, tuple[int, float]] = {}
        self._total = 0
        self._logged_at = float("-inf")

    def hold(self, holder: Holder, size: int, now: float) -> None:
        """A connection holds so many bytes now. Those that must go for it, perhaps itself, are closed."""
        held, since = self._held.get(holder, (0, now))
        if size > FREE:
            self._held[holder] = size, since
            self._total += size - held
            if self._total > self._limit:
                self._shrink(now)
        elif held:
            del self._held[holder]
            self._total -= held

    def _shrink(self, now: float) -> None:
        def weight(entry: tuple[Holder, tuple[int, float]]) -> float:
            size, since = entry[1]
            return size * (NEWEST_S + min(OLDEST_S, now - since))

        closed = 0
        for holder, (size, _) in sorted(self._held.items(), key=weight, reverse=True):
            if self._total <= self._limit * AFTER:
                break
            del self._held[holder]
            self._total -= size
            closed += 1
            holder.abort()
        if now > self._logged_at + LOG_S:
            self._logged_at = now
            log.warning("peers that do not read or do not end their requests held %d MiB: %d closed",
                        self._limit >> 20, closed)  # fmt: skip
