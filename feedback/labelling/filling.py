"""Fills a queue from the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from sqlalchemy import Connection

from feedback.labelling import choosing
from feedback.labelling.choosing import MOST_ITEMS, Chosen, Wanted
from telltale.feedback import Vote, concerns_votes, match, votes
from telltale.records import Sample
from telltale.store import feedback, samples, scores
from telltale.store.review.queues import Item

Kind = Literal["audit", "disliked", "score"]
# Traces in one statement.
AT_ONCE = 500


class Source(NamedTuple):
    """Where a queue's calls come from: an audit of the traffic, negative votes, or a drift score's examples."""

    kind: Kind
    wanted: Wanted
    score_id: int | None = None


class Found(NamedTuple):
    """What a source has: so many calls that fit, of which these are chosen."""

    total: int
    chosen: list[Chosen]


def find(connection: Connection, source: Source, most: int, seed: int) -> Found:
    """The calls of a source, at most so many. Nothing is written."""
    most = min(most, MOST_ITEMS)
    if source.kind == "score":
        calls = _of_score(connection, source.score_id or 0)
        return Found(len(calls), [Chosen(call) for call in calls[:most]])
    is_wanted = choosing.fits(source.wanted)
    told = _votes(connection, source.wanted)
    if source.kind == "disliked":
        chosen = choosing.disliked(told, is_wanted, MOST_ITEMS)
        return Found(len(chosen), chosen[:most])
    calls = [call for call in _calls(connection, source.wanted) if is_wanted(call)]
    return Found(len(calls), choosing.audit(calls, told, most, seed))


def items(chosen: Sequence[Chosen], queue_id: int, overlap: int) -> list[Item]:
    """The items of a queue, those that were chosen first with the highest priority."""
    return [
        Item(
            queue_id, call.tenant, call.model, call.version, call.trace_id, call.span_id,
            stratum=stratum, probability=probability, priority=float(-place), needed=overlap,
        )
        for place, (call, stratum, probability) in enumerate(chosen)
    ]  # fmt: skip


def _calls(connection: Connection, wanted: Wanted) -> list[Sample]:
    return samples.load(
        connection, model=wanted.model, since=wanted.since, until=wanted.until, sampled_only=True, texts=False,
        limit=MOST_ITEMS,
    )  # fmt: skip


def _votes(connection: Connection, wanted: Wanted) -> list[Vote]:
    """People's current votes on that model's calls. A vote may come long after its call, and never before it."""
    events = [one for one in feedback.load(connection, since=wanted.since) if concerns_votes(one)]
    traces = sorted({event.trace_id for event in events})
    calls = [
        call
        for begin in range(0, len(traces), AT_ONCE)
        for call in samples.load(connection, trace_ids=traces[begin : begin + AT_ONCE], texts=False)
    ]
    about = match(events, calls)
    return [
        vote
        for vote in votes(events, about)
        if vote.call.model == wanted.model
        and (wanted.since is None or vote.call.observed_at >= wanted.since)
        and (wanted.until is None or vote.call.observed_at < wanted.until)
    ]


def _of_score(connection: Connection, score_id: int) -> list[Sample]:
    score = scores.get(connection, [score_id]).get(score_id)
    shown = score.details.examples.current if score and score.details.examples else ()
    return samples.load(connection, ids=shown, texts=False) if shown else []
