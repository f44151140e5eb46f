"""The wait for a streamed answer, where its sender tells of it in a span that nothing links to the call's.

Both spans hold what was asked for, and where one ends the other begins: that is what they are joined by. Without its
wait a call's start is not known, and neither is its duration.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

from exporters.traces.calls.call import Call

MOST: Final = 10_000
# Of the same question, asked many times over.
MOST_ALIKE: Final = 64
# Between the answer's headers and the first look at its stream.
GAP_S: Final = 0.1


class Wait(NamedTuple):
    """From the request to the answer's headers, in Unix seconds; `asked` is a hash of who asked for what."""

    asked: int
    start: float
    end: float


class StreamWaits:
    """Those of late. They stay after they were found: a request that is sent again finds them again."""

    def __init__(self) -> None:
        self._by_asked: OrderedDict[int, list[Wait]] = OrderedDict()

    def add(self, wait: Wait) -> None:
        alike = self._by_asked.setdefault(wait.asked, [])
        self._by_asked.move_to_end(wait.asked)
        alike.append(wait)
        del alike[:-MOST_ALIKE]
        if len(self._by_asked) > MOST:
            self._by_asked.popitem(last=False)

    def mend(self, call: Call) -> None:
        """Give a call that was streamed for `stream_s` seconds its start and its duration, if its wait is known."""
        if call.request_hash is None or call.stream_s is None:
            return
        end = call.start_unix_s
        begun = end - call.stream_s
        alike = self._by_asked.get(call.request_hash, ())
        near = [wait for wait in alike if abs(wait.end - begun) <= GAP_S]
        if near:
            call.start_unix_s = min(near, key=lambda wait: abs(wait.end - begun)).start
            call.duration_s = max(0.0, end - call.start_unix_s)
