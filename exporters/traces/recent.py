"""Calls told of lately, to find a second span of the same call: another instrumentation, another trace, a resend.

Two spans of one layer are one call when they share the response id, or when one is the other's parent, both name the
same model and their times overlap. Spans of different layers are different views, never duplicates.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from telltale.records import Call

KEPT = 20_000
SLACK_S = 0.05

Key = tuple[str, str, str]


@dataclass(slots=True)
class Seen:
    """What is kept of a call that was counted; `has_content` once a sample could be made of one of its spans."""

    trace_id: str
    span_id: str
    convention: str
    layer: str
    model_requested: str | None
    model_served: str | None
    start: float
    end: float
    has_content: bool = False


class Recent:
    """The last KEPT calls, by response id, by span and by parent span."""

    def __init__(self) -> None:
        # Ordered: to find the oldest key of a plain dict costs a walk over all that were deleted before it.
        self._by_key: OrderedDict[Key, Seen] = OrderedDict()

    def find(self, call: Call) -> Seen | None:
        """The call already counted that this one repeats."""
        same = self._by_key.get((call.trace_id, "span", call.span_id))
        if same is None and call.response_id:
            same = self._by_key.get((call.layer, "response", call.response_id))
        if same is not None:
            return same
        nested = self._by_key.get((call.trace_id, "parent", call.span_id))
        if nested is None and call.parent_span_id:
            nested = self._by_key.get((call.trace_id, "span", call.parent_span_id))
        return nested if nested is not None and _is_one(nested, call) else None

    def add(self, call: Call) -> Seen:
        seen = Seen(
            call.trace_id, call.span_id, call.convention, call.layer, call.model_requested, call.model_served,
            call.start_unix_s, call.start_unix_s + call.duration_s,
        )  # fmt: skip
        for key in _keys(call):
            self._by_key[key] = seen
        while len(self._by_key) > 3 * KEPT:
            self._by_key.popitem(last=False)
        return seen

    def by_response(self, response_id: str) -> tuple[str, str] | None:
        """Trace and span of the call with that response id, as the client, else the gateway or server, told of it."""
        for layer in ("client", "gateway", "server"):
            seen = self._by_key.get((layer, "response", response_id))
            if seen is not None:
                return seen.trace_id, seen.span_id
        return None

    def forget(self, call: Call) -> None:
        """A call whose request was refused: it will be told of again."""
        for key in _keys(call):
            self._by_key.pop(key, None)


def pair(first: Seen, second: Call) -> str:
    """Which conventions told of one call twice."""
    if first.span_id == second.span_id and first.trace_id == second.trace_id:
        return "resent"
    return "+".join(sorted((first.convention, second.convention)))


def _keys(call: Call) -> list[Key]:
    keys = [(call.trace_id, "span", call.span_id)]
    if call.parent_span_id:
        keys.append((call.trace_id, "parent", call.parent_span_id))
    if call.response_id:
        keys.append((call.layer, "response", call.response_id))
    return keys


def _is_one(first: Seen, second: Call) -> bool:
    names = {first.model_requested, first.model_served} & {second.model_requested, second.model_served} - {None}
    overlap = (
        first.start < second.start_unix_s + second.duration_s + SLACK_S and second.start_unix_s < first.end + SLACK_S
    )
    return first.layer == second.layer and bool(names) and overlap
