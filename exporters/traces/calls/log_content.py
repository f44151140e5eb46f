"""Content that comes in OTLP logs beside its span: OTel GenAI events, current and older.

The event's name stands in the OTLP field, or, from older senders, in the attribute `event.name` or `event_name`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from exporters.traces.decode import attributes, content
from exporters.traces.decode.spans import Value, plain, value

DETAILS = "gen_ai.client.inference.operation.details"
CHOICE = "gen_ai.choice"
_INPUTS = {"gen_ai.user.message": "user", "gen_ai.system.message": "system", "gen_ai.tool.message": "tool"}

SpanKey = tuple[bytes, bytes]
Pieces = tuple[str, str]
"""Prompt and answer, as far as they have come."""


@dataclass(frozen=True, slots=True)
class Words:
    """What one log record says of a call's content."""

    span: SpanKey
    prompt: str
    answer: str


def read(request: ExportLogsServiceRequest) -> Iterator[Words]:
    """The content of every GenAI event that belongs to a span."""
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            for record in scope.log_records:
                if not record.span_id:
                    continue
                values = plain(record.attributes)
                prompt, answer = _words(event_name(record, values), values, value(record.body))
                if prompt or answer:
                    yield Words((record.trace_id, record.span_id), prompt, answer)


def event_name(record: LogRecord, values: dict[str, Value]) -> str:
    """An event's name, wherever its sender writes it."""
    return str(record.event_name or values.get("event.name") or values.get("event_name"))


def _words(name: str, values: dict[str, Value], body: Value) -> tuple[str, str]:
    if name == DETAILS:
        held = values if "gen_ai.input.messages" in values else attributes.tree(body) or values
        return content.prompt(held.get("gen_ai.input.messages")), content.response(held.get("gen_ai.output.messages"))
    told = attributes.tree(body) or values
    if name == CHOICE:
        message = told.get("message")
        return "", content.response(message if isinstance(message, dict) else told)
    # Of older events the user's message is the prompt; system, tool and assistant messages are context.
    return (content.response(told), "") if _INPUTS.get(name) == "user" else ("", "")


class Texts:
    """Content whose span is not here yet or was not sampled: within a number of bytes, the oldest make room."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._texts: OrderedDict[SpanKey, Pieces] = OrderedDict()
        self.bytes = 0

    def add(self, words: Words) -> Pieces:
        """What is known of the span's content with this record."""
        prompt, answer = self.take(words.span) or ("", "")
        # The newest prompt wins; several choices of an answer stand together.
        joined = (words.prompt or prompt, "\n".join(filter(None, (answer, words.answer))))
        self.put(words.span, joined)
        return joined

    def put(self, span: SpanKey, texts: Pieces | None) -> None:
        """Have this of a span, or nothing."""
        self.take(span)
        if texts is None:
            return
        self._texts[span] = texts
        self.bytes += _size(texts)
        while self.bytes > self._max_bytes and self._texts:
            self.bytes -= _size(self._texts.popitem(last=False)[1])

    def get(self, span: SpanKey) -> Pieces | None:
        return self._texts.get(span)

    def take(self, span: SpanKey) -> Pieces | None:
        texts = self._texts.pop(span, None)
        if texts is not None:
            self.bytes -= _size(texts)
        return texts


def _size(texts: Pieces) -> int:
    # The fixed part is what the keys and the tuple take beside the texts.
    return 500 + len(texts[0]) + len(texts[1])
