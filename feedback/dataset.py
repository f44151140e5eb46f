"""Rows of a data set, made of samples and the feedback on them, in the exact columns that trainers take.

Columns: Hugging Face TRL, "Dataset formats and types", conversational form.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from telltale.records import Feedback, Sample

Format = Literal["kto", "sft", "jsonl"]
Row = Mapping[str, object]
Message = dict[str, str]

PEOPLE = ("user", "reviewer")
ROLES = ("system", "developer", "user", "assistant", "tool")


@dataclass(slots=True)
class Answer:
    """One prompt and answer with what people say of it. Equal texts are one answer, however often they were sampled.

    `votes` has one number in [0, 1] for each person and name; `corrections` are people's better answers, oldest first.
    """

    sample: Sample
    votes: dict[tuple[object, ...], float] = field(default_factory=dict)
    corrections: list[str] = field(default_factory=list)

    @property
    def label(self) -> bool | None:
        """What most people think of it; None when they are divided or silent."""
        up = sum(vote > 0.5 for vote in self.votes.values())
        down = sum(vote < 0.5 for vote in self.votes.values())
        return None if up == down else up > down


def pool(pairs: Iterable[tuple[Sample, Sequence[Feedback]]]) -> list[Answer]:
    """One Answer for each pair of texts that people spoke of, in the order of the samples."""
    answers: dict[tuple[str, str], Answer] = {}
    for sample, events in pairs:
        spoken = [event for event in events if event.source in PEOPLE]
        if sample.status != "ok" or not sample.prompt.strip() or not sample.response.strip() or not spoken:
            continue
        answer = answers.setdefault((sample.prompt, sample.response), Answer(sample))
        for event in spoken:
            if event.value is not None:
                answer.votes[event.tenant, event.trace_id, event.subject, event.name] = event.value
            if event.kind == "correction" and event.comment and _differs(event.comment, sample.response):
                answer.corrections.append(event.comment)
    return list(answers.values())


def kto(answers: Iterable[Answer]) -> Iterator[tuple[Answer, str, Row]]:
    """(answer, class, row) with the columns prompt, completion, label."""
    for answer in answers:
        label = answer.label
        if label is not None:
            completion = [_message("assistant", answer.sample.response)]
            row = {"prompt": messages(answer.sample.prompt), "completion": completion, "label": label}
            yield answer, "desirable" if label else "undesirable", row


def sft(answers: Iterable[Answer]) -> Iterator[tuple[Answer, str, Row]]:
    """(answer, class, row) with the column messages: people's newest correction, else an answer that they approve."""
    for answer in answers:
        prompt = messages(answer.sample.prompt)
        if answer.corrections:
            yield answer, "corrected", {"messages": [*prompt, _message("assistant", answer.corrections[-1])]}
        elif answer.label:
            yield answer, "approved", {"messages": [*prompt, _message("assistant", answer.sample.response)]}


def plain(sample: Sample, events: Sequence[Feedback]) -> tuple[str, Row]:
    """(class, row) with everything that is known of one sample."""
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
    """A prompt as messages: those it holds when it is a JSON list of messages, else one message of the user."""
    if prompt.lstrip().startswith("["):
        try:
            parsed = json.loads(prompt)
        except ValueError:
            parsed = None
        if isinstance(parsed, list) and parsed and all(_is_message(item) for item in parsed):
            return [_message(item["role"], item["content"]) for item in parsed]
    return [_message("user", prompt)]


def reference(answer: Answer) -> Row:
    """Where a row comes from: kept beside the training file, whose columns are the trainer's."""
    sample = answer.sample
    votes = list(answer.votes.values())
    return {
        "trace_id": sample.trace_id,
        "span_id": sample.span_id,
        "version": sample.version,
        "tenant": sample.tenant,
        "observed_at": sample.observed_at,
        "votes_up": sum(vote > 0.5 for vote in votes),
        "votes_down": sum(vote < 0.5 for vote in votes),
        "corrections": len(answer.corrections),
    }


def _message(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def _is_message(item: object) -> bool:
    return isinstance(item, dict) and item.get("role") in ROLES and isinstance(item.get("content"), str)


def _differs(correction: str, response: str) -> bool:
    return " ".join(correction.split()) != " ".join(response.split())
