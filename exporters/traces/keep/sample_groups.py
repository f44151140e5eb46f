"""Which span of a call its sample is made of, where a request holds several: the one that tells most."""

from __future__ import annotations

from exporters.traces.calls.call import Call, CallRef
from exporters.traces.calls.call_index import PriorCall
from exporters.traces.calls.dedup import CallDeduplicator
from exporters.traces.calls.grouping import by_call
from exporters.traces.calls.whole_call import joined


class Other:
    """A further span of a call, the call as far as this request tells of it, and its span that was sampled or not."""

    __slots__ = ("prior", "ref", "whole")

    def __init__(self, ref: CallRef, prior: PriorCall, whole: Call) -> None:
        self.ref = ref
        self.prior = prior
        self.whole = whole


def best_first(
    firsts: list[CallRef], again: list[tuple[CallRef, PriorCall]], known: CallDeduplicator
) -> tuple[list[CallRef], list[Other], dict[int, list[CallRef]]]:
    """Calls to decide about, each by the span that tells most as the whole call; and the other spans of calls.

    Of the latter also those that are beside one to decide about, by that one's number.
    """
    to_decide = {int(ref.call.number): ref for ref in firsts}
    others = {int(ref.call.number): ref for ref, _ in again}
    wholes: dict[int, Call] = {}
    seen: set[int] = set()
    for ref, _ in again:
        family = known.families.of(int(ref.call.number))
        # A family may be large, and most of a request's further spans are of few.
        if family is not None and id(family) not in seen:
            seen.add(id(family))
            for spans in by_call(family.spans()):
                if len(spans.calls) > 1:
                    _lead(spans.calls, to_decide, others, wholes, known)
    found: list[Other] = []
    for number in sorted(others):
        its = known.numbered(number)
        if its is not None:
            call = others[number].call
            found.append(Other(others[number], its, wholes.get(number, call)))
    beside: dict[int, list[CallRef]] = {}
    for other in found:
        whole = int(other.whole.number)
        if whole in wholes:
            beside.setdefault(whole, []).append(other.ref)
    return list(to_decide.values()), found, beside


def _lead(
    spans: list[Call],
    to_decide: dict[int, CallRef],
    others: dict[int, CallRef],
    wholes: dict[int, Call],
    known: CallDeduplicator,
) -> None:
    """Let the best of a call's spans be decided about, if all of them are of this request."""
    numbers = [int(call.number) for call in spans]
    firsts = [number for number in numbers if number in to_decide]
    if not firsts or not all(number in to_decide or number in others for number in numbers):
        return
    whole = joined(by_call(spans)[0])
    best = int(whole.number)
    if best in wholes or not known.lead(best, firsts, [number for number in numbers if number != best]):
        return
    refs = {number: to_decide[number] if number in to_decide else others[number] for number in numbers}
    for number in numbers:
        wholes[number] = whole
        others[number] = refs[number]
        if number in firsts and number != firsts[0]:
            del to_decide[number]
    del others[best]
    to_decide[firsts[0]] = CallRef(whole, refs[best].group, refs[best].index)
