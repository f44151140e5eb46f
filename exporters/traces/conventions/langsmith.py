"""LangSmith's OTel export. Chains repeat their children's usage; failed calls have status OK and an exception."""

from __future__ import annotations

from exporters.traces.conventions import evidence, usage
from exporters.traces.conventions.convention import Convention, Found
from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Span

# LangChain's own, as JSON.
_DETAILS = ("input_token_details", "output_token_details")
_ANSWERS = ("gen_ai.completion", "langsmith.metadata.usage_metadata")


def _is_call(span: Span) -> bool:
    return evidence.is_call(span) and not evidence.is_step(span, _ANSWERS)


def _refine(span: Span, found: Found) -> None:
    a = span.attributes
    details = attributes.tree(a.get("langsmith.metadata.usage_metadata"))
    usage.complete(found, usage.tokens(details))
    apart = {name: a[f"gen_ai.usage.{name}"] for name in _DETAILS if f"gen_ai.usage.{name}" in a}
    if apart:
        usage.complete(found, usage.tokens(apart))


CONVENTION = Convention(
    "langsmith",
    _is_call,
    keys={
        "streaming": ("langsmith.request.streaming",),
        "conversation_id": ("langsmith.metadata.session_id", "langsmith.metadata.thread_id"),
        "cached_input_tokens": ("cache_read_input_tokens", "gen_ai.usage.cache_read.input_tokens"),
        "cache_write_input_tokens": ("cache_creation_input_tokens", "gen_ai.usage.cache_creation.input_tokens"),
    },
    refine=_refine,
)
