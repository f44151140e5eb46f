"""Calls reported lately, to find a second span of the same call: another instrumentation, another trace, a resend.

What makes two spans one call says `same_call`. A span is compared with those that came before it at once, which decides
whether it is sampled; what is counted is decided by all of a call's spans, once that has to be (see `families`).
Spans of different layers are different views, never duplicates.
"""

from __future__ import annotations

import math
from collections import deque
from functools import partial
from typing import Final

from mypy_extensions import i64

from exporters.traces.calls.call import REFUSED, Call, CallRef
from exporters.traces.calls.call_index import KEPT, CallIndex, PriorCall, response_mark, trace_mark
from exporters.traces.calls.families import Families
from exporters.traces.calls.owners import key_mark
from exporters.traces.calls.same_call import VENDOR, are_halves, is_one, may_be_a_half
from exporters.traces.core.journal import Journal

# Failed calls whose other half may come.
FAILED: Final = 256
# The newest spans are at hand with all that they tell: of these others may still complete a call before it is counted.
AT_HAND: Final = 2_048


class CallDeduplicator:
    """At least the last KEPT calls and at most twice as many, by response id, by span and by parent span."""

    def __init__(self) -> None:
        self._new = CallIndex()
        self._old = CallIndex()
        self._at_hand: list[Call | None] = [None] * AT_HAND
        self._failed: deque[tuple[Call, PriorCall]] = deque(maxlen=FAILED)
        self.families = Families()

    @property
    def next_number(self) -> i64:
        """The number of the call that is remembered next: they are counted from 0 as they come."""
        return self._new.offset + self._new.size

    def merge(self, call: Call, journal: Journal, place: Call | None = None) -> PriorCall | None:
        """Remember a call. Returns the one it repeats, if that was reported before.

        `place` is another one that it has, as a call of its own: in the trace of the wait before a stream.
        """
        before = self.next_number
        found = self._related(call)
        if found and found[0].is_resent(call):
            self._read(found, journal)
            return found[0]
        if place is not None:
            elsewhere = self._related(place)
            if elsewhere and elsewhere[0].is_resent(place):
                # Another stream's, that asked the same at the same time.
                place = None
            else:
                found = _in_order(found + elsewhere)
        if not found:
            prior = None
            self.add(call)
        else:
            self._read(found, journal)
            prior = self._join(call, found, journal)
        if place is not None:
            self._add_place(place, call, self.newest(), [])
        self._note(before, journal)
        return prior

    def merge_place(self, place: Call, call: Call, journal: Journal) -> None:
        """Remember another place of a call that is known, as `merge` does."""
        before = self.next_number
        found = self._related(place)
        if found and found[0].is_resent(place):
            return
        known = self.numbered(call.number)
        if known is None:
            return
        self._read([*found, known], journal)
        self._add_place(place, call, known, self._calls(found))
        self._note(before, journal)

    def find(self, call: Call) -> PriorCall | None:
        """The call that this one repeats, if that was reported before."""
        found = self._related(call)
        return found[0] if found and found[0].is_resent(call) else self._joinable(call, found)

    def add(self, call: Call) -> None:
        """Remember a call that was not reported before."""
        self._make_room()
        self._new.add(call)
        self._hold(call)

    def add_again(self, call: Call, prior: PriorCall) -> None:
        """Remember another span of such a call: a third one may be known by this one alone."""
        self._make_room()
        if prior.index is self._new:
            self._new.add(call, prior.place)
        else:
            newer = PriorCall(self._new, self._new.add(call))
            newer.has_content = prior.has_content
        self._hold(call)

    def newest(self) -> PriorCall:
        """The call that was remembered last."""
        return PriorCall(self._new, self._new.size - 1)

    def numbered(self, number: i64) -> PriorCall | None:
        """The span with that number, if it is still remembered."""
        index = self._new if number >= self._new.offset else self._old
        place = number - index.offset
        return PriorCall(index, place) if 0 <= place < index.size else None

    def at_hand(self, number: int) -> Call | None:
        """The span with that number as it came, if it is one of the newest."""
        call = self._at_hand[number & (AT_HAND - 1)]
        return call if call is not None and call.number == number else None

    def lead(self, best: int, firsts: list[int], others: list[int]) -> bool:
        """Let a span stand for its call, by their numbers: `others` are all but the best, `firsts` those that did.

        Returns whether it does.
        """
        offset = int(self._new.offset)
        if min(best, *others) < offset:
            return False
        self._new.lead(best - offset, [other - offset for other in others])
        for first in firsts:
            self.families.rename(first, best)
        return True

    def by_response(self, response_id: str, tenant: str, by_key: bool) -> PriorCall | None:
        """A tenant's call with that response id, as the client, else the gateway or the server reported it."""
        key = key_mark(tenant) if by_key else 0
        for layer in ("client", "gateway", "server"):
            mark = response_mark(layer, response_id, key)
            for index in (self._new, self._old):
                place = index.by_response(mark, tenant, by_key, 0.0, math.inf)
                if place >= 0:
                    return PriorCall(index, place)
        return None

    def forget(self, first: i64, end: i64) -> None:
        """Forget the spans of a request that was refused, by their numbers: it will be sent again."""
        self._new.forget(first, end)
        self._old.forget(first, end)
        for number in range(max(first, self.next_number - AT_HAND), end):
            call = self._at_hand[number & (AT_HAND - 1)]
            if call is not None and call.number == number:
                call.stage = REFUSED
        if self._failed:
            self._failed = deque((one for one in self._failed if not first <= one[0].number < end), FAILED)

    def _note(self, before: i64, journal: Journal) -> None:
        """Note which spans a request added."""
        if journal.first == journal.end:
            journal.first = before
            journal.on_rollback(partial(self._forget_all, journal))
        journal.end = self.next_number

    def _forget_all(self, journal: Journal) -> None:
        self.forget(journal.first, journal.end)

    def _read(self, found: list[PriorCall], journal: Journal) -> None:
        for one in found:
            journal.reads_call(one.number)
            journal.reads_call(one.found_number)

    def _related(self, call: Call) -> list[PriorCall]:
        """The span itself if it came before, alone; else those that may be of the same call, oldest first."""
        mark = trace_mark(call.trace_high, call.trace_low, call.key_mark)
        found: list[PriorCall] = []
        for index in (self._new, self._old):
            for place in index.relatives(mark, call):
                if index.is_span(place, call):
                    return [PriorCall(index, place)]
                found.append(PriorCall(index, place))
        if call.response_id is not None and not call.cache:
            mark = response_mark(call.layer, call.response_id, call.key_mark)
            for index in (self._new, self._old):
                found += [PriorCall(index, place) for place in index.answered(mark, call)]
        if self._failed and may_be_a_half(call):
            found += [one for failed, one in self._failed if are_halves(failed, call)]
        return _in_order([one for one in found if is_one(self._call(one), call)]) if found else found

    def _join(self, call: Call, found: list[PriorCall], journal: Journal) -> PriorCall | None:
        """Add a span to those that may be of the same call. Returns the call that it is taken for a span of, if any."""
        prior = self._joinable(call, found, journal)
        others = self._calls(found)
        if prior is None:
            self.add(call)
        else:
            self.add_again(call, prior)
        self.families.unite(call, prior.number if prior is not None else int(call.number), others)
        return prior

    def _joinable(self, call: Call, found: list[PriorCall], journal: Journal | None = None) -> PriorCall | None:
        for one in found:
            against = self.families.contradiction(call, self._call(one), one.number)
            if against is None:
                return one
            if journal is not None:
                # Without that one, which nothing else need link to this span, it would have been joined.
                journal.reads_call(against.number)
        return None

    def _add_place(self, place: Call, call: Call, known: PriorCall, others: list[tuple[Call, int]]) -> None:
        place.stands_for = call.number
        self.add_again(place, known)
        self.families.unite(place, known.number, [(call, known.number), *others])

    def _calls(self, found: list[PriorCall]) -> list[tuple[Call, int]]:
        return [(self._call(one), one.number) for one in found]

    def _call(self, found: PriorCall) -> Call:
        """The span by which a call was found."""
        return self.at_hand(found.found_number) or found.index.call(found.found)

    def _hold(self, call: Call) -> None:
        """Keep a span at hand, in place of an older one."""
        self._at_hand[call.number & (AT_HAND - 1)] = call
        if may_be_a_half(call):
            self._failed.append((call, self.newest()))

    def _make_room(self) -> None:
        if self._new.size >= KEPT:
            self._old, self._new = self._new, CallIndex(self.next_number)


def _in_order(found: list[PriorCall]) -> list[PriorCall]:
    """Each once, oldest first."""
    by_number = {one.found_number: one for one in found}
    return [by_number[number] for number in sorted(by_number)]


def vendor_last(calls: list[CallRef]) -> None:
    """Put spans of a vendor's SDK, which hold no content, behind others: where both came, the other one is counted."""
    calls.sort(key=lambda ref: ref.call.convention == VENDOR)


def note_content(prior: PriorCall, journal: Journal) -> None:
    """Note that a sample was made of one of the call's spans."""
    prior.has_content = True
    journal.changes(prior.number, partial(_without_content, prior))


def _without_content(prior: PriorCall) -> None:
    prior.has_content = False
