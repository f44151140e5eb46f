"""What reviewers decided of calls, as feedback on them: a verdict of a queue counts as much as one on a vote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection

from feedback.agreement.alpha import agreement
from telltale import labels as rules
from telltale.labels import FIRST, SECOND, Field, Rubric, Values, worth
from telltale.records import Feedback, Sample
from telltale.store.review import labels, queues, rubrics
from telltale.store.review.labels import Label
from telltale.store.review.queues import Item

Call = tuple[str, str, str]
"""Tenant, trace and span."""


Rated = dict[tuple[str, int, str], tuple[Field, dict[int, dict[str, str]]]]
"""Of each question, by rubric, version and field: what each person answered of each item."""


def labels_on(
    connection: Connection, page: Sequence[Sample], last_id: int, rated: Rated
) -> dict[int | None, list[Feedback]]:
    """Of each of these samples, by its id, what reviewers said by then: a rating once they agree, and corrections.

    Adds to `rated` who answered what.
    """
    found = labels.until(connection, {sample.trace_id for sample in page}, last_id) if last_id else []
    if not found:
        return {}
    of_queue = {number: queues.get(connection, number) for number in {item.queue_id for item, _ in found}}
    asked = {number: queue.rubric_id for number, queue in of_queue.items() if queue is not None}
    known = rubrics.get(connection, set(asked.values()))
    by_call: dict[Call, list[Feedback]] = {}
    for item, said in found:
        _rate(item, said, known[asked[item.queue_id]], rated)
        for event in events(item, said, known[asked[item.queue_id]]):
            by_call.setdefault((event.tenant, event.trace_id, event.span_id or ""), []).append(event)
    return {sample.id: own for sample in page if (own := by_call.get((sample.tenant, sample.trace_id, sample.span_id)))}


def agreed(rated: Rated) -> dict[str, dict[str, object]]:
    """How far reviewers agree on each question (`feedback.agreement`). Pure, and the same each time."""
    found = {}
    for (rubric, number, name), (field, items) in sorted(rated.items(), key=lambda one: one[0]):
        is_ranked = field.kind == "scale"
        told = agreement(list(items.values()), "ordinal" if is_ranked else "nominal", order=field.options)
        if told.items:
            found[f"{rubric} {number}: {name}"] = {**told._asdict(), "verdict": told.verdict}
    return found


def _rate(item: Item, said: Sequence[Label], rubric: Rubric, rated: Rated) -> None:
    for field in rubric.fields if not item.gold else ():
        answers = {
            one.reviewer: one.answers[field.name] for one in said if field.name in one.answers and not one.is_verdict
        }
        if answers:
            _, items = rated.setdefault((rubric.name, rubric.number, field.name), (field, {}))
            items[item.id or 0] = answers


def events(item: Item, said: Sequence[Label], rubric: Rubric) -> Iterator[Feedback]:
    """What an item's labels say of its call, or calls. Pure.

    Nothing where the answer was known: such an item asks about the reviewer.
    """
    if item.gold:
        return
    verdict = _verdict(item, said, rubric)
    if verdict is not None:
        yield from _ratings(item, verdict, rubric, max(label.made_at for label in said))
    for label in said:
        if label.correction and not item.other_trace_id:
            yield _event(item, "correction", rubric.name, label.made_at, label.reviewer, comment=label.correction)


def _verdict(item: Item, said: Sequence[Label], rubric: Rubric) -> Values | None:
    """The adjudicator's, or what enough people agree on; None while they do not, or somebody disputes it."""
    decided = [label for label in said if label.is_verdict]
    if decided:
        return max(decided, key=lambda label: label.id or 0).answers or None
    own = [label.answers for label in said if not label.is_verdict]
    found = rules.outcome(rubric, own) if len(own) >= item.needed else None
    return found[0] if found else None


def _ratings(item: Item, verdict: Values, rubric: Rubric, at: float) -> Iterator[Feedback]:
    for field in rubric.fields:
        answer = verdict.get(field.name, "")
        if field.kind == "comparison":
            if answer in (FIRST, SECOND) and item.other_trace_id:
                yield from _compared(item, field, answer, rubric, at)
        elif (value := worth(field, answer)) is not None and field.is_required and not item.other_trace_id:
            yield _event(item, "rating", f"{rubric.name}: {field.name}", at, "", value=value)


def _compared(item: Item, field: Field, answer: str, rubric: Rubric, at: float) -> Iterator[Feedback]:
    """The better of two answers is accepted and the other rejected."""
    name = f"{rubric.name}: {field.name}"
    yield _event(item, "rating", name, at, "", value=float(answer == FIRST))
    other = {"trace_id": item.other_trace_id, "span_id": item.other_span_id}
    yield _event(item, "rating", name, at, "", value=float(answer == SECOND), about=other)


def _event(
    item: Item, kind: str, name: str, at: float, reviewer: str, *, value: float | None = None,
    comment: str | None = None, about: Mapping[str, str] | None = None,
) -> Feedback:  # fmt: skip
    place = about or {"trace_id": item.trace_id, "span_id": item.span_id}
    return Feedback(
        received_at=at,
        tenant=item.tenant,
        trace_id=place["trace_id"],
        span_id=place["span_id"],
        kind="rating" if kind == "rating" else "correction",
        name=name,
        value=value,
        source="reviewer",
        idempotency_key=f"review item {item.id} {name} {reviewer}",
        comment=comment,
        subject=f"review item {item.id} {reviewer}",
    )
