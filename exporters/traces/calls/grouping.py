"""Which of these spans are of one call, whatever order they came in.

What links two spans directly is not enough: a span without an id may lie around two calls, or be linked to two that
have ids of their own. So links are followed in an order of their own, the surest first, and none that would put two
spans into one call that contradict each other. Of several calls within one that has no id, it is the one that used the
same tokens, or else the last that succeeded; an attempt that failed before it is a call of its own.
"""

from __future__ import annotations

from typing import Final

from exporters.traces.calls.call import Call
from exporters.traces.calls.same_call import are_halves, differ, has_same_id, is_one, may_be_a_half
from exporters.traces.conventions.fields import INPUT, OUTPUT

# A sender that puts all into one trace, or under one id, does not slow others down: of so many spans each is compared.
MOST_COMPARED: Final = 32

_Link = tuple[tuple[float, float, float], int, int]


class Spans:
    """The spans of one call, in an order that does not depend on their arrival; `around` holds those of more calls."""

    __slots__ = ("around", "calls")

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.around: list[Call] = []


def by_call(spans: list[Call]) -> list[Spans]:
    """Put spans that are of one call together."""
    ordered = sorted(spans, key=_order)
    groups = _Groups(ordered)
    _join_ids(ordered, groups)
    _join_halves(ordered, groups)
    around = _join_nested(ordered, groups)
    made: dict[int, Spans] = {}
    for place, call in enumerate(ordered):
        found = made.setdefault(groups.of(place), Spans())
        found.calls.append(call)
        if place in around:
            found.around.append(call)
    return list(made.values())


class _Groups:
    """Spans by place, in groups that grow together."""

    __slots__ = ("_group", "_members", "_spans")

    def __init__(self, spans: list[Call]) -> None:
        self._spans = spans
        self._group = list(range(len(spans)))
        self._members = [[place] for place in range(len(spans))]

    def of(self, place: int) -> int:
        """The group of the span there."""
        return self._group[place]

    def join(self, first: int, second: int) -> bool:
        """Make two spans' groups one, if nothing in them contradicts it. Returns whether they are one."""
        mine, theirs = self._group[first], self._group[second]
        if mine == theirs:
            return True
        if len(self._members[mine]) < len(self._members[theirs]):
            mine, theirs = theirs, mine
        for one in self._members[mine][:MOST_COMPARED]:
            for other in self._members[theirs][:MOST_COMPARED]:
                if differ(self._spans[one], self._spans[other]):
                    return False
        for other in self._members[theirs]:
            self._group[other] = mine
        self._members[mine] += self._members[theirs]
        self._members[theirs] = []
        return True


def _order(call: Call) -> tuple[float, float, int, int, int]:
    """No two spans are equal in it."""
    return call.start_unix_s, call.end_unix_s, int(call.trace_high), int(call.trace_low), int(call.span)


def _join_ids(spans: list[Call], groups: _Groups) -> None:
    """Spans with the same response id, and one that is but the other's place in another trace."""
    known: dict[str, list[int]] = {}
    for place, call in enumerate(spans):
        if call.response_id is None:
            continue
        alike = known.setdefault(call.response_id, [])
        for other in alike[-MOST_COMPARED:]:
            if has_same_id(spans[other], call):
                groups.join(other, place)
        alike.append(place)
    by_number: dict[int, int] = {int(call.number): place for place, call in enumerate(spans)}
    for place, call in enumerate(spans):
        stands_for = by_number.get(int(call.stands_for))
        if call.stands_for >= 0 and stands_for is not None:
            groups.join(stands_for, place)


def _join_halves(spans: list[Call], groups: _Groups) -> None:
    failed = [place for place, call in enumerate(spans) if may_be_a_half(call)][:MOST_COMPARED]
    links: list[_Link] = []
    for at, first in enumerate(failed):
        for second in failed[at + 1 :]:
            mine, theirs = spans[first], spans[second]
            if are_halves(mine, theirs):
                apart = abs(mine.start_unix_s - theirs.start_unix_s) + abs(mine.end_unix_s - theirs.end_unix_s)
                links.append(((apart, 0.0, 0.0), first, second))
    for link in sorted(links):
        groups.join(link[1], link[2])


def _join_nested(spans: list[Call], groups: _Groups) -> set[int]:
    """Returns the spans around more than one call."""
    by_id: dict[tuple[int, int, int], list[int]] = {}
    for place, call in enumerate(spans):
        by_id.setdefault((int(call.trace_high), int(call.trace_low), int(call.span)), []).append(place)
    links: list[_Link] = []
    for place, call in enumerate(spans):
        if call.parent != 0:
            around = by_id.get((int(call.trace_high), int(call.trace_low), int(call.parent)), [])
            links += [
                (_likeness(call, spans[outer]), place, outer)
                for outer in around[:MOST_COMPARED]
                if outer != place and is_one(call, spans[outer])
            ]
    several: set[int] = set()
    for link in sorted(links):
        inner, outer = link[1], link[2]
        if not groups.join(inner, outer) and spans[inner].has_usage:
            several.add(outer)
    if several:
        _add_those_around(spans, groups, several)
    return several


def _likeness(inner: Call, outer: Call) -> tuple[float, float, float]:
    """The less, the more likely a span is the call of the one around it: of the same tokens, with an answer, last."""
    mine, theirs = inner.token_counts, outer.token_counts
    is_same = inner.has_usage and mine[INPUT] == theirs[INPUT] and mine[OUTPUT] == theirs[OUTPUT]
    return 0.0 if is_same else 1.0, 0.0 if inner.status == "ok" else 1.0, -inner.end_unix_s


def _add_those_around(spans: list[Call], groups: _Groups, several: set[int]) -> None:
    """What lies around a span that is around more than one call is so, too."""
    longest = {groups.of(place): spans[place].end_unix_s - spans[place].start_unix_s for place in sorted(several)}
    for place, call in enumerate(spans):
        least = longest.get(groups.of(place))
        if least is not None and call.end_unix_s - call.start_unix_s >= least:
            several.add(place)
