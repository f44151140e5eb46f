"""The table of a call's fields drives everything that uses them: both ways to read a span, and the token metrics."""

from __future__ import annotations

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from prometheus_client.parser import text_string_to_metric_families

from exporters.traces.calls import fast_path, normalise
from exporters.traces.calls.call import Call
from exporters.traces.conventions import MARKS, fields
from exporters.traces.conventions.fields import COUNT_FIELDS, FIELDS, TOKEN_FIELDS, TOTAL, Field
from exporters.traces.decode import otlp_protobuf
from exporters.traces.keep.metrics import CallMetrics

CONTEXT = normalise.Context(None, (), {})
TABLE = fast_path.attribute_table(())
# Fields of a call without an attribute in OTel's convention.
WORKED_OUT = {"tpot_s", "stream_s", "request_hash", "irregular_ids", "model", "version"}
# Fields that a call has even without an attribute.
WITH_DEFAULT = {"operation", "finish_reasons"}
# What the fast path leaves to normalisation: failures, and marks of other conventions.
LEFT = {"error.type"} | {mark for mark, _ in MARKS}
VALUES: dict[str, AnyValue] = {
    "operation": AnyValue(string_value="embeddings"),
    "streaming": AnyValue(bool_value=True),
    "ttft_s": AnyValue(double_value=0.5),
}
READ: dict[str, object] = {"operation": "embeddings", "streaming": True, "ttft_s": 0.5, "finish_reasons": ("word",)}


def keys(wanted: tuple[Field, ...]) -> list[tuple[str, str]]:
    return [(field.name, key) for field in wanted for key in field.keys]


def span(attributes: dict[str, AnyValue]) -> bytes:
    made = Span(trace_id=b"t" * 16, span_id=b"s" * 8, name="chat m", start_time_unix_nano=1, end_time_unix_nano=10**9)
    for key, value in attributes.items():
        made.attributes.add(key=key, value=value)
    return made.SerializeToString()


def both_ways(attributes: dict[str, AnyValue]) -> tuple[Call | None, Call | None]:
    """The call by the fast path, None if it declines; and by full decoding."""
    body = span(attributes)
    fast = fast_path.read(body, 0, len(body), TABLE, "acme")
    whole = otlp_protobuf.alone(body, 0, len(body), otlp_protobuf.Source(body, "", {})).span(0)
    return fast, normalise.call(whole, CONTEXT)


@pytest.mark.parametrize(("name", "key"), keys(TOKEN_FIELDS))
def test_each_kind_of_token_is_read_and_counted_by_its_row_alone(name: str, key: str) -> None:
    [kind] = [kind for kind, field in enumerate(TOKEN_FIELDS) if field.name == name]
    whole = {"gen_ai.usage.input_tokens": AnyValue(int_value=500), "gen_ai.usage.output_tokens": AnyValue(int_value=50)}
    if TOKEN_FIELDS[kind].name in ("input_tokens", "output_tokens"):
        whole = {}
    about = {"gen_ai.operation.name": AnyValue(string_value="chat"), **whole, key: AnyValue(int_value=7)}
    for call in both_ways(about):
        assert call is not None
        assert call.tokens(kind) == 7
        metrics = CallMetrics((), 10)
        metrics.add(call)
        counted = {
            sample.labels["kind"]: sample.value
            for family in text_string_to_metric_families(metrics.registry.page(False))
            for sample in family.samples
            if sample.name == "telltale_tokens_total"
        }
        assert counted[TOKEN_FIELDS[kind].token_kind] == 7


@pytest.mark.parametrize(("name", "key"), keys(tuple(field for field in FIELDS if field not in COUNT_FIELDS)))
def test_both_ways_read_each_attribute_into_its_field(name: str, key: str) -> None:
    about = {"gen_ai.operation.name": AnyValue(string_value="chat"), "gen_ai.request.stream": AnyValue(bool_value=True)}
    if name == "streaming":
        del about["gen_ai.request.stream"]
    if name == "ttft_s":
        # Whose response that is says which API it came from.
        about["gen_ai.response.id"] = AnyValue(string_value="chatcmpl-1")
    if key == "llm.request.type":
        del about["gen_ai.operation.name"]
    fast, whole = both_ways(about | {key: VALUES.get(name, AnyValue(string_value="word"))})
    assert whole is not None
    if name == "error_type":
        assert (whole.error_type, whole.status) == ("other", "error")
    else:
        assert getattr(whole, name) == READ.get(name, "word")
    if key in LEFT:
        assert fast is None
    else:
        assert fast is not None
        assert getattr(fast, name) == getattr(whole, name)


@pytest.mark.parametrize("key", COUNT_FIELDS[TOTAL].keys)
def test_both_ways_read_what_the_tokens_add_up_to_as_evidence_alone(key: str) -> None:
    about = {
        "gen_ai.operation.name": AnyValue(string_value="chat"),
        "gen_ai.usage.input_tokens": AnyValue(int_value=10),
        "gen_ai.usage.output_tokens": AnyValue(int_value=5),
        "gen_ai.usage.cache_read.input_tokens": AnyValue(int_value=4),
        key: AnyValue(int_value=19),
    }
    body = span(about)
    groups, _ = otlp_protobuf.split(_request(body), 10)
    [fast] = [ref.call for ref in normalise.read(groups, CONTEXT, TABLE).calls]
    _, whole = both_ways(about)
    assert whole is not None
    for found in (fast, whole):
        assert (found.input_tokens, found.output_tokens, found.cached_input_tokens) == (14, 5, 4)
        assert found.tokens(TOTAL) is None


def _request(body: bytes) -> bytes:
    made = Span.FromString(body)
    sent = ResourceSpans(scope_spans=[ScopeSpans(spans=[made])])
    return ExportTraceServiceRequest(resource_spans=[sent]).SerializeToString()


def test_the_optional_fields_of_a_call_are_those_of_the_table() -> None:
    blank = Call()
    optional = {name for name in dir(blank) if not name.startswith("_") and getattr(blank, name) is None}
    of_tokens = {name for name in optional if name.endswith("_tokens")}
    named = {field.name for field in FIELDS if field not in COUNT_FIELDS}
    assert optional - of_tokens - WORKED_OUT == named - WITH_DEFAULT
    assert of_tokens <= {field.name for field in TOKEN_FIELDS}


def test_a_kind_of_token_that_has_a_name_of_its_own_is_the_one_of_its_place() -> None:
    call = Call()
    for kind in range(len(TOKEN_FIELDS)):
        call.set_tokens(kind, 100 + kind)
    places = {
        fields.INPUT: "input_tokens", fields.OUTPUT: "output_tokens", fields.CACHED_INPUT: "cached_input_tokens",
        fields.CACHE_WRITE_INPUT: "cache_write_input_tokens", fields.REASONING_OUTPUT: "reasoning_output_tokens",
    }  # fmt: skip
    for place, name in places.items():
        assert (TOKEN_FIELDS[place].name, getattr(call, name)) == (name, 100 + place)
