"""Recent calls in packed columns, found by trace, span and response id of their tenant.

Machine words stand here, outside `core`, because every call is looked up: a row has 156 bytes and shared texts, where
tens of thousands of `Call`s with their parts would be cold memory to allocate, search and free. What the index finds is
compared: tenants, traces and spans whole, response ids by a keyed hash of 64 bits. What came under a key stands in rows
of its tenant's alone, so that no other tenant makes them long.
"""

from __future__ import annotations

import os
from typing import Final

from librt.vecs import append, vec
from mypy_extensions import i64

from exporters.traces.calls.call import COUNTED, Call
from exporters.traces.calls.owners import SpanKey, key_mark, may_be_one
from exporters.traces.calls.same_call import RESPONSE_SLACK_S
from exporters.traces.conventions.fields import (
    CACHE_WRITE_INPUT,
    CACHED_INPUT,
    INPUT,
    OUTPUT,
    REASONING_OUTPUT,
)
from exporters.traces.core.interning import id_bytes, spread
from telltale.records import Layer, Status

KEPT: Final = 10_000

_SLOTS: Final = 32_768
_EMPTY: Final = vec[i64]([0] * _SLOTS)
_SEED: Final[i64] = i64(int.from_bytes(os.urandom(7), "little"))
# A sender whose ids collide, or who puts all into one trace, is not found again, but does not slow others down.
_MOST_STEPS: Final = 64
_MOST_OF_A_TRACE: Final = 1_024
_MOST_OF_A_RESPONSE: Final = 64
_MOST_RELATIVES: Final = 256
_NONE: Final = -1
_UPPER: Final = -0x100000000
_NO_PLACES: Final[list[int]] = []


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
        self._inputs: vec[i64] = vec[i64](capacity=KEPT)
        self._outputs: vec[i64] = vec[i64](capacity=KEPT)
        self.with_content: vec[bool] = vec[bool](capacity=KEPT)
        self.conventions: list[str] = []
        self._layers: list[Layer] = []
        self._tenants: list[str] = []
        self._requested: list[str | None] = []
        self._served: list[str | None] = []
        self._operations: list[str] = []
        self._statuses: list[Status] = []
        self._response_ids: list[str | None] = []
        # Ids whose length is not the specification's.
        self._irregular_ids: dict[int, tuple[bytes, bytes, bytes]] = {}
        # For a further span of a call, the place of the one that was counted.
        self._first: dict[int, int] = {}

    def add(self, call: Call, first: i64 = _NONE) -> i64:
        """Remember a call, which gets its number; given `first`, as another span of the call there."""
        place = self.size
        self.size += 1
        call.number = self.offset + place
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
        counts = call.token_counts
        self._inputs = append(self._inputs, counts[INPUT])
        self._outputs = append(self._outputs, counts[OUTPUT])
        self.with_content = append(self.with_content, False)
        self.conventions.append(call.convention)
        self._layers.append(call.layer)
        self._tenants.append(call.tenant)
        self._requested.append(call.model_requested)
        self._served.append(call.model_served)
        self._operations.append(call.operation)
        self._statuses.append(call.status)
        self._response_ids.append(call.response_id)
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

    def lead(self, place: i64, others: list[int]) -> None:
        """Let the span there stand for its call, of which these are the others."""
        self._first.pop(int(place), None)
        for other in others:
            self._first[other] = int(place)

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

    def answered(self, mark: i64, call: Call) -> list[int]:
        """The places of spans with that mark of a response id, of the call's tenant and at about its time."""
        since, until = call.start_unix_s - RESPONSE_SLACK_S, call.end_unix_s + RESPONSE_SLACK_S
        found = _NO_PLACES
        place = self.of(mark)
        steps: i64 = 0
        while place >= 0 and steps < _MOST_OF_A_RESPONSE:
            is_near = self._starts[place] <= until and since <= self._ends[place]
            is_here = self._responses[place] == mark and not self._is_forgotten(place)
            if is_near and is_here and self._is_of_tenant(place, call):
                found = [*found, int(place)]
            place = self._older[place]
            steps += 1
        return found

    def relatives(self, mark: i64, call: Call) -> list[int]:
        """The places of spans within this one or around it, by that mark of its trace; only its own if it is here."""
        high, low, span, parent = call.trace_high, call.trace_low, call.span, call.parent
        found = _NO_PLACES
        place = self.of(mark)
        steps: i64 = 0
        while place >= 0 and steps < _MOST_OF_A_TRACE:
            is_itself = self._spans[place] == span
            is_near = (span != 0 and self._parents[place] == span) or (parent != 0 and self._spans[place] == parent)
            is_here = (is_itself or is_near) and self._lows[place] == low and self._highs[place] == high
            if is_here and self._is_of_tenant(place, call) and not self._is_forgotten(place):
                if is_itself:
                    return [int(place)]
                if found is _NO_PLACES:
                    found = []
                if len(found) < _MOST_RELATIVES:
                    found.append(int(place))
            place = self._before[place]
            steps += 1
        return found

    def call(self, place: i64) -> Call:
        """The span there, as far as it is remembered: of what it used, whether it was counted, and how much of it."""
        made = Call()
        made.trace_high, made.trace_low = self._highs[place], self._lows[place]
        made.span, made.parent = self._spans[place], self._parents[place]
        made.irregular_ids = self._irregular_ids.get(int(place))
        made.convention, made.layer = self.conventions[place], self._layers[place]
        made.tenant = self._tenants[place]
        made.key_mark = key_mark(made.tenant) if self._by_key[place] else 0
        made.model_requested, made.model_served = self._requested[place], self._served[place]
        made.operation, made.status = self._operations[place], self._statuses[place]
        made.response_id = self._response_ids[place]
        if made.response_id is not None and self._responses[place] == 0:
            made.cache = "gateway"
        made.start_unix_s = self._starts[place]
        made.duration_s = self._ends[place] - self._starts[place]
        counts = made.token_counts
        counts[INPUT], counts[OUTPUT] = self._inputs[place], self._outputs[place]
        if counts[INPUT] >= 0:
            counts[CACHED_INPUT] = counts[CACHE_WRITE_INPUT] = 0
        if counts[OUTPUT] >= 0:
            counts[REASONING_OUTPUT] = 0
        made.number, made.stage = self.offset + place, COUNTED
        return made

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
