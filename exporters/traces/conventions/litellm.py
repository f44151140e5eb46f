"""LiteLLM: its SDK's callback is a client, its proxy a gateway. One of up to thirteen spans a request is the call.

The proxy writes it as a span of its own, `litellm_request`; in releases around 1.81 onto its request's span; and with
LITELLM_OTEL_V2 as OTel has it, `chat <model>`. The SDK, called inside an application's span, writes it onto that one.
"""

from __future__ import annotations

from exporters.traces.conventions import evidence, operations, usage
from exporters.traces.conventions.convention import Convention, Found
from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Span, Value

_PROXY = "Received Proxy Server Request"
_FILLED_IN = ("cache_read_input_tokens", "cache_creation_input_tokens")
# What only the proxy writes; the SDK leaves the first one empty.
_GATEWAY = ("metadata.user_api_key_hash", "litellm.model_group", "litellm.api_key.hash")


def _is_call(span: Span) -> bool:
    if span.name in ("raw_gen_ai_request", "Failed Proxy Server Request"):
        return False
    return span.name == "litellm_request" or (
        "gen_ai.request.model" in span.attributes and operations.of(span) in operations.CALLS and evidence.is_call(span)
    )


def _refine(span: Span, found: Found) -> None:
    a = span.attributes
    if span.name == _PROXY or any(a.get(name) for name in _GATEWAY):
        found["layer"] = "gateway"
        found["model_requested"], found["model_served"] = _names(span, found)
    elif found["model_served"] == found["model_requested"] or span.status == 2:
        # On streams it is the request's name again.
        found["model_served"] = None
    if found["response_id"] == attributes.word(a, "litellm.call_id"):
        found["response_id"] = None
    _count(span, found)
    if span.status == 2:
        found["finish_reasons"] = ()


def _names(span: Span, found: Found) -> tuple[str | None, str | None]:
    """The model that the proxy's client requested, and its name upstream."""
    a, requested, served = span.attributes, found["model_requested"], found["model_served"]
    if "litellm.api_key.hash" in a:
        upstream = attributes.word(a, "litellm.provider.model")
        if upstream and found["provider"]:
            upstream = upstream.removeprefix(f"{found['provider']}/")
        return requested, upstream if span.status != 2 else None
    # The response's model is the client's alias and the request's the one upstream, the reverse of the convention.
    alias = attributes.word(a, "litellm.model_group")
    if alias:
        return alias, requested if span.status != 2 else None
    # Without the group, streams and refusals name only the one upstream.
    return (served, requested) if served != requested else (None, requested)


def _count(span: Span, found: Found) -> None:
    used = attributes.tree(span.attributes.get("metadata.usage_object"))
    usage.complete(found, usage.tokens(used))
    # Of a stream that broke off it counts what came, and it writes zeros for what nobody counted.
    if (found["streaming"] and used and _is_its_own_count(span, used)) or span.status == 2:
        found |= usage.NOTHING


def _is_its_own_count(span: Span, used: dict[str, Value]) -> bool:
    """Whether LiteLLM counted a stream's tokens itself, because the stream told none or its client left.

    Releases around 1.81 then write no details, later ones fill in zeros for a cache, and details of their own alone.
    """
    if span.name == _PROXY and not used.get("prompt_tokens_details"):
        return True
    of_input, of_output = (
        {name: value for name, value in attributes.tree(used.get(details)).items() if value is not None}
        for details in ("prompt_tokens_details", "completion_tokens_details")
    )
    known = {"reasoning_tokens": 0, "text_tokens": used.get("completion_tokens")}
    is_filled_in = of_input == {"cached_tokens": 0} and all(used.get(name) == 0 for name in _FILLED_IN)
    return is_filled_in and of_output.items() <= known.items()


CONVENTION = Convention(
    "litellm",
    _is_call,
    keys={
        "streaming": ("litellm.request.streaming", "llm.is_streaming"),
        "conversation_id": ("gen_ai.conversation.id",),
    },
    refine=_refine,
)
