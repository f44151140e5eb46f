"""Content through the whole collector: what real senders write, made by hand, and what its sample holds."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message as Reply
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from support.receiver_in_process import InProcess

from exporters.traces.decode.bodies import Refused
from exporters.traces.receive.receiver import ExportRequest
from telltale.records import Sample
from telltale.store import samples

TRACE, SPAN = bytes(range(16)), bytes(range(8))
ASK, SAID = "What is the weather in Jeju?", "It rains in Jeju."


def value(of: Any) -> AnyValue:
    if isinstance(of, dict):
        return AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key=k, value=value(v)) for k, v in of.items()]))
    if isinstance(of, list):
        return AnyValue(array_value=ArrayValue(values=[value(item) for item in of]))
    return AnyValue(int_value=of) if isinstance(of, int) else AnyValue(string_value=of)


@dataclass
class Sent:
    """One span, and records of logs, as a sender writes them."""

    scope: str
    attributes: dict[str, Any] = field(default_factory=dict)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    records: list[tuple[str, Any]] = field(default_factory=list)
    name: str = "chat m"

    def traces(self) -> ExportTraceServiceRequest:
        made = ExportTraceServiceRequest()
        scope = made.resource_spans.add().scope_spans.add()
        scope.scope.name = self.scope
        span = scope.spans.add(
            trace_id=TRACE, span_id=SPAN, name=self.name, kind=3, start_time_unix_nano=10**18,
            end_time_unix_nano=10**18 + 10**9,
        )  # fmt: skip
        for key, held in self.attributes.items():
            span.attributes.append(KeyValue(key=key, value=value(held)))
        for name, attributes in self.events:
            event = span.events.add(name=name, time_unix_nano=10**18)
            event.attributes.extend([KeyValue(key=key, value=value(held)) for key, held in attributes.items()])
        return made

    def logs(self) -> ExportLogsServiceRequest:
        made = ExportLogsServiceRequest()
        scope = made.resource_logs.add().scope_logs.add()
        for name, body in self.records:
            scope.log_records.add(trace_id=TRACE, span_id=SPAN, event_name=name, body=value(body))
        return made


def export(into: InProcess, request: ExportTraceServiceRequest | ExportLogsServiceRequest, kind: str) -> None:
    async def send() -> Reply | Refused:
        done: asyncio.Future[Reply | Refused] = asyncio.get_running_loop().create_future()
        signal: Any = "logs" if isinstance(request, ExportLogsServiceRequest) else "traces"
        plain = request.SerializeToString()
        if kind == "application/json":
            # OTLP's JSON has ids in hexadecimal.
            written = json.loads(MessageToJson(request))
            for one in (item for item in _items(written) if "spanId" in item):
                one["traceId"], one["spanId"] = TRACE.hex(), SPAN.hex()
            plain = json.dumps(written).encode()
        into.receiver.export(ExportRequest(signal, plain, "", kind, ""), done.set_result)
        return await done

    reply = asyncio.run(send())
    assert not isinstance(reply, Refused), reply
    assert not reply.ListFields()


def _items(written: Any) -> list[dict[str, Any]]:
    if isinstance(written, list):
        return [found for item in written for found in _items(item)]
    if isinstance(written, dict):
        return [written, *[found for item in written.values() for found in _items(item)]]
    return []


def sample_of(into: InProcess, sent: Sent, kind: str = "application/x-protobuf") -> Sample:
    export(into, sent.traces(), kind)
    if sent.records:
        export(into, sent.logs(), kind)
    with into.store.read() as connection:
        [sample] = samples.load(connection, trace_ids=[TRACE.hex()], whole=True)
    return sample


CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.provider.name": "x"}
MESSAGES = [{"role": "user", "parts": [{"type": "text", "content": ASK}]}]
ANSWERS = [{"role": "assistant", "parts": [{"type": "text", "content": SAID}], "finish_reason": "stop"}]
CALL = {"id": "c1", "name": "weather", "arguments": {"city": "Jeju"}}
GEMINI_REPLY = {
    "candidates": [{"content": {"parts": [{"text": "hm", "thought": True}, {"text": SAID}], "role": "model"}}]
}
SENDERS = {
    "strands": Sent(
        "strands.telemetry.tracer",
        CHAT,
        [
            ("gen_ai.user.message", {"content": json.dumps([{"text": ASK}])}),
            ("gen_ai.choice", {"finish_reason": "end_turn", "message": json.dumps([{"text": SAID}])}),
        ],
    ),
    "details as a span's event": Sent(
        "strands.telemetry.tracer",
        CHAT,
        [
            ("gen_ai.client.inference.operation.details", {"gen_ai.input.messages": json.dumps(MESSAGES)}),
            ("gen_ai.client.inference.operation.details", {"gen_ai.output.messages": json.dumps(ANSWERS)}),
        ],
    ),
    "google's logs": Sent(
        "opentelemetry.instrumentation.google_genai",
        CHAT,
        records=[
            ("gen_ai.user.message", {"content": {"role": "user", "parts": [{"text": ASK}]}}),
            ("gen_ai.choice", {"index": 0, "content": {"parts": [{"text": SAID}], "role": "model"}}),
        ],
    ),
    "mlflow for gemini": Sent(
        "mlflow",
        {
            "mlflow.spanType": '"LLM"',
            "mlflow.spanInputs": json.dumps({"model": "m", "contents": ASK}),
            "mlflow.spanOutputs": json.dumps(GEMINI_REPLY),
        },
    ),
    "a tool's result of role user": Sent(
        "opentelemetry.instrumentation.anthropic",
        {
            **CHAT,
            "gen_ai.input.messages": json.dumps(
                [
                    *MESSAGES,
                    {"role": "assistant", "parts": [{"type": "tool_call", **CALL}]},
                    {"role": "user", "parts": [{"type": "tool_call_response", "id": "c1", "response": "rain"}]},
                ]
            ),
            "gen_ai.output.messages": json.dumps(ANSWERS),
        },
    ),
    "cut messages": Sent(
        "opentelemetry.instrumentation.openai_v2",
        {
            **CHAT,
            "gen_ai.input.messages": json.dumps(MESSAGES * 2)[:-40],
            "gen_ai.output.messages": json.dumps(ANSWERS)[:-30],
        },
    ),
    "koog": Sent(
        "ai.koog",
        CHAT,
        [
            ("gen_ai.user.message", {"gen_ai.system": "openai", "role": "user", "content": ASK}),
            ("gen_ai.assistant.message", {"gen_ai.system": "openai", "role": "assistant", "content": SAID}),
        ],
    ),
    "langchain4j": Sent(
        "io.quarkus.opentelemetry",
        {
            **CHAT,
            "gen_ai.prompt": json.dumps(
                [{"type": "SYSTEM", "text": "Be brief."}, {"type": "USER", "contents": [{"type": "TEXT", "text": ASK}]}]
            ),
            "gen_ai.completion": json.dumps({"type": "AI", "text": SAID, "toolExecutionRequests": []}),
        },
    ),
    "haystack": Sent(
        "openinference.instrumentation.haystack",
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "m",
            "input.value": json.dumps({"messages": [{"_role": "user", "_content": [{"text": ASK}], "_meta": {}}]}),
            "output.value": json.dumps({"replies": [SAID], "meta": [{"model": "m"}]}),
        },
    ),
    "haystack's objects": Sent(
        "openinference.instrumentation.haystack",
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "m",
            "input.value": json.dumps(
                {"messages": [f"ChatMessage(_role=<ChatRole.USER: 'user'>, _content=[TextContent(text='{ASK}')])"]}
            ),
            "output.value": json.dumps({"replies": [{"_role": "assistant", "_content": [{"text": SAID}]}]}),
        },
    ),
    "sentry": Sent(
        "auto.ai.openai",
        {
            **CHAT,
            "gen_ai.request.messages": json.dumps([{"role": "user", "content": ASK}]),
            "gen_ai.response.text": json.dumps([SAID]),
        },
    ),
    "laminar": Sent(
        "lmnr",
        {
            **CHAT,
            "lmnr.span.input": json.dumps([{"role": "user", "content": ASK}]),
            "lmnr.span.output": json.dumps([{"role": "assistant", "content": SAID}]),
        },
    ),
    "langwatch": Sent(
        "langwatch",
        {
            "langwatch.span.type": "llm",
            "gen_ai.request.model": "m",
            "langwatch.input": json.dumps({"type": "chat_messages", "value": [{"role": "user", "content": ASK}]}),
            "langwatch.output": json.dumps({"type": "text", "value": SAID}),
        },
    ),
    "openllmetry's first names": Sent(
        "@traceloop/instrumentation-openai",
        {
            "llm.request.type": "chat",
            "llm.request.model": "m",
            "llm.prompts.0.role": "user",
            "llm.prompts.0.content": ASK,
            "llm.completions.0.role": "assistant",
            "llm.completions.0.content": SAID,
        },
    ),
    "cloudflare": Sent(
        "ai-gateway",
        {
            **CHAT,
            "gen_ai.prompt_json": json.dumps({"messages": [{"role": "user", "content": ASK}]}),
            "gen_ai.completion_json": json.dumps({"choices": [{"message": {"content": SAID}}]}),
        },
    ),
    "one text without a number": Sent(
        "my-app", {**CHAT, "gen_ai.prompt.content": ASK, "gen_ai.completion.content": SAID}
    ),
    "a hidden prompt beside one that is said": Sent(
        "openinference.instrumentation.openai",
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "m",
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.content": "__REDACTED__",
            "input.value": json.dumps({"messages": [{"role": "user", "content": ASK}]}),
            "output.value": SAID,
        },
    ),
}


@pytest.mark.parametrize("kind", ["application/x-protobuf", "application/json"])
@pytest.mark.parametrize("name", SENDERS)
def test_question_and_answer(in_process: InProcess, name: str, kind: str) -> None:
    sample = sample_of(in_process, SENDERS[name], kind)
    assert (sample.prompt, sample.response) == (ASK, SAID)


def test_an_answer_that_only_calls_tools(in_process: InProcess) -> None:
    called = {"type": "tool-call", "toolCallId": "c1", "toolName": "weather", "input": {"city": "Jeju"}}
    attributes = {
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.model.id": "m",
        "ai.prompt.messages": json.dumps([{"role": "user", "content": [{"type": "text", "text": ASK}]}]),
        "ai.response.toolCalls": json.dumps([called]),
    }
    sample = sample_of(in_process, Sent("ai", attributes, name="ai.generateText.doGenerate"))
    assert (sample.prompt, sample.response) == (ASK, '[tool call weather: {"city": "Jeju"}]')


def test_calls_of_tools_beside_an_answers_text(in_process: InProcess) -> None:
    asked = {**CHAT, "gen_ai.request.messages": json.dumps([{"role": "user", "content": ASK}])}
    called = json.dumps([{"name": "weather", "type": "function_call", "arguments": '{"city": "Jeju"}'}])
    sample = sample_of(in_process, Sent("auto.ai.openai", {**asked, "gen_ai.response.tool_calls": called}))
    assert sample.response == '[tool call weather: {"city": "Jeju"}]'


def test_calls_of_langchain4js_tools(in_process: InProcess) -> None:
    calls = {"type": "AI", "toolExecutionRequests": [{"id": "c1", "name": "weather", "arguments": "{}"}]}
    turns = [{"type": "USER", "text": ASK}, calls, {"type": "TOOL_EXECUTION_RESULT", "id": "c1", "text": "rain"}]
    asked = {**CHAT, "gen_ai.prompt": json.dumps(turns), "gen_ai.completion": json.dumps(calls)}
    sample = sample_of(in_process, Sent("io.quarkus.opentelemetry", asked))
    assert (sample.prompt, sample.response) == (ASK, "[tool call weather: {}]")


def test_a_prompt_alone_and_an_answer_alone_are_samples(in_process: InProcess) -> None:
    prompt = sample_of(in_process, Sent("x", {**CHAT, "gen_ai.input.messages": json.dumps(MESSAGES)}))
    assert (prompt.prompt, prompt.response) == (ASK, "")
    assert prompt.conversation is not None
    assert prompt.conversation.choices == []


def test_an_answer_alone_is_a_sample(in_process: InProcess) -> None:
    answer = sample_of(in_process, Sent("x", {**CHAT, "gen_ai.output.messages": json.dumps(ANSWERS)}))
    assert (answer.prompt, answer.response) == ("", SAID)
    assert answer.conversation is not None
    assert answer.conversation.messages == []


def test_what_was_cut_says_so(in_process: InProcess) -> None:
    sample = sample_of(in_process, SENDERS["cut messages"])
    assert sample.conversation is not None
    assert sample.conversation.choices[0]["parts"][0]["content"] == SAID
    assert sample.conversation.messages[-1]["truncated"] is True
