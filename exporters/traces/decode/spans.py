"""Spans with their attributes as plain values, out of OTLP requests (opentelemetry-proto, trace/v1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

Value = str | bool | int | float | bytes | list["Value"] | dict[str, "Value"] | None


@dataclass(slots=True)
class Event:
    """One event of a span; its time in Unix nanoseconds."""

    name: str
    time_ns: int
    attributes: Mapping[str, Value]


@dataclass(slots=True)
class Span:
    """One span. Times are Unix nanoseconds, `kind` and `status` OTLP's numbers, ids as they came, `size` bytes."""

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    name: str
    kind: int
    start_ns: int
    end_ns: int
    status: int
    status_message: str
    scope: str
    attributes: Mapping[str, Value]
    resource: Mapping[str, Value]
    events: tuple[Event, ...] = ()
    dropped_attributes: int = 0
    dropped_events: int = 0
    size: int = 0

    def event(self, name: str) -> Event | None:
        """The first event of that name."""
        return next((event for event in self.events if event.name == name), None)


def read(request: ExportTraceServiceRequest) -> Iterator[Span]:
    """Every span of a request, in its order."""
    for resource_spans in request.resource_spans:
        resource = plain(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield Span(
                    trace_id=span.trace_id,
                    span_id=span.span_id,
                    parent_span_id=span.parent_span_id,
                    name=span.name,
                    kind=span.kind,
                    start_ns=span.start_time_unix_nano,
                    end_ns=span.end_time_unix_nano,
                    status=span.status.code,
                    status_message=span.status.message,
                    scope=scope_spans.scope.name,
                    attributes=plain(span.attributes),
                    resource=resource,
                    events=tuple(
                        Event(event.name, event.time_unix_nano, plain(event.attributes)) for event in span.events
                    ),
                    dropped_attributes=span.dropped_attributes_count,
                    dropped_events=span.dropped_events_count,
                    size=span.ByteSize(),
                )


def plain(attributes: object) -> dict[str, Value]:
    """OTLP attributes as plain values."""
    return {pair.key: value(pair.value) for pair in attributes}  # type: ignore[attr-defined]  # a protobuf list


def value(any_value: AnyValue) -> Value:
    """An OTLP value as a plain one; None when none is set."""
    kind = any_value.WhichOneof("value")
    if kind == "array_value":
        return [value(item) for item in any_value.array_value.values]
    if kind == "kvlist_value":
        return plain(any_value.kvlist_value.values)
    return getattr(any_value, kind) if kind else None
