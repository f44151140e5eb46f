"""Rows of a data set in the exact columns that trainers read.

Columns: Hugging Face TRL (1.16), "Dataset formats and types", conversational form: `messages` of language modeling;
`prompt`, `chosen` and `rejected` of preference, with the explicit prompt for DPO and within both for reward models;
`prompt`, `completion` and `label` of unpaired preference; `prompt` of prompt-only. `tools` is there where the call had
tools: trainers give a chat template what stands there, and some write of no tools where the list is empty. Arguments
of tools and their schemas are objects, as TRL has them, of another type in every row: `datasets` from 4.7, which TRL
needs, keeps such lists as JSON. What messages look like: `feedback.data_sets.chat`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from feedback.data_sets import chat, columns, files
from feedback.data_sets.alike import Sketch, sketch
from feedback.data_sets.chat import ChatMessage
from feedback.data_sets.pairs import Pair, corrected, pairs
from feedback.data_sets.rated import LeftOut, RatedResponse, pool, said
from feedback.data_sets.reading import conversation
from feedback.data_sets.spec import Spec
from feedback.support import Support
from telltale.records import Feedback, Sample

Row = Mapping[str, object]
FEEDBACK_COLUMNS = ("received_at", "kind", "name", "value", "source", "comment")


@dataclass(frozen=True)
class Candidate:
    """A row that may be one of a data set: of which class, of which calls (the first tells the most), by whose support.

    `asked` is the prompt, `answer` what is to be learned, `heard` what the model answered. `counts` are the votes for
    and against that, and the corrections of it.
    """

    kind: str
    row: Row
    samples: Sequence[Sample]
    asked: Sequence[ChatMessage] = ()
    answer: Sequence[ChatMessage] = ()
    heard: Sequence[ChatMessage] = ()
    support: tuple[Support, ...] = ()
    counts: tuple[int, int, int] = (0, 0, 0)

    @property
    def sample(self) -> Sample:
        return self.samples[0]

    @cached_property
    def line(self) -> tuple[bytes, Mapping[str, Any]]:
        """The row as it is written, and as it is read again."""
        return files.line(self.row)

    @cached_property
    def talk_sketch(self) -> Sketch:
        return sketch(self.talk)

    @property
    def talk(self) -> str:
        """What was said before the answer, without the system's instructions."""
        return said(message for message in self.asked if message["role"] != "system")

    @property
    def lesson(self) -> str:
        """What is to be learned: an answer, the better and the worse one, or, of a prompt alone, its last turn."""
        if not self.answer:
            return self.newest
        return said([*self.answer, *self.heard] if "rejected" in self.row else self.answer)

    @property
    def newest(self) -> str:
        """The last turn before the answer."""
        return said(self.asked[-1:])


def candidates(spec: Spec, read: Iterable[tuple[Sample, Sequence[Feedback]]], left_out: LeftOut) -> Iterator[Candidate]:
    """Every row that the feedback makes, in the order of the samples."""
    if spec.format == "jsonl":
        yield from (plain(sample, events) for sample, events in read)
    elif spec.format == "prompts":
        yield from _prompts((sample for sample, _ in read), left_out)
    else:
        pooled = pool(read, left_out)
        if spec.format == "kto":
            yield from _kto(pooled)
        elif spec.format == "sft":
            yield from _sft(pooled)
        else:
            for pair in pairs(pooled, spec.per_prompt):
                yield _preference(pair) if spec.format == "dpo" else _reward(pair)


def _kto(pooled: Iterable[RatedResponse]) -> Iterator[Candidate]:
    for rated in pooled:
        label, talk = rated.label, rated.chat
        if label is not None:
            row = {"prompt": talk.prompt, "completion": talk.completion, "label": label, **_tools(talk.tools)}
            support = tuple(rated.up if label else rated.down)
            yield _of(rated, "desirable" if label else "undesirable", row, talk.completion, support)


def _sft(pooled: Iterable[RatedResponse]) -> Iterator[Candidate]:
    """People's last correction, else a response that they approve of."""
    for rated in pooled:
        talk = rated.chat
        if rated.corrections:
            last = rated.corrections[-1]
            answer, kind, support = [corrected(last.event.comment or "")], "corrected", [last]
        elif rated.label:
            answer, kind, support = talk.completion, "approved", rated.up
        else:
            continue
        yield _of(rated, kind, {"messages": [*talk.prompt, *answer], **_tools(talk.tools)}, answer, tuple(support))


def _preference(pair: Pair) -> Candidate:
    talk = pair.rejected.chat
    row = {"prompt": talk.prompt, "chosen": pair.chosen, "rejected": talk.completion, **_tools(talk.tools)}
    return _of_pair(pair, row)


def _reward(pair: Pair) -> Candidate:
    talk = pair.rejected.chat
    both = {"chosen": [*talk.prompt, *pair.chosen], "rejected": [*talk.prompt, *talk.completion]}
    return _of_pair(pair, {**both, **_tools(talk.tools)})


def _prompts(samples: Iterable[Sample], left_out: LeftOut) -> Iterator[Candidate]:
    for sample in samples:
        told = conversation(sample)
        try:
            asked, tools = chat.asked(told), chat.tools(told)
        except chat.Unfit as unfit:
            left_out[unfit.reason] += 1
            continue
        yield Candidate("prompts", {"prompt": asked, **_tools(tools)}, [sample], asked)


def plain(sample: Sample, events: Sequence[Feedback]) -> Candidate:
    """Everything known of one sample; its conversation is in the form that it is kept in."""
    told = conversation(sample)
    row: dict[str, object] = {name: getattr(sample, name) for name in columns.PLAIN}
    row |= {name: dict(getattr(sample, name)) for name in ("parameters", "attributes")}
    row |= {name: getattr(told, name) for name in columns.SAID}
    row["feedback"] = [{name: getattr(event, name) for name in FEEDBACK_COLUMNS} for event in events]
    return Candidate("with feedback" if events else "without feedback", row, [sample], _asked(sample))


def _asked(sample: Sample) -> Sequence[ChatMessage]:
    """What was asked, as rows are told apart by it; of a call that is no row of a training set, as text."""
    try:
        return chat.asked(conversation(sample))
    except chat.Unfit:
        return [{"role": "user", "content": sample.prompt}]


def _of(
    rated: RatedResponse, kind: str, row: Row, answer: Sequence[ChatMessage], support: tuple[Support, ...]
) -> Candidate:
    counts = (len(rated.up), len(rated.down), len(rated.corrections))
    return Candidate(kind, row, rated.samples, rated.chat.prompt, answer, rated.chat.completion, support, counts)


def _of_pair(pair: Pair, row: Row) -> Candidate:
    bad, good = pair.rejected, pair.accepted
    samples = [*bad.samples, *(good.samples if good else ())]
    counts = (len(bad.up), len(bad.down), len(bad.corrections))
    return Candidate(pair.kind, row, samples, bad.chat.prompt, pair.chosen, bad.chat.completion, pair.support, counts)


def _tools(tools: list[dict[str, Any]]) -> Row:
    return {"tools": tools} if tools else {}
