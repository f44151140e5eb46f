"""Where the rows of each direction come from: the samples' prompts and responses, and people's votes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection

from monitors import windows
from monitors.windows import LONGEST
from telltale.evidence.scores import Examples
from telltale.feedback import concerns_votes, match, votes
from telltale.records import Direction, Feedback, Rows, Sample
from telltale.settings import Monitor as MonitorSettings
from telltale.store import feedback, samples

EXAMPLES = 8
# Databases take a bounded number of values in one statement.
TRACES_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Observation:
    """A sampled call at the time of its end, or an event of feedback when it was received with the call it is about."""

    at: float
    sample: Sample
    event: Feedback | None = None


class Source(Protocol):
    """The rows of one direction. A window needs `minimum` of them, a reference `reference_size`."""

    direction: Direction
    minimum: int
    reference_size: int

    def first(self, connection: Connection, model: str, until: float) -> list[Observation]:
        """From the oldest, what a reference may be made of."""
        ...

    def read(self, connection: Connection, model: str, since: float, until: float) -> list[Observation]:
        """What was observed in [since, until)."""
        ...

    def rows(self, found: Sequence[Observation], most: int) -> Rows:
        """The rows to compare; at most `most`, where they are many."""
        ...

    def examples(self, current: Rows, reference: Rows) -> Examples:
        """What to show people of a window."""
        ...


def sources(settings: MonitorSettings) -> tuple[Source, ...]:
    """Every direction that can be judged."""
    return TextSource("prompt", settings), TextSource("response", settings), VoteSource(settings)


class TextSource:
    """Prompts or responses of sampled calls; promoted ones are left out, because they do not represent traffic."""

    def __init__(self, direction: Direction, settings: MonitorSettings) -> None:
        self.direction = direction
        self.minimum = settings.min_rows
        self.reference_size = settings.reference_rows
        self._seed = settings.seed

    def first(self, connection: Connection, model: str, until: float) -> list[Observation]:
        limit = 4 * self.reference_size
        return _observed(samples.load(connection, model=model, sampled_only=True, until=until, limit=limit))

    def read(self, connection: Connection, model: str, since: float, until: float) -> list[Observation]:
        return _observed(samples.load(connection, model=model, since=since, until=until, sampled_only=True))

    def rows(self, found: Sequence[Observation], most: int) -> Rows:
        return windows.text_rows([observed.sample for observed in found], self.direction, most, self._seed)

    def examples(self, current: Rows, reference: Rows) -> Examples:
        return Examples(current.ids[:EXAMPLES], reference.texts[:EXAMPLES])


class VoteSource:
    """People's votes on calls of the model that were sampled or promoted."""

    direction: Direction = "feedback"

    def __init__(self, settings: MonitorSettings) -> None:
        self.minimum = settings.min_votes
        self.reference_size = settings.reference_votes

    def first(self, connection: Connection, model: str, until: float) -> list[Observation]:
        return self.read(connection, model, until - LONGEST, until)

    def read(self, connection: Connection, model: str, since: float, until: float) -> list[Observation]:
        # Judges may rate every call: their events would be looked at again for each end that a window may have.
        events = [event for event in feedback.load(connection, since=since, until=until) if concerns_votes(event)]
        about = match(events, _calls(connection, events))
        return [Observation(event.received_at, call, event) for event, call in about.items() if call.model == model]

    def rows(self, found: Sequence[Observation], most: int) -> Rows:
        """Each person's latest feedback on each call; few enough to load all."""
        about = {observed.event: observed.sample for observed in found if observed.event}
        return windows.vote_rows(votes(about, about))

    def examples(self, current: Rows, reference: Rows) -> Examples:
        negative = [sample for sample, vote in zip(current.ids, current.votes, strict=True) if vote]
        return Examples(tuple(negative[:EXAMPLES]))


def _observed(found: Iterable[Sample]) -> list[Observation]:
    return [Observation(sample.observed_at, sample) for sample in found]


def _calls(connection: Connection, events: Iterable[Feedback]) -> list[Sample]:
    """Every call of their traces: of all models, or a vote on another model's call would be given to this one."""
    traces = sorted({event.trace_id for event in events})
    return [
        sample
        for begin in range(0, len(traces), TRACES_AT_ONCE)
        for sample in samples.load(connection, trace_ids=traces[begin : begin + TRACES_AT_ONCE])
    ]
