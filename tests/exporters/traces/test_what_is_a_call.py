"""Which spans are calls of a model: those with evidence of one, not those that a model's name was carried onto."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.otlp_spans import call, decoded, one, request
from support.receiver_in_process import InProcess

from exporters.traces.decode import otlp_protobuf

CLIENT, SERVER, PRODUCER = 3, 2, 4
MODEL = {"gen_ai.request.model": "m"}
NAMED = {**MODEL, "gen_ai.provider.name": "openai"}
TOKENS = {"gen_ai.usage.input_tokens": 20, "gen_ai.usage.output_tokens": 5}


@pytest.mark.parametrize(
    ("attributes", "span"),
    [
        # What a proxy's baggage puts onto the spans of its web framework, its cache and its database.
        ({**MODEL, "code.function.name": "app.chat"}, {"scope": "fastapi", "name": "fastapi.dependencies"}),
        ({**MODEL, "litellm.api_key.hash": "h"}, {"scope": "fastapi", "name": "fastapi.endpoint"}),
        ({**NAMED, "http.request.method": "POST", "url.full": "https://x/v1"}, {"kind": CLIENT, "name": "POST"}),
        ({**NAMED, "http.method": "POST", "http.url": "https://x/v1"}, {"kind": CLIENT, "name": "POST"}),
        ({**NAMED, "http.route": "/v1/chat/completions"}, {"kind": SERVER, "name": "POST /v1/chat/completions"}),
        ({**NAMED, "db.system": "redis", "db.statement": "GET k"}, {"kind": CLIENT, "name": "GET"}),
        ({**NAMED, "db.system.name": "postgresql", "db.query.text": "SELECT 1"}, {"kind": CLIENT, "name": "SELECT"}),
        ({**NAMED, "messaging.system": "kafka"}, {"kind": PRODUCER, "name": "calls publish"}),
        ({**NAMED, "rpc.system": "grpc", "rpc.service": "auth.Keys"}, {"kind": CLIENT, "name": "auth.Keys/Check"}),
        ({**MODEL, "gen_ai.operation.name": "chat", "db.system": "redis"}, {"kind": CLIENT, "name": "GET"}),
        # A helper's own span, or an agent's step.
        (MODEL, {"name": "prepare"}),
        (MODEL, {"kind": CLIENT, "name": "token counter"}),
        ({**NAMED, "gen_ai.agent.name": "geo"}, {"name": "step 1"}),
        ({**NAMED, "gen_ai.operation.name": "of my own"}, {"name": "step 1"}),
        ({"gen_ai.provider.name": "openai"}, {"kind": CLIENT, "name": "connect"}),
        (TOKENS, {"name": "count"}),
        ({**NAMED, **TOKENS, "gen_ai.aggregated_usage.input_tokens": 20}, {"kind": CLIENT, "name": "agent run"}),
    ],
)
def test_a_models_name_alone_makes_no_call(attributes: dict[str, Any], span: dict[str, Any]) -> None:
    assert call(attributes, **span) is None


@pytest.mark.parametrize(
    ("attributes", "span"),
    [
        ({**MODEL, **TOKENS}, {}),
        ({"gen_ai.response.model": "m-2", **TOKENS}, {}),
        ({**MODEL, "gen_ai.response.id": "r-1"}, {}),
        ({**MODEL, "gen_ai.response.model": "m-2"}, {}),
        ({**MODEL, "gen_ai.response.finish_reasons": ["stop"]}, {}),
        ({**MODEL, "gen_ai.input.messages": '[{"role":"user","content":"?"}]'}, {}),
        ({**MODEL, "gen_ai.output.messages": '[{"role":"assistant","content":"!"}]'}, {}),
        (NAMED, {"kind": CLIENT}),
        ({**NAMED, "error.type": "429"}, {"kind": CLIENT, "status": 2}),
        ({**MODEL, "gen_ai.operation.name": "chat"}, {}),
        ({**MODEL, "gen_ai.operation.name": "chat", "error.type": "429"}, {"status": 2}),
        # A gateway's span of a request may be the call, and a cloud's client writes a model's call as one of its own.
        ({**MODEL, **TOKENS, "http.route": "/v1/chat/completions"}, {"kind": SERVER}),
        ({**MODEL, "gen_ai.operation.name": "chat", "http.route": "/v1/chat/completions"}, {"kind": SERVER}),
        ({**MODEL, "gen_ai.operation.name": "chat", "rpc.system": "aws-api", "rpc.service": "Bedrock Runtime"}, {}),
    ],
)
def test_what_a_model_was_asked_or_responded_makes_one(attributes: dict[str, Any], span: dict[str, Any]) -> None:
    one(attributes, **span)


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        *[(name, "chat") for name in ("response", "responses", "message", "messages", "generate", "llm_call")],
        *[(name, "chat") for name in ("text_generation", "streamText", "chat.completions", "Chat", "completion")],
        ("generate_content_stream", "generate_content"),
        ("streamGenerateContent", "generate_content"),
        ("text.completions", "text_completion"),
        ("embed", "embeddings"),
        *[
            (name, "chat")
            for name in ("create_chat_completion", "messages.create", "responses.create", "message.create")
        ],
        ("embeddings.create", "embeddings"),
        ("embedding", "embeddings"),
    ],
)
def test_other_names_of_a_call(name: str, operation: str) -> None:
    assert one({**MODEL, "gen_ai.operation.name": name}).operation == operation


# Calls of the Responses API, as OpenLLMetry and Logfire wrote them before they had words for it.
def test_openllmetrys_spans_of_the_responses_api() -> None:
    scope = "opentelemetry.instrumentation.openai.v1"
    attributes = {"gen_ai.system": "OpenAI", **MODEL, "gen_ai.response.model": "m-2", "gen_ai.response.id": "resp_1"}
    found = one({**attributes, **TOKENS}, scope=scope, name="openai.response", kind=CLIENT)
    assert (found.convention, found.model_served, found.input_tokens) == ("openllmetry", "m-2", 20)
    failed = one({"gen_ai.system": "OpenAI", **MODEL}, scope=scope, name="openai.response", kind=CLIENT, status=2)
    assert (failed.status, failed.provider) == ("error", "openai")
    of_agents = {"llm.request.type": "response", "gen_ai.operation.name": "response", "gen_ai.system": "openai"}
    one({**of_agents, **TOKENS}, scope="opentelemetry.instrumentation.openai_agents", name="openai.response")


def test_logfires_spans_of_the_responses_api() -> None:
    events = '[{"event.name": "gen_ai.user.message", "content": "Hi", "role": "user"}]'
    first = {"logfire.span_type": "span", **MODEL, "events": events, "gen_ai.response.model": "m-2", **TOKENS}
    found = one({**first, "response_id": "resp_1"}, scope="logfire.openai", name="Responses API with {model!r}")
    assert (found.convention, found.model_served, found.response_id, found.output_tokens) == (
        "pydantic",
        "m-2",
        "resp_1",
        5,
    )
    failed = one({"logfire.span_type": "span", **MODEL, "events": events}, scope="logfire.openai", status=2)
    assert failed.status == "error"
    asked = {"logfire.span_type": "span", "request_data": '{"model": "m", "input": "Hi"}', **TOKENS}
    assert one(asked, scope="logfire.openai").model_requested == "m"


def test_a_request_that_logfire_carries_onto_a_cache_is_none() -> None:
    carried = {"logfire.span_type": "span", **NAMED, "db.system": "redis"}
    assert call(carried, scope="opentelemetry.instrumentation.redis", kind=CLIENT) is None


def test_an_early_span_of_langfuse_that_turned_out_a_generation() -> None:
    told = {"langfuse.observation.model.name": "m", "langfuse.observation.usage_details": '{"input": 20, "output": 5}'}
    kind = {"langfuse.observation.type": "span"}
    found = one({**kind, **told}, scope="langfuse-sdk")
    assert (found.convention, found.model_requested, found.input_tokens) == ("langfuse", "m", 20)
    assert call({**kind, "langfuse.observation.model.name": "m"}, scope="langfuse-sdk") is None
    assert call({"langfuse.observation.type": "agent", **told}, scope="langfuse-sdk") is None


@pytest.mark.parametrize(
    ("model", "answer"),
    [
        ("llm.model_name", {"llm.token_count.prompt": 20, "llm.token_count.completion": 5}),
        ("ai.model.id", {"ai.usage.promptTokens": 20, "ai.usage.completionTokens": 5}),
        ("langfuse.observation.model.name", {"langfuse.observation.usage_details": '{"input": 20, "output": 5}'}),
        ("llm.request.model", {"llm.usage.prompt_tokens": 20, "llm.usage.completion_tokens": 5}),
    ],
)
def test_names_of_another_convention_tell_a_call_without_its_mark(model: str, answer: dict[str, Any]) -> None:
    found = one({model: "m", **answer})
    assert (found.model_requested, found.input_tokens, found.output_tokens) == ("m", 20, 5)
    assert call({model: "m"}) is None
    assert call({model: "m", **answer, "gen_ai.operation.name": "invoke_agent"}) is None
    assert call({model: "m", **answer, "openinference.span.kind": "CHAIN"}) is None


def test_vercels_older_name_of_the_operation() -> None:
    told = {"ai.model.id": "m", "ai.usage.promptTokens": 20, "ai.usage.completionTokens": 5}
    assert one({"operation.name": "ai.streamText.doStream my-function", **told}, scope="ai").input_tokens == 20
    assert call({"operation.name": "ai.streamText my-function", **told}, scope="ai") is None


def test_openllmetrys_first_names() -> None:
    models = {"llm.request.model": "m", "llm.response.model": "m-2", "llm.vendor": "OpenAI", "llm.request.type": "chat"}
    found = one({**models, "llm.usage.prompt_tokens": 20}, scope="@traceloop/instrumentation-openai")
    assert (found.model_requested, found.model_served, found.provider) == ("m", "m-2", "openai")


def test_marks_of_frameworks_that_say_what_a_span_is() -> None:
    for mark in ("langwatch.span.type", "fi.span.kind", "ag2.span.type"):
        assert one({mark: "llm", **MODEL}).model_requested == "m"


@pytest.mark.parametrize("kind", ["LLM", "llm", "Llm"])
def test_openinferences_kind_in_any_case(kind: str) -> None:
    found = one({"openinference.span.kind": kind, "llm.model_name": "m", "llm.token_count.prompt": 20})
    assert (found.convention, found.operation, found.input_tokens) == ("openinference", "chat", 20)
    assert one({"openinference.span.kind": "embedding", "embedding.model_name": "e"}).operation == "embeddings"


def test_a_frameworks_step_before_a_call_is_none() -> None:
    kind = {"openinference.span.kind": "LLM", "llm.model_name": "m", "input.value": '{"tools": []}'}
    made = '{"messages": [{"role": "user", "content": "?"}], "tools": [], "tool_choice": "auto"}'
    assert call({**kind, "output.value": made}, status=1) is None, "it made the request"
    assert call(kind, status=1, seconds=0.002) is None, "nothing came, in no time"
    assert call(kind, status=1) is not None, "it took the time of a call"
    assert call({**kind, "output.value": "assistant: hello"}, status=1, seconds=0.002) is not None
    assert call(kind, status=2, seconds=0.002) is not None, "a refused call takes no time"
    assert call({"mlflow.spanType": '"LLM"', "mlflow.spanInputs": "{}"}, seconds=0.002) is None
    assert call({"mlflow.spanType": '"LLM"', "mlflow.spanOutputs": '"hello"'}, seconds=0.002) is not None
    assert call({"langsmith.span.kind": "llm", "gen_ai.prompt": "{}"}, seconds=0.002) is None
    generation = {"langfuse.observation.type": "generation", "langfuse.observation.model.name": "m"}
    assert call(generation, scope="langfuse-sdk", seconds=0.002) is None
    assert call({**generation, "langfuse.observation.output": "hello"}, scope="langfuse-sdk", seconds=0.002) is not None


@pytest.mark.parametrize(
    ("attributes", "span", "operation"),
    [
        ({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "t"}, {}, "execute_tool"),
        ({"gen_ai.operation.name": "invoke_agent", **NAMED, **TOKENS}, {"kind": CLIENT}, "invoke_agent"),
        ({"gen_ai.operation.name": "invoke_workflow"}, {}, "invoke_workflow"),
        ({"gen_ai.operation.name": "create_agent", **NAMED}, {"kind": CLIENT}, "create_agent"),
        ({"gen_ai.operation.name": "retrieval", **NAMED}, {"kind": CLIENT}, "retrieval"),
        ({"gen_ai.operation.name": "evaluate", **NAMED, **TOKENS}, {}, "evaluate"),
        ({"gen_ai.operation.name": "guardrail", **NAMED}, {}, "guardrail"),
        ({"gen_ai.operation.name": "execute_event_loop_cycle"}, {"scope": "strands.telemetry.tracer"}, "invoke_agent"),
        ({"gen_ai.operation.name": "process_thread_run", **NAMED, **TOKENS}, {"kind": CLIENT}, "invoke_agent"),
        ({"gen_ai.operation.name": "invoke_swarm", **NAMED, **TOKENS}, {"kind": CLIENT}, "invoke_agent"),
        ({"gen_ai.operation.name": "agent.step", **NAMED, **TOKENS}, {}, "invoke_agent"),
        ({"gen_ai.operation.name": "run_mcp_tool"}, {}, "execute_tool"),
        ({"gen_ai.operation.name": "conversation", **NAMED, **TOKENS}, {}, "invoke_agent"),
        *[
            ({"gen_ai.operation.name": name, **NAMED}, {"kind": CLIENT}, "manage")
            for name in ("create_thread", "list_messages", "create_conversation", "submit_tool_outputs", "count_tokens",
                         "models.list", "create_message_batch", "upload_file", "fine_tuning.create")
        ],
        ({"gen_ai.operation.name": "moderation", **NAMED}, {"kind": CLIENT}, "guardrail"),
        ({"ag2.span.type": "conversation", **NAMED, **TOKENS}, {}, "invoke_agent"),
        ({"langwatch.span.type": "guardrail", **NAMED}, {"kind": CLIENT}, "guardrail"),
        ({"fi.span.kind": "EVALUATOR", **NAMED, **TOKENS}, {}, "evaluate"),
        ({"ai.operationId": "ai.embedMany"}, {"scope": "ai"}, "invoke_workflow"),
        ({"gen_ai.operation.name": "framework", "gen_ai.system": "spring_ai"}, {}, "invoke_workflow"),
        *[
            ({"openinference.span.kind": kind}, {}, operation)
            for kind, operation in {
                "AGENT": "invoke_agent", "TOOL": "execute_tool", "CHAIN": "invoke_workflow", "RETRIEVER": "retrieval",
                "RERANKER": "rerank", "GUARDRAIL": "guardrail", "EVALUATOR": "evaluate", "agent": "invoke_agent",
            }.items()
        ],
        *[
            ({"langfuse.observation.type": kind}, {"scope": "langfuse-sdk"}, operation)
            for kind, operation in {
                "agent": "invoke_agent", "tool": "execute_tool", "chain": "invoke_workflow", "retriever": "retrieval",
                "evaluator": "evaluate", "guardrail": "guardrail",
            }.items()
        ],
        ({"traceloop.span.kind": "workflow"}, {}, "invoke_workflow"),
        ({"traceloop.span.kind": "agent", **NAMED, **TOKENS}, {"kind": CLIENT}, "invoke_agent"),
        ({"mlflow.spanType": '"AGENT"'}, {}, "invoke_agent"),
        ({"langsmith.span.kind": "chain", **NAMED, **TOKENS}, {}, "invoke_workflow"),
        ({"langsmith.span.kind": "prompt", "gen_ai.operation.name": "chat"}, {}, "chat"),
        ({"ai.operationId": "ai.toolCall"}, {"scope": "ai"}, "execute_tool"),
        ({"ai.operationId": "ai.streamText", "ai.model.id": "m"}, {"scope": "ai"}, "invoke_agent"),
        ({"genkit:metadata:subtype": "flow"}, {"scope": "genkit-tracer"}, "invoke_workflow"),
        ({"genkit:metadata:subtype": "tool"}, {"scope": "genkit-tracer"}, "execute_tool"),
        ({"span.type": "tool"}, {"name": "claude_code.tool"}, "execute_tool"),
        ({"gen_ai.span.kind": "RETRIEVER"}, {}, "retrieval"),
    ],
)  # fmt: skip
def test_what_is_no_call_is_a_known_operation(attributes: dict[str, Any], span: dict[str, Any], operation: str) -> None:
    found = decoded(attributes, **span)
    assert found.calls == []
    assert found.operations == ({operation: 1} if operation != "chat" else {})
    assert found.conventions == {"none": 1}


def test_known_operations_are_counted_beside_the_calls(in_process: InProcess) -> None:
    for operation in ("execute_tool", "execute_tool", "retrieval", "chat"):
        body = request({"gen_ai.operation.name": operation, **NAMED, **TOKENS})
        batch = in_process.pipeline.ingest_traces(in_process.pipeline.decode(otlp_protobuf.split(body, 10)[0], None))
        in_process.pipeline.commit(batch)
    counted = {
        operation: in_process.registry.get_sample_value("telltale_collector_operations_total", {"operation": operation})
        for operation in ("execute_tool", "retrieval", "chat")
    }
    assert counted == {"execute_tool": 2, "retrieval": 1, "chat": None}


# Spans of other instrumentations, and what baggage may carry onto them.
OTHERS = st.sampled_from(
    [
        ({"http.request.method": "POST", "url.full": "https://x/", "http.response.status_code": 200}, 3),
        ({"http.route": "/v1/chat", "http.method": "POST"}, 2),
        ({"db.system": "redis", "db.statement": "GET"}, 3),
        ({"db.system.name": "postgresql"}, 3),
        ({"messaging.system": "kafka", "messaging.destination.name": "calls"}, 4),
        ({"rpc.system": "grpc", "rpc.method": "Check"}, 3),
        ({"code.function.name": "app.main"}, 1),
        ({}, 1),
    ]
)
BAGGAGE = st.dictionaries(
    st.sampled_from(
        [
            *("gen_ai.request.model", "gen_ai.provider.name", "gen_ai.system", "gen_ai.conversation.id"),
            *("gen_ai.agent.name", "gen_ai.agent.id", "session.id", "user.id", "litellm.api_key.hash"),
            *("traceloop.association.properties.session_id", "langfuse.session.id", "gen_ai.request.stream"),
        ]
    ),
    st.sampled_from(["gpt-4o", "openai", "s-1"]),
)
SCOPES = st.sampled_from(
    [
        *("fastapi", "app", "opentelemetry.instrumentation.redis", "@opentelemetry/instrumentation-http", "logfire"),
        *("langfuse-sdk", "ai", "litellm", "openlit", "opentelemetry.instrumentation.openai", "vllm", "pydantic-ai"),
    ]
)


@given(other=OTHERS, baggage=BAGGAGE, scope=SCOPES, status=st.integers(0, 2), seconds=st.sampled_from([0.001, 2.0]))
def test_baggage_makes_no_call_of_any_other_span(
    other: tuple[dict[str, Any], int], baggage: dict[str, str], scope: str, status: int, seconds: float
) -> None:
    attributes, kind = other
    assert call({**attributes, **baggage}, kind=kind, scope=scope, status=status, seconds=seconds, name="other") is None
