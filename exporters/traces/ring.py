"""Calls that were not kept, for a while and within a number of bytes: feedback may still ask for them.

They wait as the bytes they came as; one is read again, and redacted, when it is taken out for the store. To wait is
what nearly all do and costs next to nothing; to ask is rare and looks through all of them.
"""

from __future__ import annotations

from typing import Final

from librt.vecs import append, vec
from mypy_extensions import i64

from exporters.traces.call import Held
from exporters.traces.names import trace_words
from exporters.traces.wire import Group

GENERATIONS: Final = 8
# What a call takes in memory beside the bytes that came, and what those take beside themselves.
_FIXED: Final = 64
_BODY: Final = 400
_TAKEN: Final = -1


class Waiting:
    """Where a call's span is, and whose call it was."""

    __slots__ = ("group", "index", "tenant")

    def __init__(self, group: Group, index: i64, tenant: str) -> None:
        self.group = group
        self.index = index
        self.tenant = tenant


class _Generation:
    """Calls in columns: no object of its own for each."""

    __slots__ = ("groups", "indexes", "since", "size", "tenants", "traces")

    def __init__(self, since: float) -> None:
        self.since = since
        self.size = 0
        # What stands for a trace id; the span has all of it.
        self.traces: vec[i64] = vec[i64]()
        self.indexes: vec[i64] = vec[i64]()
        self.groups: list[Group] = []
        self.tenants: list[str] = []

    def take(self, traces: set[int]) -> list[Waiting]:
        found: list[Waiting] = []
        for place in range(i64(len(self.groups))):
            if self.indexes[place] != _TAKEN and self.traces[place] in traces:
                found.append(Waiting(self.groups[place], self.indexes[place], self.tenants[place]))
                self.indexes[place] = _TAKEN
        return found


class Ring:
    """Unsampled calls: at most `max_bytes` of them, and none older than `max_age` seconds. The oldest make room."""

    def __init__(self, max_bytes: int, max_age: float) -> None:
        self._bytes_each = max_bytes // GENERATIONS
        self._age_each = max_age / GENERATIONS
        self._max_age = max_age
        self._generations = [_Generation(0.0)]
        self._body = b""
        self._resource: object = None

    @property
    def size(self) -> int:
        """Bytes held, by estimate."""
        return sum(generation.size for generation in self._generations)

    def add(self, held: Held, now: float) -> None:
        group, index = held.group, held.index
        if _FIXED + _BODY + len(group.body) + group.resource_size > self._bytes_each:
            group, index = group.part(index), 0
        newest = self._generations[-1]
        # A request's calls share its bytes, which stay as long as one of them does.
        size = _FIXED
        if group.body is not self._body:
            size += _BODY + len(group.body)
        if group.resource is not self._resource:
            size += group.resource_size
        if newest.size + size > self._bytes_each or newest.since + self._age_each < now:
            size = _FIXED + _BODY + len(group.body) + group.resource_size
            if size > self._bytes_each:
                return
            newest = _Generation(now)
            self._generations.append(newest)
            self.expire(now)
        self._body, self._resource = group.body, group.resource
        newest.size += size
        newest.traces = append(newest.traces, _mark(held.call.trace_high, held.call.trace_low))
        newest.indexes = append(newest.indexes, index)
        newest.groups.append(group)
        newest.tenants.append(held.call.tenant)

    def take(self, trace_ids: set[bytes]) -> list[Waiting]:
        """The calls of these traces, and by chance another, oldest first. They leave the ring."""
        traces: set[int] = set()
        for trace_id in trace_ids:
            high, low = trace_words(trace_id)
            traces.add(int(_mark(high, low)))
        return [waiting for generation in self._generations for waiting in generation.take(traces)]

    def expire(self, now: float) -> None:
        """Let go of what is too old or too much."""
        generations = self._generations
        while len(generations) > GENERATIONS or (len(generations) > 1 and generations[0].since + self._max_age < now):
            del generations[0]
        if generations[-1].since + self._max_age < now:
            generations[-1] = _Generation(now)


def _mark(high: i64, low: i64) -> i64:
    return low ^ (high >> 1)
