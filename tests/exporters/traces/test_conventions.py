"""Spans in each convention, built by hand from its documentation, and the calls decoded from them."""

from __future__ import annotations

import json
import math
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.traces.calls import normalise
from exporters.traces.calls.call import Call
from exporters.traces.calls.call_index import KEPT
from exporters.traces.calls.dedup import CallDeduplicator
from exporters.traces.decode.spans import Event, Span
from telltale.conversation import texts

S = 1_000_000_000
# Compiled, a class has no __slots__.
WORKED_OUT = {
    *("trace_id", "span_id", "parent_span_id", "input_tokens", "output_tokens", "cached_input_tokens"),
    *("cache_write_input_tokens", "reasoning_output_tokens", "has_usage", "model", "version", "end_unix_s"),
    *("set_ids", "span_key", "tokens", "set_tokens"),
}
FIELDS = [name for name in dir(Call()) if not name.startswith("_") and name not in WORKED_OUT]
TRACE = bytes.fromhex("0af7651916cd43dd8448eb211c80319c")
CONTEXT = normalise.Context(None, ("tenant.id",), {"tgi": "mistral-7b"})
OTEL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}


def span(attributes: dict[str, Any], **values: Any) -> Span:
    made = Span(
        TRACE, b"\xb7\xad\x6b\x71\x69\x20\x33\x31", b"", "call", 3, 10 * S, 12 * S, 0, "", "made-by-hand",
        attributes, {},
    )  # fmt: skip
    return replace(made, **values)


def call(attributes: dict[str, Any], **values: Any) -> Call:
    found = normalise.call(span(attributes, **values), CONTEXT)
    assert found is not None
    return found


def changed(call: Call, **values: Any) -> Call:
    """The same call but for these values."""
    other = Call()
    for name in FIELDS:
        setattr(other, name, values.get(name, getattr(call, name)))
    ids = ("trace_id", "span_id", "parent_span_id")
    other.set_ids(*(values.get(name, getattr(call, name)) for name in ids))
    return other


def read_texts(span: Span) -> texts.Texts:
    return texts.of(normalise.read_conversation(span))


def event(name: str, seconds: float, **attributes: Any) -> Event:
    return Event(name, int((10 + seconds) * S), attributes)


OPENLLMETRY = {
    "llm.request.type": "chat", "gen_ai.system": "OpenAI", "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.response.model": "gpt-4o-mini-2", "gen_ai.usage.prompt_tokens": 20, "gen_ai.usage.completion_tokens": 14,
    "llm.is_streaming": True, "gen_ai.prompt.0.role": "system", "gen_ai.prompt.0.content": "Be terse.",
    "gen_ai.prompt.1.role": "user", "gen_ai.prompt.1.content": "Capital of France?",
    "gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.content": "Paris.",
    "gen_ai.completion.0.finish_reason": "stop",
}  # fmt: skip
VERCEL = {
    "ai.operationId": "ai.streamText.doStream", "ai.model.id": "gpt-4o-mini", "ai.model.provider": "openai.chat",
    "ai.response.model": "gpt-4o-mini-2", "ai.usage.promptTokens": 20, "ai.usage.completionTokens": 14,
    "ai.response.msToFirstChunk": 121.5, "ai.response.finishReason": "stop", "ai.response.text": "Paris.",
    "ai.prompt.messages": json.dumps([{"role": "user", "content": [{"type": "text", "text": "Capital of France?"}]}]),
}  # fmt: skip
LANGSMITH = {
    "langsmith.span.kind": "llm", "gen_ai.system": "langchain", "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.response.model": "gpt-4o-mini-2", "gen_ai.usage.input_tokens": 20, "gen_ai.usage.output_tokens": 14,
    "gen_ai.prompt": json.dumps({"messages": [[{"lc": 1, "type": "constructor", "id": ["langchain", "HumanMessage"],
                                               "kwargs": {"content": "Capital of France?"}}]]}),
    "gen_ai.completion": json.dumps({"generations": [[{"text": "Paris."}]]}),
}  # fmt: skip
MLFLOW = {
    "mlflow.spanType": '"CHAT_MODEL"', "mlflow.llm.model": '"gpt-4o-mini-2"',
    "mlflow.spanInputs": json.dumps(
        {"model": "gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": "Capital of France?"}]}
    ),
    "mlflow.spanOutputs": json.dumps({"choices": [{"message": {"content": "Paris."}, "finish_reason": "stop"}]}),
    "mlflow.chat.tokenUsage": json.dumps({"input_tokens": 20, "output_tokens": 14, "total_tokens": 34}),
}  # fmt: skip
PYDANTIC = {
    "gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.response.model": "gpt-4o-mini-2", "gen_ai.usage.input_tokens": 20, "gen_ai.usage.output_tokens": 14,
    "events": json.dumps([
        {"event.name": "gen_ai.user.message", "role": "user", "content": "Capital of France?"},
        {"event.name": "gen_ai.choice", "message": {"role": "assistant", "content": "Paris."}},
    ]),
}  # fmt: skip
LOGFIRE_END = {
    "logfire.span_type": "log", "duration": 0.35, "gen_ai.operation.name": "chat", "gen_ai.system": "openai",
    "request_data": json.dumps(
        {"model": "gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": "Capital of France?"}]}
    ),
    "gen_ai.response.model": "gpt-4o-mini-2", "gen_ai.usage.input_tokens": 20, "gen_ai.usage.output_tokens": 14,
    "response_data": json.dumps({"combined_chunk_content": "Paris.", "chunk_count": 5}),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "attributes", "values"),
    [
        ("openllmetry", OPENLLMETRY, {}),
        ("vercel", VERCEL, {"scope": "ai"}),
        ("langsmith", LANGSMITH, {"scope": "langsmith"}),
        ("mlflow", MLFLOW, {}),
        ("pydantic", PYDANTIC, {"scope": "pydantic-ai"}),
        ("pydantic", LOGFIRE_END, {"scope": "logfire.openai"}),
    ],
)
def test_one_call_in_each_convention(name: str, attributes: dict[str, Any], values: dict[str, Any]) -> None:
    found = call(attributes, **values)
    assert (found.convention, found.operation, found.status) == (name, "chat", "ok")
    assert (found.model_requested, found.model_served) == ("gpt-4o-mini", "gpt-4o-mini-2")
    assert (found.input_tokens, found.output_tokens) == (20, 14)
    assert read_texts(span(attributes, **values)) == ("Capital of France?", "Paris.")


LOGFIRE_5 = {
    "logfire.span_type": "span", "request_data": '{"model":"gpt-4o-mini"}', "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt-4o-mini", "gen_ai.response.model": "gpt-4o-mini",
}  # fmt: skip


def test_the_request_half_of_logfires_streams_is_known_by_what_it_lacks() -> None:
    assert normalise.call(span(LOGFIRE_5, scope="logfire.openai"), CONTEXT) is None
    with_response = {**LOGFIRE_5, "gen_ai.response.id": "chatcmpl-1", "gen_ai.response.model": "gpt-4o-mini-2"}
    assert call(with_response, scope="logfire.openai").model_served == "gpt-4o-mini-2"
    refused = call(LOGFIRE_5, scope="logfire.openai", status=2)
    assert (refused.status, refused.model_requested, refused.model_served) == ("error", "gpt-4o-mini", None)


def test_logfire_reports_cached_and_reasoning_tokens_as_the_provider_did() -> None:
    raw = {"prompt_tokens_details": {"cached_tokens": 64}, "completion_tokens_details": {"reasoning_tokens": 24}}
    used = {"gen_ai.usage.input_tokens": 96, "gen_ai.usage.output_tokens": 40, "gen_ai.usage.raw": json.dumps(raw)}
    found = call({**LOGFIRE_5, **used}, scope="logfire.openai")
    assert (found.cached_input_tokens, found.reasoning_output_tokens) == (64, 24)


@pytest.mark.parametrize(("finish", "status"), [('"parts":[],"finish_reason":"stop"', "ok"), ('"parts":[]', "aborted")])
def test_logfires_stream_ended_when_its_last_message_says_why(finish: str, status: str) -> None:
    log = {**LOGFIRE_5, "logfire.span_type": "log", "duration": 0.4}
    ended = {**log, "gen_ai.output.messages": '[{"role":"assistant",' + finish + "}]"}
    assert call(ended, scope="logfire.openai").status == status


def test_a_request_of_which_only_the_model_is_known_has_no_prompt() -> None:
    attributes = {**LOGFIRE_5, "gen_ai.operation.name": "embeddings", "gen_ai.usage.input_tokens": 23}
    assert call(attributes, scope="logfire.openai").operation == "embeddings"
    assert read_texts(span(attributes, scope="logfire.openai")) == ("", "")


def test_pydantic_ais_call_whose_response_broke_off_is_aborted() -> None:
    asked = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.provider.name": "openai"}
    assert call(asked, scope="pydantic-ai").status == "aborted"
    assert call({**asked, "gen_ai.response.model": "m-2"}, scope="pydantic-ai").status == "ok"
    assert call(asked, scope="pydantic-ai", status=2).status == "error"


def test_first_tokens_by_attribute_and_by_event() -> None:
    assert call(VERCEL, scope="ai").ttft_s == pytest.approx(0.1215)
    assert call(MLFLOW, events=(event("mlflow.chunk.item.0", 0.12),)).ttft_s == pytest.approx(0.12)
    chunk = event("llm.content.completion.chunk", 0.12)
    assert call(OPENLLMETRY, events=(chunk,)).ttft_s == pytest.approx(0.12)
    assert call(OPENLLMETRY, events=(chunk,), dropped_events=175).ttft_s is None, "the first event may be gone"


def test_openlits_times_and_guesses() -> None:
    attributes = {
        "gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.server.time_to_first_token": 1.9,
        "gen_ai.usage.input_tokens": 39, "gen_ai.usage.output_tokens": 34, "gen_ai.response.finish_reasons": ["stop"],
    }  # fmt: skip
    plain = call({**attributes, "gen_ai.request.stream": False}, scope="openlit.instrumentation.openai")
    assert (plain.ttft_s, plain.input_tokens) == (None, 39)
    guessed = call({**attributes, "gen_ai.request.stream": True}, scope="openlit.instrumentation.openai")
    assert (guessed.ttft_s, guessed.input_tokens, guessed.output_tokens, guessed.status) == (None, None, None, "ok")
    embedded = {**attributes, "gen_ai.operation.name": "embeddings", "gen_ai.response.model": "m"}
    assert call(embedded, scope="openlit.instrumentation.openai").model_served is None, "the request's name again"


def test_openllmetry_counts_the_first_event_of_anthropics_streams_twice() -> None:
    scope, attributes = "opentelemetry.instrumentation.anthropic", {**OTEL, "gen_ai.usage.input_tokens": 23}
    model, tokens = {"gen_ai.response.model": "m-2"}, {"gen_ai.usage.output_tokens": 18}
    finish = {"gen_ai.response.finish_reasons": ["stop"]}
    plain = call({**attributes, **model, **finish, **tokens}, scope=scope)
    assert (plain.streaming, plain.output_tokens) == (None, 18)
    streamed = call({**attributes, **tokens, **model, **finish}, scope=scope)
    assert (streamed.streaming, streamed.input_tokens, streamed.output_tokens) == (True, 23, None)
    assert (streamed.status, streamed.model_served) == ("ok", "m-2")


def test_sglang_and_vllm_are_servers() -> None:
    attributes = {
        "gen_ai.latency.e2e": 1.5, "gen_ai.latency.time_to_first_token": 0.2, "gen_ai.usage.prompt_tokens": 7,
        "gen_ai.usage.completion_tokens": 27, "gen_ai.usage.cached_tokens": 4, "gen_ai.response.model": "llama",
        "gen_ai.response.finish_reasons": '["stop"]', "gen_ai.request.id": "r-1",
    }  # fmt: skip
    found = call(attributes, scope="sglang server", name="Scheduler Req 0a1b2c3d")
    assert (found.layer, found.convention, found.model_served, found.finish_reasons) == (
        "server", "sglang", "llama", ("stop",),
    )  # fmt: skip
    assert (found.duration_s, found.ttft_s, found.tpot_s) == (1.5, 0.2, pytest.approx(0.05))
    assert (found.input_tokens, found.cached_input_tokens, found.status) == (7, 4, "ok")
    assert normalise.call(span({"host_id": "x"}, scope="sglang server", name="prefill_forward"), CONTEXT) is None


def test_tgi_speaks_in_rusts_durations_and_names_no_model() -> None:
    attributes = {"total_time": "1.5s", "time_per_token": "312.5µs", "prompt_tokens": "7", "generated_tokens": "20"}
    found = call(attributes, name="generate_stream", resource={"service.name": "tgi"})
    assert (found.layer, found.duration_s, found.tpot_s) == ("server", 1.5, pytest.approx(312.5e-6))
    assert (found.model_requested, found.input_tokens, found.output_tokens) == ("mistral-7b", 7, 20)


@pytest.mark.parametrize(
    ("attributes", "name", "expected"),
    [
        ({"total_time": 1.3}, "render page", None),
        ({"total_time": "1.3s"}, "render page", None),
        ({"total_time": "fast", "queue_time": "1ms"}, "render page", None),
        ({**OTEL, "total_time": 1.3, "gen_ai.usage.input_tokens": 10}, "chat m", ("otel", "client", 10)),
        ({}, "llm_request", None),
        ({**OTEL, "gen_ai.usage.input_tokens": 10}, "llm_request", ("otel", "client", 10)),
        ({"gen_ai.request.id": "r-1", "gen_ai.usage.prompt_tokens": 7}, "llm_request", ("vllm", "server", 7)),
    ],
)
def test_a_servers_attributes_in_anothers_span_do_not_make_it_the_servers(
    attributes: dict[str, Any], name: str, expected: tuple[str, str, int] | None
) -> None:
    found = normalise.call(span(attributes, name=name), CONTEXT)
    assert (found and (found.convention, found.layer, found.input_tokens)) == expected


@pytest.mark.parametrize(
    ("start_ns", "end_ns", "began", "lasted"),
    [
        (0, 12 * S, 12.0, None),
        (12 * S, 10 * S, 12.0, None),
        (12 * S, 0, 12.0, None),
        (10 * S, 90_000 * S, 10.0, None),
        (10 * S, 10 * S, 10.0, 0.0),
    ],
)
def test_a_time_that_cannot_be_true_is_absent(start_ns: int, end_ns: int, began: float, lasted: float | None) -> None:
    found = call(OTEL, start_ns=start_ns, end_ns=end_ns)
    assert (found.start_unix_s, found.duration_s) == (began, lasted)


def test_what_a_server_says_of_its_times_must_be_possible_too() -> None:
    attributes = {"gen_ai.request.id": "r-1", "gen_ai.latency.e2e": 1e308, "gen_ai.latency.time_to_first_token": 0.2}
    found = call(attributes, name="llm_request")
    assert (found.duration_s, found.ttft_s) == (None, None)
    tgi = call({"total_time": "1.5s", "time_per_token": "90000s"}, resource={"service.name": "tgi"})
    assert tgi.tpot_s is None


def test_triton_counts_requests_and_not_what_runs_inside() -> None:
    found = call({"triton.model_name": "ensemble", "triton.model_version": 3}, name="InferRequest")
    assert (found.model_requested, found.model_served, found.layer) == ("ensemble", "ensemble:3", "server")
    for name in ("ensemble", "compute"):
        assert normalise.call(span({"triton.model_name": "ensemble"}, name=name), CONTEXT) is None


@pytest.mark.parametrize(("outcome", "status"), [("success", "ok"), ("cancelled", "aborted"), ("error", "error")])
def test_dynamos_frontend(outcome: str, status: str) -> None:
    attributes = {
        "uri": "/v1/chat/completions", "model": "llama", "request.outcome": outcome, "input_tokens": "7",
        "output_tokens": "20", "ttft_ms": "120.5", "avg_itl_ms": "15",
    }  # fmt: skip
    found = call(attributes, name="http-request")
    assert (found.status, found.model_requested, found.layer) == (status, "llama", "server")
    assert found.ttft_s == pytest.approx(0.1205)
    assert normalise.call(span({"uri": "/health"}, name="http-request"), CONTEXT) is None


@pytest.mark.parametrize(
    ("attributes", "values"),
    [
        ({**OPENLLMETRY, "traceloop.span.kind": "workflow"}, {}),
        ({**VERCEL, "ai.operationId": "ai.streamText"}, {"scope": "ai"}),
        ({**LANGSMITH, "langsmith.span.kind": "chain"}, {}),
        ({**MLFLOW, "mlflow.spanType": '"AGENT"'}, {}),
        ({**PYDANTIC, "final_result": "Paris.", "gen_ai.operation.name": "invoke_agent"}, {"scope": "pydantic-ai"}),
        ({"gen_ai.request.model": "m", "gen_ai.aggregated_usage.input_tokens": 5}, {}),
        ({"langfuse.observation.type": "agent"}, {"scope": "langfuse-sdk"}),
        ({"openinference.span.kind": "CHAIN"}, {}),
        ({"llm.openai.model": "m"}, {"scope": "litellm", "name": "raw_gen_ai_request"}),
        ({"http.method": "POST"}, {"name": "POST"}),
        # The request half of a streamed call by Logfire: its other half is the call.
        (
            {"request_data": '{"model": "m", "stream": true}', "gen_ai.operation.name": "chat"},
            {"scope": "logfire.openai"},
        ),
    ],
)
def test_spans_that_stand_for_other_spans_are_no_calls(attributes: dict[str, Any], values: dict[str, Any]) -> None:
    assert normalise.call(span(attributes, **values), CONTEXT) is None


def test_a_call_that_lost_its_oldest_attributes_is_known_by_scope_and_name() -> None:
    left = {"gen_ai.completion.0.content": "Paris.", "gen_ai.usage.prompt_tokens": 860}
    found = call(left, scope="opentelemetry.instrumentation.openai.v1", name="openai.chat", dropped_attributes=132)
    assert (found.operation, found.input_tokens, found.model) == ("chat", 860, None)


@pytest.mark.parametrize(
    ("package", "name", "convention"),
    [
        ("bedrock", "bedrock.completion", "openllmetry"),
        ("ollama", "ollama.chat", "openllmetry"),
        ("redis", "GET", None),
    ],
)
def test_so_is_one_of_their_other_packages(package: str, name: str, convention: str | None) -> None:
    left = {"gen_ai.completion.0.content": "Paris.", "gen_ai.usage.prompt_tokens": 860}
    made = span(left, scope=f"opentelemetry.instrumentation.{package}", name=name, dropped_attributes=132)
    found = normalise.call(made, CONTEXT)
    assert (found.convention if found else None) == convention


def test_a_span_of_kind_server_in_otels_convention_is_a_gateway() -> None:
    assert [call(OTEL, kind=kind).layer for kind in (1, 2, 3)] == ["client", "gateway", "client"]


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"prompt_tokens": 100, "completion_tokens": 30, "prompt_tokens_details": {"cached_tokens": 64}},
         (100, 30, 64, None)),
        ({"input": 11, "output": 5, "input_cached_tokens": 3}, (14, 5, 3, None)),
        ({"input": 11, "output": 5, "input_cached_tokens": 3, "input_cache_creation": 2}, (16, 5, 3, 2)),
        # Langfuse's handler for LangChain.
        ({"input": 1000, "output": 50, "input_cache_read": 9000, "input_cache_creation": 500},
         (10500, 50, 9000, 500)),
        # Anthropic's names: they contain `input`, which Langfuse looks for.
        ({"input": 11, "output": 5, "cache_read_input_tokens": 200, "cache_creation_input_tokens": 30},
         (241, 5, 200, 30)),
        ({"input_tokens": 11, "output_tokens": 5, "cache_read_input_tokens": 200, "cache_creation_input_tokens": 30},
         (241, 5, 200, 30)),
        ({"input_tokens": 10, "output_tokens": 46, "input_tokens_details": {"cached_tokens": 4}}, (10, 46, 4, None)),
        ({}, (None, None, None, None)),
    ],
)  # fmt: skip
def test_usage_that_includes_cached_tokens_and_usage_that_does_not(
    usage: dict[str, Any], counts: tuple[int | None, ...]
) -> None:
    attributes = {"langfuse.observation.type": "generation", "langfuse.observation.usage_details": json.dumps(usage)}
    found = call(attributes, scope="langfuse-sdk")
    got = found.input_tokens, found.output_tokens, found.cached_input_tokens, found.cache_write_input_tokens
    assert got == counts


def test_mlflows_usage_includes_cached_tokens_under_anthropics_names() -> None:
    usage = {"input_tokens": 1200, "output_tokens": 20, "cache_read_input_tokens": 1024}
    found = call({**MLFLOW, "mlflow.chat.tokenUsage": json.dumps(usage)})
    assert (found.input_tokens, found.cached_input_tokens, found.output_tokens) == (1200, 1024, 20)


@pytest.mark.parametrize(
    ("attributes", "values"),
    [
        ({**OTEL, "gen_ai.usage.input_tokens": 90, "gen_ai.usage.cache_write.input_tokens": 30}, {}),
        ({**OTEL, "gen_ai.usage.input_tokens": 90, "gen_ai.usage.cache_creation.input_tokens": 30},
         {"scope": "openlit"}),
        ({**OTEL, "gen_ai.usage.input_tokens": 90, "gen_ai.usage.cache_creation_input_tokens": 30},
         {"scope": "opentelemetry.instrumentation.anthropic"}),
        ({**OTEL, "gen_ai.usage.input_tokens": 90, "gen_ai.usage.details.cache_write_tokens": 30},
         {"scope": "pydantic-ai"}),
        ({**OTEL, "gen_ai.usage.input_tokens": 90,
          "metadata.usage_object": "{'prompt_tokens': 90, 'cache_creation_input_tokens': 30}"}, {"scope": "litellm"}),
        ({"openinference.span.kind": "LLM", "llm.token_count.prompt": 90,
          "llm.token_count.prompt_details.cache_write": 30}, {}),
        ({"ai.operationId": "ai.generateText.doGenerate", "ai.usage.inputTokens": 90,
          "ai.usage.inputTokenDetails.cacheWriteTokens": 30}, {"scope": "ai"}),
        ({"langsmith.span.kind": "llm", "gen_ai.usage.input_tokens": 90,
          "langsmith.metadata.usage_metadata": '{"input_token_details": {"cache_creation": 30}}'}, {}),
    ],
)  # fmt: skip
def test_tokens_written_into_a_cache_in_each_convention(attributes: dict[str, Any], values: dict[str, Any]) -> None:
    found = call(attributes, **values)
    assert (found.input_tokens, found.cache_write_input_tokens) == (90, 30)


@pytest.mark.parametrize(
    ("attributes", "values", "kind"),
    [
        ({"error.type": "openai.RateLimitError"}, {}, "rate_limit"),
        ({"error.type": "429"}, {}, "rate_limit"),
        ({"error.code": "429", "error.type": "Whatever"}, {}, "rate_limit"),
        ({"error.type": "rate_limit_error"}, {}, "rate_limit"),
        ({}, {"status": 2, "status_message": "Error code: 529 - overloaded"}, "overloaded"),
        ({}, {"events": (event("exception", 1, **{"exception.type": "httpx.ReadTimeout"}),)}, "timeout"),
        ({"error.type": "openai.APIConnectionError"}, {}, "connection"),
        ({"error.type": "RemoteProtocolError"}, {}, "connection"),
        ({"error.type": "' OR 1=1; --"}, {}, "other"),
        ({"error.type": "\N{SUPERSCRIPT TWO}"}, {}, "other"),
        ({"error.type": "9" * 5000}, {}, "other"),
        ({}, {"status": 2, "events": (Event("exception", 0, {"exception.type": "\N{SUPERSCRIPT TWO}"}),)}, "other"),
    ],
)
def test_errors_have_few_names(attributes: dict[str, Any], values: dict[str, Any], kind: str) -> None:
    found = call({**OTEL, **attributes}, **values)
    assert (found.status, found.error_type) == ("error", kind)


@pytest.mark.parametrize(
    ("attributes", "status"),
    [
        ({"gen_ai.request.stream": True, "gen_ai.response.finish_reasons": ["stop"]}, "ok"),
        ({"gen_ai.request.stream": True, "gen_ai.usage.output_tokens": 5}, "ok"),
        ({"gen_ai.response.finish_reasons": ["error"]}, "aborted"),
        ({"gen_ai.output.messages": '[{"role": "assistant", "finish_reason": "error"}]'}, "aborted"),
        ({}, "ok"),
    ],
)
def test_finish_reasons_tell_of_responses_that_were_broken_off(attributes: dict[str, Any], status: str) -> None:
    assert call({**OTEL, **attributes}).status == status


@pytest.mark.parametrize(
    ("read", "written", "expected"), [(200, 200, (411, 200, 200)), (5, 9, (25, 5, 9)), (5, 6, (11, 5, 6))]
)
def test_more_cached_tokens_than_input_tokens_are_no_part_of_them(
    read: int, written: int, expected: tuple[int, ...]
) -> None:
    cache = {"gen_ai.usage.cache_read.input_tokens": read, "gen_ai.usage.cache_write.input_tokens": written}
    found = call({**OTEL, "gen_ai.usage.input_tokens": 11, **cache})
    assert (found.input_tokens, found.cached_input_tokens, found.cache_write_input_tokens) == expected


def test_the_same_call_by_two_instrumentations_is_found_by_id_across_traces_and_by_nesting() -> None:
    recent = CallDeduplicator()
    outer = call({**OTEL, "gen_ai.response.id": "msg_1"})
    recent.add(outer)
    elsewhere = changed(outer, trace_id=b"f" * 16, span_id=b"c" * 8, convention="anthropic")
    again = recent.find(elsewhere)
    assert again is not None
    assert again.pair(elsewhere) == "anthropic+otel"
    assert again.pair(outer) == "resent"
    inner = changed(outer, span_id=b"d" * 8, parent_span_id=outer.span_id, response_id=None)
    assert recent.find(inner) is not None, "the parent came first"
    other = CallDeduplicator()
    other.add(inner)
    assert other.find(changed(outer, response_id=None)) is not None, "the child came first"
    assert recent.find(changed(inner, layer="server")) is None, "another layer is another view"
    assert recent.find(changed(inner, model_requested="another")) is None
    assert recent.find(changed(inner, start_unix_s=1e6)) is None


def test_only_so_many_calls_are_remembered_and_the_newest_stay() -> None:
    recent, one = CallDeduplicator(), call(OTEL)
    for number in range(KEPT * 4):
        recent.add(changed(one, span_id=number.to_bytes(8)))
    assert recent.find(changed(one, span_id=bytes(8))) is None
    assert recent.find(changed(one, span_id=(KEPT * 4 - 1).to_bytes(8))) is not None


# A character that some Python function takes for a digit, endless nesting, a lone surrogate, a number beyond any
# float.
_ODD = st.sampled_from(
    [
        *("\N{SUPERSCRIPT TWO}", "\N{ARABIC-INDIC DIGIT FOUR}" * 3, "9" * 5000, '{"input": 1' + "0" * 400 + "}"),
        *("[" * 900 + "]" * 900, '{"a":' * 900 + "}" * 900, "{'a':" * 300 + "1" + "}" * 300),
        *('["\\ud800"]', '{"model": "\\ud800"}'),
    ]
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.binary(max_size=8) | _ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_KEYS = sorted(
    {key for made in (OPENLLMETRY, VERCEL, LANGSMITH, MLFLOW, PYDANTIC, LOGFIRE_END) for key in made}
    | {"langfuse.observation.type", "openinference.span.kind", "llm.input_messages.0.message.content", "total_time"}
    | {"langfuse.observation.usage_details", "langfuse.observation.completion_start_time", "metadata.usage_object"}
    | {"gen_ai.input.messages", "gen_ai.output.messages", "uri", "triton.model_version", "llm.invocation_parameters"}
    | {"error.type", "gen_ai.latency.e2e", "gen_ai.prompt.\N{SUPERSCRIPT TWO}.content"}
)


# Its time depends on the machine's load.
@settings(deadline=None)
@given(
    attributes=st.dictionaries(st.sampled_from(_KEYS), _VALUES, max_size=12),
    scope=st.sampled_from(
        [
            "",
            "ai",
            "litellm",
            "openlit",
            "langfuse-sdk",
            "logfire.openai",
            "vllm",
            "opentelemetry.instrumentation.openai.v1",
        ]
    ),
    name=st.sampled_from(["chat", "InferRequest", "http-request", "llm_request", "openai.chat", "litellm_request"]),
)
def test_no_attribute_of_any_type_breaks_it_or_gets_an_impossible_number_through(
    attributes: dict[str, Any], scope: str, name: str
) -> None:
    made = span(attributes, scope=scope, name=name)
    found = normalise.call(made, CONTEXT)
    if found is None:
        return
    for number in (found.duration_s, found.ttft_s, found.tpot_s, found.input_tokens, found.output_tokens):
        assert number is None or (math.isfinite(number) and number >= 0)
    assert found.ttft_s is None or found.ttft_s <= found.duration_s
    for word in (found.model_requested, found.model_served, found.provider, found.response_id, *found.finish_reasons):
        assert word is None or word.encode()
    prompt, response = read_texts(made)
    assert isinstance(prompt, str)
    assert isinstance(response, str)


@pytest.mark.parametrize("key", ["mlflow.spanOutputs", "mlflow.spanInputs"])
@pytest.mark.parametrize("levels", ["[" * 900 + "]" * 900, '{"message":' * 900 + "1" + "}" * 900])
def test_content_in_levels_without_an_end_breaks_nothing(key: str, levels: str) -> None:
    made = span({**MLFLOW, key: levels})
    assert normalise.call(made, CONTEXT) is not None
    assert all(isinstance(part, str) for part in read_texts(made))


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ({"type": "tool_result", "content": [{"type": "image", "source": {"type": "base64", "data": "iVBOR" * 99}}]},
         '[tool answer: [image]]'),
        ({"type": "tool_call_response", "response": {"embedding": [0.1, 0.25] * 20, "ok": True}},
         '[tool answer: {"embedding": "[vector]", "ok": true}]'),
        ({"type": "tool_call", "name": "see", "arguments": json.dumps({"image_base64": "iVBOR/+" * 99, "at": [1, 2]})},
         '[tool call see: {"image_base64": "[media]", "at": [1, 2]}]'),
        ({"type": "tool_call", "name": "see", "arguments": '{"at":  [1, 2]}'}, '[tool call see: {"at": [1, 2]}]'),
        ({"type": "text", "content": "DATA:audio/wav;rate=16000;BASE64,UklG+/= and data:;base64,iVBO\r\nRw0K."},
         "[media] and [media]."),
        ({"type": "text", "content": 'see data:image\\/png;base64,iVBO%2BRw0K\\nGgo"'}, 'see [media]"'),
    ],
)  # fmt: skip
def test_media_and_vectors_are_left_out_wherever_they_stand(part: dict[str, Any], text: str) -> None:
    messages = json.dumps([{"role": "user", "parts": [part]}])
    prompt, _ = read_texts(span({**OTEL, "gen_ai.input.messages": messages}))
    assert prompt == text


def test_content_of_objects_without_end_is_not_parsed() -> None:
    messages = '[{"role": "user", "parts": [' + "{}," * 400_000 + "{}]}]"
    tracemalloc.start()
    try:
        prompt, _ = read_texts(span({**OTEL, "gen_ai.input.messages": messages}))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert prompt == ""
    assert most < 10_000_000
