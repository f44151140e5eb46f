"""Calls that were not kept, for a while and within a number of bytes: feedback may still ask for them.

They wait as they came; redaction is done when one is taken out for the store, before anything is written. To wait is
what nearly all do and costs next to nothing; to ask is rare and looks through all of them.
"""

from __future__ import annotations

from typing import Final

from exporters.traces.call import Call
from exporters.traces.wire import Group

GENERATIONS: Final = 8
# What a call and its places in the tables take in memory beside the bytes that came.
_FIXED: Final = 800

Held = tuple[Call, Group, int]
"""A call and which span of a group holds its content."""


class _Generation:
    __slots__ = ("held", "since", "size")

    def __init__(self, since: float) -> None:
        self.since = since
        self.size = 0
        self.held: list[Held] = []


class Ring:
    """Unsampled calls: at most `max_bytes` of them, and none older than `max_age` seconds. The oldest make room."""

    def __init__(self, max_bytes: int, max_age: float) -> None:
        self._bytes_each = max_bytes // GENERATIONS
        self._age_each = max_age / GENERATIONS
        self._max_age = max_age
        self._generations = [_Generation(0.0)]
        self._body = b""

    @property
    def size(self) -> int:
        """Bytes held, by estimate."""
        return sum(generation.size for generation in self._generations)

    def add(self, held: Held, now: float) -> None:
        call, group, index = held
        if len(group.body) + _FIXED > self._bytes_each:
            held = (call, group.part(index), 0)
        newest = self._generations[-1]
        # A request's calls share its bytes, which stay as long as one of them does.
        body = held[1].body
        size = _FIXED if body is self._body else _FIXED + len(body)
        if newest.size + size > self._bytes_each or newest.since + self._age_each < now:
            if size > self._bytes_each:
                return
            newest = _Generation(now)
            self._generations.append(newest)
            self.expire(now)
        self._body = body
        newest.size += size
        newest.held.append(held)

    def take(self, trace_ids: set[bytes]) -> list[Held]:
        """The calls of these traces, oldest first. They leave the ring."""
        found: list[Held] = []
        for generation in self._generations:
            asked = [held for held in generation.held if held[0].trace_id in trace_ids]
            if asked:
                generation.held = [held for held in generation.held if held[0].trace_id not in trace_ids]
                generation.size -= _FIXED * len(asked)
                found.extend(asked)
        return found

    def expire(self, now: float) -> None:
        """Let go of what is too old or too much."""
        generations = self._generations
        while len(generations) > GENERATIONS or (len(generations) > 1 and generations[0].since + self._max_age < now):
            del generations[0]
        if generations[-1].since + self._max_age < now:
            generations[-1] = _Generation(now)
