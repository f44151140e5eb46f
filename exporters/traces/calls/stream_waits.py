"""The wait for a streamed response, where its sender reports it in a span of its own that nothing links to the call's.

Both spans are of one tenant and hold the same question, and where one ends the other begins. They are joined
by that. Without its wait a call's start is not known, and neither is its duration.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import Final, NamedTuple

from exporters.traces.calls.call import Call
from exporters.traces.calls.owners import may_be_one
from exporters.traces.core.journal import Journal

MOST: Final = 10_000
# Of the same question, asked many times over.
MOST_ALIKE: Final = 64
# Between the response's headers and the first look at its stream.
GAP_S: Final = 0.1


class Wait(NamedTuple):
    """From the request to the response's headers, in Unix seconds; `asked` is a hash of who asked for what.

    Of a key that is its tenant's, so that only what attributes claim is compared.
    """

    asked: int
    start: float
    end: float
    tenant: str


class StreamWaits:
    """The latest waits. They stay after they were used: a request that is sent again needs them again."""

    def __init__(self) -> None:
        self._by_asked: OrderedDict[int, list[Wait]] = OrderedDict()

    def add(self, wait: Wait, journal: Journal) -> None:
        """Remember a wait; the oldest make room."""
        alike = self._by_asked.setdefault(wait.asked, [])
        self._by_asked.move_to_end(wait.asked)
        alike.append(wait)
        del alike[:-MOST_ALIKE]
        if len(self._by_asked) > MOST:
            self._by_asked.popitem(last=False)
        journal.changes(("wait", wait.asked), partial(self._remove, wait))

    def complete(self, call: Call, journal: Journal) -> None:
        """Give a call that was streamed for `stream_s` seconds its start and duration, if its wait is known."""
        if call.request_hash is None or call.stream_s is None:
            return
        end = call.start_unix_s
        begun = end - call.stream_s
        journal.reads(("wait", call.request_hash))
        alike = self._by_asked.get(call.request_hash, ())
        near = [
            wait
            for wait in alike
            if abs(wait.end - begun) <= GAP_S and may_be_one(wait.tenant, False, call.tenant, False)
        ]
        if near:
            call.start_unix_s = min(near, key=lambda wait: abs(wait.end - begun)).start
            call.duration_s = max(0.0, end - call.start_unix_s)

    def _remove(self, wait: Wait) -> None:
        alike = self._by_asked.get(wait.asked, [])
        if wait in alike:
            # The newest of those that are the same: others may have reported it before.
            del alike[len(alike) - 1 - alike[::-1].index(wait)]
            if not alike:
                del self._by_asked[wait.asked]
