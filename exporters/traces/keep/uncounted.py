"""Calls that no page has shown yet. Until one does, whatever further span comes changes how they are counted.

A counter must not go back once Prometheus has read it, and spans of one call come in any order and in any request. So
calls are counted when a page is read, each with all that its spans told until then, or when there are too many of
them. What a span tells later of a call that was counted adds the tokens that were missing, and changes no label.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from exporters.traces.calls.call import ACCEPTED, COUNTED, Call
from exporters.traces.calls.families import Families, Family
from exporters.traces.calls.grouping import by_call
from exporters.traces.calls.whole_call import joined, lacking, with_tokens_of
from exporters.traces.keep.metrics import CallMetrics

MOST: Final = 2_048


class UncountedCalls:
    """Spans of calls whose requests are durable, the oldest first."""

    def __init__(self, metrics: CallMetrics, families: Families, add_reasons: Callable[[Call], None]) -> None:
        """`add_reasons` gives a call the reasons why it ended that its span does not tell."""
        self._metrics = metrics
        self._families = families
        self._add_reasons = add_reasons
        self._spans: list[Call] = []

    def accept(self, spans: list[Call]) -> None:
        """Take the spans of a request that is durable."""
        for call in spans:
            call.stage = ACCEPTED
        self._spans += spans
        if len(self._spans) > MOST:
            self.count()

    def count(self) -> None:
        """Count all calls."""
        for call in self._spans:
            if not call.finish_reasons:
                self._add_reasons(call)
        for call in self._spans:
            if call.stage != ACCEPTED:
                # With another span of its call.
                continue
            family = self._families.of(int(call.number)) if call.has_relatives else None
            if family is None:
                self._metrics.add(call)
                call.stage = COUNTED
            else:
                self._count_family(family)
                # Its family may be so large that it is no part of it.
                call.stage = COUNTED
        self._spans.clear()

    def _count_family(self, family: Family) -> None:
        spans = [call for call in family.spans() if call.stage >= ACCEPTED]
        for found in by_call(spans):
            if all(call.stage == COUNTED for call in found.calls):
                continue
            whole = joined(found)
            counted = [family.counted.get(int(call.number), call) for call in found.calls if call.stage == COUNTED]
            if not counted:
                self._metrics.add(whole)
            else:
                whole = self._add_tokens(counted, whole)
            for call in found.calls:
                call.stage = COUNTED
                family.counted[int(call.number)] = whole

    def _add_tokens(self, counted: list[Call], whole: Call) -> Call:
        """Count the tokens that a counted call lacked. Returns it as it is counted now."""
        more = lacking(counted, whole)
        if more is None:
            return counted[0]
        known = with_tokens_of(more, counted[0])
        self._metrics.add_tokens(more, known)
        return known
