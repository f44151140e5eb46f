"""The short way from bytes to calls against the long one: the same calls, or it leaves the decision."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

from collector_process import chat
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from exporters.traces import normalise, shortcut, wire
from exporters.traces.call import Call
from exporters.traces.conventions import MARKS, NAMES
from exporters.traces.conventions.convention import AGGREGATES, INFERENCE, OTEL_KEYS

NAMES_OF_TENANTS = ("tenant.id", "tenant")
CONTEXT = normalise.Context(None, NAMES_OF_TENANTS, {"vllm": "mistral-7b"})
# Compiled, a class has no __slots__.
NOT_READ = ("name", "labels_hash")
FIELDS = [name for name in dir(Call()) if not name.startswith("_") and name not in NOT_READ]
TABLE = shortcut.table(NAMES_OF_TENANTS)

KEYS = sorted(
    {key for keys in OTEL_KEYS.values() for key in keys}
    | {mark for mark, _ in MARKS}
    | {"gen_ai.aggregated_usage.input_tokens", "gen_ai.output.messages", "gen_ai.input.messages", "server.port"}
    | {*NAMES_OF_TENANTS}
)
WORDS = st.sampled_from(
    [*sorted(INFERENCE | AGGREGATES), "gpt-4o", '"chat"', "None", "", "stop", '["stop"]', "-1", "20"]
)
VALUES = (
    st.builds(AnyValue, string_value=WORDS | st.text(max_size=20))
    | st.builds(AnyValue, int_value=st.integers(-(2**63), 2**63 - 1) | st.integers(0, 300))
    | st.builds(AnyValue, double_value=st.floats() | st.floats(0, 5))
    | st.builds(AnyValue, bool_value=st.booleans())
    | st.builds(AnyValue, bytes_value=st.binary(max_size=4))
    | st.builds(
        AnyValue,
        array_value=st.builds(ArrayValue, values=st.lists(st.builds(AnyValue, string_value=WORDS), max_size=2)),
    )
    | st.just(AnyValue())
)
# Names that stand for a call come often, or nearly every span would be none.
PAIRS = st.builds(KeyValue, key=st.sampled_from(KEYS), value=VALUES)
CHAT = st.just(KeyValue(key="gen_ai.operation.name", value=AnyValue(string_value="chat")))
SPANS = st.builds(
    Span,
    trace_id=st.binary(min_size=16, max_size=16), span_id=st.binary(min_size=8, max_size=8),
    parent_span_id=st.binary(max_size=8), trace_state=st.just("") | st.text(max_size=5),
    flags=st.sampled_from([0, 1, 257]), name=st.sampled_from(["chat m", *NAMES]), kind=st.integers(0, 5),
    start_time_unix_nano=st.integers(0, 2**62), end_time_unix_nano=st.integers(0, 2**62),
    attributes=st.lists(CHAT | PAIRS, max_size=10), dropped_attributes_count=st.sampled_from([0, 0, 0, 3]),
    events=st.lists(st.builds(Span.Event, name=st.sampled_from(["exception", "x"])), max_size=1),
    status=st.just(Status()) | st.builds(Status, message=st.sampled_from(["", "boom"]), code=st.integers(0, 2)),
)  # fmt: skip


def request(spans: list[Span], scope: str, **resource: str) -> bytes:
    made = ExportTraceServiceRequest()
    resource_spans = made.resource_spans.add()
    for key, value in resource.items():
        resource_spans.resource.attributes.add(key=key.replace("_", "."), value=AnyValue(string_value=value))
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = scope
    scope_spans.spans.extend(spans)
    return made.SerializeToString()


def values(call: Call) -> dict[str, Any]:
    return {name: getattr(call, name) for name in FIELDS}


def long_way(body: bytes) -> list[dict[str, Any]]:
    return [values(call) for span in wire.read(body, 100)[0] if (call := normalise.call(span, CONTEXT))]


def told(body: bytes) -> list[dict[str, Any]]:
    return [values(held.call) for held in normalise.read(wire.split(body, 100)[0], CONTEXT, TABLE).calls]


def short_ways(body: bytes) -> int:
    """How many spans the short way decides."""
    return sum(
        shortcut.read(body, start, end, TABLE, None) is not None
        for group in wire.split(body, 100)[0]
        for start, end in zip(group.starts, group.ends, strict=True)
    )


def test_it_is_these_files_that_are_tested() -> None:
    assert (shortcut.__file__ or "").startswith(os.environ.get("TELLTALE_TEST_FROM", str(Path(__file__).parents[3])))


@settings(deadline=None, max_examples=400)
@given(
    spans=st.lists(SPANS, max_size=3),
    scope=st.sampled_from(["", "made-by-hand", "ai", "openlit.x", "opentelemetry.instrumentation.openai_v2"]),
    resource=st.sampled_from([{}, {"tenant_id": "acme"}, {"service_name": "vllm"}]),
)
def test_the_same_calls_as_the_long_way(spans: list[Span], scope: str, resource: dict[str, str]) -> None:
    body = request(spans, scope, **resource)
    assert told(body) == long_way(body)


@settings(deadline=None, max_examples=200)
@given(st.lists(PAIRS, max_size=4, unique_by=lambda pair: pair.key))
def test_the_same_for_calls_that_are_nearly_ordinary(more: list[KeyValue]) -> None:
    made = encode_spans(chat())
    made.resource_spans[0].scope_spans[0].spans[0].attributes.extend(more)
    body = made.SerializeToString()
    assert told(body) == long_way(body)


def test_the_real_sdks_spans_take_it() -> None:
    body = encode_spans(chat(count=20)).SerializeToString()
    assert short_ways(body) == 20
    assert told(body) == long_way(body)
    assert short_ways(encode_spans(chat(count=5, failed=True)).SerializeToString()) == 0


def test_spans_that_are_no_calls_take_it_too() -> None:
    span = Span(trace_id=bytes(16), span_id=bytes(8), name="GET /", start_time_unix_nano=1, end_time_unix_nano=2)
    span.attributes.add(key="http.route", value=AnyValue(string_value="/"))
    body = request([span], "opentelemetry.instrumentation.fastapi")
    assert short_ways(body) == 1
    assert told(body) == []


def test_damaged_bytes_are_refused_or_read_the_same() -> None:
    draw, good = random.Random(3), encode_spans(chat(count=2)).SerializeToString()
    agreed = 0
    for _ in range(5000):
        body = bytearray(good)
        for _ in range(draw.randint(1, 3)):
            body[draw.randrange(len(body))] = draw.randrange(256)
        cut = bytes(body)
        try:
            ours = told(cut)
        except wire.Malformed:
            continue
        try:
            theirs = long_way(cut)
        except wire.Malformed:
            # Text that nobody reads is not looked at.
            continue
        assert ours == theirs
        agreed += 1
    assert agreed > 1000
