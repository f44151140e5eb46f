"""Rate limits and recent actions, in bounded memory."""

from __future__ import annotations

import threading
from collections import OrderedDict


class Buckets:
    """Token buckets, one per key: refilled with `rate` tokens per second, up to `burst`.

    Beyond `capacity` buckets the least recently used is dropped; a dropped bucket is a full one.
    """

    def __init__(self, rate: float, burst: float, capacity: int = 10_000) -> None:
        self._rate, self._burst, self._capacity = rate, max(1.0, burst), capacity
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, key: str, now: float) -> float:
        """Seconds until there is a token; 0 when there is one. Takes none and remembers nothing."""
        with self._lock:
            return self._wait(self._tokens(key, now))

    def acquire(self, key: str, now: float) -> float:
        """Take one token. Returns 0 when there was one, else the seconds until there will be."""
        with self._lock:
            tokens = self._tokens(key, now)
            wait = self._wait(tokens)
            self._buckets.pop(key, None)
            self._buckets[key] = (tokens if wait else tokens - 1.0, now)
            if len(self._buckets) > self._capacity:
                self._buckets.popitem(last=False)
            return wait

    def _tokens(self, key: str, now: float) -> float:
        tokens, then = self._buckets.get(key, (self._burst, now))
        return min(self._burst, tokens + max(0.0, now - then) * self._rate)

    def _wait(self, tokens: float) -> float:
        return 0.0 if tokens >= 1.0 else (1.0 - tokens) / self._rate


class Seen:
    """Whether something is due again: not within `every` seconds after it was done for the same key."""

    def __init__(self, every: float, capacity: int = 10_000) -> None:
        self._every, self._capacity = every, capacity
        self._times: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def is_due(self, key: str, now: float) -> bool:
        with self._lock:
            if now - self._times.get(key, float("-inf")) < self._every:
                return False
            self._times[key] = now
            self._times.move_to_end(key)
            if len(self._times) > self._capacity:
                self._times.popitem(last=False)
            return True
