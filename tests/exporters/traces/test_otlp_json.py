"""OTLP in JSON becomes the message from which protobuf's own JSON writer made it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from exporters.traces.decode import otlp_json
from exporters.traces.decode.otlp_json import NotOtlp

TEXT = st.text(max_size=20)


def pairs(values: st.SearchStrategy[AnyValue]) -> st.SearchStrategy[list[KeyValue]]:
    return st.lists(st.builds(KeyValue, key=TEXT, value=values), max_size=3)


VALUES: st.SearchStrategy[AnyValue] = st.recursive(
    st.one_of(
        st.builds(AnyValue, string_value=TEXT), st.builds(AnyValue, bool_value=st.booleans()), st.just(AnyValue()),
        st.builds(AnyValue, int_value=st.integers(-(2**63), 2**63 - 1)), st.builds(AnyValue, double_value=st.floats()),
        st.builds(AnyValue, bytes_value=st.binary(max_size=20)),
    ),
    lambda inner: st.one_of(
        st.builds(AnyValue, array_value=st.builds(ArrayValue, values=st.lists(inner, max_size=3))),
        st.builds(AnyValue, kvlist_value=st.builds(KeyValueList, values=pairs(inner))),
    ),
    max_leaves=6,
)  # fmt: skip
IDS = {*otlp_json.ID_FIELDS, "traceId", "spanId", "parentSpanId"}
TIME = st.integers(0, 2**64 - 1)
COUNT = st.integers(0, 2**32 - 1)


@st.composite
def traces(draw: st.DrawFn) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    for _ in range(draw(st.integers(0, 2))):
        resource = request.resource_spans.add()
        resource.resource.attributes.extend(draw(pairs(VALUES)))
        scope = resource.scope_spans.add()
        scope.scope.name = draw(TEXT)
        for _ in range(draw(st.integers(0, 2))):
            span = scope.spans.add(
                trace_id=draw(st.binary(max_size=16)), span_id=draw(st.binary(max_size=8)), name=draw(TEXT),
                parent_span_id=draw(st.binary(max_size=8)), kind=draw(st.integers(0, 5)), flags=draw(COUNT),
                start_time_unix_nano=draw(TIME), end_time_unix_nano=draw(TIME), dropped_attributes_count=draw(COUNT),
                attributes=draw(pairs(VALUES)),
            )  # fmt: skip
            span.events.add(time_unix_nano=draw(TIME), name=draw(TEXT), attributes=draw(pairs(VALUES)))
            span.links.add(trace_id=draw(st.binary(max_size=16)), span_id=draw(st.binary(max_size=8)))
            span.status.code, span.status.message = draw(st.integers(0, 2)), draw(TEXT)
    return request


@st.composite
def logs(draw: st.DrawFn) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    request.resource_logs.add().scope_logs.add().log_records.add(
        time_unix_nano=draw(TIME), severity_number=draw(st.integers(0, 24)), body=draw(VALUES), event_name=draw(TEXT),
        attributes=draw(pairs(VALUES)), trace_id=draw(st.binary(max_size=16)), span_id=draw(st.binary(max_size=8)),
    )  # fmt: skip
    return request


def written(message: Message, **how: bool) -> bytes:
    """As protobuf writes it, with ids in OTLP's form."""
    return json.dumps(hexed(json_format.MessageToDict(message, **how))).encode()


def hexed(node: Any) -> Any:
    if isinstance(node, list):
        return [hexed(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {key: base64.b64decode(value).hex() if key in IDS else hexed(value) for key, value in node.items()}


@given(st.one_of(traces(), logs()), st.booleans(), st.booleans())
def test_what_protobuf_writes_is_read_as_it_was(message: Message, by_schema: bool, numbers: bool) -> None:
    body = written(message, preserving_proto_field_name=by_schema, use_integers_for_enums=numbers)

    read = type(message).FromString(otlp_json.encode(body, type(message)))

    # Not by `==`: a NaN does not equal itself.
    assert str(read) == str(message)


def attribute(value: object) -> AnyValue:
    span = {
        "traceId": "AB" * 16,
        "spanId": "cd" * 8,
        "attributes": [{"key": "k", "value": value}],
        "tomorrow": {"x": [1]},
    }
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    request = ExportTraceServiceRequest.FromString(otlp_json.encode(body, ExportTraceServiceRequest))
    [read] = request.resource_spans[0].scope_spans[0].spans
    assert (read.trace_id, read.span_id) == (b"\xab" * 16, b"\xcd" * 8)
    return read.attributes[0].value


@pytest.mark.parametrize(
    ("raw", "meant"),
    [
        ({"intValue": 12}, AnyValue(int_value=12)),
        ({"intValue": "-12"}, AnyValue(int_value=-12)),
        ({"intValue": 12.0}, AnyValue(int_value=12)),
        ({"doubleValue": "Infinity"}, AnyValue(double_value=float("inf"))),
        ({"doubleValue": 3}, AnyValue(double_value=3)),
        ({"doubleValue": None}, AnyValue()),
        ({"doubleValue": None, "intValue": 4}, AnyValue(int_value=4)),
        ({"bytesValue": "-_8"}, AnyValue(bytes_value=b"\xfb\xff")),
        ({"stringValue": "cut in two \ud83d"}, AnyValue(string_value="cut in two ?")),
        ({}, AnyValue()),
    ],
)
def test_lenient_forms_that_senders_use(raw: dict[str, object], meant: AnyValue) -> None:
    assert attribute(raw) == meant


def test_a_number_that_is_none_is_kept_as_such() -> None:
    assert str(attribute({"doubleValue": float("nan")})) == str(AnyValue(double_value=float("nan")))


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({"intValue": "private"}, "int_value is no whole number"),
        ({"intValue": 1.5}, "int_value is no whole number"),
        ({"intValue": True}, "int_value is no whole number"),
        ({"intValue": 2**64}, "int_value has more than 64 bits"),
        ({"intValue": "9" * 5000}, "int_value is no whole number"),
        ({"doubleValue": "private"}, "double_value is no number"),
        ({"boolValue": "true"}, "bool_value is neither"),
        ({"stringValue": ["private"]}, "string_value is no text"),
        ({"bytesValue": "?"}, "bytes_value is not in base64"),
        ({"arrayValue": {"values": "private"}}, "values is no list"),
        ({"kvlistValue": ["private"]}, "kvlist_value is no object"),
        ("private", "value is no object"),
    ],
)
def test_an_invalid_message_is_refused_by_its_field_and_without_its_value(raw: object, field: str) -> None:
    with pytest.raises(NotOtlp, match=field) as error:
        attribute(raw)
    assert "private" not in str(error.value)


@pytest.mark.parametrize("raw", ["ab" * 15 + "x", 5, ["ab"]])
def test_ids_that_are_none_are_refused(raw: object) -> None:
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": raw}]}]}]}).encode()
    with pytest.raises(NotOtlp, match="trace_id"):
        otlp_json.encode(body, ExportTraceServiceRequest)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["resourceSpans", "scopeSpans", "spans", "kind", "flags", "attributes", "key", "value",
                             "status", "code", "startTimeUnixNano", "traceId", "intValue", "arrayValue", "values"]),
            inner, max_size=4,
        ),
    ),
    max_leaves=30,
)  # fmt: skip


@given(st.one_of(JSON, JSON.map(lambda inner: {"resourceSpans": [{"scopeSpans": [{"spans": [inner]}]}]})))
def test_any_json_is_a_message_or_refused(tree: object) -> None:
    try:
        encoded = otlp_json.encode(json.dumps(tree).encode(), ExportTraceServiceRequest)
    except NotOtlp:
        return
    ExportTraceServiceRequest.FromString(encoded)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_json_is_read_as_utf_8_as_its_items_were_counted(encoding: str) -> None:
    # In UTF-16, this character's second byte is that of a quote, behind which nothing would be counted.
    tree = '{"x":["\u2200",[],[]]}'
    assert otlp_json.encode(b"\xef\xbb\xbf" + tree.encode(), ExportTraceServiceRequest) == b""
    with pytest.raises((UnicodeDecodeError, json.JSONDecodeError)):
        otlp_json.encode(tree.encode(encoding), ExportTraceServiceRequest)
