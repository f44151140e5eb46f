"""Calls that were not sampled, for a while and within a number of bytes: feedback may still ask for them.

They are kept as the bytes they arrived as, still compressed if they were; one is read again, and redacted, when it is
removed for the store. Adding happens to nearly every call and costs next to nothing; asking is rare and looks through
all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Final

from librt.vecs import append, vec
from mypy_extensions import i64

from exporters.traces.calls.call import CallRef
from exporters.traces.calls.owners import may_be_one
from exporters.traces.core.interning import trace_words
from exporters.traces.decode import bodies
from exporters.traces.decode.otlp_protobuf import Group, Source, alone

GENERATIONS: Final = 8
# What a call takes in memory besides its bytes, and what a body takes besides its own.
_FIXED: Final = 64
_BODY: Final = 400
_REMOVED: Final = -1

Wanted = Mapping[bytes, Set[str]]
"""Traces that somebody asks for, each with the tenants that do."""


class UnsampledCall:
    """Where a call's span is, and the tenant of the key that it came under, if it came under one."""

    __slots__ = ("end", "key_tenant", "source", "start")

    def __init__(self, source: Source, start: i64, end: i64, key_tenant: str | None) -> None:
        self.source = source
        self.start = start
        self.end = end
        self.key_tenant = key_tenant


class _Generation:
    """Calls in columns, without an object for each."""

    __slots__ = ("by_key", "ends", "since", "size", "sources", "starts", "tenants", "traces")

    def __init__(self, since: float) -> None:
        self.since = since
        self.size = 0
        # Half of each trace id's bits; the span has all of them.
        self.traces: vec[i64] = vec[i64]()
        self.starts: vec[i64] = vec[i64]()
        self.ends: vec[i64] = vec[i64]()
        self.sources: list[Source] = []
        self.tenants: list[str] = []
        self.by_key: vec[bool] = vec[bool]()

    def remove(self, wanted: Mapping[int, Set[str]]) -> list[UnsampledCall]:
        found: list[UnsampledCall] = []
        for place in range(i64(len(self.sources))):
            start = self.starts[place]
            if start != _REMOVED and self.traces[place] in wanted and self._is_of(place, wanted[self.traces[place]]):
                key_tenant = self.tenants[place] if self.by_key[place] else None
                found.append(UnsampledCall(self.sources[place], start, self.ends[place], key_tenant))
                self.starts[place] = _REMOVED
        return found

    def _is_of(self, place: i64, tenants: Set[str]) -> bool:
        """Whether one of these tenants may ask for the call there."""
        known, by_key = self.tenants[place], self.by_key[place]
        return any(may_be_one(known, by_key, tenant, by_key) for tenant in tenants)


class UnsampledBuffer:
    """At most `max_bytes` of calls, and none older than `max_age` seconds. The oldest make room."""

    def __init__(self, max_bytes: int, max_age: float) -> None:
        self._max_bytes = max_bytes
        self._bytes_each = max_bytes // GENERATIONS
        self._age_each = max_age / GENERATIONS
        self._max_age = max_age
        self._generations = [_Generation(0.0)]
        # That of the last call.
        self._source: Source | None = None

    @property
    def size(self) -> int:
        """Estimated bytes in use."""
        return sum(generation.size for generation in self._generations)

    def detach(self, refs: list[CallRef]) -> list[CallRef]:
        """What `add` needs of a request's calls that are added later: not its plain bytes, as large as they may be."""
        kept: list[CallRef] = []
        copied = 0
        for ref in reversed(refs):
            group = ref.group
            if not self._is_large(group.source):
                group.body = b""
                kept.append(ref)
            elif copied < self._max_bytes:
                # More copies than that would only push each other out.
                part = group.part(ref.index)
                copied += len(part.body)
                kept.append(CallRef(ref.call, part, 0))
        kept.reverse()
        return kept

    def add(self, ref: CallRef, now: float) -> None:
        """Buffer a call. `now` is in Unix seconds."""
        group, index = ref.group, ref.index
        last, source = self._source, group.source
        if source is not last and self._is_large(source):
            # A copy of its own, so that it does not keep the whole request in memory.
            group, index = group.part(index), 0
            source = group.source
        newest = self._generations[-1]
        # A request's calls share its bytes, which stay as long as one of them does.
        size = _FIXED
        if last is None or source.body is not last.body:
            size += _BODY + len(source.body)
        if last is None or source.resource is not last.resource:
            size += source.resource_size
        if newest.size + size > self._bytes_each or newest.since + self._age_each < now:
            size = _FIXED + _BODY + len(source.body) + source.resource_size
            if size > self._bytes_each:
                return
            newest = _Generation(now)
            self._generations.append(newest)
            self.expire(now)
        self._source = source
        newest.size += size
        newest.traces = append(newest.traces, _mark(ref.call.trace_high, ref.call.trace_low))
        newest.starts = append(newest.starts, group.starts[index])
        newest.ends = append(newest.ends, group.ends[index])
        newest.sources.append(source)
        newest.tenants.append(ref.call.tenant)
        newest.by_key = append(newest.by_key, ref.call.key_mark != 0)

    def _is_large(self, source: Source) -> bool:
        """Whether a body is too large to be kept whole for its calls."""
        return _FIXED + _BODY + len(source.body) + source.resource_size > self._bytes_each

    def remove(self, wanted: Wanted) -> list[UnsampledCall]:
        """The calls that are asked for, oldest first, which leave the buffer. By chance another may be among them."""
        by_mark: dict[int, set[str]] = {}
        for trace_id, tenants in wanted.items():
            high, low = trace_words(trace_id)
            by_mark.setdefault(int(_mark(high, low)), set()).update(tenants)
        return [unsampled for generation in self._generations for unsampled in generation.remove(by_mark)]

    def expire(self, now: float) -> None:
        """Drop calls that are too old or exceed the byte limit."""
        generations = self._generations
        while len(generations) > GENERATIONS or (len(generations) > 1 and generations[0].since + self._max_age < now):
            del generations[0]
        if generations[-1].since + self._max_age < now:
            generations[-1] = _Generation(now)


def unpack(found: list[UnsampledCall]) -> Iterator[tuple[UnsampledCall, Group]]:
    """Each call with its span as the only one of a group. A body is decompressed once for the calls that share it."""
    packed = plain = b""
    for unsampled in found:
        source = unsampled.source
        if source.body is not packed:
            packed, plain = source.body, bodies.decompress(source.body, source.encoding, source.size)
        yield unsampled, alone(plain, unsampled.start, unsampled.end, source)


def _mark(high: i64, low: i64) -> i64:
    return low ^ (high >> 1)
