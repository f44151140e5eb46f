"""The fast path from bytes to calls against full decoding: the same calls, or it declines to decide."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from support.collector_process import chat

from exporters.traces.calls import fast_content, fast_path, normalise, outcome
from exporters.traces.calls.call import Call
from exporters.traces.conventions import MARKS, NAMES, finish, first_token, gateway_cache, operations, particulars
from exporters.traces.conventions.evidence import MESSAGES, OTHER_MODELS, STORES, SUMS, TRANSPORT
from exporters.traces.conventions.fields import COUNT_FIELDS, FIELDS, TOKEN_FIELDS
from exporters.traces.decode import otlp_protobuf, protobuf, spans
from telltale.conversation import texts

NAMES_OF_TENANTS = ("tenant.id", "tenant")
CONTEXT = normalise.Context(None, NAMES_OF_TENANTS, {"vllm": "mistral-7b"})
# Compiled, a class has no __slots__. `token_counts` are compared as what they mean.
NOT_COMPARED = ("set_ids", "tokens", "set_tokens", "token_counts", "label_fingerprint")
COMPARED = [name for name in dir(Call()) if not name.startswith("_") and name not in NOT_COMPARED]
TABLE = fast_path.attribute_table(NAMES_OF_TENANTS)
WANTED = ("server.port", "error.type")
CONTENT = fast_content.Names(WANTED)
PROMPT, RESPONSE = "gen_ai.input.messages", "gen_ai.output.messages"

KEYS = sorted(
    {key for field in FIELDS for key in field.keys}
    | {mark for mark, _ in MARKS}
    | {*SUMS, *MESSAGES, *STORES[:2], *TRANSPORT[:2], "server.port", "ai.response.model"}
    | {*NAMES_OF_TENANTS, *gateway_cache.MARKS, *OTHER_MODELS}
    | {*outcome.NAMES, *first_token.NAMES, first_token.API_TYPE, *finish.BODIES}
)
WORDS = (
    *("gpt-4o", '"chat"', "None", "", "stop", '["stop"]', "-1", "20", "abort", "FinishReason.MAX_TOKENS", "unknown"),
    *('["incomplete"]', "resp_1", "responses", "openai.responses", "499", "CANCELLED", "error", "false"),
    *("completion", "Chat", "OpenAI", "OpenAI.Responses"),
)
TEXTS = st.sampled_from([*sorted(operations.CALLS | operations.OTHERS), *WORDS])
VALUES = (
    st.builds(AnyValue, string_value=TEXTS | st.text(max_size=20))
    | st.builds(AnyValue, int_value=st.integers(-(2**63), 2**63 - 1) | st.integers(0, 300))
    | st.builds(AnyValue, double_value=st.floats() | st.floats(0, 5))
    | st.builds(AnyValue, bool_value=st.booleans())
    | st.builds(AnyValue, bytes_value=st.binary(max_size=4))
    | st.builds(
        AnyValue,
        array_value=st.builds(ArrayValue, values=st.lists(st.builds(AnyValue, string_value=TEXTS), max_size=2)),
    )
    | st.just(AnyValue())
)
# Names that mark a call are frequent, or hardly any span would be a call.
PAIRS = st.builds(KeyValue, key=st.sampled_from(KEYS), value=VALUES)
PARTICULARS = st.builds(KeyValue, key=st.sampled_from(particulars.NAMES), value=VALUES)
CHAT = st.just(KeyValue(key="gen_ai.operation.name", value=AnyValue(string_value="chat")))
SPANS = st.builds(
    Span,
    trace_id=st.binary(min_size=16, max_size=16), span_id=st.binary(min_size=8, max_size=8),
    parent_span_id=st.just(b"") | st.binary(min_size=8, max_size=8), trace_state=st.just("") | st.text(max_size=5),
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


def field(tag: int, raw: bytes) -> bytes:
    size, length = len(raw), b""
    while size >= 0x80:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([tag]) + length + bytes([size]) + raw


def span_with_content(prompt: str, response: str) -> bytes:
    """A span's bytes with content in OTel's form."""
    made = Span(trace_id=b"t" * 16, span_id=b"s" * 8, name="chat m")
    for key, role, text in ((PROMPT, "user", prompt), (RESPONSE, "assistant", response)):
        message = {"role": role, "parts": [{"type": "text", "content": text}]}
        made.attributes.add(key=key, value=AnyValue(string_value=json.dumps([message])))
    return made.SerializeToString()


def span_alone(body: bytes) -> spans.Span:
    return otlp_protobuf.alone(body, 0, len(body), otlp_protobuf.Source(body, "", {})).span(0)


def values(call: Call) -> dict[str, Any]:
    return {
        **{name: getattr(call, name) for name in COMPARED},
        **{field.name: call.tokens(kind) for kind, field in enumerate(TOKEN_FIELDS)},
    }


def decoded_in_full(body: bytes) -> list[dict[str, Any]]:
    return [values(call) for span in otlp_protobuf.read(body, 100)[0] if (call := normalise.call(span, CONTEXT))]


def decoded(body: bytes) -> list[dict[str, Any]]:
    return [values(ref.call) for ref in normalise.read(otlp_protobuf.split(body, 100)[0], CONTEXT, TABLE).calls]


def count_fast(body: bytes) -> int:
    """How many spans the fast path decides."""
    return sum(
        fast_path.read(body, start, end, TABLE, None) is not None
        for group in otlp_protobuf.split(body, 100)[0]
        for start, end in zip(group.starts, group.ends, strict=True)
    )


# Messages as senders write them: parts, plain text, tool calls, not a list, not JSON, or JSON that few parsers accept.
PARTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "tool_call", "reasoning", "image_url"]), "content": st.text(max_size=8)},
    optional={"name": st.just("look_up"), "arguments": st.just({"big": 2**70, "at": 1.5})},
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system"])},
        optional={"parts": st.lists(PARTS, max_size=3), "content": st.text(max_size=8) | st.none() | st.integers()},
    ),
    max_size=3,
)
RAW_MESSAGES = st.builds(
    lambda messages, escape: json.dumps(messages, ensure_ascii=escape).encode(), MESSAGES, st.booleans()
) | st.sampled_from(
    [
        *(b"", b"plain", b"[", b"[]", b"{}", b'"word"', b"[NaN]", b"{'role': 'user', 'content': 'repr'}", b" []"),
        *(b'[{"role":"user","content":"\\ud800"}]', b'["\xff"]', b"[[" * 300 + b"]]" * 300, b"[1] x", b"\xff"),
        b'[{"role":"user","content":"once","content":"twice"}]',
    ]
)


def test_it_is_these_files_that_are_tested() -> None:
    assert (fast_path.__file__ or "").startswith(os.environ.get("TELLTALE_TEST_FROM", str(Path(__file__).parents[3])))


@settings(deadline=None, max_examples=400)
@given(
    spans=st.lists(SPANS, max_size=3),
    scope=st.sampled_from(
        ["", "made-by-hand", "ai", "openlit.x", "opentelemetry.instrumentation.openai_v2", "gcp.vertex.agent"]
    ),
    resource=st.sampled_from([{}, {"tenant_id": "acme"}, {"service_name": "vllm"}]),
)
def test_the_same_calls_as_full_decoding(spans: list[Span], scope: str, resource: dict[str, str]) -> None:
    body = request(spans, scope, **resource)
    assert decoded(body) == decoded_in_full(body)


@settings(deadline=None, max_examples=400)
@given(
    st.lists(st.tuples(st.sampled_from([PROMPT, RESPONSE, RESPONSE]), RAW_MESSAGES, st.booleans()), max_size=3),
    st.lists(PAIRS | PARTICULARS, max_size=5, unique_by=lambda pair: pair.key),
)
def test_the_same_content_as_full_decoding(messages: list[tuple[str, bytes, bool]], more: list[KeyValue]) -> None:
    body = Span(
        trace_id=b"t" * 16, span_id=b"s" * 8, attributes=more, events=[Span.Event(name="x")]
    ).SerializeToString()
    for key, raw, as_bytes in messages:
        value = AnyValue(bytes_value=raw).SerializeToString()
        # A string's bytes may be invalid UTF-8, which protobuf's own writer rejects.
        body += field(0x4A, field(0x0A, key.encode()) + field(0x12, value if as_bytes else b"\x0a" + value[1:]))
    found = fast_content.read(body, 0, len(body), CONTENT)
    if found is not None:
        span = span_alone(body)
        assert found.said == normalise.read_conversation(span)
        fast, full = (particulars.read({}, values, WANTED) for values in (found.others, span.attributes))
        assert fast == full


def test_ordinary_content_takes_the_fast_path() -> None:
    for prompt, response in (("Capital of France?", "Paris."), ("수도는?", "파리입니다 😀"), ("?", "x" * 5000)):
        body = span_with_content(prompt, response)
        found = fast_content.read(body, 0, len(body), CONTENT)
        assert found is not None
        assert found.said == normalise.read_conversation(span_alone(body))
        assert texts.of(found.said) == (prompt, response)


@given(st.integers(0, 400), st.integers(0, 255))
def test_broken_content_is_left_to_full_decoding_or_refused(at: int, byte: int) -> None:
    whole = span_with_content("Capital of France?", "Paris.")
    body = bytearray(whole)
    body[at % len(body)] = byte
    for broken in (bytes(body), whole[: at % len(whole)]):
        try:
            found = fast_content.read(broken, 0, len(broken), CONTENT)
        except (protobuf.Malformed, IndexError, UnicodeDecodeError):
            continue
        assert found is None or all(isinstance(text, str) for text in texts.of(found.said))


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from([field.keys[0] for field in COUNT_FIELDS]), st.integers(0, 12)),
    st.sampled_from(["openai", "gcp.gemini", "aws.bedrock"]),
)
def test_the_same_numbers_of_tokens_whatever_they_prove(counts: dict[str, int], provider: str) -> None:
    made = Span(trace_id=b"t" * 16, span_id=b"s" * 8, name="chat m", end_time_unix_nano=1)
    made.attributes.add(key="gen_ai.operation.name", value=AnyValue(string_value="chat"))
    made.attributes.add(key="gen_ai.provider.name", value=AnyValue(string_value=provider))
    for key, count in counts.items():
        made.attributes.add(key=key, value=AnyValue(int_value=count))
    body = request([made], "app")
    assert count_fast(body) == 1
    assert decoded(body) == decoded_in_full(body)


@settings(deadline=None, max_examples=200)
@given(st.lists(PAIRS, max_size=4, unique_by=lambda pair: pair.key))
def test_the_same_for_calls_with_more_attributes(more: list[KeyValue]) -> None:
    made = encode_spans(chat())
    made.resource_spans[0].scope_spans[0].spans[0].attributes.extend(more)
    body = made.SerializeToString()
    assert decoded(body) == decoded_in_full(body)


def test_the_real_sdks_spans_take_the_fast_path() -> None:
    body = encode_spans(chat(count=20)).SerializeToString()
    assert count_fast(body) == 20
    assert decoded(body) == decoded_in_full(body)
    assert count_fast(encode_spans(chat(count=5, failed=True)).SerializeToString()) == 0


def test_spans_that_are_no_calls_take_the_fast_path_too() -> None:
    span = Span(trace_id=bytes(16), span_id=bytes(8), name="GET /", start_time_unix_nano=1, end_time_unix_nano=2)
    span.attributes.add(key="http.route", value=AnyValue(string_value="/"))
    span.attributes.add(key="http.response.status_code", value=AnyValue(int_value=500))
    span.attributes.add(key="error", value=AnyValue(bool_value=True))
    body = request([span], "opentelemetry.instrumentation.fastapi")
    assert count_fast(body) == 1
    assert decoded(body) == []


def test_damaged_bytes_are_refused_or_read_the_same() -> None:
    draw, good = random.Random(3), encode_spans(chat(count=2)).SerializeToString()
    agreed = 0
    for _ in range(5000):
        body = bytearray(good)
        for _ in range(draw.randint(1, 3)):
            body[draw.randrange(len(body))] = draw.randrange(256)
        cut = bytes(body)
        try:
            ours = decoded(cut)
        except protobuf.Malformed:
            continue
        try:
            theirs = decoded_in_full(cut)
        except protobuf.Malformed:
            # Strings that nobody reads are not checked.
            continue
        assert ours == theirs
        agreed += 1
    assert agreed > 1000
