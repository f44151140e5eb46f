"""Calls told of lately, to find a second span of the same call: another instrumentation, another trace, a resend.

Two spans of one layer are one call when they share the response id, or when one is the other's parent, both name the
same model and their times overlap. Of a failed call both Anthropic's SDK and another instrumentation may tell, in two
traces and without an id: one of them lies within the other. Spans of different layers are different views, never
duplicates.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from exporters.traces.call import Call

KEPT: Final = 10_000
SLACK_S: Final = 0.05
VENDOR: Final = "anthropic"
# Failed calls whose other half may come, and how far apart two clocks of one process may read.
FAILED: Final = 256
STEP_S: Final = 0.005

Key = bytes | str


class Recent:
    """At least the last KEPT calls and at most twice as many, by response id, by span and by parent span."""

    def __init__(self) -> None:
        self._new: dict[Key, Call] = {}
        self._old: dict[Key, Call] = {}
        self._count = 0
        self._failed: deque[_Failed] = deque(maxlen=FAILED)

    def find(self, call: Call) -> Call | None:
        """The call already counted that this one repeats."""
        span = call.trace_id + call.span_id
        same = self._get(span)
        if same is None and call.response_id is not None:
            same = self._get(_response(call.layer, call.response_id))
        if same is not None:
            return same
        nested = self._get(_child_of(span))
        if nested is None and call.parent_span_id:
            nested = self._get(call.trace_id + call.parent_span_id)
        if nested is not None and _is_one(nested, call):
            return nested
        return self._other_half(call, span) if _is_failed(call) else None

    def add(self, call: Call) -> None:
        if self._count >= KEPT:
            self._old, self._new, self._count = self._new, {}, 0
        self._count += 1
        new = self._new
        new[call.trace_id + call.span_id] = call
        if call.parent_span_id:
            new[_child_of(call.trace_id + call.parent_span_id)] = call
        if call.response_id is not None:
            new[_response(call.layer, call.response_id)] = call
        if _is_failed(call):
            self._failed.append(_Failed(call))

    def by_response(self, response_id: str) -> tuple[bytes, bytes] | None:
        """Trace and span of the call with that response id, as the client, else the gateway or server, told of it."""
        for layer in ("client", "gateway", "server"):
            seen = self._get(_response(layer, response_id))
            if seen is not None:
                return seen.trace_id, seen.span_id
        return None

    def forget(self, call: Call) -> None:
        """A call whose request was refused: it will be told of again."""
        for key in (
            call.trace_id + call.span_id,
            _child_of(call.trace_id + call.parent_span_id),
            _response(call.layer, call.response_id or ""),
        ):
            self._new.pop(key, None)
            self._old.pop(key, None)
        if _is_failed(call):
            self._failed = deque((held for held in self._failed if held.call is not call), FAILED)

    def _other_half(self, call: Call, span: bytes) -> Call | None:
        for held in reversed(self._failed):
            # A span that is sent again is the other half again.
            if held.other in (b"", span) and _are_halves(held.call, call):
                held.other = span
                return held.call
        return None

    def _get(self, key: Key) -> Call | None:
        return self._new.get(key) or self._old.get(key)


class _Failed:
    """A failed call, and the span that is its other half, once that is here."""

    __slots__ = ("call", "other")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.other = b""


def pair(first: Call, second: Call) -> str:
    """Which conventions told of one call twice."""
    if first.span_id == second.span_id and first.trace_id == second.trace_id:
        return "resent"
    return "+".join(sorted((first.convention, second.convention)))


def _child_of(span: bytes) -> bytes:
    return span + b"child"


def _response(layer: str, response_id: str) -> str:
    return layer + response_id


def _is_one(first: Call, second: Call) -> bool:
    names = {first.model_requested, first.model_served} & {second.model_requested, second.model_served} - {None}
    overlap = first.start_unix_s < second.end_unix_s + SLACK_S and second.start_unix_s < first.end_unix_s + SLACK_S
    return first.layer == second.layer and bool(names) and overlap


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
