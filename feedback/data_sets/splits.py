"""Which rows a model is trained with and which it is tested with: what belongs together is never in both.

Rows belong together that are of one trace, of one conversation, of one prompt or nearly one. Which side they are on
follows from a hash of the conversation of the first of them, so that more rows later move none.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence

from feedback.data_sets.alike import Alike
from feedback.data_sets.chat import ChatMessage
from feedback.data_sets.formats import Candidate

_WHOLE = 1 << 64


class Splits:
    """Rows by what belongs together, in the order in which they were added."""

    def __init__(self) -> None:
        self._parents: list[int] = []
        self._hashes: list[int] = []
        self._places: dict[bytes, int] = {}
        # Of every row, with its number: each of two prompts that differ may be nearly a third one.
        self._prompts = Alike()

    def add(self, row: Candidate) -> None:
        place = len(self._parents)
        self._parents.append(place)
        keys = [*_keys(row)]
        self._hashes.append(int.from_bytes(keys[0][:8], "big"))
        for key in keys:
            self._join(place, self._places.setdefault(key, place))
        for near in self._prompts.all(row.talk_sketch, lambda other: self._root(other) != self._root(place)):
            self._join(place, near)
        self._prompts.add(row.talk_sketch)

    def tests(self, share: float) -> list[bool]:
        """Of each row whether it is for tests. None is where that would leave nothing to train with."""
        roots = [self._root(place) for place in range(len(self._parents))]
        found = [self._hashes[root] < share * _WHOLE for root in roots]
        return [False] * len(found) if all(found) else found

    @property
    def largest(self) -> int:
        """How many rows are of the largest group that belongs together."""
        return max(Counter(map(self._root, range(len(self._parents)))).values(), default=0)

    def _join(self, one: int, other: int) -> None:
        first, second = sorted((self._root(one), self._root(other)))
        self._parents[second] = first

    def _root(self, place: int) -> int:
        while self._parents[place] != place:
            self._parents[place] = self._parents[self._parents[place]]
            place = self._parents[place]
        return place


def _keys(row: Candidate) -> Iterator[bytes]:
    """What a row shares with those that it belongs to; the first one is that of its conversation."""
    opening = _digest("opening", _opening(row))
    conversations = [
        _digest("conversation", sample.tenant, sample.conversation_id)
        for sample in row.samples
        if sample.conversation_id
    ]
    yield from conversations or [opening]
    yield opening
    yield _digest("prompt", row.asked)
    yield from (_digest("trace", sample.trace_id) for sample in row.samples)


def _opening(row: Candidate) -> Sequence[ChatMessage]:
    """The beginning of a conversation, up to the model's first answer: later turns repeat it."""
    for place, message in enumerate(row.asked):
        if message["role"] == "assistant":
            return row.asked[: place + 1]
    return [*row.asked, *row.heard[:1]]


def _digest(kind: str, *what: object) -> bytes:
    text = json.dumps([kind, *what], sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()[:16]
