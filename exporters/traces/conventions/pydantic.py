"""Logfire and pydantic-ai. Logfire tells of a streamed call in two spans that nothing links: the request's, over in
milliseconds, and a log at the stream's end with duration, tokens and answer. The log is the call, unless the request
failed."""

from __future__ import annotations

from exporters.traces import content, fields
from exporters.traces.conventions.convention import INFERENCE, Convention, Found, operation_of
from exporters.traces.spans import Span, Value

_LOG = "logfire.span_type"


def _is_call(span: Span) -> bool:
    a = span.attributes
    if "final_result" in a or "gen_ai.aggregated_usage.input_tokens" in a or "all_messages_events" in a:
        return False
    operation = operation_of(span)
    if operation is not None and operation not in INFERENCE:
        return False
    if a.get(_LOG) == "log":
        return "duration" in a and ("request_data" in a or operation is not None)
    request = fields.tree(a.get("request_data"))
    if request.get("stream") is True and span.status != 2:
        return False
    return operation is not None or "model" in request


def _refine(span: Span, found: Found) -> None:
    a = span.attributes
    request = fields.tree(a.get("request_data"))
    found["model_requested"] = found["model_requested"] or fields.word(request, "model")
    if request:
        found["streaming"] = request.get("stream") is True
    if a.get(_LOG) == "log":
        found["streaming"] = True
        found["duration_s"] = fields.seconds(a, "duration")
        if found["model_served"] == found["model_requested"]:
            # On streams it is the request's name again.
            found["model_served"] = None
    if found["ttft_s"] is not None:
        found["streaming"] = True


def _words(span: Span) -> tuple[str, str]:
    a = span.attributes
    prompt, answer = content.of_messages(span)
    events = [event for event in _list(a.get("events")) if isinstance(event, dict)]
    if events and not (prompt or answer):
        asked: Value = [event for event in events if event.get("event.name") != "gen_ai.choice"]
        told: Value = [event.get("message", event) for event in events if event.get("event.name") == "gen_ai.choice"]
        return content.last_input(asked), content.output(told)
    response = fields.tree(a.get("response_data"))
    prompt = prompt or content.of_request(a.get("request_data"))
    return prompt, answer or content.of_reply(response.get("message") or response.get("combined_chunk_content"))


def _list(value: Value) -> list[Value]:
    parsed = fields.loose(value)
    return parsed if isinstance(parsed, list) else []


CONVENTION = Convention(
    "pydantic",
    _is_call,
    keys={"ttft_s": ("gen_ai.client.operation.time_to_first_chunk", "gen_ai.response.time_to_first_chunk")},
    refine=_refine,
    words=_words,
)
