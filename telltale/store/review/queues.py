"""Queues of calls to label, and their items."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import islice
from typing import Any, Literal

from sqlalchemy import Connection, Row, exists, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from telltale.labels import How, Values
from telltale.store import samples
from telltale.store.schema import review_items, review_queues

# Items in one statement.
AT_ONCE = 20_000

ItemState = Literal["open", "decided", "disputed", "gone"]
"""`open`: labels are missing; `decided`: there is a verdict; `disputed`: people disagree, and somebody who has not
labelled it must decide; `gone`: what was said was deleted before enough people had seen it."""


@dataclass(frozen=True, slots=True)
class Queue:
    """`overlap` people label each item; who takes one has it for `lease_s` seconds.

    `source` says where its items are from.
    """

    name: str
    rubric_id: int
    overlap: int
    lease_s: float
    made_at: float
    made_by: str
    source: Mapping[str, Any] = field(default_factory=dict)
    closed_at: float | None = None
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """A call to label, or two to compare.

    `probability` is that with which it was drawn from `stratum`; None where it was chosen, which says nothing of the
    traffic. `gold` is the known answer. `verdict` is what its labels came to, `decided_how` the way.
    """

    queue_id: int
    tenant: str
    model: str
    version: str
    trace_id: str
    span_id: str
    other_trace_id: str = ""
    other_span_id: str = ""
    stratum: str = ""
    probability: float | None = None
    priority: float = 0.0
    gold: Values | None = None
    needed: int = 1
    taken: int = 0
    done: int = 0
    state: ItemState = "open"
    verdict: Values | None = None
    decided_how: How | None = None
    decided_by: str | None = None
    decided_why: str | None = None
    decided_at: float | None = None
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Of a queue: its items by state, and how many labels are there and are needed."""

    items: Mapping[str, int]
    labels: int
    needed: int

    @property
    def total(self) -> int:
        return sum(self.items.values())


_QUEUE = [review_queues.c[one.name] for one in fields(Queue)]
_ITEM = [review_items.c[one.name] for one in fields(Item)]
_NEW = ("queue_id", "tenant", "model", "version", "trace_id", "span_id", "other_trace_id", "other_span_id", "stratum",
        "probability", "priority", "gold", "needed")  # fmt: skip


def make(connection: Connection, queue: Queue) -> int:
    """Store a new queue; returns its id. Raises sqlalchemy's IntegrityError for a name that is taken."""
    values = {one.name: getattr(queue, one.name) for one in fields(Queue) if one.name != "id"}
    values["source"] = dict(queue.source)
    return int(connection.execute(review_queues.insert().values(**values).returning(review_queues.c.id)).scalar_one())


def add(connection: Connection, items: Iterable[Item]) -> int:
    """Add items of one queue; a call that it has already stays as it is. Returns how many are new."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    key = ["queue_id", "trace_id", "span_id", "other_trace_id", "other_span_id"]
    statement = insert(review_items).on_conflict_do_nothing(index_elements=key)
    new, rest = 0, iter(items)
    while part := [_values(item) for item in islice(rest, AT_ONCE)]:
        before = _count(connection, part[0]["queue_id"])
        connection.execute(statement, part)
        new += _count(connection, part[0]["queue_id"]) - before
    return new


def _count(connection: Connection, queue_id: int) -> int:
    # Of many rows in one statement psycopg does not say how many were new.
    query = select(func.count()).select_from(review_items).where(review_items.c.queue_id == queue_id)
    return int(connection.execute(query).scalar_one())


def get(connection: Connection, queue_id: int) -> Queue | None:
    row = connection.execute(select(*_QUEUE).where(review_queues.c.id == queue_id)).first()
    return None if row is None else Queue(**row._asdict())


def load(connection: Connection, *, include_closed: bool = False, limit: int = 200) -> list[Queue]:
    """Queues, the newest first."""
    query = select(*_QUEUE).order_by(review_queues.c.id.desc()).limit(limit)
    if not include_closed:
        query = query.where(review_queues.c.closed_at.is_(None))
    return [Queue(**row._asdict()) for row in connection.execute(query)]


def close(connection: Connection, queue_id: int, now: float | None) -> None:
    """Nothing of it is given out any more; what people have of it they may still label. None opens it again."""
    connection.execute(update(review_queues).where(review_queues.c.id == queue_id).values(closed_at=now))


def item(connection: Connection, item_id: int) -> Item | None:
    row = connection.execute(select(*_ITEM).where(review_items.c.id == item_id)).first()
    return None if row is None else _item(row)


def items(
    connection: Connection, *, ids: Collection[int] | None = None, queue_id: int | None = None,
    state: ItemState | None = None, traces: Collection[str] | None = None, labelled: bool = False, after: int = 0,
    limit: int = 1000,
) -> list[Item]:  # fmt: skip
    """Items in the order of their ids, of a queue, a state, these traces; `labelled` by somebody at least."""
    query = select(*_ITEM).where(review_items.c.id > after).order_by(review_items.c.id).limit(limit)
    for column, wanted in ((review_items.c.id, ids), (review_items.c.trace_id, traces)):
        if wanted is not None:
            query = query.where(column.in_(list(wanted)))
    if queue_id is not None:
        query = query.where(review_items.c.queue_id == queue_id)
    if state is not None:
        query = query.where(review_items.c.state == state)
    if labelled:
        query = query.where(review_items.c.done > 0)
    return [_item(row) for row in connection.execute(query)]


def known(connection: Connection, rubric_id: int, model: str, most: int, beside: int) -> list[Item]:
    """Items of a model whose answer to that rubric is known, the newest decision first: each call once.

    Calls that the queue `beside` has are left out.
    """
    own = review_items.alias()
    is_there = exists().where(
        own.c.queue_id == beside, own.c.trace_id == review_items.c.trace_id, own.c.span_id == review_items.c.span_id
    )
    of_rubric = select(review_queues.c.id).where(review_queues.c.rubric_id == rubric_id)
    query = (
        select(*_ITEM)
        .where(review_items.c.queue_id.in_(of_rubric), review_items.c.state == "decided")
        .where(review_items.c.decided_how.in_(("unanimous", "majority", "adjudicated")))
        .where(review_items.c.model == model, review_items.c.gold.is_(None), ~is_there)
        .order_by(review_items.c.decided_at.desc(), review_items.c.id)
        .limit(2 * most)
    )
    found = {(one.trace_id, one.span_id): one for one in map(_item, connection.execute(query).all()[::-1])}
    return list(found.values())[::-1][:most]


def mark_gone(connection: Connection, item_id: int) -> None:
    """Nobody can label it any more; its labels stay."""
    still = (review_items.c.id == item_id, review_items.c.state.in_(("open", "disputed")))
    connection.execute(update(review_items).where(*still).values(state="gone"))


def gone(connection: Connection, among: Sequence[Item]) -> list[int]:
    """Which of these items can no longer be read, by their ids: one of their calls is not kept any more."""
    traces = {trace for one in among for trace in (one.trace_id, one.other_trace_id) if trace}
    found = samples.load(connection, trace_ids=sorted(traces), texts=False) if traces else []
    kept = {(call.tenant, call.trace_id, call.span_id) for call in found}
    return [
        one.id or 0
        for one in among
        if (one.tenant, one.trace_id, one.span_id) not in kept
        or (one.other_trace_id and (one.tenant, one.other_trace_id, one.other_span_id) not in kept)
    ]


def sweep(connection: Connection, queue_id: int, most: int) -> None:
    """Mark those of the next open items as gone whose calls are not kept any more; it looks at so many at most."""
    c = review_items.c
    query = select(*_ITEM).where(c.queue_id == queue_id, c.state == "open").order_by(c.priority.desc(), c.id)
    found = gone(connection, [_item(row) for row in connection.execute(query.limit(most))])
    if found:
        connection.execute(update(review_items).where(c.id.in_(found)).values(state="gone"))


def decide(connection: Connection, item_id: int, verdict: Values, how: How, *, by: str, why: str, now: float) -> None:
    """Store what an item's labels came to, or what an adjudicator says of it."""
    values = {"verdict": dict(verdict), "decided_how": how, "decided_by": by, "decided_why": why, "decided_at": now}
    connection.execute(update(review_items).where(review_items.c.id == item_id).values(state="decided", **values))


def reopen(connection: Connection, item_id: int, state: ItemState) -> None:
    """An item without a verdict again: one of its labels changed."""
    nothing = {"verdict": None, "decided_how": None, "decided_by": None, "decided_why": None, "decided_at": None}
    connection.execute(update(review_items).where(review_items.c.id == item_id).values(state=state, **nothing))


def progress(connection: Connection, queue_ids: Sequence[int]) -> dict[int, Progress]:
    """How far these queues are, by id."""
    c = review_items.c
    query = (
        select(c.queue_id, c.state, func.count(), func.sum(c.done), func.sum(c.needed))
        .where(c.queue_id.in_(queue_ids))
        .group_by(c.queue_id, c.state)
    )
    found = {number: Progress({}, 0, 0) for number in queue_ids}
    for number, state, count, done, needed in connection.execute(query):
        known = found[number]
        found[number] = Progress(
            {**known.items, state: int(count)},
            known.labels + int(done),
            # Nobody is asked any more for what is gone.
            known.needed + int(done if state == "gone" else needed),
        )
    return found


def _values(one: Item) -> dict[str, Any]:
    values = {name: getattr(one, name) for name in _NEW}
    return {**values, "gold": dict(one.gold) if one.gold is not None else None}


def _item(row: Row[Any]) -> Item:
    return Item(**row._asdict())
