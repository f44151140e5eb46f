"""How calls ended: ok, error or aborted, whoever tells it and however."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.traces.calls import normalise
from exporters.traces.calls.call import Call
from exporters.traces.conventions import finish
from exporters.traces.decode.spans import Event, Span

S = 1_000_000_000
CONTEXT = normalise.Context(None, (), {})
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
STREAM = {**CHAT, "gen_ai.request.stream": True}
TOKENS = {"gen_ai.usage.input_tokens": 20, "gen_ai.usage.output_tokens": 11}
OFFICIAL = "opentelemetry.instrumentation.genai.openai"
LANGFUSE = {"langfuse.observation.type": "generation", "langfuse.observation.model.name": "m"}
LANGFUSE_STREAM = {**LANGFUSE, "langfuse.observation.completion_start_time": '"1970-01-01T00:00:10.5Z"'}
OPENINFERENCE = {
    "openinference.span.kind": "LLM", "llm.model_name": "m", "llm.invocation_parameters": '{"stream": true}',
}  # fmt: skip
OPENLLMETRY = {"llm.request.type": "chat", "gen_ai.request.model": "m", "llm.is_streaming": True}
BROKEN_OFF = (
    *("abort", "aborted", "cancelled", "canceled", "cancel", "interrupted", "failed", "error", "client_disconnect"),
    *("timeout", "in_progress", "incomplete", "request_aborted", "insufficient_system_resource", "not_finished"),
)
ENDED = (
    *("stop", "length", "tool_calls", "tool_use", "end_turn", "max_tokens", "stop_sequence", "eos_token", "eos"),
    *("content_filter", "content_filtered", "guardrail_intervened", "refusal", "pause_turn", "safety", "recitation"),
    *("malformed_function_call", "model_context_window_exceeded", "completed", "other", "error_toxic", "error_limit"),
)


def call(attributes: dict[str, Any], **values: Any) -> Call:
    about: dict[str, Any] = {"name": "chat m", "kind": 3, "status": 0, "status_message": "", "scope": "by-hand"}
    made = Span(
        trace_id=b"t" * 16, span_id=b"s" * 8, parent_span_id=b"", start_ns=10 * S, end_ns=12 * S,
        attributes=attributes, resource={}, **(about | values),
    )  # fmt: skip
    found = normalise.call(made, CONTEXT)
    assert found is not None
    return found


def exception(kind: str, message: str = "") -> Event:
    return Event("exception", 11 * S, {"exception.type": kind, "exception.message": message})


def choice(**told: Any) -> Event:
    return Event(finish.CHOICE, 11 * S, told)


def details(**told: Any) -> Event:
    return Event(finish.DETAILS, 11 * S, told)


@pytest.mark.parametrize(
    ("attributes", "values"),
    [
        (STREAM, {"scope": OFFICIAL}),
        (STREAM, {"scope": "opentelemetry.instrumentation.genai.anthropic"}),
        ({**CHAT, "gen_ai.is_streaming": True}, {"scope": "opentelemetry.instrumentation.openai.v1"}),
        ({**OPENLLMETRY, "gen_ai.completion.0.content": "Par"}, {"scope": "opentelemetry.instrumentation.openai.v1"}),
        ({**OPENINFERENCE, "output.value": '{"choices": [{"index": 0}]}'},
         {"scope": "openinference.instrumentation.openai"}),
        ({**LANGFUSE_STREAM}, {"scope": "langfuse-sdk", "name": "OpenAI-generation"}),
        ({**LANGFUSE_STREAM, "langfuse.observation.model.parameters": '{"max_tokens": "Infinity"}'},
         {"scope": "langfuse-sdk", "name": "answer"}),
        ({**STREAM, "gen_ai.usage.output_tokens": 1}, {"scope": "com.anthropic.sdk.python"}),
        ({"ai.operationId": "ai.streamText.doStream", "ai.response.finishReason": "unknown"}, {"scope": "ai"}),
        ({**CHAT, "llm.is_streaming": "True"}, {"scope": "litellm"}),
    ],
)  # fmt: skip
def test_a_stream_without_an_end_is_aborted_where_its_sender_would_have_told_it(
    attributes: dict[str, Any], values: dict[str, Any]
) -> None:
    assert call(attributes, **values).status == "aborted"


@pytest.mark.parametrize(
    ("attributes", "values"),
    [
        (STREAM, {}),
        (STREAM, {"scope": "opentelemetry.instrumentation.genai.openai_agents"}),
        (STREAM, {"scope": "opentelemetry.instrumentation.openai_agents"}),
        (STREAM, {"scope": "agent_framework"}),
        # What is hidden cannot tell.
        (OPENLLMETRY, {"scope": "opentelemetry.instrumentation.openai.v1"}),
        (OPENINFERENCE, {"scope": "openinference.instrumentation.openai"}),
        ({**OPENINFERENCE, "output.value": "__REDACTED__"}, {"scope": "openinference.instrumentation.openai"}),
        ({**OPENINFERENCE, "output.value": "Paris."}, {"scope": "openinference.instrumentation.langchain"}),
        (LANGFUSE_STREAM, {"scope": "langfuse-sdk", "name": "my generation"}),
        ({"langsmith.span.kind": "llm", "langsmith.request.streaming": True}, {"scope": "langsmith"}),
        ({**CHAT, "logfire.span_type": "log", "duration": 0.5, "request_data": '{"model":"m","stream":true}',
          "response_data": '{"combined_chunk_content": "Paris."}'}, {"scope": "logfire.openai"}),
    ],
)  # fmt: skip
def test_a_stream_of_a_sender_that_never_tells_its_end_is_not_aborted(
    attributes: dict[str, Any], values: dict[str, Any]
) -> None:
    assert call(attributes, **values).status == "ok"


@given(st.text(max_size=40))
def test_nothing_follows_from_the_silence_of_an_unknown_sender(scope: str) -> None:
    assert call(STREAM, scope=f"unknown.{scope}").status == "ok"


@pytest.mark.parametrize("reason", BROKEN_OFF)
@pytest.mark.parametrize("scope", ["by-hand", "sglang", OFFICIAL])
def test_a_response_that_was_broken_off_is_aborted(reason: str, scope: str) -> None:
    told = {**CHAT, **TOKENS, "gen_ai.latency.e2e": 1.5, "gen_ai.response.finish_reasons": [reason]}
    found = call(told, scope=scope)
    assert (found.status, found.error_type, found.finish_reasons) == ("aborted", None, (reason,))


@pytest.mark.parametrize("reason", ENDED)
def test_limits_filters_and_tools_end_a_response_that_is_whole(reason: str) -> None:
    assert call({**CHAT, **TOKENS, "gen_ai.response.finish_reasons": [reason]}).status == "ok"


def test_incomplete_is_the_responses_apis_word_for_a_limit() -> None:
    told = {**CHAT, **TOKENS, "gen_ai.response.finish_reasons": ["incomplete"]}
    assert call({**told, "gen_ai.response.id": "resp_1"}).status == "ok"
    assert call({**told, "gen_ai.response.id": "chatcmpl-1"}).status == "aborted"


def spellings(reason: str) -> list[str]:
    words = reason.split("_")
    pascal = "".join(word.title() for word in words)
    return [
        *(reason, reason.upper(), reason.replace("_", "-"), f"FinishReason.{reason.upper()}", pascal),
        *(f"FINISH_REASON_{reason.upper()}", f"<FinishReason.{reason.upper()}: 'X'>", pascal[0].lower() + pascal[1:]),
        *(f'"{reason}"', json.dumps([reason])),
        # Lists as Java, Python and .NET write them, and the AI SDK's pair.
        *(f"[{reason.upper()}]", f"('{reason}',)", f"['{reason}']", f"{{{reason}}}"),
        json.dumps({"unified": reason, "raw": "x"}),
    ]


@pytest.mark.parametrize("key", finish.KEYS)
@given(data=st.data())
def test_a_reason_is_the_same_under_every_name_and_in_every_spelling(key: str, data: st.DataObject) -> None:
    reason = data.draw(st.sampled_from([*BROKEN_OFF, *ENDED]))
    told = call({**CHAT, **TOKENS, key: data.draw(st.sampled_from(spellings(reason)))})
    assert (told.finish_reasons, told.status) == ((reason,), "aborted" if reason in BROKEN_OFF else "ok")


@given(st.text(max_size=300))
def test_a_spelling_is_settled_once(reason: str) -> None:
    once = finish.spelled(reason)
    assert finish.spelled(once) == once


@pytest.mark.parametrize(
    "nothing", ["unknown", "", "null", "None", "FINISH_REASON_UNSPECIFIED", "FinishReason.Unknown"]
)
def test_what_is_no_reason_is_absent(nothing: str) -> None:
    assert call({**CHAT, "gen_ai.response.finish_reasons": [nothing]}).finish_reasons == ()


@pytest.mark.parametrize(
    "listed", ["stop,length", "stop, length", "[STOP, LENGTH]", "['stop', 'length']", "{stop,length}"]
)
def test_several_reasons_in_one_text(listed: str) -> None:
    assert call({**CHAT, "gen_ai.response.finish_reasons": listed}).finish_reasons == ("stop", "length")


def test_other_texts_stay_as_they_are() -> None:
    for text in ("John Smith", "see https://example.org/A", "ABC-123", "x" * 65):
        assert finish.spelled(text) == text
    assert "sk-proj" not in finish.spelled("sk-proj-" + "Ab3" * 16)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (choice(finish_reason="end_turn", message='[{"text": "Paris"}]'), "end_turn"),
        (choice(**{"gen_ai.event.content": '{"index": 0, "finish_reason": "stop"}'}), "stop"),
        (details(**{"gen_ai.output.messages": '[{"parts": [], "finish_reason": "length"}]'}), "length"),
        (details(**{"gen_ai.response.finish_reasons": ["stop"]}), "stop"),
        (details(**{"gen_ai.output.messages": [{"finish_reason": "abort"}]}), "abort"),
    ],
)
def test_a_reason_in_a_spans_events_is_read(event: Event, reason: str) -> None:
    found = call(CHAT, events=(Event("gen_ai.user.message", 10 * S, {}), event), scope="strands.telemetry.tracer")
    assert (found.finish_reasons, found.status) == ((reason,), "aborted" if reason == "abort" else "ok")


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        (
            "mlflow.spanOutputs",
            {"candidates": [{"content": {"parts": []}, "finishReason": "MAX_TOKENS"}]},
            "max_tokens",
        ),
        (
            "mlflow.spanOutputs",
            {"output": {"message": {}}, "stopReason": "guardrail_intervened"},
            "guardrail_intervened",
        ),
        ("genkit:output", {"message": {"role": "model"}, "finishReason": "stop"}, "stop"),
        ("response_data", {"message": {"content": "x"}, "finish_reason": "length"}, "length"),
    ],
)
def test_a_reason_in_a_responses_body_is_read(name: str, body: dict[str, Any], reason: str) -> None:
    assert call({**CHAT, name: json.dumps(body)}).finish_reasons == (reason,)


def test_words_that_a_model_wrote_are_no_reason() -> None:
    said = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": '"finish_reason": "abort"'}]}])
    assert call({**CHAT, **TOKENS, "gen_ai.output.messages": said}).status == "ok"


@pytest.mark.parametrize(
    ("attributes", "values"),
    [
        ({"error.type": "CancelledError"}, {}),
        ({"error.type": "asyncio.exceptions.CancelledError"}, {"status": 2}),
        ({"error.type": "cancelled"}, {"status": 2}),
        ({"error.type": "499"}, {"status": 2}),
        ({"http.response.status_code": 499}, {}),
        ({"http.status_code": "499"}, {"status": 2}),
        ({"rpc.grpc.status_code": 1}, {}),
        ({"rpc.response.status_code": "CANCELLED"}, {}),
        ({}, {"events": (exception("GeneratorExit"),)}),
        ({}, {"events": (exception("KeyboardInterrupt"),), "status": 1}),
        ({}, {"events": (exception("AbortError", "This operation was aborted"),), "status": 2}),
        ({}, {"events": (exception("openai.APIUserAbortError", "Request was aborted."),), "status": 2}),
        ({}, {"events": (exception("starlette.requests.ClientDisconnect"),), "status": 2}),
        ({}, {"events": (exception("System.Threading.Tasks.TaskCanceledException", "A task was canceled."),)}),
        ({}, {"events": (exception("kotlinx.coroutines.JobCancellationException"),), "status": 2}),
        ({}, {"events": (exception("*errors.errorString", "context canceled"),), "status": 2}),
        ({}, {"status": 2, "status_message": "Request was aborted."}),
        ({}, {"status": 2, "status_message": "context canceled"}),
        ({}, {"status": 2, "status_message": "rpc error: code = Canceled desc = context canceled"}),
        ({}, {"status": 2, "status_message": "cancelled by user"}),
        ({}, {"status": 2, "status_message": "Cancelled"}),
        ({}, {"status": 2, "status_message": "CancelledError: "}),
        ({**LANGFUSE, "langfuse.observation.level": "ERROR",
          "langfuse.observation.status_message": "Request was aborted."}, {"scope": "langfuse-sdk"}),
    ],
)  # fmt: skip
def test_a_cancelled_call_is_aborted_however_it_is_told(attributes: dict[str, Any], values: dict[str, Any]) -> None:
    found = call({**CHAT, **attributes}, **values)
    assert (found.status, found.error_type) == ("aborted", None)


@pytest.mark.parametrize(
    ("attributes", "values", "kind"),
    [
        ({"http.response.status_code": 503}, {}, "overloaded"),
        ({"http.response.status_code": "500", **TOKENS}, {}, "server_error"),
        ({"http.status_code": 429}, {}, "rate_limit"),
        ({"gen_ai.response.status_code": 401}, {}, "authentication"),
        ({"rpc.grpc.status_code": 8}, {}, "rate_limit"),
        ({"rpc.grpc.status_code": 14}, {}, "overloaded"),
        ({"rpc.response.status_code": "DEADLINE_EXCEEDED"}, {}, "timeout"),
        ({"success": False, "status_code": "529", "error": "Overloaded"}, {}, "overloaded"),
        ({"success": "false"}, {}, "other"),
        ({"error": True}, {}, "other"),
        ({"error": "Request timed out."}, {}, "timeout"),
        ({"genkit:state": "error"}, {}, "other"),
        ({}, {"events": (exception("RateLimitError"),), "status": 1}, "rate_limit"),
        ({"gen_ai.response.finish_reasons": ["stop"], **TOKENS}, {"status": 2, "status_message": "boom"}, "other"),
        ({"gen_ai.response.finish_reasons": ["abort"]}, {"status": 2, "status_message": "500 boom"}, "server_error"),
        # What sounds like a cancelled call.
        ({}, {"events": (exception("TaskCanceledException", "HttpClient.Timeout of 100 seconds elapsing"),)},
         "timeout"),
        ({}, {"status": 2, "status_message": "('Connection aborted.', RemoteDisconnected('...'))"}, "connection"),
        ({"error.type": "ConnectionAbortedError"}, {}, "connection"),
        ({"error.type": "ECONNABORTED"}, {}, "connection"),
        ({"error.type": "ThrottlingException"}, {}, "rate_limit"),
        ({}, {"status": 2, "status_message": "Incorrect API key provided: sk-..."}, "authentication"),
        ({"error.type": "aiohttp.ServerDisconnectedError"}, {}, "connection"),
        ({"error.type": "ModelNotReadyException"}, {}, "overloaded"),
        ({}, {"status": 2, "status_message": "max_tokens is 500 tokens too high"}, "other"),
        ({}, {"status": 2, "status_message": "gave up after 0.500 s and 429ms"}, "other"),
        ({}, {"status": 2, "status_message": "Your subscription was canceled; code 403"}, "permission"),
    ],
)  # fmt: skip
def test_a_failed_call_is_an_error_however_it_is_told(
    attributes: dict[str, Any], values: dict[str, Any], kind: str
) -> None:
    found = call({**CHAT, **attributes}, **values)
    assert (found.status, found.error_type) == ("error", kind)


@pytest.mark.parametrize(
    ("attributes", "values"),
    [
        ({"http.response.status_code": 200}, {}),
        ({"http.response.status_code": 429}, {"status": 1}),
        ({"http.response.status_code": 99999}, {}),
        ({"http.response.status_code": float("nan")}, {}),
        ({"http.response.status_code": -500}, {}),
        ({"rpc.grpc.status_code": 0}, {}),
        ({"rpc.grpc.status_code": 1 << 70}, {}),
        ({"success": True, "error": ""}, {}),
        ({"error": False}, {}),
        ({"error": "false"}, {}),
        ({"error": "{}"}, {}),
        ({"error": {"message": None}}, {}),
        ({"langfuse.observation.level": "WARNING"}, {}),
        ({}, {"events": (exception("StopAsyncIteration"),)}),
        ({"error.type": "none"}, {}),
        ({"gen_ai.response.finish_reasons": 7}, {}),
        ({"gen_ai.response.finish_reasons": [None, 5, {"a": 1}]}, {}),
    ],
)
def test_what_says_nothing_of_a_failure_is_none(attributes: dict[str, Any], values: dict[str, Any]) -> None:
    assert call({**CHAT, **TOKENS, **attributes}, **values).status == "ok"


def test_of_several_answers_one_that_was_broken_off_makes_the_call_aborted() -> None:
    assert call({**CHAT, "gen_ai.response.finish_reasons": ["stop", "abort"]}).status == "aborted"
    assert call({**CHAT, "gen_ai.response.finish_reasons": ["abort", "stop"]}).status == "aborted"


def test_anthropics_sdk_says_ok_of_what_ended_well() -> None:
    scope = "com.anthropic.sdk.python"
    assert call({**STREAM, **TOKENS}, scope=scope, status=1).status == "ok"
    assert call({**STREAM, **TOKENS}, scope=scope, status=0).status == "aborted"
    assert call({**STREAM, **TOKENS, "anthropic.message.stop_reason": "end_turn"}, scope=scope).status == "ok"


def test_googles_adk_says_other_providers_reasons_in_geminis_words() -> None:
    told = {**CHAT, **TOKENS, "gen_ai.response.finish_reasons": ["stop"]}
    # It may have been a tool call.
    assert call({**told, "gen_ai.provider.name": "openai"}, scope="gcp.vertex.agent").finish_reasons == ()
    assert call({**told, "gen_ai.provider.name": "gcp.gemini"}, scope="gcp.vertex.agent").finish_reasons == ("stop",)


def test_langfuse_holds_the_status_of_a_response() -> None:
    response = {**LANGFUSE, "langfuse.observation.metadata.object": '"response"'}
    for status, outcome in (("completed", "ok"), ("failed", "aborted"), ("in_progress", "aborted")):
        told = {**response, "langfuse.observation.metadata.status": json.dumps(status)}
        assert call(told, scope="langfuse-sdk").status == outcome
    own = {**LANGFUSE, "langfuse.observation.metadata.status": '"failed"'}
    assert call(own, scope="langfuse-sdk").status == "ok"


def test_mlflow_holds_it_too() -> None:
    about = {"mlflow.spanType": '"LLM"', "mlflow.spanInputs": '{"model": "m"}'}
    for status, outcome in (("completed", "ok"), ("incomplete", "ok"), ("failed", "aborted"), ("cancelled", "aborted")):
        found = call({**about, "mlflow.spanOutputs": json.dumps({"id": "resp_1", "status": status, "output": []})})
        assert (found.finish_reasons, found.status) == ((status,), outcome)


EVIDENCE = st.sampled_from(
    [
        {}, {"gen_ai.response.finish_reasons": ["stop"]}, {"gen_ai.response.finish_reasons": ["abort"]}, TOKENS,
        {"http.response.status_code": 499}, {"http.response.status_code": 503}, {"error.type": "CancelledError"},
        {"error.type": "RateLimitError"}, {"success": False}, {"gen_ai.usage.output_tokens": float("nan")},
    ]
)  # fmt: skip


@settings(max_examples=200)
@given(st.lists(EVIDENCE, max_size=4), st.integers(0, 2), st.sampled_from([OFFICIAL, "by-hand", "openlit", "ai"]))
def test_whatever_contradicts_itself_has_one_outcome(told: list[dict[str, Any]], status: int, scope: str) -> None:
    attributes = {**STREAM, **{key: value for one in told for key, value in one.items()}}
    found = call(attributes, scope=scope, status=status)
    backwards = call(dict(reversed(attributes.items())), scope=scope, status=status)
    assert (found.status, found.error_type) == (backwards.status, backwards.error_type)
    assert (found.error_type is not None) == (found.status == "error")
