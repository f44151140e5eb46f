"""People's votes on one model, read from the store each with the call that it is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from telltale.feedback import Vote, match, votes
from telltale.records import Feedback, Sample
from telltale.store import feedback, samples

# Databases take a bounded number of values in one statement.
TRACES_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class VoteRows:
    """Events on one model, in the order in which they were received, and the call of each."""

    events: tuple[Feedback, ...]
    about: Mapping[Feedback, Sample]

    def votes(self, before: float | None = None) -> list[Vote]:
        """One vote for each person, call and name, oldest first, as it stood at that time (Unix seconds)."""
        events = self.events if before is None else [event for event in self.events if event.received_at < before]
        return votes(events, self.about)


def load(connection: Connection, model: str, since: float, until: float) -> VoteRows:
    """What was received in [since, until) on calls of a model."""
    events = feedback.load(connection, since=since, until=until)
    about = {event: call for event, call in match(events, _calls(connection, events)).items() if call.model == model}
    return VoteRows(tuple(about), about)


def _calls(connection: Connection, events: Iterable[Feedback]) -> list[Sample]:
    """Every call of their traces: of all models, or a vote on another model's call would be given to this one."""
    traces = sorted({event.trace_id for event in events})
    return [
        sample
        for begin in range(0, len(traces), TRACES_AT_ONCE)
        for sample in samples.load(connection, trace_ids=traces[begin : begin + TRACES_AT_ONCE])
    ]
