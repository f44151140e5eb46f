"""Spans that may be of one call, kept together until it is clear which of them are.

Which of them are of one call depends on all of them (see `grouping`), and they may come in any order. So each span is
compared with those before it at once, to decide whether to sample it, and a family as a whole when its calls are
counted.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from exporters.traces.calls.call import REFUSED, Call
from exporters.traces.calls.grouping import MOST_COMPARED
from exporters.traces.calls.same_call import differ

# Spans whose family is known, and spans of one family: there is a sender that puts all into one trace.
MOST: Final = 8_192
MOST_OF_ONE: Final = 2_048


class Family:
    """Spans that are linked, in groups as they came: each group was taken for a call."""

    __slots__ = ("counted", "groups", "size")

    def __init__(self) -> None:
        # By the number of the group's first span.
        self.groups: dict[int, list[Call]] = {}
        # By the number of a span: the call as it was counted.
        self.counted: dict[int, Call] = {}
        self.size = 0

    def spans(self) -> list[Call]:
        """All that were not refused."""
        return [call for group in self.groups.values() for call in group if call.stage != REFUSED]

    def add(self, call: Call, first: int) -> None:
        """Put a span into the group whose first span has that number."""
        self.groups.setdefault(first, []).append(call)
        self.size += 1
        call.has_relatives = True

    def take(self, other: Family) -> None:
        """Become one with another."""
        for first, group in other.groups.items():
            self.groups.setdefault(first, []).extend(group)
        self.counted.update(other.counted)
        self.size += other.size


class Families:
    """The families of the spans that came lately."""

    def __init__(self) -> None:
        self._by_span: OrderedDict[int, Family] = OrderedDict()

    def of(self, number: int) -> Family | None:
        """The family of the span with that number."""
        return self._by_span.get(number)

    def contradiction(self, call: Call, other: Call, first: int) -> Call | None:
        """What contradicts that a new span is of another one's group, whose first span has that number."""
        family = self._by_span.get(int(other.number))
        group = [other] if family is None else family.groups.get(first, [other])
        for one in group[:MOST_COMPARED]:
            if one.stage != REFUSED and differ(one, call):
                return one
        return None

    def unite(self, call: Call, first: int, others: list[tuple[Call, int]]) -> None:
        """Make one family of a new span, in the group of that first one, and of others, each with its own's first."""
        whole: Family | None = None
        for other, its_first in others:
            family = self._by_span.get(int(other.number))
            if family is None:
                family = Family()
                family.add(other, its_first)
                self._by_span[int(other.number)] = family
            if whole is None:
                whole = family
            elif family is not whole and whole.size + family.size <= MOST_OF_ONE:
                whole = self._one_of(whole, family)
        if whole is not None and whole.size < MOST_OF_ONE:
            whole.add(call, first)
            self._by_span[int(call.number)] = whole
        while len(self._by_span) > MOST:
            self._by_span.popitem(last=False)

    def rename(self, first: int, best: int) -> None:
        """Name a group after another one of its spans than the first."""
        family = self._by_span.get(first)
        if family is not None and first in family.groups and first != best:
            family.groups.setdefault(best, []).extend(family.groups.pop(first))

    def _one_of(self, first: Family, second: Family) -> Family:
        if first.size < second.size:
            first, second = second, first
        first.take(second)
        for group in second.groups.values():
            for call in group:
                self._by_span[int(call.number)] = first
        return first
