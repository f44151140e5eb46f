"""OpenInference (Arize): span kinds, indexed messages, the request as JSON. Embedding vectors: `vectors`."""

from __future__ import annotations

import re

from exporters.traces.conventions import evidence, finish, model_names, operations, usage
from exporters.traces.conventions.convention import Convention, Found, since_start
from exporters.traces.conventions.operations import Attributes
from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Span

_ID = re.compile(r'"id"\s*:\s*"((?:chatcmpl|cmpl|resp|msg)[-_][^"]{1,128})"')


# In these a span tells of a response.
_ANSWERS = (
    *("llm.token_count.", "llm.output_messages.", "llm.finish_reason", "llm.choices.", "llm.response."),
    *("output.value", "embedding.embeddings."),
)
# It takes the name from responses; others write what was asked for, or either.
_NAMES_RESPONSES = "openinference.instrumentation.openai"
# What only responses have beside the model's name.
_OF_RESPONSES = ("choices", "created", "created_at", "usage", "candidates", "modelVersion", "stop_reason")


def _is_call(span: Span) -> bool:
    if not evidence.is_call(span):
        return False
    # The frameworks' instrumentations give whatever method of a model's class the kind of a call.
    return not (_is_request(span.attributes) or evidence.is_step(span, _ANSWERS))


def _is_request(a: Attributes) -> bool:
    """Whether what came out is a request, and no response to one: the step made it."""
    if any(name.startswith(("llm.token_count.", "llm.output_messages.", "llm.finish_reason")) for name in a):
        return False
    body = attributes.tree(a.get("output.value"))
    return "messages" in body and ("tools" in body or "tool_choice" in body)


def _place_model(span: Span, found: Found, request: Attributes) -> None:
    a = span.attributes
    name = attributes.word(a, "llm.model_name", "embedding.model_name")
    body = attributes.tree(a.get("output.value"))
    body = attributes.tree(body.get("raw")) or body
    answered = None
    if any(key in body for key in _OF_RESPONSES):
        answered = attributes.word(body, "model", "modelVersion", "model_version")
    # Some write the response's parameters in place of the request's.
    asked = None if any(key in request for key in _OF_RESPONSES) else attributes.word(request, "model", "model_name")
    model_names.place(found, name, asked, answered, is_answer=span.scope == _NAMES_RESPONSES)


def _refine(span: Span, found: Found) -> None:
    a = span.attributes
    embedding = operations.marked(span) == "embeddings"
    request = attributes.tree(a.get("embedding.invocation_parameters" if embedding else "llm.invocation_parameters"))
    text_completion = "llm.prompts.0.prompt.text" in a
    if text_completion:
        found["operation"] = "text_completion"
    _place_model(span, found, request)
    if not embedding:
        # Without a flag in a request that is known, it is no stream; the request may have been dropped, though.
        found["streaming"] = attributes.flag(request, "stream") or (False if request else None)
    first = since_start(span, "First Token Stream Event")
    if first is not None:
        found["streaming"], found["ttft_s"] = True, first
    output = a.get("output.value")
    if isinstance(output, str) and not embedding:
        identity = _ID.search(output)
        found["response_id"] = identity[1] if identity else found["response_id"]
        if not found["finish_reasons"]:
            found["finish_reasons"] = finish.in_text(output)
        if found["input_tokens"] is None and found["output_tokens"] is None:
            usage.complete(found, usage.tokens(usage.of_text(output)))


CONVENTION = Convention(
    "openinference",
    _is_call,
    keys={
        "provider": ("llm.provider", "llm.system"),
        "model_requested": ("llm.request.model_name",),
        "model_served": ("llm.response.model_name",),
        "input_tokens": ("llm.token_count.prompt",),
        "output_tokens": ("llm.token_count.completion",),
        "cached_input_tokens": (
            *("llm.token_count.prompt_details.cache_read", "llm.token_count.prompt_details.cache_input"),
        ),
        "cache_write_input_tokens": ("llm.token_count.prompt_details.cache_write",),
        "reasoning_output_tokens": (
            *("llm.token_count.completion_details.reasoning", "llm.token_count.reasoning_tokens"),
        ),
        "total_tokens": ("llm.token_count.total",),
        "conversation_id": ("session.id",),
    },
    refine=_refine,
)
