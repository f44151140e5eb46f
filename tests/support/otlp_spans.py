"""One span as OTLP's bytes, and what the collector decodes of it: by the fast path and in full, which must agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue

from exporters.traces.calls import fast_path, normalise
from exporters.traces.calls.call import Call
from exporters.traces.conventions.fields import TOKEN_FIELDS
from exporters.traces.decode import otlp_protobuf

S = 1_000_000_000
START = 1_790_000_000 * S
CONTEXT = normalise.Context(None, (), {})
TABLE = fast_path.attribute_table(())
COMPARED = (
    *("convention", "layer", "operation", "status", "provider", "model_requested", "model_served", "streaming"),
    *("ttft_s", "duration_s", "finish_reasons", "response_id", "conversation_id", "error_type"),
)


def value(plain: object) -> AnyValue:
    if isinstance(plain, bool):
        return AnyValue(bool_value=plain)
    if isinstance(plain, int):
        return AnyValue(int_value=plain)
    if isinstance(plain, float):
        return AnyValue(double_value=plain)
    if isinstance(plain, list | tuple):
        return AnyValue(array_value=ArrayValue(values=[value(item) for item in plain]))
    return AnyValue(string_value=str(plain))


def request(
    attributes: Mapping[str, Any],
    *,
    name: str = "call",
    kind: int = 1,
    scope: str = "made-by-hand",
    seconds: float = 1.0,
    status: int = 0,
    events: Mapping[str, float] | None = None,
) -> bytes:
    """A request with one span. `events` are names and how many seconds after its start they were."""
    made = ExportTraceServiceRequest()
    scope_spans = made.resource_spans.add().scope_spans.add()
    scope_spans.scope.name = scope
    span = scope_spans.spans.add(
        trace_id=b"t" * 16, span_id=b"s" * 8, name=name, kind=kind, start_time_unix_nano=START
    )  # fmt: skip
    span.end_time_unix_nano = START + int(seconds * S)
    span.status.code = status
    for key, plain in attributes.items():
        span.attributes.add(key=key, value=value(plain))
    for event, after in (events or {}).items():
        span.events.add(name=event, time_unix_nano=START + int(after * S))
    return made.SerializeToString()


def decoded(attributes: Mapping[str, Any], **span: Any) -> normalise.DecodedCalls:
    """What a span is decoded to."""
    body = request(attributes, **span)
    found = normalise.read(otlp_protobuf.split(body, 10)[0], CONTEXT, TABLE)
    whole = normalise.call(otlp_protobuf.read(body, 10)[0][0], CONTEXT)
    assert [_values(ref.call) for ref in found.calls] == ([_values(whole)] if whole else [])
    return found


def call(attributes: Mapping[str, Any], **span: Any) -> Call | None:
    """The call that a span is, or None."""
    found = decoded(attributes, **span).calls
    return found[0].call if found else None


def one(attributes: Mapping[str, Any], **span: Any) -> Call:
    """The call that a span must be."""
    found = call(attributes, **span)
    assert found is not None, (attributes, span)
    return found


def _values(call: Call) -> list[object]:
    return [getattr(call, name) for name in COMPARED] + [call.tokens(kind) for kind in range(len(TOKEN_FIELDS))]
