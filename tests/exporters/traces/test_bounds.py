"""Items of a request as counted on its bytes, against those that protobuf's own parser finds."""

from __future__ import annotations

import json
import time

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from exporters.traces.decode import bounds, otlp_logs
from exporters.traces.decode.faults import Faults
from exporters.traces.decode.otlp_json import varint
from exporters.traces.decode.protobuf import Malformed

PAIR = KeyValue(key="k", value=AnyValue(string_value="v"))


def field(number: int, body: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(body)) + body


def logs(groups: list[list[int]], attributes: int = 0) -> ExportLogsServiceRequest:
    """A request with so many records in each scope of each resource."""
    request = ExportLogsServiceRequest()
    for scopes in groups:
        resource = request.resource_logs.add()
        resource.resource.attributes.append(PAIR)
        for records in scopes:
            scope = resource.scope_logs.add(schema_url="https://example.org")
            scope.scope.name = "s"
            for _ in range(records):
                scope.log_records.add(time_unix_nano=1, attributes=[PAIR] * attributes)
    return request


@given(st.lists(st.lists(st.integers(0, 4), max_size=3), max_size=3))
def test_records_are_counted_wherever_they_stand(groups: list[list[int]]) -> None:
    body, records = logs(groups, 3).SerializeToString(), sum(map(sum, groups))
    bounds.logs(body, ExportLogsServiceRequest, max(records, 3))
    if records > 1:
        with pytest.raises(bounds.TooMany, match="log records"):
            bounds.logs(body, ExportLogsServiceRequest, records - 1)


@pytest.mark.parametrize(("attributes", "most", "fits"), [(700, 20, True), (900, 20, False), (900, 1200, True)])
def test_what_records_hold_is_counted_once_it_can_be_too_much(attributes: int, most: int, fits: bool) -> None:
    # An attribute is four fields, and attributes are nearly everything here.
    body = logs([[20]], attributes).SerializeToString()
    if fits:
        bounds.logs(body, ExportLogsServiceRequest, most)
    else:
        with pytest.raises(bounds.TooMany, match="fields"):
            bounds.logs(body, ExportLogsServiceRequest, most)


@given(st.binary(max_size=60), st.integers(0, 60))
def test_what_cannot_be_counted_is_no_message(garbage: bytes, cut: int) -> None:
    for body in (garbage, logs([[2], [1]], 1).SerializeToString()[:cut] + garbage):
        try:
            bounds.logs(body, ExportLogsServiceRequest, 1000)
        except Malformed as error:
            if "groups" not in str(error):
                with pytest.raises(DecodeError):
                    ExportLogsServiceRequest.FromString(body)


def test_values_within_values_without_end_are_refused_with_their_record() -> None:
    body = AnyValue(int_value=1).SerializeToString()
    for _ in range(1000):
        body = field(5, field(1, body))
    # Long enough that what is in records is counted.
    long = field(2, field(5, field(1, bytes(200_000))))
    request = field(1, field(2, long + field(2, field(5, body)) + long))
    bounds.logs(request, ExportLogsServiceRequest, 10)
    faults = Faults()
    assert (otlp_logs.number(otlp_logs.read(request, faults)), faults.count) == (2, 1)


def test_what_cannot_be_counted_counts_as_what_it_could_be() -> None:
    """A group's tag first, which is not read, hides no fields behind it."""
    record = b"\x0b" + b"\x32\0" * 200_000
    with pytest.raises(bounds.TooMany, match="fields"):
        bounds.logs(field(1, field(2, field(2, record))), ExportLogsServiceRequest, 10)


TREES: st.SearchStrategy[object] = st.recursive(
    st.text(alphabet='{}[]"\\a\n') | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet='{["\\k'), inner, max_size=4),
    max_leaves=20,
)


def begun(tree: object) -> int:
    """Its objects, its lists, and the further items in them, as found by Python's own parser."""
    if not isinstance(tree, dict | list):
        return 0
    inner = tree.values() if isinstance(tree, dict) else tree
    return max(1, len(tree)) + sum(map(begun, inner))


@given(TREES)
def test_objects_lists_and_items_are_counted_as_a_reader_finds_them(tree: object) -> None:
    # So many more that the tree's own exceed the bound, whatever the string literals contain.
    written, more = json.dumps(tree), 2 * bounds.LEAST - begun(tree)
    within = f"[{','.join([written, *['0'] * (more - 1)])}]".encode()
    bounds.json(within, 1)
    with pytest.raises(bounds.TooMany, match="128000 objects"):
        bounds.json(b"[" + within + b"]", 1)


def test_a_list_of_very_many_numbers_is_refused() -> None:
    """Each takes two bytes of a body and eight in memory."""
    with pytest.raises(bounds.TooMany):
        bounds.json(b'{"x":[' + b"1," * 1_000_000 + b"1]}", 1)


def test_numbers_of_a_vector_are_no_items_but_anything_else_in_a_list_is() -> None:
    def request(value: AnyValue) -> bytes:
        made = ExportTraceServiceRequest()
        spans = made.resource_spans.add().scope_spans.add().spans
        spans.add().attributes.append(KeyValue(key="k", value=value))
        return made.SerializeToString()

    def listed(*items: AnyValue) -> AnyValue:
        found = AnyValue()
        found.array_value.values.extend(items)
        return found

    many = bounds.LEAST
    numbers = [AnyValue(double_value=0.5)] * many
    bounds.spans(request(listed(*numbers, *numbers)), ExportTraceServiceRequest, 1)
    for other in (AnyValue(int_value=1), AnyValue(string_value="0.5"), listed(numbers[0])):
        with pytest.raises(bounds.TooMany):
            bounds.spans(request(listed(*numbers, *[other] * many)), ExportTraceServiceRequest, 1)


def test_what_is_refused_is_not_counted_to_its_end() -> None:
    """Thirty million empty spans cost no more than the first that are too many."""
    bomb = field(1, field(2, b"\x12\0" * (1 << 24)))
    started = time.process_time()
    with pytest.raises(bounds.TooMany):
        bounds.spans(bomb, ExportTraceServiceRequest, 1000)
    assert time.process_time() - started < 1


def test_texts_full_of_brackets_are_no_objects() -> None:
    bounds.json(json.dumps([{"text": '{["' * 100_000}]).encode(), 1)
    # Nor are those in an unterminated string, which is not JSON and soon found not to be.
    bounds.json(b'["' + b"{" * 10_000_000, 1)
