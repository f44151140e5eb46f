"""Logs an outage of the store: its cause and how many requests were refused, without a line for each."""

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
        self._count = 0
        self._logged_at = float("-inf")

    def refused(self, reason: str) -> None:
        """A request was refused."""
        with self._lock:
            self._count += 1
            refused = self._due()
        if refused:
            log.warning("the store is not available: %s (requests refused: %d)", reason, refused)

    def stored(self) -> None:
        """A request was stored."""
        if not self._count:
            return
        with self._lock:
            refused = self._due()
        if refused:
            log.info("the store takes writes again (requests refused: %d)", refused)

    def _due(self) -> int:
        """How many to log now: those since the last line, or 0 while that is too recent."""
        now = self._clock()
        if now < self._logged_at + AGAIN_S:
            return 0
        refused, self._count, self._logged_at = self._count, 0, now
        return refused
