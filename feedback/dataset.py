"""Rows of a data set, made of samples and the feedback on them, in the exact columns that trainers read.

Columns: Hugging Face TRL (1.16), "Dataset formats and types", conversational form: `messages` of language modeling;
`prompt`, `completion` and `label` of unpaired preference; `prompt` of prompt-only. `tools` is there where the call had
tools: trainers give a chat template what stands there, and some write of no tools where the list is empty. Arguments
of tools and their schemas are objects, as TRL has them, of another type in every row: `datasets` from 4.7, which TRL
needs, keeps such lists as JSON when it loads a file. What messages look like: `feedback.chat`.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from feedback import chat
from feedback.chat import Chat, ChatMessage
from telltale.conversation import Conversation, texts
from telltale.feedback import author, is_negative, is_person, is_positive, is_vote
from telltale.records import Feedback, Sample

Format = Literal["kto", "sft", "prompts", "jsonl"]
Row = Mapping[str, object]
LeftOut = Counter[chat.Reason]
"""How many samples could have been rows but for this."""


@dataclass(slots=True)
class RatedResponse:
    """A response and what it answers, with people's feedback. Equal ones are one, however often they were sampled.

    `votes` has one vote for each person, trace and name; `corrections` are people's better responses, in the order of
    the samples.
    """

    sample: Sample
    chat: Chat
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
        rated = pooled.setdefault(json.dumps(said, sort_keys=True, default=str), RatedResponse(sample, said))
        response = "\n".join(message["content"] for message in said.completion)
        for event in of_people:
            if is_vote(event):
                rated.votes[*author(event), event.trace_id, event.name] = event
            if event.kind == "correction" and event.comment and _differs(event.comment, response):
                rated.corrections.append(event.comment)
    return list(pooled.values())


def kto(pooled: Iterable[RatedResponse]) -> Iterator[tuple[RatedResponse, str, Row]]:
    """(response, class, row) with the columns prompt, completion, label."""
    for rated in pooled:
        label = rated.label
        if label is not None:
            said = rated.chat
            row = {"prompt": said.prompt, "completion": said.completion, "label": label, **_tools(said.tools)}
            yield rated, "desirable" if label else "undesirable", row


def sft(pooled: Iterable[RatedResponse]) -> Iterator[tuple[RatedResponse, str, Row]]:
    """(response, class, row) with the column messages: people's last correction, else a response they approve of.

    A correction takes the place of all that the model answered, its calls of tools too.
    """
    for rated in pooled:
        said = rated.chat
        if rated.corrections:
            corrected: ChatMessage = {"role": "assistant", "content": rated.corrections[-1]}
            yield rated, "corrected", {"messages": [*said.prompt, corrected], **_tools(said.tools)}
        elif rated.label:
            yield rated, "approved", {"messages": [*said.prompt, *said.completion], **_tools(said.tools)}


def prompts(samples: Iterable[Sample], left_out: LeftOut) -> Iterator[tuple[Sample, str, Row]]:
    """(sample, class, row) with the column prompt, once for each that differs, whatever was answered."""
    seen: set[bytes] = set()
    for sample in samples:
        said = conversation(sample)
        try:
            row = {"prompt": chat.asked(said), **_tools(chat.tools(said))}
        except chat.Unfit as unfit:
            left_out[unfit.reason] += 1
            continue
        digest = hashlib.sha256(json.dumps(row, sort_keys=True, default=str).encode()).digest()
        if digest not in seen:
            seen.add(digest)
            yield sample, "prompts", row


def plain(sample: Sample, events: Sequence[Feedback]) -> tuple[str, Row]:
    """(class, row) with everything known of one sample; its conversation is in the form that it is kept in."""
    said = conversation(sample)
    row: dict[str, object] = {name: getattr(sample, name) for name in PLAIN_COLUMNS}
    row |= {name: dict(getattr(sample, name)) for name in ("parameters", "attributes")}
    row |= {name: getattr(said, name) for name in SAID_COLUMNS}
    row["feedback"] = [{name: getattr(event, name) for name in FEEDBACK_COLUMNS} for event in events]
    return "with feedback" if events else "without feedback", row


PLAIN_COLUMNS = (
    *("trace_id", "span_id", "observed_at", "tenant", "model", "version", "layer", "operation", "status"),
    *("prompt", "response", "inclusion_probability", "promoted_by", "conversation_id", "finish_reason", "error_type"),
    *("duration_s", "ttft_s", "input_tokens", "output_tokens"),
    *("app", "environment", "user", "agent_name", "agent_version", "prompt_name", "prompt_version"),
)
SAID_COLUMNS = ("system", "messages", "choices", "tools", "documents", "omitted")
FEEDBACK_COLUMNS = ("received_at", "kind", "name", "value", "source", "comment")


def features(format: Format, columns: Iterable[str]) -> Row:
    """What `datasets.Features.from_dict` makes the columns' types of, under `features`; nothing for `jsonl`.

    Types that `datasets` infers are those of a file's first 10 MB: a later call of a tool does not fit them, and
    answers that are all dates become times.
    """
    messages = {"_type": "List", "feature": {"_type": "Json"}}
    label = {"_type": "Value", "dtype": "bool"}
    types = {name: label if name == "label" else messages for name in columns}
    return {} if format == "jsonl" else {"features": types}


def conversation(sample: Sample) -> Conversation:
    """All that was said; of a sample without a conversation, its two texts."""
    return sample.conversation or texts.conversation(sample.prompt, sample.response)


def reference(sample: Sample, rated: RatedResponse | None = None) -> Row:
    """Where a row comes from: written beside the training file, whose columns are the trainer's."""
    return {
        "trace_id": sample.trace_id,
        "span_id": sample.span_id,
        "version": sample.version,
        "tenant": sample.tenant,
        "observed_at": sample.observed_at,
        "votes_up": rated.votes_up if rated else 0,
        "votes_down": rated.votes_down if rated else 0,
        "corrections": len(rated.corrections) if rated else 0,
    }


def _answered(sample: Sample) -> Chat:
    if sample.status != "ok":
        raise chat.Unfit("failed")
    return chat.answered(conversation(sample))


def _tools(tools: list[dict[str, Any]]) -> Row:
    return {"tools": tools} if tools else {}


def _differs(correction: str, response: str) -> bool:
    return " ".join(correction.split()) != " ".join(response.split())
