"""A mark says whose convention a span is written in, and hides nothing else that stands on it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.otlp_spans import call, one

from exporters.traces.conventions import MARKS
from exporters.traces.conventions.operations import KINDS

PLAIN = {
    "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "m",
    "gen_ai.response.model": "m-2026", "gen_ai.usage.input_tokens": 41, "gen_ai.usage.output_tokens": 3,
}  # fmt: skip


def facts(found: Any) -> tuple[object, ...]:
    return found.model_requested, found.model_served, found.input_tokens, found.output_tokens


@pytest.mark.parametrize("kind", ["generation", "span", "event", "embedding"])
@pytest.mark.parametrize("scope", ["langfuse-sdk", "my-app"])
def test_langfuses_mark_on_a_span_of_otels_convention(kind: str, scope: str) -> None:
    found = one({**PLAIN, "langfuse.observation.type": kind}, scope=scope)
    assert facts(found) == ("m", "m-2026", 41, 3)
    assert found.operation == "chat", "OTel's own word comes first"


def test_openlit_through_langfuses_tracer() -> None:
    attributes = {**PLAIN, "gen_ai.request.is_stream": False, "telemetry.sdk.name": "openlit"}
    found = one(attributes, scope="langfuse-sdk", kind=3)
    assert (found.convention, *facts(found)) == ("openlit", "m", "m-2026", 41, 3)
    guessed = one({**attributes, "gen_ai.request.is_stream": True}, scope="langfuse-sdk", kind=3)
    assert guessed.input_tokens is None, "what it counts itself is no less a guess"


def test_usage_that_cannot_be_read_hides_no_other() -> None:
    tokens = {"gen_ai.usage.input_tokens": 50, "gen_ai.usage.output_tokens": 75}
    generation = {"langfuse.observation.type": "generation", "langfuse.observation.model.name": "m", **tokens}
    for usage in ("{{bad}}", "{}", "[]", ""):
        found = one({**generation, "langfuse.observation.usage_details": usage}, scope="langfuse-sdk")
        assert (found.input_tokens, found.output_tokens) == (50, 75)
    told = one({**generation, "langfuse.observation.usage_details": '{"input": 7, "output": 2}'}, scope="langfuse-sdk")
    assert (told.input_tokens, told.output_tokens) == (7, 2), "the mark's own come first"


@pytest.mark.parametrize(
    ("scope", "mark"),
    [
        ("vllm-client", {}),
        ("app", {"logfire.span_type": "span"}),
        ("app", {"mlflow.spanType": '"LLM"'}),
        ("app", {"langsmith.span.kind": "llm"}),
        ("app", {"openinference.span.kind": "LLM"}),
        ("app", {"ai.operationId": "ai.generateText.doGenerate"}),
        ("app", {"lmnr.span.type": "LLM"}),
        ("app", {"genkit:metadata:subtype": "model", "genkit:name": "googleai/m"}),
    ],
)
def test_attributes_of_otels_convention_beside_anothers_mark(scope: str, mark: dict[str, str]) -> None:
    assert facts(one({**PLAIN, **mark}, scope=scope)) == ("m", "m-2026", 41, 3)


def test_attributes_of_a_third_convention() -> None:
    generation = {
        "langfuse.observation.type": "generation",
        "llm.token_count.prompt": 41,
        "llm.token_count.completion": 3,
    }
    found = one({**generation, "ai.response.model": "m-2026", "llm.provider": "OpenAI"}, scope="langfuse-sdk")
    assert (found.input_tokens, found.output_tokens, found.model_served, found.provider) == (41, 3, "m-2026", "openai")
    plain = one({"gen_ai.operation.name": "chat", "llm.token_count.prompt": 41})
    assert plain.input_tokens == 41


KIND_VALUES = sorted(
    {kind for kinds in KINDS.values() for kind in kinds} | {"span", "ai.streamText", "log", "1.5s", "x"}
)


@given(
    marks=st.dictionaries(
        st.sampled_from(sorted({mark for mark, _ in MARKS} | set(KINDS))), st.sampled_from(KIND_VALUES), max_size=3
    ),
    scope=st.sampled_from(["app", "langfuse-sdk", "ai", "vllm", "sglang server", "gcp.vertex.agent", "openlit.x"]),
    kind=st.integers(0, 5),
)
def test_no_mark_takes_anything_from_a_call(marks: dict[str, str], scope: str, kind: int) -> None:
    # Of Logfire's log only the stream's end is a call.
    marks.pop("logfire.span_type", None)
    found = one({**PLAIN, **marks}, scope=scope, kind=kind)
    assert facts(found) == ("m", "m-2026", 41, 3)
    assert (found.provider, found.status) == ("openai", "ok")


# Known senders.
def test_claude_codes_requests() -> None:
    request = {
        "span.type": "llm_request", "model": "c-1", "gen_ai.system": "anthropic", "gen_ai.request.model": "c-1",
        "input_tokens": 2, "output_tokens": 120, "cache_read_tokens": 800, "cache_creation_tokens": 70,
        "ttft_ms": 250, "duration_ms": 900, "stop_reason": "tool_use", "success": True, "session.id": "s-1",
    }  # fmt: skip
    found = one(request, name="claude_code.llm_request", scope="com.anthropic.claude_code.tracing")
    assert (found.convention, found.provider, found.model_requested, found.model_served) == (
        "claude_code", "anthropic", "c-1", None,
    )  # fmt: skip
    assert (found.input_tokens, found.cached_input_tokens, found.cache_write_input_tokens) == (872, 800, 70)
    assert (found.output_tokens, found.ttft_s, found.finish_reasons) == (120, 0.25, ("tool_use",))
    assert (found.streaming, found.conversation_id, found.status) == (True, "s-1", "ok")
    failed = one({**request, "success": False, "error": "429"}, name="claude_code.llm_request")
    assert (failed.status, failed.error_type) == ("error", "rate_limit")
    for name, kind in (("claude_code.interaction", "interaction"), ("claude_code.tool", "tool")):
        assert call({"span.type": kind, "session.id": "s-1"}, name=name) is None
    assert call({**PLAIN, "span.type": "tool"}, name="chat m") is not None, "another's word"


def test_genkits_models() -> None:
    action = {
        "genkit:type": "action", "genkit:metadata:subtype": "model", "genkit:name": "googleai/gemini-1",
        "genkit:state": "success", "genkit:input": '{"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}',
    }  # fmt: skip
    output = {
        "usage": {"inputTokens": 42, "outputTokens": 17, "totalTokens": 62, "thoughtsTokens": 3},
        "finishReason": "stop",
        "message": {"role": "model", "content": [{"text": "Hello"}]},
    }  # fmt: skip
    found = one({**action, "genkit:output": json.dumps(output)}, scope="genkit-tracer", name="googleai/gemini-1")
    assert (found.convention, found.provider, found.model_requested, found.model_served) == (
        "genkit", "gcp.gemini", "gemini-1", None,
    )  # fmt: skip
    assert (found.input_tokens, found.output_tokens, found.reasoning_output_tokens) == (42, 20, 3)
    assert found.finish_reasons == ("stop",)
    assert one({**action, "genkit:state": "error"}, scope="genkit-tracer").status == "error"
    embedder = {"genkit:metadata:subtype": "embedder", "genkit:name": "vertexai/text-embedding-1"}
    found = one(embedder, scope="genkit-tracer")
    assert (found.operation, found.provider, found.model_requested) == (
        "embeddings", "gcp.vertex_ai", "text-embedding-1",
    )  # fmt: skip
    assert call({"genkit:type": "util", "genkit:name": "generate"}, scope="genkit-tracer") is None


def test_googles_agent_development_kit() -> None:
    response = {"model_version": "gemini-1-001", "usage_metadata": {"prompt_token_count": 42}, "finish_reason": "STOP"}
    first = {
        "gen_ai.system": "gcp.vertex.agent", "gen_ai.request.model": "gemini-1", "gcp.vertex.agent.session_id": "s-1",
        "gcp.vertex.agent.llm_request": '{"model": "gemini-1", "contents": []}',
        "gcp.vertex.agent.llm_response": json.dumps(response),
    }  # fmt: skip
    found = one(first, scope="gcp.vertex.agent", name="call_llm")
    assert (found.convention, found.provider, found.model_requested, found.model_served) == (
        "adk", None, "gemini-1", "gemini-1-001",
    )  # fmt: skip
    assert (found.conversation_id, found.finish_reasons) == ("s-1", ("stop",))
    tool = {"gen_ai.operation.name": "execute_tool", "gcp.vertex.agent.llm_request": "{}"}
    assert call(tool, scope="gcp.vertex.agent") is None
    assert call({"gen_ai.system": "gcp.vertex.agent"}, scope="gcp.vertex.agent", name="invocation") is None


@pytest.mark.parametrize(
    ("attributes", "span", "provider"),
    [
        # LiveKit, which calls its span as vLLM does; the one around it and its attempts are none.
        ({**PLAIN, "lk.response.ttft": 0.2}, {"scope": "livekit-agents", "name": "llm_request"}, "openai"),
        # Semantic Kernel, before and after OTel had words for it.
        ({**PLAIN, "gen_ai.operation.name": "chat.completions"}, {"scope": "semantic_kernel.x", "kind": 3}, "openai"),
        # Spring AI, Azure AI, Koog, OpenRouter.
        ({**PLAIN, "spring.ai.kind": "chat"}, {"scope": "org.springframework.boot"}, "openai"),
        ({**PLAIN, "az.namespace": "Microsoft.CognitiveServices", "gen_ai.provider.name": "az.ai.inference"},
         {"scope": "azure.ai.inference"}, "azure.ai.inference"),
        ({**PLAIN, "koog.node.name": "nodeCallLLM"}, {"scope": "ai.koog"}, "openai"),
        ({**PLAIN, "trace.metadata.openrouter.source": "openrouter"}, {"scope": "openrouter"}, "openai"),
    ],
)  # fmt: skip
def test_senders_that_write_otels_convention(attributes: dict[str, Any], span: dict[str, Any], provider: str) -> None:
    found = one(attributes, **span)
    assert (facts(found), found.provider, found.layer) == (("m", "m-2026", 41, 3), provider, "client")


@pytest.mark.parametrize(
    ("attributes", "span"),
    [
        ({"lk.chat_ctx": "{}", "gen_ai.request.model": "m"}, {"scope": "livekit-agents", "name": "llm_node"}),
        ({"lk.retry_count": 0}, {"scope": "livekit-agents", "name": "llm_request_run"}),
        ({"gen_ai.operation.name": "framework", "spring.ai.kind": "chat_client"}, {"name": "spring_ai chat_client"}),
        ({"gen_ai.operation.name": "create_thread", "gen_ai.system": "az.ai.agents"}, {"kind": 3}),
        ({"koog.strategy.name": "s"}, {"scope": "ai.koog"}),
        ({"sk.available_functions": "f"}, {"scope": "semantic_kernel.x", "name": "AutoFunctionInvocationLoop"}),
    ],
)
def test_what_they_write_around_their_calls(attributes: dict[str, Any], span: dict[str, Any]) -> None:
    assert call(attributes, **span) is None
