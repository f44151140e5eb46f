"""An item as a reviewer sees it: the whole conversation, and two answers in an order that tells nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from feedback.labelling.changes import is_same
from telltale.labels import FIRST, SECOND, Rubric
from telltale.records import Sample
from telltale.store import samples
from telltale.store.review.labels import Label
from telltale.store.review.queues import Item

_OTHER = {FIRST: SECOND, SECOND: FIRST}


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown of an item: `first` and, of a comparison, `second`, in the order that this reviewer sees.

    `is_swapped` says whether the order is turned round. What was said is None where it was deleted.
    """

    item: Item
    rubric: Rubric
    first: Sample | None
    second: Sample | None = None
    is_swapped: bool = False

    @property
    def is_gone(self) -> bool:
        return self.first is None or (bool(self.item.other_trace_id) and self.second is None)

    def as_meant(self, answers: Mapping[str, str]) -> dict[str, str]:
        """The answers of a comparison in the item's own order, of which the reviewer may have seen the reverse."""
        if not self.is_swapped:
            return dict(answers)
        kinds = {field.name: field.kind for field in self.rubric.fields}
        return {
            name: _OTHER.get(value, value) if kinds.get(name) == "comparison" else value
            for name, value in answers.items()
        }

    def as_seen(self, label: Label) -> dict[str, str]:
        """A label's answers as this reviewer saw the question: turning round twice changes nothing."""
        return self.as_meant(label.answers)


def show(connection: Connection, item: Item, rubric: Rubric, reviewer: str) -> Shown:
    """What this reviewer sees of an item."""
    first = _call(connection, item, item.trace_id, item.span_id)
    if not item.other_trace_id:
        return Shown(item, rubric, first)
    second = _call(connection, item, item.other_trace_id, item.other_span_id)
    is_swapped = swapped(item.id or 0, reviewer)
    return Shown(item, rubric, *((second, first) if is_swapped else (first, second)), is_swapped)


def swapped(item_id: int, reviewer: str) -> bool:
    """Whether this reviewer sees the two answers in reverse: the same each time, and for half of all people."""
    return hashlib.sha256(f"{item_id}\0{reviewer}".encode()).digest()[0] % 2 == 1


def is_own(connection: Connection, item: Item, text: str) -> bool:
    """Whether a text is the model's own answer: a form that begins with it was sent unchanged."""
    call = None if item.other_trace_id else _call(connection, item, item.trace_id, item.span_id, whole=False)
    return call is not None and is_same(call.response, text)


def _call(connection: Connection, item: Item, trace_id: str, span_id: str, *, whole: bool = True) -> Sample | None:
    found = samples.load(connection, trace_ids=[trace_id], whole=whole)
    own = [call for call in found if call.span_id == span_id and call.tenant == item.tenant]
    return own[-1] if own else None
