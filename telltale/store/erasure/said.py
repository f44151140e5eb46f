"""Erasure of what was said and what people said of it: review items, feedback, then the calls themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from sqlalchemy import Connection, delete, update

from telltale.store import Store, samples
from telltale.store.erasure.found import Found
from telltale.store.schema import feedback, labels, review_items

Step = tuple[str, Callable[[Connection], object]]


def steps(store: Store, found: Found, at_once: int) -> Iterator[Step]:
    """(what is at work, the write) of each transaction, in their order."""
    for begin in range(0, len(found.items), at_once):
        yield "review", partial(_review, item_ids=found.items[begin : begin + at_once])
    for begin in range(0, len(found.events), at_once):
        yield "feedback", partial(_feedback, ids=found.events[begin : begin + at_once])
    ids = [call.id for call in found.calls]
    for begin in range(0, len(ids), at_once):
        yield "calls", partial(samples.remove, ids=ids[begin : begin + at_once])


def _review(connection: Connection, item_ids: Sequence[int]) -> None:
    """What reviewers wrote goes; their chosen options stay, which say nothing of the call."""
    c = review_items.c
    connection.execute(update(labels).where(labels.c.item_id.in_(item_ids)).values(comment="", correction=""))
    connection.execute(update(review_items).where(c.id.in_(item_ids)).values(decided_why=None))
    waits = c.state.in_(("open", "disputed"))
    connection.execute(update(review_items).where(c.id.in_(item_ids), waits).values(state="gone"))


def _feedback(connection: Connection, ids: Sequence[int]) -> None:
    connection.execute(delete(feedback).where(feedback.c.id.in_(ids)))
