"""Calls told of lately, to find a second span of the same call: another instrumentation, another trace, a resend.

Two spans of one layer are one call when they share the response id, tenant and time, or when one is the other's parent,
both name the same model and their times overlap; also by way of a third. Of a failed call both Anthropic's SDK and
another instrumentation may tell, in two traces and without an id: one of them lies within the other. Spans of different
layers are different views, never duplicates.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from exporters.traces.calls.call import Call
from exporters.traces.calls.call_index import ANSWER_SLACK_S, KEPT, CallIndex, PriorCall, response_mark, trace_mark

VENDOR: Final = "anthropic"
# Failed calls whose other half may come, and how far apart two clocks of one process may read.
FAILED: Final = 256
STEP_S: Final = 0.005


class CallDeduplicator:
    """At least the last KEPT calls and at most twice as many, by response id, by span and by parent span."""

    def __init__(self) -> None:
        self._new = CallIndex()
        self._old = CallIndex()
        self._failed: deque[_Failed] = deque(maxlen=FAILED)

    def find(self, call: Call) -> PriorCall | None:
        """The call already counted that this one repeats."""
        high, low, span = call.trace_high, call.trace_low, call.span
        mark = trace_mark(high, low)
        new, old = self._new, self._old
        trace = new.of(mark)
        place = new.span(trace, high, low, span)
        if place >= 0:
            return PriorCall(new, place)
        old_trace = old.of(mark)
        place = old.span(old_trace, high, low, span)
        if place >= 0:
            return PriorCall(old, place)
        if call.response_id is not None:
            since, until = call.start_unix_s - ANSWER_SLACK_S, call.end_unix_s + ANSWER_SLACK_S
            same = self._answered(call.layer, call.response_id, call.tenant, since, until)
            if same is not None:
                return same
        if trace >= 0:
            place = new.nested(trace, high, low, span, call)
            if place >= 0:
                return PriorCall(new, place)
        if old_trace >= 0:
            place = old.nested(old_trace, high, low, span, call)
            if place >= 0:
                return PriorCall(old, place)
        return self._other_half(call) if _is_failed(call) else None

    def add(self, call: Call) -> None:
        """Remember a call that is counted."""
        self._make_room()
        self._new.add(call)
        if _is_failed(call):
            self._failed.append(_Failed(call, self.newest()))

    def add_again(self, call: Call, seen: PriorCall) -> None:
        """Remember a span that tells of such a call again: a third one may be known by this one alone."""
        self._make_room()
        if seen.table is self._new:
            self._new.add(call, seen.place)
        else:
            newer = PriorCall(self._new, self._new.add(call))
            newer.has_content, newer.has_tokens = seen.has_content, seen.has_tokens

    def newest(self) -> PriorCall:
        """The call that was remembered last."""
        return PriorCall(self._new, self._new.size - 1)

    def by_response(self, response_id: str, tenant: str) -> tuple[bytes, bytes] | None:
        """Trace and span of a tenant's call with that response id, as the client, else the gateway or server has it."""
        for layer in ("client", "gateway", "server"):
            seen = self._answered(layer, response_id, tenant, 0.0, math.inf)
            if seen is not None:
                return seen.ids
        return None

    def forget(self, call: Call) -> None:
        """A span whose request was refused: it will be told of again."""
        self._new.forget(call)
        self._old.forget(call)
        if _is_failed(call):
            self._failed = deque((held for held in self._failed if held.call is not call), FAILED)

    def _answered(self, layer: str, response_id: str, tenant: str, since: float, until: float) -> PriorCall | None:
        mark = response_mark(layer, response_id)
        place = self._new.answered(mark, tenant, since, until)
        if place >= 0:
            return PriorCall(self._new, place)
        place = self._old.answered(mark, tenant, since, until)
        return PriorCall(self._old, place) if place >= 0 else None

    def _make_room(self) -> None:
        if self._new.size >= KEPT:
            self._old, self._new = self._new, CallIndex()

    def _other_half(self, call: Call) -> PriorCall | None:
        span = call.trace_id + call.span_id
        for held in reversed(self._failed):
            # A span that is sent again is the other half again.
            if held.other in (b"", span) and _are_halves(held.call, call):
                held.other = span
                return held.seen
        return None


class _Failed:
    """A failed call, and the span that is its other half, once that is here."""

    __slots__ = ("call", "other", "seen")

    def __init__(self, call: Call, seen: PriorCall) -> None:
        self.call = call
        self.seen = seen
        self.other = b""


def _is_failed(call: Call) -> bool:
    return call.status == "error" and call.provider == VENDOR and call.response_id is None


def _are_halves(first: Call, second: Call) -> bool:
    if (first.convention == VENDOR) == (second.convention == VENDOR):
        return False
    inner, outer = (first, second) if first.convention == VENDOR else (second, first)
    same = (first.layer, first.tenant, first.model_requested) == (second.layer, second.tenant, second.model_requested)
    return same and (
        outer.start_unix_s - STEP_S <= inner.start_unix_s and inner.end_unix_s <= outer.end_unix_s + STEP_S
    )
