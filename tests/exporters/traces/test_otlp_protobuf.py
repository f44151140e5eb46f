"""Our reader against protobuf's own parser: the same spans from the same bytes, and no unexpected exception."""

from __future__ import annotations

import math
import random
import tracemalloc
from dataclasses import fields
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from support.collector_process import chat

from exporters.traces.decode import otlp_protobuf, protobuf, spans

# Without `size`: it counts the received bytes, which protobuf might write differently.
_FIELDS = {kind: [field.name for field in fields(kind) if field.name != "size"] for kind in (spans.Span, spans.Event)}

TEXT = st.text(max_size=200)
U64 = st.integers(0, 2**64 - 1)
U32 = st.integers(0, 2**32 - 1)
VALUES = st.recursive(
    st.just(AnyValue())
    | st.builds(AnyValue, string_value=TEXT)
    | st.builds(AnyValue, bool_value=st.booleans())
    | st.builds(AnyValue, int_value=st.integers(-(2**63), 2**63 - 1))
    | st.builds(AnyValue, double_value=st.floats())
    | st.builds(AnyValue, bytes_value=st.binary(max_size=20)),
    lambda inner: (
        st.builds(AnyValue, array_value=st.builds(ArrayValue, values=st.lists(inner, max_size=3)))
        | st.builds(
            AnyValue,
            kvlist_value=st.builds(
                KeyValueList, values=st.lists(st.builds(KeyValue, key=TEXT, value=inner), max_size=3)
            ),
        )
    ),
    max_leaves=4,
)
PAIRS = st.lists(st.builds(KeyValue, key=TEXT, value=VALUES), max_size=4)
EVENTS = st.builds(Span.Event, time_unix_nano=U64, name=TEXT, attributes=PAIRS, dropped_attributes_count=U32)
LINKS = st.builds(Span.Link, trace_id=st.binary(max_size=16), attributes=PAIRS)
SPANS = st.builds(
    Span, trace_id=st.binary(max_size=16), span_id=st.binary(max_size=8), parent_span_id=st.binary(max_size=8),
    trace_state=TEXT, flags=U32, name=TEXT, kind=st.integers(0, 5), start_time_unix_nano=U64, end_time_unix_nano=U64,
    attributes=PAIRS, dropped_attributes_count=U32, events=st.lists(EVENTS, max_size=2), dropped_events_count=U32,
    links=st.lists(LINKS, max_size=1), status=st.builds(Status, message=TEXT, code=st.integers(0, 2)),
)  # fmt: skip


@st.composite
def requests(draw: st.DrawFn) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    for _ in range(draw(st.integers(0, 2))):
        resource_spans = request.resource_spans.add(schema_url=draw(TEXT))
        resource_spans.resource.attributes.extend(draw(PAIRS))
        scope_spans = resource_spans.scope_spans.add()
        scope_spans.scope.name = draw(TEXT)
        scope_spans.spans.extend(draw(st.lists(SPANS, max_size=3)))
    return request


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, float) and isinstance(theirs, float) and math.isnan(theirs):
        return math.isnan(ours)
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(same(value, theirs[key]) for key, value in ours.items())
    if isinstance(ours, list | tuple):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(ours, spans.Span | spans.Event):
        return all(same(getattr(ours, name), getattr(theirs, name)) for name in _FIELDS[type(ours)])
    return type(ours) is type(theirs) and bool(ours == theirs)


@settings(deadline=None)
@given(requests())
def test_the_same_spans_as_protobufs_parser(request: ExportTraceServiceRequest) -> None:
    ours, seen = otlp_protobuf.read(request.SerializeToString(), 100)
    theirs = list(spans.read(request))
    assert seen == len(theirs)
    assert same(ours, theirs)


def test_the_real_sdks_bytes() -> None:
    body = encode_spans(chat(count=20, failed=True)).SerializeToString()
    ours, _ = otlp_protobuf.read(body, 100)
    assert same(ours, list(spans.read(ExportTraceServiceRequest.FromString(body))))


def test_only_so_many_are_read_but_all_are_counted() -> None:
    found, seen = otlp_protobuf.read(encode_spans(chat(count=20)).SerializeToString(), 3)
    assert (len(found), seen) == (3, 20)


def test_damaged_bytes_are_refused_or_read_as_protobuf_reads_them() -> None:
    draw, good = random.Random(7), encode_spans(chat(count=2, failed=True)).SerializeToString()
    agreed = 0
    for _ in range(5000):
        body = bytearray(good)
        for _ in range(draw.randint(1, 4)):
            body[draw.randrange(len(body))] = draw.randrange(256)
        cut = bytes(body[: draw.randrange(len(body))] if draw.random() < 0.2 else body)
        try:
            theirs = list(spans.read(ExportTraceServiceRequest.FromString(cut)))
        except DecodeError:
            theirs = None
        try:
            ours, _ = otlp_protobuf.read(cut, 100)
        except protobuf.Malformed:
            continue
        if theirs is not None:
            assert same(ours, theirs)
            agreed += 1
    assert agreed > 500


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_give_spans_or_malformed(body: bytes) -> None:
    try:
        otlp_protobuf.read(body, 100)
    except protobuf.Malformed:
        return


def test_deep_nesting_is_refused() -> None:
    def field(tag: int, body: bytes) -> bytes:
        size = len(body)
        length = bytes([size]) if size < 128 else bytes([size & 0x7F | 0x80, size >> 7])
        return bytes([tag]) + length + body

    value = field(0x0A, b"x")
    for _ in range(protobuf.MAX_DEPTH + 5):
        value = field(0x2A, field(0x0A, value))
    span = field(0x4A, field(0x0A, b"k") + field(0x12, value))
    with pytest.raises(protobuf.Malformed):
        otlp_protobuf.read(field(0x0A, field(0x12, field(0x12, span))), 100)


def nested(tag: int, inner: bytes) -> bytes:
    size, length = len(inner), b""
    while size >= 0x80:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([tag]) + length + bytes([size]) + inner


EMPTIES = 200_000
SCOPE = nested(0x12, b"")
VALUES = nested(0x12, nested(0x2A, b"\x0a\x00" * EMPTIES))
PAIR = nested(0x0A, b"key") + VALUES


@pytest.mark.parametrize(
    "body",
    [
        nested(0x0A, SCOPE * EMPTIES),
        nested(0x0A, b"") * EMPTIES,
        nested(0x0A, SCOPE) * EMPTIES,
        nested(0x0A, nested(0x0A, nested(0x0A, PAIR))),
        nested(0x0A, nested(0x0A, nested(0x0A, nested(0x0A, b"k" * 300_000)))),
        nested(0x0A, nested(0x12, nested(0x12, b"\x4a\x00" * EMPTIES))),
        nested(0x0A, nested(0x12, nested(0x12, b"\x5a\x00" * EMPTIES))),
        nested(0x0A, nested(0x12, nested(0x12, nested(0x4A, PAIR)))),
    ],
)
def test_small_json_that_decodes_to_much_is_bounded(body: bytes) -> None:
    with pytest.raises(protobuf.Malformed, match=r"more than 100000|100000 times|larger than"):
        otlp_protobuf.read(body, 100)


def test_names_without_end_are_not_remembered() -> None:
    """A process would keep four thousand of them for good, each as large as a body may be."""
    tracemalloc.start()
    try:
        for number in range(40):
            span = Span(trace_id=bytes(16), span_id=bytes(8))
            span.attributes.add(key=f"{number}" + "k" * 200_000).value.int_value = 1
            otlp_protobuf.read(nested(0x0A, nested(0x12, nested(0x12, span.SerializeToString()))), 1)
        allocated, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert allocated < 2_000_000
