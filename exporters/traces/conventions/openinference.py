"""OpenInference (Arize): span kinds, indexed messages, the request as JSON. Embedding vectors are never read."""

from __future__ import annotations

import re

from exporters.traces.conventions import finish, usage
from exporters.traces.conventions.convention import Convention, Found, since_start
from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Span

_ID = re.compile(r'"id"\s*:\s*"((?:chatcmpl|cmpl|resp|msg)[-_][^"]{1,128})"')


def _is_call(span: Span) -> bool:
    return span.attributes["openinference.span.kind"] in ("LLM", "EMBEDDING")


def _refine(span: Span, found: Found) -> None:
    a = span.attributes
    embedding = a["openinference.span.kind"] == "EMBEDDING"
    request = attributes.tree(a.get("embedding.invocation_parameters" if embedding else "llm.invocation_parameters"))
    text_completion = "llm.prompts.0.prompt.text" in a
    found["operation"] = "embeddings" if embedding else "text_completion" if text_completion else "chat"
    found["model_requested"] = found["model_requested"] or attributes.word(request, "model")
    if found["model_served"] == found["model_requested"] and span.status == 2:
        found["model_served"] = None
    if not embedding:
        # Without a flag in a request that is known, it is no stream; the request may have been dropped, though.
        found["streaming"] = attributes.flag(request, "stream") or (False if request else None)
    first = since_start(span, "First Token Stream Event")
    if first is not None:
        found["streaming"], found["ttft_s"] = True, first
    output = a.get("output.value")
    if isinstance(output, str) and not embedding:
        identity = _ID.search(output)
        found["response_id"] = identity[1] if identity else None
        if not found["finish_reasons"]:
            found["finish_reasons"] = finish.in_text(output)
        if found["input_tokens"] is None and found["output_tokens"] is None:
            usage.complete(found, usage.tokens(usage.of_text(output)))


CONVENTION = Convention(
    "openinference",
    _is_call,
    keys={
        "operation": (),
        "provider": ("llm.provider", "llm.system"),
        "model_requested": ("llm.request.model_name",),
        "model_served": ("llm.response.model_name", "llm.model_name", "embedding.model_name"),
        "ttft_s": (),
        "input_tokens": ("llm.token_count.prompt",),
        "output_tokens": ("llm.token_count.completion",),
        "cached_input_tokens": ("llm.token_count.prompt_details.cache_read",),
        "cache_write_input_tokens": ("llm.token_count.prompt_details.cache_write",),
        "reasoning_output_tokens": ("llm.token_count.completion_details.reasoning",),
        "total_tokens": ("llm.token_count.total",),
        "conversation_id": ("session.id",),
    },
    refine=_refine,
)
