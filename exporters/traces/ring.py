"""Calls that were not kept, for a while and within a number of bytes: feedback may still ask for them.

They wait as they came; redaction is done when one is taken out for the store, before anything is written.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from exporters.traces.spans import Span
from telltale.records import Call


@dataclass(frozen=True, slots=True)
class Held:
    """A call and the span that holds its content."""

    call: Call
    span: Span
    bytes: int


class Ring:
    """Unsampled calls by trace; the oldest make room."""

    def __init__(self, max_bytes: int, max_age: float) -> None:
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._traces: OrderedDict[str, list[tuple[float, Held]]] = OrderedDict()
        self.bytes = 0

    def add(self, call: Call, span: Span, now: float) -> None:
        held = Held(call, span, _size(span))
        self._traces.setdefault(call.trace_id, []).append((now, held))
        self.bytes += held.bytes
        while self._traces and (self.bytes > self._max_bytes or self._is_old(now)):
            self._drop(next(iter(self._traces)))

    def take(self, trace_id: str) -> list[Held]:
        """The calls of a trace, which leave the ring."""
        return self._drop(trace_id) if trace_id in self._traces else []

    def _is_old(self, now: float) -> bool:
        return next(iter(self._traces.values()))[0][0] < now - self._max_age

    def _drop(self, trace_id: str) -> list[Held]:
        held = [item for _, item in self._traces.pop(trace_id)]
        self.bytes -= sum(item.bytes for item in held)
        return held


def _size(span: Span) -> int:
    # The fixed parts are what records, keys and small values take in memory beside the bytes that came.
    return 2000 + 100 * len(span.attributes) + span.size
