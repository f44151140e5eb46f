"""LiteLLM: its SDK's callback is a client, its proxy a gateway. One of ten to thirteen spans a request is the call."""

from __future__ import annotations

from exporters.traces import content, fields
from exporters.traces.conventions import usage
from exporters.traces.conventions.convention import Convention, Found, operation_is_inference
from exporters.traces.spans import Span


def _is_call(span: Span) -> bool:
    if span.name == "raw_gen_ai_request" or span.name.endswith("Proxy Server Request"):
        return False
    return span.name == "litellm_request" or (
        "gen_ai.request.model" in span.attributes and operation_is_inference(span)
    )


def _refine(span: Span, found: Found) -> None:
    a = span.attributes
    if a.get("litellm.model_group") or a.get("metadata.user_api_key_hash"):
        found["layer"] = "gateway"
        # On the proxy the response's model is the client's alias and the request's the one upstream.
        alias = fields.word(a, "litellm.model_group")
        found["model_served"] = found["model_requested"] if alias and span.status != 2 else None
        found["model_requested"] = alias or found["model_requested"]
    elif found["model_served"] == found["model_requested"] or span.status == 2:
        # On streams it is the request's name again.
        found["model_served"] = None
    if found["response_id"] == fields.word(a, "litellm.call_id"):
        found["response_id"] = None
    details = usage.tokens(fields.tree(a.get("metadata.usage_object")))
    for name in ("cached_input_tokens", "reasoning_output_tokens"):
        if found[name] is None:
            found[name] = details[name]
    if span.status == 2:
        found["finish_reasons"] = ()


def _words(span: Span) -> tuple[str, str]:
    prompt, answer = content.of_messages(span)
    called = fields.word(span.attributes, "gen_ai.completion.0.function_call.name")
    if called and not answer:
        arguments = content.text(span.attributes.get("gen_ai.completion.0.function_call.arguments"))
        answer = content.tool_call(called, arguments)
    return prompt, answer


CONVENTION = Convention(
    "litellm",
    _is_call,
    keys={"ttft_s": (), "conversation_id": ("gen_ai.conversation.id",)},
    refine=_refine,
    words=_words,
)
