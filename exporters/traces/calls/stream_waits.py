"""The wait for a streamed response, where its sender reports it in a span of its own that nothing links to the call's.

Both spans are of one tenant and hold the same question, and where one ends the other begins. They are joined
by that. Without its wait a call's start is not known, and neither is its duration.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import Final, NamedTuple, TypeVar

from exporters.traces.calls.call import Call, copy_of
from exporters.traces.calls.owners import may_be_one
from exporters.traces.core.journal import Journal

T = TypeVar("T")

MOST: Final = 10_000
# Of the same question, asked many times over.
MOST_ALIKE: Final = 64
# Between the response's headers and the first look at its stream.
GAP_S: Final = 0.1


class Wait(NamedTuple):
    """From the request to the response's headers, in Unix seconds; `asked` is a hash of who asked for what.

    Of a key that is its tenant's, so that only what attributes claim is compared. `span` is its own: trace, span and
    parent span. An instrumentation beside its sender's reports the same call within it or around it.
    """

    asked: int
    start: float
    end: float
    tenant: str
    span: tuple[bytes, bytes, bytes] = (b"", b"", b"")

    def place_of(self, call: Call) -> Call:
        """The call, as if its span were the wait's."""
        made = copy_of(call)
        made.set_ids(*self.span)
        made.stream_s = made.request_hash = None
        return made


class StreamWaits:
    """The latest waits and streams. They stay after they were used: a request that is sent again needs them again."""

    def __init__(self) -> None:
        self._by_asked: OrderedDict[int, list[Wait]] = OrderedDict()
        # Streams whose wait has not come.
        self._streams: OrderedDict[int, list[Call]] = OrderedDict()

    def add(self, wait: Wait, journal: Journal) -> Call | None:
        """Remember a wait; the oldest make room. Returns the stream that it was for, if that came before: complete."""
        asked = wait.asked
        _put(self._by_asked, asked, wait)
        journal.changes(("wait", asked), partial(_remove, self._by_asked, asked, wait))
        streams = self._streams.get(asked, [])
        near = [call for call in streams if _is_wait_of(wait, call)]
        if not near:
            return None
        found = min(near, key=lambda call: _gap(wait, call))
        place = streams.index(found)
        journal.changes(("stream", asked), partial(self._put_back, asked, place, found))
        journal.changes(int(found.number), partial(_set_times, found, found.start_unix_s, found.duration_s))
        _remove(self._streams, asked, found)
        _begin(found, wait)
        return found

    def complete(self, call: Call, journal: Journal) -> Call | None:
        """Give a call that was streamed for `stream_s` seconds its start and duration, if its wait is known.

        Returns the call in the wait's place: see `Wait`.
        """
        if call.request_hash is None or call.stream_s is None:
            return None
        journal.reads(("wait", call.request_hash))
        near = [wait for wait in self._by_asked.get(call.request_hash, ()) if _is_wait_of(wait, call)]
        if not near:
            asked = call.request_hash
            _put(self._streams, asked, call)
            journal.changes(("stream", asked), partial(_remove, self._streams, asked, call))
            return None
        wait = min(near, key=lambda wait: _gap(wait, call))
        _begin(call, wait)
        return wait.place_of(call) if wait.span[1] else None

    def _put_back(self, asked: int, place: int, call: Call) -> None:
        self._streams.setdefault(asked, []).insert(place, call)


def _put(known: OrderedDict[int, list[T]], asked: int, one: T) -> None:
    alike = known.setdefault(asked, [])
    known.move_to_end(asked)
    alike.append(one)
    del alike[:-MOST_ALIKE]
    if len(known) > MOST:
        known.popitem(last=False)


def _remove(known: OrderedDict[int, list[T]], asked: int, one: T) -> None:
    alike = known.get(asked, [])
    if one in alike:
        # The newest of those that are the same: others may have reported it before.
        del alike[len(alike) - 1 - alike[::-1].index(one)]
        if not alike:
            del known[asked]


def _gap(wait: Wait, call: Call) -> float:
    """Seconds from the end of the wait to the stream, whose call ends where it does."""
    return abs(wait.end - (call.end_unix_s - (call.stream_s or 0.0)))


def _is_wait_of(wait: Wait, call: Call) -> bool:
    return _gap(wait, call) <= GAP_S and may_be_one(wait.tenant, False, call.tenant, False)


def _begin(call: Call, wait: Wait) -> None:
    _set_times(call, wait.start, max(0.0, call.end_unix_s - wait.start))


def _set_times(call: Call, start_unix_s: float, duration_s: float | None) -> None:
    call.start_unix_s = start_unix_s
    call.duration_s = duration_s
