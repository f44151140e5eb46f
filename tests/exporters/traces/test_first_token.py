"""The time to the first token: under every name, in its unit, and only where a token came."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.traces.calls import normalise
from exporters.traces.calls.call import Call
from exporters.traces.conventions import first_token
from exporters.traces.conventions.fields import FIELDS
from exporters.traces.decode.spans import Event, Span

S = 1_000_000_000
CONTEXT = normalise.Context(None, (), {})
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.response.id": "chatcmpl-1"}
STREAM = {**CHAT, "gen_ai.request.stream": True}
STRANDS = "strands.telemetry.tracer"
IN_FIELDS = next(field.keys for field in FIELDS if field.name == "ttft_s")
FIRST = "gen_ai.response.time_to_first_chunk"
BY_SERVER = "gen_ai.server.time_to_first_token"


def call(attributes: dict[str, Any], **values: Any) -> Call:
    about: dict[str, Any] = {"name": "chat m", "kind": 3, "status": 1, "status_message": "", "scope": "by-hand"}
    made = Span(
        trace_id=b"t" * 16, span_id=b"s" * 8, parent_span_id=b"", start_ns=10 * S, end_ns=12 * S,
        attributes=attributes, resource={}, **(about | values),
    )  # fmt: skip
    found = normalise.call(made, CONTEXT)
    assert found is not None
    return found


def event(name: str, seconds: float) -> Event:
    return Event(name, int((10 + seconds) * S), {})


OPENINFERENCE = {"openinference.span.kind": "LLM", "llm.invocation_parameters": '{"stream": true}'}
LANGFUSE = {
    "langfuse.observation.type": "generation", "langfuse.observation.model.name": "m",
    "langfuse.observation.completion_start_time": '"1970-01-01T00:00:10.5Z"',
}  # fmt: skip
MLFLOW = {"mlflow.spanType": '"CHAT_MODEL"', "mlflow.spanInputs": '{"stream": true}'}
VERCEL = {"ai.operationId": "ai.streamText.doStream", "ai.response.msToFirstChunk": 500}
PYDANTIC = {**CHAT, "gen_ai.client.operation.time_to_first_chunk": 0.5}
LITELLM = {**CHAT, "llm.is_streaming": "True", FIRST: 0.5}
# Of each reader a span whose first token came after half a second; and what makes it one of the Responses API.
READERS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({**STREAM, FIRST: 0.5}, {}, {"gen_ai.response.id": "resp_1"}),
    ({**STREAM, FIRST: 0.5}, {"scope": "opentelemetry.instrumentation.genai.openai"}, {"gen_ai.response.id": "resp-1"}),
    ({**STREAM, FIRST: 0.5}, {}, {"openai.api.type": "responses"}),
    ({**STREAM, FIRST: 0.5}, {}, {"gen_ai.operation.name": "responses", "llm.request.type": "chat"}),
    ({**STREAM, "gen_ai.client.inference.time_to_first_chunk": 0.5}, {}, {"gen_ai.response.id": "resp_1"}),
    (STREAM, {"scope": "opentelemetry.instrumentation.openai.v1",
              "events": (event("gen_ai.content.completion.chunk", 0.5),)}, {"gen_ai.response.id": "resp_1"}),
    (OPENINFERENCE, {"events": (event("First Token Stream Event", 0.5),)}, {"output.value": '{"id": "resp_1"}'}),
    (LANGFUSE, {"scope": "langfuse-sdk"},
     {"langfuse.observation.usage_details": '{"output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 1}}'}),
    (LANGFUSE, {"scope": "langfuse-sdk"}, {"langfuse.observation.metadata.object": '"response"'}),
    (MLFLOW, {"events": (event("mlflow.chunk.item.0", 0.5),)}, {"mlflow.spanOutputs": '{"id": "resp_1"}'}),
    (VERCEL, {"scope": "ai"}, {"ai.model.provider": "openai.responses"}),
    (VERCEL, {"scope": "ai"}, {"ai.response.id": "resp_1"}),
    (LITELLM, {"scope": "litellm"}, {"gen_ai.response.id": "resp_1"}),
    ({**CHAT, BY_SERVER: 500}, {"scope": STRANDS}, {"gen_ai.response.id": "resp_1"}),
]  # fmt: skip


@pytest.mark.parametrize(("attributes", "values", "responses"), READERS)
def test_the_first_event_of_the_responses_api_is_no_token(
    attributes: dict[str, Any], values: dict[str, Any], responses: dict[str, Any]
) -> None:
    assert call(attributes, **values).ttft_s == pytest.approx(0.5)
    found = call({**attributes, **responses}, **values)
    assert (found.ttft_s, found.streaming) == (None, True)


def test_a_response_without_an_id_is_known_by_its_spans_name() -> None:
    told = {**STREAM, FIRST: 0.5}
    del told["gen_ai.response.id"]
    assert call(told).ttft_s == 0.5
    assert call(told, name="responses m").ttft_s is None


def test_pydantic_ai_times_the_first_part_of_a_message() -> None:
    assert call({**PYDANTIC, "gen_ai.response.id": "resp_1"}, scope="pydantic-ai").ttft_s == 0.5


def test_a_server_times_its_own_first_token_whatever_api_was_used() -> None:
    told = {"gen_ai.latency.e2e": 2.0, "gen_ai.latency.time_to_first_token": 0.25, "gen_ai.request.id": "resp_1"}
    assert call(told, name="llm_request").ttft_s == 0.25


@pytest.mark.parametrize(
    ("attributes", "scope"),
    [
        *[({**STREAM, key: 0.7}, "by-hand") for key in IN_FIELDS],
        *[({**CHAT, key: 0.7}, "ai-sdk") for key in IN_FIELDS[1:]],
        ({**CHAT, BY_SERVER: 700}, STRANDS),
        ({**CHAT, BY_SERVER: "700"}, "strands-agents"),
        ({**STREAM, BY_SERVER: 0.7}, "by-hand"),
        ({**STREAM, "gen_ai.response.time_to_first_token": 0.7}, "by-hand"),
        ({**CHAT, "lk.response.ttft": 0.7}, "livekit-agents"),
        ({**CHAT, "ttft_ms": 700}, "com.anthropic.claude_code.tracing"),
        ({**CHAT, "ai.response.msToFirstChunk": 700.0}, "by-hand"),
        ({**STREAM, "time_to_first_token_ms": 700}, "by-hand"),
        ({**STREAM, "gen_ai.response.time_to_first_token_ms": 700.0}, "by-hand"),
        ({**CHAT, "gen_ai.response.streaming": True, "gen_ai.response.time_to_first_token": 0.7}, "by-hand"),
        ({**CHAT, "stream": True, "metrics.ttfb": 0.7}, "pipecat"),
        ({**CHAT, "copilot_chat.time_to_first_token": 700}, "copilot-chat"),
    ],
)
def test_each_name_is_read_in_its_unit(attributes: dict[str, Any], scope: str) -> None:
    found = call(attributes, scope=scope)
    assert (found.ttft_s, found.streaming) == (pytest.approx(0.7), True)


@pytest.mark.parametrize("name", ["first_token", "gen_ai.content.first_token", "First Token Stream Event"])
def test_an_event_of_the_first_token_tells_it_whoever_wrote_it(name: str) -> None:
    found = call(CHAT, events=(event(name, 0.7),))
    assert (found.ttft_s, found.streaming) == (pytest.approx(0.7), True)
    assert call({**CHAT, "gen_ai.response.id": "resp_1"}, events=(event(name, 0.7),)).ttft_s is None
    assert call(CHAT, events=(event(name, 0.7),), dropped_events=1).ttft_s is None


@pytest.mark.parametrize(
    ("attributes", "values"),
    [
        # No stream, or none that is known.
        ({**CHAT, FIRST: 0.7}, {}),
        ({**CHAT, "gen_ai.request.stream": False, "gen_ai.client.operation.time_to_first_chunk": 0.7}, {}),
        ({**CHAT, "gen_ai.request.stream": False, "lk.response.ttft": 0.7}, {}),
        ({**CHAT, BY_SERVER: 0.7}, {}),
        # Milliseconds where OTel has seconds.
        ({**STREAM, BY_SERVER: 700}, {}),
        ({**STREAM, FIRST: 700}, {}),
        # The response's headers.
        ({**STREAM, BY_SERVER: 0.7}, {"scope": "openlit.instrumentation.openai"}),
        ({**STREAM, FIRST: 0.7}, {"scope": "openlit.instrumentation.openai"}),
        # An event that may not be the first, or that came before its call.
        ({**STREAM}, {"scope": "opentelemetry.instrumentation.openai.v1", "dropped_events": 3,
                      "events": (event("gen_ai.content.completion.chunk", 0.5),)}),
        (OPENINFERENCE, {"events": (event("First Token Stream Event", -0.5),)}),
        (OPENINFERENCE, {"events": (event("First Token Stream Event", 2.5),)}),
    ],
)  # fmt: skip
def test_what_is_no_time_to_a_first_token_is_absent(attributes: dict[str, Any], values: dict[str, Any]) -> None:
    assert call(attributes, **values).ttft_s is None


HOSTILE = (
    st.floats() | st.integers(-(1 << 70), 1 << 70) | st.booleans() | st.none() | st.text(max_size=9)
    | st.sampled_from([math.nan, math.inf, "NaN", "1e999", [0.5], {"a": 0.5}, 0, -0.0])
)  # fmt: skip


@given(
    st.dictionaries(st.sampled_from([*IN_FIELDS, *first_token.NAMES]), HOSTILE, max_size=3),
    st.sampled_from(["by-hand", STRANDS, "ai", "openlit", "pydantic-ai", "litellm"]),
)
def test_no_time_is_impossible(told: dict[str, Any], scope: str) -> None:
    found = call({**STREAM, **told}, scope=scope)
    assert found.ttft_s is None or (found.duration_s is not None and 0 < found.ttft_s <= found.duration_s)
    of_responses = call({**STREAM, **told, "gen_ai.response.id": "resp_1"}, scope=scope)
    assert of_responses.ttft_s == (found.ttft_s if scope == "pydantic-ai" else None)


def test_a_langfuse_responses_generation_ends_with_its_status() -> None:
    usage = json.dumps({"output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 1}})
    told = {
        **LANGFUSE, "langfuse.observation.usage_details": usage, "langfuse.observation.metadata.object": '"response"',
        "langfuse.observation.metadata.status": '"completed"',
    }  # fmt: skip
    found = call(told, scope="langfuse-sdk")
    assert (found.ttft_s, found.finish_reasons, found.status) == (None, ("completed",), "ok")
