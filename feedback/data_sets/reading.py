"""The calls of a data set with the feedback on them, redacted once more: rules may have been added since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection

from feedback.data_sets import reviewing
from feedback.data_sets.reviewing import Rated
from feedback.data_sets.spec import Spec
from telltale.conversation import Conversation, texts
from telltale.conversation.redacting import redacted
from telltale.feedback import current, match
from telltale.records import Feedback, Sample
from telltale.redaction import Redactor, is_version
from telltale.store import feedback, samples

PAGE_ROWS = 500
# What a sender named, beside all that was said.
NAMES = (
    *("conversation_id", "app", "environment", "agent_name", "agent_version", "prompt_name", "prompt_version"),
    "finish_reason",
)
Progress = Callable[[float], None]
"""Told which share of the calls is read, from 0 to 1."""
Pair = tuple[Sample, list[Feedback]]


@dataclass(slots=True)
class Read:
    """How much was read."""

    samples: int = 0
    events: int = 0
    rated: Rated = field(default_factory=dict)


def read(
    connection: Connection, spec: Spec, rules: Mapping[str, str], tally: Read, progress: Progress
) -> Iterator[Pair]:
    """The samples of a spec, oldest first, each with the current feedback on it."""
    redactor = Redactor(rules)
    number = sum(samples.number(connection, **_within(spec, span)) for span in spec.spans)
    for span in spec.spans:
        pages = samples.walk(connection, **_within(spec, span), last_id=spec.last_sample_id, page=PAGE_ROWS, whole=True)
        for page in pages:
            by_sample = _feedback_on(connection, page, spec.last_feedback_id)
            for sample_id, reviewed in reviewing.labels_on(connection, page, spec.last_label_id, tally.rated).items():
                by_sample.setdefault(sample_id, []).extend(reviewed)
            progress(min(1.0, (tally.samples + len(page)) / max(number, 1)))
            for sample in page:
                events = by_sample.get(sample.id, [])
                tally.samples += 1
                tally.events += len(events)
                yield (
                    _clean(sample, redactor, spec.format == "jsonl"),
                    [_clean_event(event, redactor) for event in events],
                )


def conversation(sample: Sample) -> Conversation:
    """All that was said; of a sample without a conversation, its two texts."""
    return sample.conversation or texts.conversation(sample.prompt, sample.response)


def _within(spec: Spec, span: tuple[float | None, float | None]) -> dict[str, Any]:
    since, until = span
    return {"model": spec.model, "tenant": spec.tenant, "versions": spec.versions, "since": since, "until": until}


def _feedback_on(connection: Connection, page: Sequence[Sample], last_id: int) -> dict[int | None, list[Feedback]]:
    traces = {sample.trace_id for sample in page}
    events = [event for event in feedback.load(connection, trace_ids=traces) if (event.id or 0) <= last_id]
    if not events:
        return {}
    # All calls of these traces, for feedback may be about one that is not on this page.
    about = match(events, samples.load(connection, trace_ids={event.trace_id for event in events}, texts=False))
    by_sample: dict[int | None, list[Feedback]] = {}
    for event in current(events, about):
        if event in about:
            by_sample.setdefault(about[event].id, []).append(event)
    return by_sample


def _clean(sample: Sample, redactor: Redactor, with_texts: bool) -> Sample:
    """The sample without what the rules find; its two texts, beside the conversation, only where they are wanted."""
    names = {name: text for name in NAMES if (text := getattr(sample, name)) and not is_version(text)}
    values = [*names.values(), *sample.attributes.values()]
    removed = Counter(sample.redactions)
    beside: list[str] = []

    def redact(found: list[str]) -> list[str]:
        cleaned, counts = redactor.redact(*found, *values)
        removed.update(counts)
        beside[:] = cleaned[len(found) :]
        return cleaned[: len(found)]

    said = redacted(conversation(sample), redact)
    prompt, response = texts.of(said) if with_texts else ("", "")
    named: dict[str, Any] = dict(zip(names, beside, strict=False))
    return sample._replace(
        prompt=prompt,
        response=response,
        conversation=said,
        attributes=dict(zip(sample.attributes, beside[len(names) :], strict=True)),
        redactions=dict(removed),
        **named,
    )


def _clean_event(event: Feedback, redactor: Redactor) -> Feedback:
    return replace(event, comment=redactor.redact(event.comment)[0][0]) if event.comment else event
