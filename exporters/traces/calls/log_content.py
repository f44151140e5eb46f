"""Content that comes in OTLP logs, apart from its span: OTel GenAI events, current and older.

The event's name is in the OTLP field or, from older senders, in the attribute `event.name` or `event_name`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from exporters.traces.calls.normalise import tenant
from exporters.traces.calls.owners import SpanKey, place
from exporters.traces.conventions import finish
from exporters.traces.conventions.convention import Context
from exporters.traces.core.journal import Journal
from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Value, plain, value
from exporters.traces.messages import places
from exporters.traces.messages.joining import complete, join
from telltale.conversation import Conversation, Message
from telltale.records import NO_TENANT


class Logged(NamedTuple):
    """What records tell of a conversation. `name` is that of records that tell all of it; `size` is in bytes.

    `tenant` is whose it is, as far as that is known.
    """

    name: str
    said: Conversation
    size: int
    tenant: str


@dataclass(slots=True)
class _Records:
    """What one request tells of a span."""

    turns: list[Conversation] = field(default_factory=list)
    wholes: list[Conversation] = field(default_factory=list)
    size: int = 0


def read(request: ExportLogsServiceRequest, context: Context) -> Iterator[tuple[SpanKey, Logged]]:
    """The content of all GenAI events that belong to a span, whose tenant is that of a span with these attributes.

    Those of a span are joined at once: one after the other, thousands would be copied thousands of times.
    """
    found: dict[SpanKey, _Records] = {}
    for resource in request.resource_logs:
        about = plain(resource.resource.attributes)
        for scope in resource.scope_logs:
            for record in scope.log_records:
                if not record.span_id:
                    continue
                values = plain(record.attributes)
                name = event_name(record, values)
                said = places.of_record(name, values, value(record.body))
                _add_reasons(said, scope.scope.name, values)
                if said.is_asked or said.choices or said.system:
                    owner = tenant(context, (about, values))
                    span = SpanKey(owner, bool(context.tenant), record.trace_id, record.span_id)
                    records = found.setdefault(span, _Records())
                    (records.wholes if name == places.DETAILS else records.turns).append(said)
                    records.size += record.ByteSize()
    for span, records in found.items():
        said = complete(join(*records.turns), *records.wholes)
        yield span, Logged("" if records.turns else places.DETAILS, said, records.size, span.tenant)


def _add_reasons(said: Conversation, scope: str, values: dict[str, Value]) -> None:
    """Where content is not captured, an answer of which only the reason is told why it ended."""
    if said.choices:
        if finish.is_translated(scope):
            said.choices = [_translated_back(choice) for choice in said.choices]
        return
    found = finish.reasons(values.get("gen_ai.response.finish_reasons")) or ()
    found = finish.untranslated(scope, attributes.word(values, "gen_ai.provider.name", "gen_ai.system"), found)
    said.choices = [{"role": "assistant", "parts": [], "finish_reason": reason} for reason in found]


def _translated_back(choice: Message) -> Message:
    """An answer with the reason that its tool calls tell, where a sender has the same one for both."""
    calls_tool = any(part["type"] == "tool_call" for part in choice["parts"])
    return {**choice, "finish_reason": "tool_calls"} if calls_tool else choice


def reasons(said: Conversation) -> tuple[str, ...]:
    """Why the answers of a conversation ended, as far as its messages tell."""
    return finish.reasons([choice.get("finish_reason") for choice in said.choices]) or ()


def event_name(record: LogRecord, values: dict[str, Value]) -> str:
    """An event's name, wherever its sender writes it."""
    return str(record.event_name or values.get("event.name") or values.get("event_name"))


class LogContentBuffer:
    """Content whose span is not here yet or was not sampled: within a number of bytes, the oldest make room."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._content: OrderedDict[SpanKey, Logged] = OrderedDict()
        self.bytes = 0

    def add(self, span: SpanKey, more: Logged, journal: Journal) -> Conversation:
        """What is known of the span's content with these records."""
        at = self._place(span)
        before = self._remove(at)
        joined = more
        if before is not None:
            is_whole = before.name == places.DETAILS
            # What told all turns at once is not told them again, one by one.
            said = complete(before.said, more.said) if is_whole else places.follow(before.said, more.name, more.said)
            name = before.name if is_whole and before.said.is_asked else more.name
            owner = before.tenant if more.tenant == NO_TENANT else more.tenant
            joined = Logged(name, said, before.size + more.size, owner)
        self._put(at, joined)
        journal.changes(("content", span.shared), partial(self._restore, at, before))
        return joined.said

    def find(self, span: SpanKey, journal: Journal) -> Conversation | None:
        """What is known of the span's content."""
        journal.reads(("content", span.shared))
        known = self._content.get(self._place(span))
        return None if known is None else known.said

    def peek(self, span: SpanKey) -> Conversation | None:
        """The same, for what no request depends on."""
        known = self._content.get(self._place(span))
        return None if known is None else known.said

    def pop(self, span: SpanKey, journal: Journal) -> Conversation | None:
        """What was known of the span's content, which is stored now."""
        at = self._place(span)
        known = self._remove(at)
        if known is None:
            return None
        journal.changes(("content", span.shared), partial(self._restore, at, known))
        return known.said

    def _place(self, span: SpanKey) -> SpanKey:
        return place(self._content, span, _tenant_of)

    def _put(self, span: SpanKey, known: Logged) -> None:
        self._content[span] = known
        self.bytes += _size(known)
        while self.bytes > self._max_bytes and self._content:
            self.bytes -= _size(self._content.popitem(last=False)[1])

    def _remove(self, span: SpanKey) -> Logged | None:
        known = self._content.pop(span, None)
        if known is not None:
            self.bytes -= _size(known)
        return known

    def _restore(self, span: SpanKey, before: Logged | None) -> None:
        self._remove(span)
        if before is not None:
            self._put(span, before)


def _tenant_of(known: Logged) -> str:
    return known.tenant


def _size(known: Logged) -> int:
    # The fixed part is what the keys and the records take beside the texts, of which many are short.
    return 1000 + 2 * known.size
