"""LiteLLM's spans as its releases write them: one call per request, whichever span it is recorded on."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from exporters.traces.calls import fast_path, normalise
from exporters.traces.calls.call import Call
from exporters.traces.decode import otlp_protobuf
from exporters.traces.decode.spans import Event, Span
from telltale.conversation import texts

S = 1_000_000_000
CONTEXT = normalise.Context(None, (), {})
PROXY, SDK = "Received Proxy Server Request", "litellm_request"
MESSAGES = {
    "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Which way?"}]}]),
    "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "Left."}]}]),
}
# Release 1.81: no span of the call's own, and the client's name for the model only in a response.
ON_PARENT = {
    "gen_ai.request.model": "up", "gen_ai.response.model": "alias", "llm.request.type": "acompletion",
    "gen_ai.operation.name": "acompletion", "gen_ai.system": "openai", "llm.is_streaming": "False",
    "gen_ai.usage.input_tokens": 23, "gen_ai.usage.output_tokens": 17, "gen_ai.response.finish_reasons": '["stop"]',
    "metadata.user_api_key_hash": "", "metadata.usage_object": "{'completion_tokens': 17, 'prompt_tokens': 23}",
    **MESSAGES,
}  # fmt: skip
# LITELLM_OTEL_V2: OTel's conventions, with the model's name as the client has it.
SECOND = {
    "litellm.api_key.hash": "h", "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "alias", "gen_ai.response.model": "alias", "litellm.provider.model": "openai/up",
    "litellm.request.route": "/v1/chat/completions", "gen_ai.usage.input_tokens": 23,
    "gen_ai.usage.output_tokens": 17, "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.input.messages": '[{"role": "user", "content": "Which way?"}]',
    "gen_ai.output.messages": '[{"role": "assistant", "content": "Left.", "tool_calls": null}]',
}  # fmt: skip


def span(attributes: dict[str, Any], name: str = SDK, scope: str = "litellm", **values: Any) -> Span:
    made = Span(b"t" * 16, b"s" * 8, b"", name, 1, 10 * S, 12 * S, 0, "", scope, attributes, {})
    return replace(made, **values)


def call(attributes: dict[str, Any], name: str = SDK, **values: Any) -> Call:
    found = normalise.call(span(attributes, name, **values), CONTEXT)
    assert found is not None
    return found


def test_the_call_stands_on_the_proxys_own_span_when_it_has_no_other() -> None:
    found = call(ON_PARENT, PROXY)
    assert (found.layer, found.operation, found.status) == ("gateway", "chat", "ok")
    assert (found.model_requested, found.model_served) == ("alias", "up")
    assert (found.input_tokens, found.output_tokens, found.streaming) == (23, 17, False)
    assert texts.of(normalise.read_conversation(span(ON_PARENT, PROXY))) == ("Which way?", "Left.")


def test_the_proxys_own_span_is_no_call_when_it_describes_none() -> None:
    for name in (PROXY, "Failed Proxy Server Request", "auth", "router", "raw_gen_ai_request"):
        assert normalise.call(span({"http.route": "/v1/chat/completions"}, name), CONTEXT) is None
    assert normalise.call(span({"gen_ai.request.model": "up"}, "Failed Proxy Server Request"), CONTEXT) is None


def test_a_stream_that_names_only_the_upstream_model_has_no_requested_model() -> None:
    streamed = {**ON_PARENT, "gen_ai.response.model": "up", "llm.is_streaming": "True"}
    found = call(streamed, PROXY)
    assert (found.model_requested, found.model_served, found.model) == (None, "up", "up")


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ("{'prompt_tokens_details': None}", None),
        ("{'prompt_tokens_details': {'cached_tokens': 0}}", 23),
    ],
)
def test_a_streams_tokens_on_the_proxys_own_span_may_be_counted_by_the_proxy_itself(usage: str, tokens: object) -> None:
    found = call({**ON_PARENT, "llm.is_streaming": "True", "metadata.usage_object": usage}, PROXY)
    assert (found.input_tokens, found.status) == (tokens, "ok")


def test_a_refused_request_on_the_proxys_own_span() -> None:
    refused = {
        **{key: ON_PARENT[key] for key in ("gen_ai.request.model", "gen_ai.operation.name", "llm.is_streaming")},
        "error.code": "429", "error.type": "RateLimitError",
    }  # fmt: skip
    event = Event("exception", 11 * S, {"exception.type": "litellm.exceptions.RateLimitError"})
    found = call(refused, PROXY, status=2, events=(event,))
    assert (found.status, found.error_type, found.model) == ("error", "rate_limit", "up")


def test_the_second_generation_names_client_and_upstream_apart() -> None:
    found = call({**SECOND, "gen_ai.usage.cache_read.input_tokens": 8}, "chat alias", kind=3)
    assert (found.layer, found.model_requested, found.model_served) == ("gateway", "alias", "up")
    assert (found.input_tokens, found.output_tokens, found.cached_input_tokens) == (23, 17, 8)
    assert (found.streaming, found.ttft_s, found.finish_reasons) == (None, None, ("stop",))
    assert texts.of(normalise.read_conversation(span(SECOND, "chat alias"))) == ("Which way?", "Left.")


def test_the_second_generation_has_the_time_to_first_token() -> None:
    streamed = {**SECOND, "litellm.request.streaming": True, "gen_ai.response.time_to_first_chunk": 0.13}
    found = call(streamed, "chat alias", kind=3)
    assert (found.streaming, found.ttft_s) == (True, 0.13)


def test_a_tool_call_of_the_second_generation() -> None:
    called = {"function": {"arguments": '{"to": "harbour"}', "name": "find_way"}, "id": "c1", "type": "function"}
    response = json.dumps([{"content": None, "role": "assistant", "tool_calls": [called]}])
    content = texts.of(normalise.read_conversation(span({**SECOND, "gen_ai.output.messages": response}, "chat alias")))
    assert content[1] == '[tool call find_way: {"to": "harbour"}]'


def test_guardrails_routes_and_tools_are_no_calls() -> None:
    beside = {"litellm.api_key.hash": "h", "gen_ai.request.model": "alias"}
    for name in ("auth /v1/chat/completions", "route alias", "execute_guardrail pii", "batch_write_to_db"):
        assert normalise.call(span(beside, name), CONTEXT) is None
    tool = {**beside, "gen_ai.operation.name": "execute_tool"}
    assert normalise.call(span(tool, "execute_tool search"), CONTEXT) is None


HTTP = {
    "http.method": "POST", "http.route": "/v1/chat/completions", "http.status_code": 200,
    "litellm.api_key.hash": "h", "gen_ai.request.model": "alias",
}  # fmt: skip


def test_the_web_frameworks_span_of_a_request_is_no_call_though_it_names_a_model() -> None:
    assert (
        normalise.call(span(HTTP, "POST /v1/chat/completions", "opentelemetry.instrumentation.fastapi"), CONTEXT)
        is None
    )


def test_both_ways_of_reading_agree_on_it() -> None:
    memory, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    provider.get_tracer("opentelemetry.instrumentation.fastapi").start_span("POST", attributes=HTTP).end()
    body = encode_spans(list(memory.get_finished_spans())).SerializeToString()
    groups, _ = otlp_protobuf.split(body, 10)
    assert normalise.read(groups, CONTEXT, fast_path.attribute_table(())).calls == []


def test_a_web_frameworks_span_that_says_it_is_a_call_is_one() -> None:
    found = call({**HTTP, "gen_ai.operation.name": "chat"}, "POST", scope="app")
    assert found.model_requested == "alias"


def test_the_sdk_inside_an_applications_span_records_its_call_there() -> None:
    attributes = {
        **ON_PARENT,
        "gen_ai.response.model": "up-2026",
        "litellm.call_id": "c",
        "gen_ai.operation.name": "chat",
    }
    found = call(attributes, "handle", scope="app")
    assert (found.convention, found.layer) == ("litellm", "client")
    assert (found.model_requested, found.model_served) == ("up", "up-2026")


def test_zero_tokens_are_tokens_that_nobody_counted() -> None:
    bare = {
        **ON_PARENT, "gen_ai.response.model": "up", "llm.is_streaming": "True",
        "gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0,
    }  # fmt: skip
    found = call(bare)
    assert (found.input_tokens, found.output_tokens, found.status) == (None, None, "ok")


def test_of_a_response_that_broke_off_it_counts_what_came() -> None:
    broken = {**SECOND, "gen_ai.usage.input_tokens": 14, "gen_ai.usage.output_tokens": 7, "error.type": "ReadError"}
    found = call(broken, "chat alias", status=2)
    assert (found.status, found.error_type) == ("error", "connection")
    assert (found.input_tokens, found.output_tokens) == (None, None)
