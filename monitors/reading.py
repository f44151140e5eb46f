"""The rows of a series in a stretch of time, read from the store once for all monitors."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sqlalchemy import Connection

from monitors import groups
from monitors.activity import Activity, calls_of
from monitors.rows import Rows
from telltale.conversation import Conversation
from telltale.feedback import Vote, concerns_votes, match, votes
from telltale.records import Basis, Sample, Series
from telltale.store import feedback, traffic

NUMBERS: Final = ("input_tokens", "output_tokens", "duration_s", "ttft_s")
CATEGORIES: Final = (
    *("status", "finish_reason", "error_type", "language", "operation", "layer", "tenant", "app", "environment"),
    *("agent_name", "agent_version", "prompt_name", "prompt_version"),
)
NO_ANSWER: Final = ("embeddings",)
# A backlog has many stretches, and each may have many votes.
MOST_STRETCHES: Final = 4


class VotesRead(OrderedDict[tuple[float, float], dict[Series, list[Vote]]]):
    """Votes by series of the stretches of time that one run read last: most series have the same windows."""


class Reader:
    """Reads rows of one run; votes of the same stretch of time are read once for all series."""

    def __init__(self, connection: Connection, activity: Activity, seed: int, votes_read: VotesRead) -> None:
        self._connection = connection
        self._activity = activity
        self._seed = seed
        self._votes = votes_read

    def rows(
        self, basis: Basis, series: Series, start: float, end: float, most: int, conversations: bool = False
    ) -> Rows:
        """At most `most` rows of [start, end); more are drawn, and each says how many calls it stands for."""
        if basis == "votes":
            return of_votes(self._votes_of(series, start, end), most)
        part = self._activity.table.part(series)
        drawn = traffic.draw(self._connection, part, start, end, most, self._seed, whole=conversations)
        return of_calls(drawn.samples, drawn.weights, drawn.answers, self._negative(drawn.samples), conversations)

    def _votes_of(self, series: Series, start: float, end: float) -> list[Vote]:
        if (start, end) not in self._votes:
            events = [
                event for event in feedback.load(self._connection, since=start, until=end) if concerns_votes(event)
            ]
            about = match(events, calls_of(self._connection, events))
            found: dict[Series, list[Vote]] = {}
            for vote in votes(about, about):
                for one in self._activity.series_of(vote.call):
                    found.setdefault(one, []).append(vote)
            self._votes[start, end] = found
            while len(self._votes) > MOST_STRETCHES:
                self._votes.popitem(last=False)
        return self._votes[start, end].get(series, [])

    def _negative(self, calls: Sequence[Sample]) -> dict[int, int]:
        """The newest person's vote on each of these calls, by the call's id."""
        traces = sorted({call.trace_id for call in calls})
        events = feedback.load(self._connection, trace_ids=traces) if traces else []
        if not events:
            return {}
        about = match(events, calls_of(self._connection, events))
        return {vote.call.id or 0: int(vote.is_negative) for vote in votes(events, about)}


def of_calls(
    calls: Sequence[Sample], weights: Sequence[float], answers: Sequence[int],
    negative: Mapping[int, int] | None = None, conversations: bool = False,
) -> Rows:  # fmt: skip
    """Rows of calls, one each; `answers` is how many of each were recorded, `negative` the votes by a call's id."""
    votes_on = negative or {}
    return Rows(
        ids=tuple([call.id or 0 for call in calls]),
        times=tuple([call.observed_at for call in calls]),
        groups=tuple(groups.of_calls(calls)),
        weights=tuple(weights),
        texts={
            "prompt": tuple([call.prompt or None for call in calls]),
            "response": tuple([_response(call, known) for call, known in zip(calls, answers, strict=True)]),
        },
        numbers={name: tuple([getattr(call, name) for call in calls]) for name in NUMBERS},
        categories={name: tuple([getattr(call, name) for call in calls]) for name in CATEGORIES},
        attributes=tuple([call.attributes for call in calls]),
        votes=tuple([votes_on.get(call.id or 0) for call in calls]),
        conversations=tuple([call.conversation or Conversation() for call in calls]) if conversations else (),
    )


def of_votes(found: Iterable[Vote], most: int) -> Rows:
    """Rows of votes; each person has one for each question, the newest. Of very many the newest are taken."""
    by_person: dict[tuple[str, str], Vote] = {}
    ordered = sorted(found, key=lambda vote: (vote.event.received_at, vote.event.id or 0))
    for vote, group in zip(ordered, groups.of_votes(ordered), strict=True):
        by_person[group, vote.event.name] = vote
    kept = sorted(by_person.items(), key=lambda item: item[1].event.received_at)[-most:]
    return Rows(
        ids=tuple([vote.call.id or 0 for _, vote in kept]),
        times=tuple([vote.event.received_at for _, vote in kept]),
        groups=tuple([group for (group, _), _ in kept]),
        weights=(1.0,) * len(kept),
        numbers={name: tuple([getattr(vote.call, name) for _, vote in kept]) for name in NUMBERS},
        categories={name: tuple([getattr(vote.call, name) for _, vote in kept]) for name in CATEGORIES},
        attributes=tuple([vote.call.attributes for _, vote in kept]),
        votes=tuple([int(vote.is_negative) for _, vote in kept]),
    )


def _response(call: Sample, answers: int) -> str | None:
    """An empty answer is one. A call that failed, or asks for none, has none; what nobody recorded is not known."""
    if call.response:
        return call.response
    is_answered = call.status == "ok" and call.operation not in NO_ANSWER and answers > 0
    return "" if is_answered else None
