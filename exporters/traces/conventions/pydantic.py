"""Logfire and pydantic-ai. Logfire writes a streamed call as two spans that nothing links: the request's, which ends
with the response's headers, and a log at the stream's end with the stream's duration, tokens and response. The log is
the call, the other its wait, unless the request failed."""

from __future__ import annotations

from exporters.traces.conventions import evidence, finish, operations, usage
from exporters.traces.conventions.convention import Convention, Found
from exporters.traces.conventions.operations import CALLS
from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Span

_LOG = "logfire.span_type"
# pydantic-ai's runs of agents.
_OF_AGENTS = ("final_result", "all_messages_events", *evidence.SUMS)
_OUTPUT = ("events", "gen_ai.output.messages")
_RESPONSE = (
    "gen_ai.response.id",
    "response_id",
    "gen_ai.usage.input_tokens",
    "gen_ai.output.messages",
    "response_data",
)


def _is_call(span: Span) -> bool:
    a = span.attributes
    operation = operations.of(span)
    if evidence.has(a, _OF_AGENTS) or (operation is not None and operation not in CALLS):
        return False
    if a.get(_LOG) == "log":
        return "duration" in a and ("request_data" in a or operation is not None)
    if _is_wait(span):
        return False
    # Logfire had no operation at first, and of the Responses API not the request either.
    return evidence.is_call(span) or (
        span.scope.startswith("logfire")
        and ("model" in attributes.tree(a.get("request_data")) or ("gen_ai.request.model" in a and "events" in a))
    )


def _is_wait(span: Span) -> bool:
    """Whether this is a request that did not fail and asked for a stream, or has nothing of a response yet."""
    a = span.attributes
    if a.get(_LOG) == "log" or span.status == 2:
        return False
    if attributes.tree(a.get("request_data")).get("stream") is True:
        return True
    return (
        a.get(_LOG) == "span"
        and span.scope.startswith("logfire")
        and operations.of(span) == "chat"
        and not any(name in a for name in _RESPONSE)
    )


def _refine(span: Span, found: Found) -> None:
    a = span.attributes
    request = attributes.tree(a.get("request_data"))
    found["model_requested"] = found["model_requested"] or attributes.word(request, "model")
    if request:
        found["streaming"] = request.get("stream") is True
    if a.get(_LOG) == "log":
        found["streaming"] = True
        found["stream_s"] = attributes.seconds(a, "duration")
    if found["model_served"] == found["model_requested"] and (a.get(_LOG) == "log" or span.status == 2):
        # On streams and refusals it is the request's name again.
        found["model_served"] = None
    if found["ttft_s"] is not None:
        found["streaming"] = True
    found["finish_reasons"] = found["finish_reasons"] or finish.of_span(a)
    used = usage.of_object(attributes.tree(a.get("gen_ai.usage.raw")))
    if not used and found["input_tokens"] is None:
        used = usage.of_body(attributes.tree(a.get("response_data")))
    usage.complete(found, usage.tokens(used))
    # pydantic-ai writes nothing else about a response that broke off.
    nothing = not (found["model_served"] or found["finish_reasons"] or found["output_tokens"] or found["response_id"])
    found["aborted"] = nothing and span.scope.startswith("pydantic") and not any(name in a for name in _OUTPUT)


CONVENTION = Convention(
    "pydantic",
    _is_call,
    keys={
        "response_id": ("gen_ai.response.id", "response_id"),
        "ttft_s": ("gen_ai.client.operation.time_to_first_chunk", "gen_ai.response.time_to_first_chunk"),
    },
    refine=_refine,
    is_stream_wait=_is_wait,
)
