"""Responses with what people say of them: what training sets are made of."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from feedback.data_sets import chat
from feedback.data_sets.chat import Chat, ChatMessage
from feedback.data_sets.reading import conversation
from feedback.support import Support
from telltale.feedback import author, is_negative, is_person, is_positive, is_vote
from telltale.records import Feedback, Sample

LeftOut = Counter[chat.Reason]
"""How many samples could have been rows but for this."""


@dataclass(slots=True)
class RatedResponse:
    """A response and what it answers, with people's feedback. Equal ones are one, however often they were sampled.

    `samples` are all of them, oldest first. `votes` has one vote for each person, trace and name; `corrections` are
    people's better responses, in the order of the samples.
    """

    chat: Chat
    prompt: str
    samples: list[Sample]
    votes: dict[tuple[object, ...], Support] = field(default_factory=dict)
    corrections: list[Support] = field(default_factory=list)

    @property
    def sample(self) -> Sample:
        return self.samples[0]

    @property
    def up(self) -> list[Support]:
        return [vote for vote in self.votes.values() if is_positive(vote.event)]

    @property
    def down(self) -> list[Support]:
        return [vote for vote in self.votes.values() if is_negative(vote.event)]

    @property
    def label(self) -> bool | None:
        """The majority's vote; None when people are divided or nobody voted."""
        return _majority(len(self.up), len(self.down))

    @property
    def verdict(self) -> bool | None:
        """The majority's vote of reviewers, who judge responses to the same prompt alike; other people do not."""
        return _majority(len(of_reviewers(self.up)), len(of_reviewers(self.down)))


def pool(pairs: Iterable[tuple[Sample, Sequence[Feedback]]], left_out: LeftOut) -> list[RatedResponse]:
    """One RatedResponse for each conversation with feedback of people, in the order of the samples.

    The events of each sample are those that stand (`telltale.feedback.current`). Counts in `left_out`, by reason, the
    samples with feedback of people that are none.
    """
    pooled: dict[str, RatedResponse] = {}
    for sample, events in pairs:
        of_people = [event for event in events if is_person(event)]
        if not of_people:
            continue
        try:
            said = _answered(sample)
        except chat.Unfit as unfit:
            left_out[unfit.reason] += 1
            continue
        prompt = json.dumps([said.prompt, said.tools], sort_keys=True, default=str)
        rated = pooled.setdefault(
            prompt + json.dumps(said.completion, sort_keys=True, default=str), RatedResponse(said, prompt, [])
        )
        rated.samples.append(sample)
        response = content(said.completion)
        for event in of_people:
            if is_vote(event):
                rated.votes[*author(event), event.trace_id, event.name] = Support(event, sample)
            if event.kind == "correction" and event.comment and differ(event.comment, response):
                rated.corrections.append(Support(event, sample))
    return list(pooled.values())


def by_prompt(pooled: Iterable[RatedResponse]) -> Iterator[list[RatedResponse]]:
    """Responses to the same: the same system message, turns and tools."""
    groups: dict[str, list[RatedResponse]] = {}
    for rated in pooled:
        groups.setdefault(rated.prompt, []).append(rated)
    yield from groups.values()


def of_reviewers(votes: Iterable[Support]) -> list[Support]:
    return [vote for vote in votes if vote.event.source == "reviewer"]


def content(messages: Iterable[ChatMessage]) -> str:
    return "\n".join(message["content"] for message in messages)


def said(messages: Iterable[ChatMessage]) -> str:
    """All that messages say, calls of tools too."""
    parts: list[str] = []
    for message in messages:
        parts.append(message["content"])
        parts += (json.dumps(call, sort_keys=True, default=str) for call in message.get("tool_calls", ()))
    return "\n".join(parts)


def differ(one: str, other: str) -> bool:
    """Whether two texts differ by more than white space."""
    return " ".join(one.split()) != " ".join(other.split())


def _majority(up: int, down: int) -> bool | None:
    return None if up == down else up > down


def _answered(sample: Sample) -> Chat:
    if sample.status != "ok":
        raise chat.Unfit("failed")
    return chat.answered(conversation(sample))
