"""What audits say of models: labels of calls that were drawn with a known probability, by model and version."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from telltale.labels import Field, Values, worth
from telltale.quality import Estimate, Labelled, estimate
from telltale.store.review import labels, queues, rubrics
from telltale.store.review.queues import Item
from telltale.store.schema import review_items as items
from telltale.store.schema import review_queues

MONTH_S = 30 * 86400.0
# Labels come by the minute, pages and scrapes by the second.
KEPT_S = 60.0
# By which a queue's calls are a part of a version's.
NARROWING = ("tenant", "app")
# Audits that are looked at, the newest first, and items of each.
MOST_QUEUES = 50
MOST_ITEMS = 5000
AT_ONCE = 1000


class Audit(NamedTuple):
    """How good the answers of a model's version are, as one queue's labels say; `question` is what was asked."""

    model: str
    version: str
    question: str
    queue_id: int
    made_at: float
    estimate: Estimate


class Recent:
    """Audits, and what waits, as they were within the last KEPT_S seconds: thousands of labels and items are read."""

    def __init__(self) -> None:
        self._read_at = float("-inf")
        self._newest: list[Audit] = []
        self._waiting: dict[str, int] = {}

    def newest(self, connection: Connection, now: float) -> list[Audit]:
        """As the function of that name."""
        self._refresh(connection, now)
        return self._newest

    def waiting(self, connection: Connection, now: float) -> dict[str, int]:
        """As the function of that name."""
        self._refresh(connection, now)
        return self._waiting

    def _refresh(self, connection: Connection, now: float) -> None:
        if not 0 <= now - self._read_at < KEPT_S:
            self._newest, self._waiting = newest(connection, now), waiting(connection)
            self._read_at = now


def newest(connection: Connection, now: float) -> list[Audit]:
    """Of each model's version the newest audit of the last month that has labels enough, by name.

    What was drawn of one tenant's or one application's calls says nothing of the others, and is left out.
    """
    queue = review_queues.c
    audited = select(items.c.queue_id).where(items.c.probability.is_not(None), items.c.done > 0)
    query = (
        select(queue.id, queue.made_at, queue.rubric_id, queue.source)
        .where(queue.made_at >= now - MONTH_S, queue.id.in_(audited))
        .order_by(queue.id.desc())
        .limit(MOST_QUEUES)
    )
    found: dict[tuple[str, str], Audit] = {}
    for number, made_at, rubric_id, source in connection.execute(query).all():
        if any(source.get(name) for name in NARROWING):
            continue
        rubric = rubrics.get(connection, [rubric_id])[rubric_id]
        field = next((field for field in rubric.fields if field.kind != "comparison"), None)
        for (model, version), own in (_by_version(connection, number, field) if field else {}).items():
            told = estimate(own) if (model, version) not in found else None
            if field is not None and told is not None:
                found[model, version] = Audit(model, version, field.question or field.name, number, made_at, told)
    return sorted(found.values())


def labelled(field: Field, item: Item, said: Sequence[Values]) -> Labelled | None:
    """An item of an audit: its verdict, or the mean of what people say while they disagree. None without labels."""
    verdict = worth(field, (item.verdict or {}).get(field.name, ""))
    values = [verdict] if verdict is not None else [worth(field, answers.get(field.name, "")) for answers in said]
    known = [value for value in values if value is not None]
    if not known or item.probability is None:
        return None
    return Labelled(item.stratum, item.probability, sum(known) / len(known))


def waiting(connection: Connection) -> dict[str, int]:
    """Items of open queues by state."""
    query = (
        select(items.c.state, func.count())
        .join(review_queues, review_queues.c.id == items.c.queue_id)
        .where(review_queues.c.closed_at.is_(None))
        .group_by(items.c.state)
    )
    return {state: int(count) for state, count in connection.execute(query)}


def _by_version(connection: Connection, queue_id: int, field: Field) -> dict[tuple[str, str], list[Labelled]]:
    audited = [
        item
        for item in queues.items(connection, queue_id=queue_id, labelled=True, limit=MOST_ITEMS)
        if item.probability
    ]
    said: defaultdict[int, list[Values]] = defaultdict(list)
    ids = [item.id or 0 for item in audited]
    for begin in range(0, len(ids), AT_ONCE):
        for label in labels.current(connection, ids[begin : begin + AT_ONCE]):
            said[label.item_id].append(label.answers)
    found: defaultdict[tuple[str, str], list[Labelled]] = defaultdict(list)
    for item in audited:
        one = labelled(field, item, said[item.id or 0])
        if one is not None:
            found[item.model, item.version].append(one)
    return found
