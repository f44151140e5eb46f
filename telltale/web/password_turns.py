"""Turns at hashing a password, which takes some 50 ms of four threads and 64 MiB on purpose.

Without a limit a stranger could exhaust the memory; with one alone, keep everybody waiting. So the queues are short,
and known browsers have one of their own: whoever is in one waits for at most MAX_WAITING others of either queue.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

MAX_WAITING = 6
RETRY_AFTER_S = 2

_at_work = threading.Lock()
_known, _strangers = threading.BoundedSemaphore(MAX_WAITING), threading.BoundedSemaphore(MAX_WAITING)


class Busy(Exception):
    """Too many passwords are being checked: try again after RETRY_AFTER_S seconds."""


@contextmanager
def turn(known: bool) -> Iterator[None]:
    """Wait for a turn and keep it. Raises Busy, at once, when the queue is full."""
    queue = _known if known else _strangers
    if not queue.acquire(blocking=False):
        raise Busy
    try:
        with _at_work:
            yield
    finally:
        queue.release()
