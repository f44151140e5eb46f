"""Labels: append-only revisions, one current label of each person and item; what they came to is kept with the item."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from telltale import labels as rules
from telltale.labels import Rubric
from telltale.store.errors import Conflict
from telltale.store.review import leases, queues
from telltale.store.review.leases import Lease
from telltale.store.schema import labels
from telltale.store.schema import review_items as items


class NotYours(Exception):
    """A label for an item that the person does not have, or has no longer; the message is for people."""


@dataclass(frozen=True, slots=True)
class Label:
    """What one person says of an item; `seen_s` is for how many seconds it was shown to them.

    `is_verdict`: an adjudicator's, of whom it is no label beside the others'. One without answers is a dispute: until
    somebody decides, there is no verdict.
    """

    item_id: int
    reviewer: str
    answers: Mapping[str, str]
    idempotency_key: str
    made_at: float
    comment: str = ""
    correction: str = ""
    seen_s: float | None = None
    revision: int = 1
    is_current: bool = True
    is_verdict: bool = False
    id: int | None = None


_COLUMNS = [labels.c[one.name] for one in fields(Label)]
_STANDS = (labels.c.is_current, labels.c.is_verdict.is_(False))
_SAID = ("answers", "comment", "correction")


def submit(
    connection: Connection, label: Label, token: str, rubric: Rubric, *, replaces: int | None = None
) -> tuple[Label, bool]:
    """Store a label of the item that `token` was given out with. Returns it, and whether it was stored before.

    A second label of the same person replaces the first, whose words are kept. `replaces` is the revision that the
    person saw of their own label, 0 for none: what another tab said meanwhile is not written over unseen. Raises
    NotYours; InvalidLabel; Conflict when the idempotency key was used for another label.
    """
    known = _under_key(connection, label)
    if known is not None:
        if any(getattr(known, name) != getattr(label, name) for name in _SAID) or known.item_id != label.item_id:
            raise Conflict(
                f"Another label was saved from this page already (key {label.idempotency_key}): to change it, open it "
                "under “What I labelled”."
            )
        return known, True
    answers = rules.checked(rubric, label.answers, label.comment, label.correction)
    lease, item = _mine(connection, label, token)
    before = current(connection, [label.item_id], reviewer=label.reviewer)
    if replaces is not None and replaces != (before[0].revision if before else 0):
        raise NotYours("You labelled this item meanwhile, in another tab perhaps; that label stays as it is.")
    if not leases.claim(connection, lease):
        raise NotYours("Your time for this item was over, and others have labelled it meanwhile.")
    if not before:
        leases.labelled(connection, lease)
    stored = _append(connection, label, answers)
    _settle(connection, item, rubric, label.made_at)
    return stored, False


def current(connection: Connection, item_ids: Collection[int], *, reviewer: str | None = None) -> list[Label]:
    """Everybody's current label of these items, oldest first."""
    mine = (labels.c.item_id.in_(list(item_ids)), *_STANDS)
    query = select(*_COLUMNS).where(*mine).order_by(labels.c.id)
    if reviewer is not None:
        query = query.where(labels.c.reviewer == reviewer)
    return [_label(row) for row in connection.execute(query)]


def of_reviewer(connection: Connection, reviewer: str, queue_id: int, *, limit: int = 100) -> list[Label]:
    """A person's current labels in a queue, the newest first."""
    own = (items.c.queue_id == queue_id, labels.c.reviewer == reviewer)
    query = select(*_COLUMNS).join(items, items.c.id == labels.c.item_id).where(*own, *_STANDS)
    return [_label(row) for row in connection.execute(query.order_by(labels.c.id.desc()).limit(limit))]


def adjudicate(
    connection: Connection, item_id: int, values: Mapping[str, str], rubric: Rubric, *, by: str, why: str, now: float,
    correction: str = "",
) -> None:  # fmt: skip
    """Decide an item on which people disagree. Raises NotYours for who labelled it, InvalidLabel."""
    item = queues.item(connection, item_id)
    if item is None or item.state not in ("disputed", "decided"):
        raise NotYours("Nobody disagrees on this item.")
    if any(label.reviewer == by for label in current(connection, [item_id])):
        raise NotYours("You labelled this item yourself: somebody else must decide.")
    answers = rules.checked(rubric, values, why, correction)
    queues.decide(connection, item_id, answers, "adjudicated", by=by, why=why, now=now)
    said = Label(item_id, by, answers, secrets.token_hex(16), now, why, correction, is_verdict=True)
    _append(connection, said, answers)


def until(connection: Connection, traces: Collection[str], last_id: int) -> list[tuple[queues.Item, list[Label]]]:
    """The items on these traces' calls with what each person said of them up to the label of that id."""
    about = items.c.trace_id.in_(list(traces)) | items.c.other_trace_id.in_(list(traces))
    of = select(items.c.id).where(about)
    query = select(*_COLUMNS).where(labels.c.item_id.in_(of), labels.c.id <= last_id).order_by(labels.c.id)
    said: dict[int, dict[tuple[str, bool], Label]] = {}
    for label in map(_label, connection.execute(query)):
        said.setdefault(label.item_id, {})[label.reviewer, label.is_verdict] = label
    found = queues.items(connection, ids=said, limit=len(said)) if said else []
    return [(item, list(said[item.id or 0].values())) for item in found]


def last_id(connection: Connection) -> int:
    """The newest label's id; 0 when there is none."""
    return connection.execute(select(func.max(labels.c.id))).scalar() or 0


def dispute(connection: Connection, item_id: int, *, by: str, why: str, now: float) -> None:
    """Somebody says that an item's verdict is not right, or that the guidelines do not decide it.

    Who has it gives it back. Raises NotYours for who was never given it, and where nothing is left to decide on.
    """
    item, lease = queues.item(connection, item_id), leases.of(connection, item_id, by)
    if item is None or lease is None:
        raise NotYours("You were never given this item.")
    if item.state == "gone":
        raise NotYours("What was said here was deleted.")
    leases.skip(connection, lease, why)
    key = secrets.token_hex(16)
    _append(connection, Label(item_id, by, {}, key, now, comment=why, is_verdict=True), {})
    if item.state != "disputed":
        queues.reopen(connection, item_id, "disputed")


def _mine(connection: Connection, label: Label, token: str) -> tuple[Lease, queues.Item]:
    lease, item = leases.find(connection, token), queues.item(connection, label.item_id)
    if lease is None or item is None or (lease.reviewer, lease.item_id) != (label.reviewer, label.item_id):
        raise NotYours("This item is not yours to label.")
    if item.state == "gone":
        raise NotYours("What was said here was deleted.")
    if item.decided_how == "adjudicated":
        raise NotYours("An adjudicator has decided this item.")
    return lease, item


def _append(connection: Connection, label: Label, answers: Mapping[str, str]) -> Label:
    mine = (labels.c.item_id == label.item_id, labels.c.reviewer == label.reviewer)
    same = (*mine, labels.c.is_verdict == label.is_verdict, labels.c.is_current)
    connection.execute(update(labels).where(*same).values(is_current=False))
    revision = 1 + (connection.execute(select(func.max(labels.c.revision)).where(*mine)).scalar() or 0)
    values = {one.name: getattr(label, one.name) for one in fields(Label) if one.name != "id"}
    values |= {"answers": dict(answers), "revision": revision, "is_current": True}
    row = connection.execute(labels.insert().values(**values).returning(*_COLUMNS)).one()
    return _label(row)


def _settle(connection: Connection, before: queues.Item, rubric: Rubric, now: float) -> None:
    """What the item's labels come to, once there are enough."""
    said = current(connection, [before.id or 0])
    if len(said) < before.needed or _is_disputed(connection, before.id or 0):
        return
    found = rules.outcome(rubric, [label.answers for label in said])
    if found is None:
        queues.reopen(connection, before.id or 0, "disputed")
    else:
        queues.decide(connection, before.id or 0, *found, by="", why="", now=now)


def _is_disputed(connection: Connection, item_id: int) -> bool:
    """Whether a person disputed it and nobody has decided since."""
    decided = select(labels.c.answers).where(labels.c.item_id == item_id, labels.c.is_verdict)
    newest = connection.execute(decided.order_by(labels.c.id.desc()).limit(1)).first()
    return newest is not None and not newest.answers


def _under_key(connection: Connection, label: Label) -> Label | None:
    same = (labels.c.reviewer == label.reviewer, labels.c.idempotency_key == label.idempotency_key)
    row = connection.execute(select(*_COLUMNS).where(*same)).first()
    return None if row is None else _label(row)


def _label(row: Row[Any]) -> Label:
    return Label(**row._asdict())
