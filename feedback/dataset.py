"""Rows of a data set, made of samples and the feedback on them, in the exact columns that trainers read.

Columns: Hugging Face TRL, "Dataset formats and types", conversational form.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from telltale.feedback import author, is_negative, is_person, is_positive, is_vote
from telltale.records import Feedback, Sample

Format = Literal["kto", "sft", "jsonl"]
Row = Mapping[str, object]
Message = dict[str, str]

ROLES = ("system", "developer", "user", "assistant", "tool")


@dataclass(slots=True)
class RatedResponse:
    """A prompt and response with people's feedback. Equal texts are one, however often they were sampled.

    `votes` has one vote for each person, trace and name; `corrections` are people's better responses, in the order of
    the samples.
    """

    sample: Sample
    votes: dict[tuple[object, ...], Feedback] = field(default_factory=dict)
    corrections: list[str] = field(default_factory=list)

    @property
    def votes_up(self) -> int:
        return sum(map(is_positive, self.votes.values()))

    @property
    def votes_down(self) -> int:
        return sum(map(is_negative, self.votes.values()))

    @property
    def label(self) -> bool | None:
        """The majority's vote; None when people are divided or nobody voted."""
        up, down = self.votes_up, self.votes_down
        return None if up == down else up > down


def pool(pairs: Iterable[tuple[Sample, Sequence[Feedback]]]) -> list[RatedResponse]:
    """One RatedResponse for each pair of texts with feedback of people, in the order of the samples.

    The events of each sample are those that stand (`telltale.feedback.current`).
    """
    pooled: dict[tuple[str, str], RatedResponse] = {}
    for sample, events in pairs:
        of_people = [event for event in events if is_person(event)]
        if sample.status != "ok" or not sample.prompt.strip() or not sample.response.strip() or not of_people:
            continue
        rated = pooled.setdefault((sample.prompt, sample.response), RatedResponse(sample))
        for event in of_people:
            if is_vote(event):
                rated.votes[*author(event), event.trace_id, event.name] = event
            if event.kind == "correction" and event.comment and _differs(event.comment, sample.response):
                rated.corrections.append(event.comment)
    return list(pooled.values())


def kto(pooled: Iterable[RatedResponse]) -> Iterator[tuple[RatedResponse, str, Row]]:
    """(response, class, row) with the columns prompt, completion, label."""
    for rated in pooled:
        label = rated.label
        if label is not None:
            completion = [_message("assistant", rated.sample.response)]
            row = {"prompt": messages(rated.sample.prompt), "completion": completion, "label": label}
            yield rated, "desirable" if label else "undesirable", row


def sft(pooled: Iterable[RatedResponse]) -> Iterator[tuple[RatedResponse, str, Row]]:
    """(response, class, row) with the column messages: people's last correction, else a response they approve of."""
    for rated in pooled:
        prompt = messages(rated.sample.prompt)
        if rated.corrections:
            yield rated, "corrected", {"messages": [*prompt, _message("assistant", rated.corrections[-1])]}
        elif rated.label:
            yield rated, "approved", {"messages": [*prompt, _message("assistant", rated.sample.response)]}


def plain(sample: Sample, events: Sequence[Feedback]) -> tuple[str, Row]:
    """(class, row) with everything known of one sample."""
    row = {name: getattr(sample, name) for name in PLAIN_COLUMNS}
    row["feedback"] = [{name: getattr(event, name) for name in FEEDBACK_COLUMNS} for event in events]
    return "with feedback" if events else "without feedback", row


PLAIN_COLUMNS = (
    *("trace_id", "span_id", "observed_at", "tenant", "model", "version", "layer", "operation", "status"),
    *("prompt", "response", "inclusion_probability", "promoted_by", "conversation_id", "finish_reason", "error_type"),
    *("duration_s", "ttft_s", "input_tokens", "output_tokens"),
)
FEEDBACK_COLUMNS = ("received_at", "kind", "name", "value", "source", "comment")


def messages(prompt: str) -> list[Message]:
    """A prompt as messages: those of its JSON list if it is one, else a single user message."""
    if prompt.lstrip().startswith("["):
        try:
            parsed = json.loads(prompt)
        except ValueError:
            parsed = None
        if isinstance(parsed, list) and parsed and all(_is_message(item) for item in parsed):
            return [_message(item["role"], item["content"]) for item in parsed]
    return [_message("user", prompt)]


def reference(rated: RatedResponse) -> Row:
    """Where a row comes from: written beside the training file, whose columns are the trainer's."""
    sample = rated.sample
    return {
        "trace_id": sample.trace_id,
        "span_id": sample.span_id,
        "version": sample.version,
        "tenant": sample.tenant,
        "observed_at": sample.observed_at,
        "votes_up": rated.votes_up,
        "votes_down": rated.votes_down,
        "corrections": len(rated.corrections),
    }


def _message(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def _is_message(item: object) -> bool:
    return isinstance(item, dict) and item.get("role") in ROLES and isinstance(item.get("content"), str)


def _differs(correction: str, response: str) -> bool:
    return " ".join(correction.split()) != " ".join(response.split())
