"""Sampled calls whose content has not arrived yet. They wait in memory for a while."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import Final

from exporters.traces.calls.call import Call
from exporters.traces.calls.owners import SpanKey, place
from exporters.traces.conventions.particulars import NOTHING, Particulars
from exporters.traces.core.journal import Journal

WAIT_S: Final = 60.0
MAX_PENDING: Final = 5_000


@dataclass(frozen=True, slots=True)
class PendingSample:
    """A call without its content; `since` is when it came, in Unix seconds."""

    call: Call
    probability: float | None
    promoted_by: str | None
    since: float
    particulars: Particulars = NOTHING


class PendingSamples:
    """By the call's span, the oldest first."""

    def __init__(self) -> None:
        self._pending: OrderedDict[SpanKey, PendingSample] = OrderedDict()
        self._is_ordered = True

    @property
    def is_full(self) -> bool:
        return len(self._pending) > MAX_PENDING

    def add(self, span: SpanKey, sample: PendingSample, journal: Journal) -> None:
        """Add a sample that waits for its content."""
        at = place(self._pending, span, _tenant_of)
        before = self._pending.get(at)
        self._pending[at] = sample
        journal.changes(("pending", span.shared), partial(self._restore, at, before))

    def find(self, span: SpanKey, journal: Journal) -> PendingSample | None:
        """The sample that waits for content of this span."""
        journal.reads(("pending", span.shared))
        return self._pending.get(place(self._pending, span, _tenant_of))

    def remove(self, span: SpanKey, journal: Journal) -> None:
        """Remove a sample: its content has arrived."""
        at = place(self._pending, span, _tenant_of)
        journal.changes(("pending", span.shared), partial(self._restore, at, self._pending.pop(at, None)))

    def expire(self, now: float) -> list[PendingSample]:
        """Remove samples that waited too long or are too many. Returns them."""
        if not self._is_ordered:
            # Once for all that a rollback brought back, not once for each.
            self._pending = OrderedDict(sorted(self._pending.items(), key=lambda item: item[1].since))
            self._is_ordered = True
        given_up: list[PendingSample] = []
        while self._pending:
            span, oldest = next(iter(self._pending.items()))
            if oldest.since > now - WAIT_S and not self.is_full:
                break
            del self._pending[span]
            given_up.append(oldest)
        return given_up

    def _restore(self, span: SpanKey, sample: PendingSample | None) -> None:
        if sample is None:
            self._pending.pop(span, None)
            return
        self._pending[span] = sample
        # Not in its place: only the oldest are looked at when it is time to give up.
        self._is_ordered = False


def _tenant_of(sample: PendingSample) -> str:
    return sample.call.tenant
