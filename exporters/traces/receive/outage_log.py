"""What the log says of a store that refuses: why, and how many requests that cost; not a line a request."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

AGAIN_S = 60.0


class OutageLog:
    """At most one line in AGAIN_S. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._refused = 0
        self._said = float("-inf")

    def add(self, reason: str) -> None:
        """A request was refused."""
        with self._lock:
            self._refused += 1
            refused = self._due()
        if refused:
            log.warning("the store is not available: %s (requests refused: %d)", reason, refused)

    def over(self) -> None:
        """A request was stored."""
        if not self._refused:
            return
        with self._lock:
            refused = self._due()
        if refused:
            log.info("the store takes writes again (requests refused: %d)", refused)

    def _due(self) -> int:
        """How many to tell of now: since the last line, or none yet."""
        now = self._clock()
        if now < self._said + AGAIN_S:
            return 0
        refused, self._refused, self._said = self._refused, 0, now
        return refused
