"""Calls reported lately, to find a second span of the same call: another instrumentation, another trace, a resend.

Two spans of one layer and tenant (see `owners`) are one call when they share the response id and the time, or when one
is the other's parent, both name the same model and their times overlap; also by way of a third. A failed
call may be reported by both Anthropic's SDK and another instrumentation, in two traces and without an id: one of them
lies within the other. Spans of different layers are different views, never duplicates; a response out of a gateway's
cache has the id of the one that was bought, and is a call of its own.
"""

from __future__ import annotations

import math
from collections import deque
from functools import partial
from typing import Final

from mypy_extensions import i64

from exporters.traces.calls.call import Call, CallRef
from exporters.traces.calls.call_index import KEPT, RESPONSE_SLACK_S, CallIndex, PriorCall, response_mark, trace_mark
from exporters.traces.calls.owners import key_mark, may_be_one
from exporters.traces.core.journal import Journal

VENDOR: Final = "anthropic"
# Failed calls whose other half may come, and how far apart two clocks of one process may read.
FAILED: Final = 256
STEP_S: Final = 0.005
_NONE: Final = -1


class CallDeduplicator:
    """At least the last KEPT calls and at most twice as many, by response id, by span and by parent span."""

    def __init__(self) -> None:
        self._new = CallIndex()
        self._old = CallIndex()
        self._failed: deque[_Failed] = deque(maxlen=FAILED)

    @property
    def next_number(self) -> i64:
        """The number of the call that is remembered next: they are counted from 0 as they come."""
        return self._new.offset + self._new.size

    def merge(self, call: Call, journal: Journal) -> PriorCall | None:
        """Remember a call. Returns the one it repeats, if that was reported before."""
        prior = self.find(call)
        if prior is None:
            self.add(call)
        else:
            journal.reads_call(prior.number)
            journal.reads_call(prior.found_number)
            if prior.is_resent(call):
                return prior
            self.add_again(call, prior)
        if journal.first == journal.end:
            journal.first = self.next_number - 1
            journal.on_rollback(partial(self._forget_all, journal))
        journal.end = self.next_number
        return prior

    def find(self, call: Call) -> PriorCall | None:
        """The call already counted that this one repeats."""
        mark = trace_mark(call.trace_high, call.trace_low, call.key_mark)
        new, old = self._new, self._old
        trace = new.of(mark)
        place = new.span(trace, call)
        if place >= 0:
            return PriorCall(new, place)
        old_trace = old.of(mark)
        place = old.span(old_trace, call)
        if place >= 0:
            return PriorCall(old, place)
        if call.response_id is not None and not call.cache:
            since, until = call.start_unix_s - RESPONSE_SLACK_S, call.end_unix_s + RESPONSE_SLACK_S
            same = self._answered(call.layer, call.response_id, call.tenant, call.key_mark, since, until)
            if same is not None:
                return same
        if trace >= 0:
            place = new.nested(trace, call)
            if place >= 0:
                return PriorCall(new, place)
        if old_trace >= 0:
            place = old.nested(old_trace, call)
            if place >= 0:
                return PriorCall(old, place)
        return self._other_half(call) if _is_failed(call) else None

    def add(self, call: Call) -> None:
        """Remember a call that is counted."""
        self._make_room()
        self._new.add(call)
        if _is_failed(call):
            self._failed.append(_Failed(call, self.newest()))

    def add_again(self, call: Call, prior: PriorCall) -> None:
        """Remember another span of such a call: a third one may be known by this one alone."""
        self._make_room()
        if prior.index is self._new:
            self._new.add(call, prior.place)
        else:
            newer = PriorCall(self._new, self._new.add(call))
            newer.has_content, newer.has_tokens = prior.has_content, prior.has_tokens
        if _is_failed(call):
            for failed in self._failed:
                if failed.prior.number == prior.number and _are_halves(failed.call, call):
                    failed.other, failed.other_number = call.trace_id + call.span_id, self.next_number - 1

    def newest(self) -> PriorCall:
        """The call that was remembered last."""
        return PriorCall(self._new, self._new.size - 1)

    def by_response(self, response_id: str, tenant: str, by_key: bool) -> PriorCall | None:
        """A tenant's call with that response id, as the client, else the gateway or the server reported it."""
        mark = key_mark(tenant) if by_key else 0
        for layer in ("client", "gateway", "server"):
            prior = self._answered(layer, response_id, tenant, mark, 0.0, math.inf)
            if prior is not None:
                return prior
        return None

    def forget(self, first: i64, end: i64) -> None:
        """Forget the spans of a request that was refused, by their numbers: it will be sent again."""
        self._new.forget(first, end)
        self._old.forget(first, end)
        if self._failed:
            self._failed = deque((one for one in self._failed if not first <= one.prior.number < end), FAILED)
            for failed in self._failed:
                if first <= failed.other_number < end:
                    failed.other, failed.other_number = b"", _NONE

    def _forget_all(self, journal: Journal) -> None:
        self.forget(journal.first, journal.end)

    def _answered(
        self, layer: str, response_id: str, tenant: str, key: i64, since: float, until: float
    ) -> PriorCall | None:
        mark = response_mark(layer, response_id, key)
        place = self._new.by_response(mark, tenant, key != 0, since, until)
        if place >= 0:
            return PriorCall(self._new, place)
        place = self._old.by_response(mark, tenant, key != 0, since, until)
        return PriorCall(self._old, place) if place >= 0 else None

    def _make_room(self) -> None:
        if self._new.size >= KEPT:
            self._old, self._new = self._new, CallIndex(self.next_number)

    def _other_half(self, call: Call) -> PriorCall | None:
        span = call.trace_id + call.span_id
        for failed in reversed(self._failed):
            # A span that is sent again is the other half again.
            if failed.other in (b"", span) and _are_halves(failed.call, call):
                return failed.prior
        return None


class _Failed:
    """A failed call, and the id and number of the span that is its other half, once that is here."""

    __slots__ = ("call", "other", "other_number", "prior")

    def __init__(self, call: Call, prior: PriorCall) -> None:
        self.call = call
        self.prior = prior
        self.other = b""
        self.other_number: i64 = _NONE


def vendor_last(calls: list[CallRef]) -> None:
    """Put spans of a vendor's SDK, which hold no content, behind others: where both came, the other one is counted."""
    calls.sort(key=lambda ref: ref.call.convention == VENDOR)


def note_content(prior: PriorCall, journal: Journal) -> None:
    """Note that a sample was made of one of the call's spans."""
    prior.has_content = True
    journal.changes(prior.number, partial(_without_content, prior))


def note_tokens(prior: PriorCall, journal: Journal) -> None:
    """Note that one of the call's spans gave its tokens."""
    prior.has_tokens = True
    journal.changes(prior.number, partial(_without_tokens, prior))


def _without_content(prior: PriorCall) -> None:
    prior.has_content = False


def _without_tokens(prior: PriorCall) -> None:
    prior.has_tokens = False


def _is_failed(call: Call) -> bool:
    return call.status == "error" and call.provider == VENDOR and call.response_id is None


def _are_halves(first: Call, second: Call) -> bool:
    if (first.convention == VENDOR) == (second.convention == VENDOR):
        return False
    inner, outer = (first, second) if first.convention == VENDOR else (second, first)
    same = (first.layer, first.model_requested) == (second.layer, second.model_requested)
    is_ours = may_be_one(first.tenant, first.key_mark != 0, second.tenant, second.key_mark != 0)
    return (
        same
        and is_ours
        and (outer.start_unix_s - STEP_S <= inner.start_unix_s and inner.end_unix_s <= outer.end_unix_s + STEP_S)
    )
