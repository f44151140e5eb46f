"""What a queue's labels are worth: agreement, each reviewer against known answers, and the quality that they show."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from sqlalchemy import Connection

from feedback.agreement.alpha import Agreement, agreement
from feedback.agreement.kappa import Weights, kappa
from feedback.agreement.ratings import Item as Rated
from feedback.agreement.ratings import pairs, raters
from telltale.feedback import NEUTRAL, current, is_judged, is_negative, match
from telltale.labels import Field, Rubric, worth
from telltale.quality import Estimate, Labelled, estimate
from telltale.records import Feedback, Sample
from telltale.store import feedback, samples
from telltale.store.review import audits, labels, queues
from telltale.store.review.labels import Label
from telltale.store.review.queues import Item

# Newer items are left out beyond that: a page must come in time.
MOST_ITEMS = 5_000
MOST_PAIRS = 15
AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Pair:
    """Two people, the items that both labelled, and Cohen's kappa."""

    one: str
    other: str
    items: int
    kappa: float | None


@dataclass(frozen=True, slots=True)
class FieldTrust:
    """Of one question: do people agree, and in which pairs; what share of the audited answers is good."""

    field: Field
    agreement: Agreement
    pairs: list[Pair]
    estimate: Estimate | None


@dataclass(frozen=True, slots=True)
class Known:
    """Of one person: how many gold items they labelled, and how many rightly."""

    reviewer: str
    items: int
    right: int


@dataclass(frozen=True, slots=True)
class Trust:
    """`judges` are automatic ones, each against people's verdicts on the same calls. `cut` where it is of the first
    MOST_ITEMS labelled items alone."""

    fields: list[FieldTrust]
    gold: list[Known]
    judges: list[Pair] = field(default_factory=list)
    cut: int = 0


def of_queue(connection: Connection, queue_id: int, rubric: Rubric) -> Trust:
    """What the labels of a queue are worth, of the first MOST_ITEMS items that are labelled."""
    found = queues.items(connection, queue_id=queue_id, labelled=True, limit=MOST_ITEMS)
    ids = [item.id or 0 for item in found]
    said = [
        label
        for begin in range(0, len(ids), AT_ONCE)
        for label in labels.current(connection, ids[begin : begin + AT_ONCE])
    ]
    cut = MOST_ITEMS if len(found) == MOST_ITEMS else 0
    return replace(of_labels(found, said, rubric), judges=_judges(connection, found, rubric), cut=cut)


def of_labels(items: list[Item], said: list[Label], rubric: Rubric) -> Trust:
    """Pure."""
    by_item: dict[int, list[Label]] = {}
    for label in said:
        by_item.setdefault(label.item_id, []).append(label)
    return Trust([_of_field(field, items, by_item) for field in rubric.fields], _gold(items, by_item))


def _judges(connection: Connection, items: list[Item], rubric: Rubric) -> list[Pair]:
    """Each automatic judge against people: does it find bad what they find bad?"""
    asked = next((field for field in rubric.fields if field.kind != "comparison"), None)
    if asked is None:
        return []
    people = {
        (item.tenant, item.trace_id, item.span_id): value < NEUTRAL
        for item in items
        if (value := worth(asked, (item.verdict or {}).get(asked.name, ""))) is not None
    }
    traces = sorted({trace for _, trace, _ in people})
    judged = [
        one for begin in range(0, len(traces), AT_ONCE) for one in _judged(connection, traces[begin : begin + AT_ONCE])
    ]
    return against_judges(people, judged)


def _judged(connection: Connection, traces: Sequence[str]) -> list[tuple[Feedback, Sample]]:
    """What judges say now of these traces' calls, each with the call that it is about."""
    events = [event for event in feedback.load(connection, trace_ids=traces) if event.source == "judge"]
    about = match(events, samples.load(connection, trace_ids=traces, texts=False)) if events else {}
    return [(event, about[event]) for event in current(events, about) if event in about and is_judged(event)]


def against_judges(
    people: Mapping[tuple[str, str, str], bool], judged: Iterable[tuple[Feedback, Sample]]
) -> list[Pair]:
    """`people` tells of each call, by tenant, trace and span, whether it is bad. Pure."""
    found: defaultdict[str, dict[tuple[str, str, str], bool]] = defaultdict(dict)
    for event, call in judged:
        found[event.name][call.tenant, call.trace_id, call.span_id] = is_negative(event)
    both = {
        name: [(_bad(is_bad), _bad(people[call])) for call, is_bad in said.items() if call in people]
        for name, said in sorted(found.items())
    }
    return [Pair(name, "people", len(own), kappa(own, ("good", "bad"))) for name, own in both.items() if own]


def _bad(is_bad: bool) -> str:
    return "bad" if is_bad else "good"


def _of_field(field: Field, items: list[Item], said: dict[int, list[Label]]) -> FieldTrust:
    rated: list[Rated] = [
        {label.reviewer: label.answers[field.name] for label in own if field.name in label.answers}
        for own in said.values()
    ]
    is_ranked = field.kind == "scale"
    weights: Weights = "quadratic" if is_ranked else "none"
    found = [
        Pair(one, other, len(both), kappa(both, field.options, weights))
        for one, other in combinations(raters(rated), 2)
        if (both := pairs(rated, one, other))
    ]
    found.sort(key=lambda pair: -pair.items)
    return FieldTrust(
        field,
        agreement(rated, "ordinal" if is_ranked else "nominal", order=field.options),
        found[:MOST_PAIRS],
        estimate(_audited(field, items, said)),
    )


def _audited(field: Field, items: list[Item], said: dict[int, list[Label]]) -> list[Labelled]:
    audited = (item for item in items if item.probability is not None)
    found = (audits.labelled(field, item, [label.answers for label in said.get(item.id or 0, ())]) for item in audited)
    return [one for one in found if one is not None]


def _gold(items: list[Item], said: dict[int, list[Label]]) -> list[Known]:
    counts: dict[str, list[int]] = {}
    for item in items:
        for label in said.get(item.id or 0, ()) if item.gold else ():
            own = counts.setdefault(label.reviewer, [0, 0])
            own[0] += 1
            own[1] += all(label.answers.get(name) == value for name, value in (item.gold or {}).items())
    return [Known(name, total, right) for name, (total, right) in sorted(counts.items())]
