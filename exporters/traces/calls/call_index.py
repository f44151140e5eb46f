"""Recent calls in packed columns, found by trace, span and response id of their tenant.

Machine words stand here, outside `core`, because every call is looked up: a row has 116 bytes and shared texts, where
tens of thousands of `Call`s with their parts would be cold memory to allocate, search and free. What the index finds is
compared: tenants, traces and spans whole, response ids by a keyed hash of 64 bits. What came under a key stands in rows
of its tenant's alone, so that no other tenant makes them long.
"""

from __future__ import annotations

import os
from typing import Final

from librt.vecs import append, vec
from mypy_extensions import i64

from exporters.traces.calls.call import Call
from exporters.traces.calls.owners import SpanKey, may_be_one
from exporters.traces.core.interning import id_bytes, spread

KEPT: Final = 10_000
# How far apart the times of two spans of one call may be: of one within the other, and of two with the same response
# id, which is no proof. Ollama draws its ids out of a thousand, and a gateway's cache repeats its responses.
SLACK_S: Final = 0.05
RESPONSE_SLACK_S: Final = 1.0

_SLOTS: Final = 32_768
_EMPTY: Final = vec[i64]([0] * _SLOTS)
_SEED: Final[i64] = i64(int.from_bytes(os.urandom(7), "little"))
# A sender whose ids collide, or who puts all into one trace, is not found again, but does not slow others down.
_MOST_STEPS: Final = 64
_MOST_OF_A_TRACE: Final = 1_024
_MOST_OF_A_RESPONSE: Final = 64
_NONE: Final = -1
_UPPER: Final = -0x100000000


class CallIndex:
    """At most KEPT spans of calls, and where the newest of a trace and of a response id are (open addressing)."""

    def __init__(self, offset: i64 = 0) -> None:
        # Of all calls that were ever remembered, the number of the first one here.
        self.offset = offset
        self.size: i64 = 0
        # A slot is 0, or the upper half of a mark and the place of its call, counted from 1.
        self._slots: vec[i64] = _EMPTY[:]
        # By place. `_before` is the previous call of the same trace, `_older` the previous one of the same response id.
        self._before: vec[i64] = vec[i64](capacity=KEPT)
        self._older: vec[i64] = vec[i64](capacity=KEPT)
        self._highs: vec[i64] = vec[i64](capacity=KEPT)
        self._lows: vec[i64] = vec[i64](capacity=KEPT)
        self._spans: vec[i64] = vec[i64](capacity=KEPT)
        self._parents: vec[i64] = vec[i64](capacity=KEPT)
        self._responses: vec[i64] = vec[i64](capacity=KEPT)
        self._starts: vec[float] = vec[float](capacity=KEPT)
        self._ends: vec[float] = vec[float](capacity=KEPT)
        self._forgotten: vec[bool] = vec[bool](capacity=KEPT)
        self._by_key: vec[bool] = vec[bool](capacity=KEPT)
        self.with_content: vec[bool] = vec[bool](capacity=KEPT)
        self.with_tokens: vec[bool] = vec[bool](capacity=KEPT)
        self.conventions: list[str] = []
        self._layers: list[str] = []
        self._tenants: list[str] = []
        self._requested: list[str | None] = []
        self._served: list[str | None] = []
        # Ids whose length is not the specification's.
        self._irregular_ids: dict[int, tuple[bytes, bytes, bytes]] = {}
        # For a further span of a call, the place of the one that was counted.
        self._first: dict[int, int] = {}

    def add(self, call: Call, first: i64 = _NONE) -> i64:
        """Remember a call; given `first`, as another span of the call there."""
        place = self.size
        self.size += 1
        if first >= 0:
            self._first[place] = first
        high, low, span = call.trace_high, call.trace_low, call.span
        response: i64 = 0
        older: i64 = _NONE
        if call.response_id is not None and not call.cache:
            response = response_mark(call.layer, call.response_id, call.key_mark)
            older = self._put(response, place)
        self._older = append(self._older, older)
        self._before = append(self._before, self._put(trace_mark(high, low, call.key_mark), place))
        self._highs = append(self._highs, high)
        self._lows = append(self._lows, low)
        self._spans = append(self._spans, span)
        self._parents = append(self._parents, call.parent)
        self._responses = append(self._responses, response)
        self._starts = append(self._starts, call.start_unix_s)
        self._ends = append(self._ends, call.end_unix_s)
        self._forgotten = append(self._forgotten, False)
        self._by_key = append(self._by_key, call.key_mark != 0)
        self.with_content = append(self.with_content, False)
        self.with_tokens = append(self.with_tokens, call.has_usage)
        self.conventions.append(call.convention)
        self._layers.append(call.layer)
        self._tenants.append(call.tenant)
        self._requested.append(call.model_requested)
        self._served.append(call.model_served)
        if call.irregular_ids is not None:
            self._irregular_ids[place] = call.irregular_ids
        return place

    def forget(self, first: i64, end: i64) -> None:
        """Find no longer the calls with these numbers: from `first` up to before `end`."""
        for place in range(max(first - self.offset, 0), min(end - self.offset, self.size)):
            self._forgotten[place] = True

    def of(self, mark: i64) -> i64:
        """The place of the newest call with that mark, or less than 0."""
        slot = self._slot(mark)
        if slot < 0:
            return _NONE
        return (self._slots[slot] & 0xFFFFFFFF) - 1

    def first(self, place: i64) -> i64:
        """The place of the span that was counted of the call there."""
        return self._first.get(place, place) if self._first else place

    def by_response(self, mark: i64, tenant: str, by_key: bool, since: float, until: float) -> i64:
        """The place of the newest call with that response id, of that tenant and within that time; or less than 0."""
        place = self.of(mark)
        steps: i64 = 0
        while place >= 0 and steps < _MOST_OF_A_RESPONSE:
            is_near = self._starts[place] <= until and since <= self._ends[place]
            is_here = self._responses[place] == mark and not self._is_forgotten(place)
            if is_near and is_here and self._may_be_of(place, tenant, by_key):
                return place
            place = self._older[place]
            steps += 1
        return _NONE

    def span(self, place: i64, call: Call) -> i64:
        """The place of a call's own span, given the newest of its trace; or less than 0."""
        high, low, span = call.trace_high, call.trace_low, call.span
        steps: i64 = 0
        while place >= 0 and steps < _MOST_OF_A_TRACE:
            is_here = self._spans[place] == span and self._lows[place] == low and self._highs[place] == high
            if is_here and self._is_of_tenant(place, call) and not self._is_forgotten(place):
                return place
            place = self._before[place]
            steps += 1
        return _NONE

    def nested(self, place: i64, call: Call) -> i64:
        """The place of the same call's other span, within this one or around it; or less than 0."""
        high, low, span, parent = call.trace_high, call.trace_low, call.span, call.parent
        steps: i64 = 0
        while place >= 0 and steps < _MOST_OF_A_TRACE:
            is_near = (span != 0 and self._parents[place] == span) or (parent != 0 and self._spans[place] == parent)
            is_here = self._lows[place] == low and self._highs[place] == high and not self._is_forgotten(place)
            if is_near and is_here and self._is_one(place, call):
                return place
            place = self._before[place]
            steps += 1
        return _NONE

    def is_span(self, place: i64, call: Call) -> bool:
        """Whether the one there is that call's own span; whose it is was compared when it was found."""
        is_here = self._lows[place] == call.trace_low and self._highs[place] == call.trace_high
        return is_here and self._spans[place] == call.span

    def _is_of_tenant(self, place: i64, call: Call) -> bool:
        return self._may_be_of(place, call.tenant, call.key_mark != 0)

    def _may_be_of(self, place: i64, tenant: str, by_key: bool) -> bool:
        return may_be_one(self._tenants[place], self._by_key[place], tenant, by_key)

    def _is_forgotten(self, place: i64) -> bool:
        return self._forgotten[place] or self._forgotten[self.first(place)]

    def _is_one(self, place: i64, call: Call) -> bool:
        """Whether a call and the one within it or around it are the same: of one tenant, layer, model and time."""
        names = {self._requested[place], self._served[place]} & {call.model_requested, call.model_served} - {None}
        overlap = self._starts[place] < call.end_unix_s + SLACK_S and call.start_unix_s < self._ends[place] + SLACK_S
        return self._layers[place] == call.layer and bool(names) and overlap and self._is_of_tenant(place, call)

    def span_key(self, place: i64) -> SpanKey:
        """The span of a call, and whose it is."""
        tenant, by_key = self._tenants[place], self._by_key[place]
        ids = self._irregular_ids.get(place)
        if ids is not None:
            return SpanKey(tenant, by_key, ids[0], ids[1])
        trace_id = id_bytes(self._highs[place]) + id_bytes(self._lows[place])
        return SpanKey(tenant, by_key, trace_id, id_bytes(self._spans[place]))

    def _put(self, mark: i64, place: i64) -> i64:
        """Put a place under a mark; returns the place that was there, or less than 0."""
        slot = self._slot(mark)
        if slot < 0:
            return _NONE
        before = (self._slots[slot] & 0xFFFFFFFF) - 1
        self._slots[slot] = (mark & _UPPER) | (place + 1)
        return before

    def _slot(self, mark: i64) -> i64:
        """Where the mark is or would be; less than 0 where there is no room for it."""
        slots = self._slots
        upper = mark & _UPPER
        slot = spread(mark ^ _SEED) & (_SLOTS - 1)
        for _ in range(_MOST_STEPS):
            found = slots[slot]
            if found == 0 or (found & _UPPER) == upper:
                return slot
            slot = (slot + 1) & (_SLOTS - 1)
        return _NONE


class PriorCall:
    """A call that was seen before: the span that was counted, and the one by which it was found."""

    __slots__ = ("found", "index", "place")

    def __init__(self, index: CallIndex, found: i64) -> None:
        self.index = index
        self.found = found
        self.place = index.first(found)

    @property
    def number(self) -> int:
        """The number of the span that was counted."""
        return int(self.index.offset + self.place)

    @property
    def found_number(self) -> int:
        """The number of the span by which it was found."""
        return int(self.index.offset + self.found)

    @property
    def convention(self) -> str:
        return self.index.conventions[self.place]

    @property
    def has_content(self) -> bool:
        """Whether a sample was made of one of its spans."""
        return self.index.with_content[self.place]

    @has_content.setter
    def has_content(self, value: bool) -> None:
        self.index.with_content[self.place] = value

    @property
    def has_tokens(self) -> bool:
        """Whether one of its spans had token counts."""
        return self.index.with_tokens[self.place]

    @has_tokens.setter
    def has_tokens(self, value: bool) -> None:
        self.index.with_tokens[self.place] = value

    @property
    def span_key(self) -> SpanKey:
        """The span that was counted, and whose it is."""
        return self.index.span_key(self.place)

    def is_resent(self, call: Call) -> bool:
        """Whether this is the same span again."""
        return self.index.is_span(self.found, call)

    def pair(self, call: Call) -> str:
        """The conventions of two spans of one call."""
        return "resent" if self.is_resent(call) else "+".join(sorted((self.convention, call.convention)))


def trace_mark(high: i64, low: i64, key_mark: i64) -> i64:
    """A hash of a trace id and of whose key it came under."""
    return (spread(low) << 20) ^ spread(high ^ low) ^ (low >> 8) ^ key_mark


def response_mark(layer: str, response_id: str, key_mark: i64) -> i64:
    first: i64 = hash(response_id)
    second: i64 = hash(layer)
    mark = first ^ (second >> 1) ^ (key_mark >> 2)
    if mark == 0:
        # 0 stands for calls without a response id.
        return 1
    return mark
