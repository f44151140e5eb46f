"""Fills a queue from the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Literal, NamedTuple

from sqlalchemy import Connection

from feedback.labelling import choosing
from feedback.labelling.choosing import MOST_ITEMS, Chosen, Wanted
from telltale.feedback import Vote, concerns_votes, current, is_judged, match, votes
from telltale.pinning import CannotAsk
from telltale.records import Feedback, Sample
from telltale.store import feedback, samples, scores
from telltale.store.review import queues
from telltale.store.review.queues import Item

Kind = Literal["audit", "disliked", "judged", "disagreed", "compare", "score"]
# Traces in one statement.
AT_ONCE = 500
# Calls of each version that are looked through for the same prompt: whole conversations are read.
MOST_COMPARED = 5000


class Source(NamedTuple):
    """Where a queue's calls come from: an audit, what people or judges disliked or disagree on, a score's examples.

    Or answers of two versions to the same, of which `other` is the second.
    """

    kind: Kind
    wanted: Wanted
    score_id: int | None = None
    other: str = ""


class Found(NamedTuple):
    """What a source has: so many calls that fit, of which these are chosen."""

    total: int
    chosen: list[Chosen]


def find(connection: Connection, source: Source, most: int, seed: int) -> Found:
    """The calls of a source, at most so many. Nothing is written. Raises CannotAsk for an audit of too many."""
    most = min(most, MOST_ITEMS)
    if source.kind == "score":
        calls = _of_score(connection, source.score_id or 0)
        return Found(len(calls), [Chosen(call) for call in calls[:most]])
    if source.kind == "compare":
        first, second = (_whole(connection, source.wanted._replace(version=one)) for one in _versions(source))
        paired = choosing.pairs(first, second, MOST_ITEMS, seed)
        return Found(len(paired), paired[:most])
    is_wanted = choosing.fits(source.wanted)
    told, judged = _said(connection, source.wanted)
    if source.kind != "audit":
        chosen = {
            "disliked": lambda: choosing.disliked(told, is_wanted, MOST_ITEMS),
            "judged": lambda: choosing.judged_bad(judged, is_wanted, MOST_ITEMS),
            "disagreed": lambda: choosing.disagreed(judged, told, is_wanted, MOST_ITEMS),
        }[source.kind]()
        return Found(len(chosen), chosen[:most])
    drawable = _calls(connection, source.wanted)
    if len(drawable) == MOST_ITEMS:
        # The first of them would be audited, and taken for all.
        raise CannotAsk(f"{MOST_ITEMS:,} calls or more fit: say a shorter time, from and to")
    calls = [call for call in drawable if is_wanted(call)]
    return Found(len(calls), choosing.audit(calls, told, most, seed))


def items(chosen: Sequence[Chosen], queue_id: int, overlap: int) -> list[Item]:
    """The items of a queue, those that were chosen first with the highest priority."""
    return [
        Item(
            queue_id, call.tenant, call.model, call.version, call.trace_id, call.span_id,
            other_trace_id=other.trace_id if other else "", other_span_id=other.span_id if other else "",
            stratum=stratum, probability=probability, priority=float(-place), needed=overlap,
        )
        for place, (call, stratum, probability, other) in enumerate(chosen)
    ]  # fmt: skip


def gold(connection: Connection, queue_id: int, rubric_id: int, model: str, most: int, among: int) -> list[Item]:
    """Items whose answer is known, spread among so many others: they show how well each reviewer labels.

    Known are those that several people agreed on, or an adjudicator decided, by the same version of the rubric.
    """
    found = queues.known(connection, rubric_id, model, most, beside=queue_id)
    step = max(1.0, among / (len(found) + 1))
    return [
        replace(
            one, id=None, queue_id=queue_id, gold=one.verdict, verdict=None, state="open", taken=0, done=0, needed=1,
            stratum="", probability=None, priority=-step * (place + 1) + 0.5, decided_how=None, decided_by=None,
            decided_why=None, decided_at=None,
        )
        for place, one in enumerate(found)
    ]  # fmt: skip


def _versions(source: Source) -> tuple[str, str]:
    return source.wanted.version, source.other


def _whole(connection: Connection, wanted: Wanted) -> list[Sample]:
    """A version's first calls with all that was said."""
    is_wanted = choosing.fits(wanted)
    pages = samples.walk(
        connection, model=wanted.model, versions=(wanted.version,), since=wanted.since, until=wanted.until, whole=True
    )
    found = (call for page in pages for call in page if is_wanted(call))
    return list(islice(found, MOST_COMPARED))


def _calls(connection: Connection, wanted: Wanted) -> list[Sample]:
    return samples.load(
        connection, model=wanted.model, since=wanted.since, until=wanted.until, sampled_only=True, texts=False,
        limit=MOST_ITEMS,
    )  # fmt: skip


def _said(connection: Connection, wanted: Wanted) -> tuple[list[Vote], list[tuple[Feedback, Sample]]]:
    """People's current votes on that model's calls, and judges' verdicts. Both may come long after their call."""
    events = [one for one in feedback.load(connection, since=wanted.since) if concerns_votes(one) or is_judged(one)]
    traces = sorted({event.trace_id for event in events})
    calls = [
        call
        for begin in range(0, len(traces), AT_ONCE)
        for call in samples.load(connection, trace_ids=traces[begin : begin + AT_ONCE], texts=False)
    ]
    about = match(events, calls)

    def is_in(call: Sample) -> bool:
        is_late = wanted.since is not None and call.observed_at < wanted.since
        is_past = wanted.until is not None and call.observed_at >= wanted.until
        return call.model == wanted.model and not is_late and not is_past

    judged = [(event, about[event]) for event in current(events, about) if event in about and is_judged(event)]
    found = [vote for vote in votes(events, about) if is_in(vote.call)]
    return found, [(event, call) for event, call in judged if is_in(call)]


def _of_score(connection: Connection, score_id: int) -> list[Sample]:
    score = scores.get(connection, [score_id]).get(score_id)
    shown = score.details.examples.current if score and score.details.examples else ()
    return samples.load(connection, ids=shown, texts=False) if shown else []
