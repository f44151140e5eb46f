"""Content that comes in OTLP logs, apart from its span: OTel GenAI events, current and older.

The event's name is in the OTLP field or, from older senders, in the attribute `event.name` or `event_name`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from functools import partial

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from exporters.traces.core.journal import Journal
from exporters.traces.decode import attributes, content
from exporters.traces.decode.content import Content
from exporters.traces.decode.spans import Value, plain, value

DETAILS = "gen_ai.client.inference.operation.details"
CHOICE = "gen_ai.choice"
USER_MESSAGE = "gen_ai.user.message"

SpanKey = tuple[bytes, bytes]
"""Trace and span id."""


def read(request: ExportLogsServiceRequest) -> Iterator[tuple[SpanKey, Content]]:
    """The content of every GenAI event that belongs to a span."""
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            for record in scope.log_records:
                if not record.span_id:
                    continue
                values = plain(record.attributes)
                found = _content(event_name(record, values), values, value(record.body))
                if found.prompt or found.response:
                    yield (record.trace_id, record.span_id), found


def event_name(record: LogRecord, values: dict[str, Value]) -> str:
    """An event's name, wherever its sender writes it."""
    return str(record.event_name or values.get("event.name") or values.get("event_name"))


def _content(name: str, values: dict[str, Value], body: Value) -> Content:
    if name == DETAILS:
        event = values if "gen_ai.input.messages" in values else attributes.tree(body) or values
        return Content(
            content.prompt(event.get("gen_ai.input.messages")),
            content.response(event.get("gen_ai.output.messages")),
        )
    event = attributes.tree(body) or values
    if name == CHOICE:
        message = event.get("message")
        return Content("", content.response(message if isinstance(message, dict) else event))
    # Of older events the user's message is the prompt; system, tool and assistant messages are context.
    return Content(content.response(event), "") if name == USER_MESSAGE else Content("", "")


class LogContentBuffer:
    """Content whose span is not here yet or was not sampled: within a number of bytes, the oldest make room."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._content: OrderedDict[SpanKey, Content] = OrderedDict()
        self.bytes = 0

    def add(self, span: SpanKey, more: Content, journal: Journal) -> Content:
        """What is known of the span's content with this record."""
        before = self._remove(span)
        known = before or Content("", "")
        # The newest prompt wins; several choices of a response stand together.
        joined = Content(more.prompt or known.prompt, "\n".join(filter(None, (known.response, more.response))))
        self._put(span, joined)
        journal.changes(("content", span), partial(self._restore, span, before))
        return joined

    def find(self, span: SpanKey, journal: Journal) -> Content | None:
        """What is known of the span's content."""
        journal.reads(("content", span))
        return self._content.get(span)

    def pop(self, span: SpanKey, journal: Journal) -> Content | None:
        """What was known of the span's content, which is stored now."""
        known = self._remove(span)
        if known is not None:
            journal.changes(("content", span), partial(self._restore, span, known))
        return known

    def _put(self, span: SpanKey, known: Content) -> None:
        self._content[span] = known
        self.bytes += _size(known)
        while self.bytes > self._max_bytes and self._content:
            self.bytes -= _size(self._content.popitem(last=False)[1])

    def _remove(self, span: SpanKey) -> Content | None:
        known = self._content.pop(span, None)
        if known is not None:
            self.bytes -= _size(known)
        return known

    def _restore(self, span: SpanKey, before: Content | None) -> None:
        self._remove(span)
        if before is not None:
            self._put(span, before)


def _size(known: Content) -> int:
    # The fixed part is what the keys and the tuple take beside the texts.
    return 500 + len(known.prompt) + len(known.response)
