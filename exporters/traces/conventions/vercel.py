"""Vercel's AI SDK 4 to 7: of its nested spans the `.do…` one is the call; the outer one repeats its usage."""

from __future__ import annotations

from typing import Final

from exporters.traces.conventions import evidence, operations, usage
from exporters.traces.conventions.convention import Convention, Found
from exporters.traces.conventions.usage_evidence import Way
from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Span

# Where each one's own account stands in the metadata.
_CACHE_APART: Final = {"anthropic": "anthropic", "amazon-bedrock": "bedrock", "vertex.anthropic": "anthropic"}
# What release 4 had no attributes for.
_OF_OPENAI: Final = {"cached_input_tokens": "cachedPromptTokens", "reasoning_output_tokens": "reasoningTokens"}


def _is_call(span: Span) -> bool:
    operation = operations.of(span)
    return (operation in operations.CALLS or "ai.model.id" in span.attributes) and evidence.is_call(span)


def _refine(span: Span, found: Found) -> None:
    a = span.attributes
    operation = str(a.get("ai.operationId", ""))
    if operation:
        found["streaming"] = operation.endswith(".doStream")
    if found["model_served"] == found["model_requested"]:
        # The request's name again where a provider's response had none.
        found["model_served"] = None
    first = attributes.number(a.get("ai.response.msToFirstChunk"))
    if first is not None:
        found["ttft_s"] = first / 1000
    if found["ttft_s"] is not None and not operation:
        found["streaming"] = True
    _count(span, found)


def _count(span: Span, found: Found) -> None:
    """Up to release 5 the numbers of Anthropic and Bedrock are their own, whose input does not include cached ones."""
    a = span.attributes
    metadata = attributes.tree(a.get("ai.response.providerMetadata"))
    accounts = [attributes.tree(told) for told in metadata.values()]
    for told in accounts:
        if any(usage.has_counts(raw := attributes.tree(told.get(name))) for name in ("usage", "usageMetadata")):
            # The provider's own account comes before what the SDK made of it.
            found |= {name: count for name, count in usage.tokens(raw).items() if count is not None}
            return
    for told in accounts:
        for name, key in _OF_OPENAI.items():
            found[name] = attributes.count(told, key) if found[name] is None else found[name]
    provider = next((name for name in _CACHE_APART if str(a.get("ai.model.provider", "")).startswith(name)), None)
    if provider is None or any(name.startswith("ai.usage.inputTokenDetails") for name in a):
        return
    told = attributes.tree(metadata.get(_CACHE_APART[provider]))
    raw = attributes.tree(told.get("usage"))
    parts = usage.tokens({**told, **raw, "inputTokens": 0, "outputTokens": 1})
    for name in ("cached_input_tokens", "cache_write_input_tokens"):
        found[name] = parts[name] if found[name] is None else found[name]
    found["counting"] = Way(cache_apart=True, has_total=False)


CONVENTION = Convention(
    "vercel",
    _is_call,
    keys={
        "operation": ("gen_ai.operation.name",),
        "provider": ("gen_ai.provider.name", "ai.model.provider", "gen_ai.system"),
        "model_requested": ("ai.model.id", "gen_ai.request.model"),
        "model_served": ("ai.response.model", "gen_ai.response.model"),
        "response_id": ("ai.response.id", "gen_ai.response.id"),
        "ttft_s": ("gen_ai.client.operation.time_to_first_chunk", "gen_ai.response.time_to_first_chunk"),
        "input_tokens": (
            *("gen_ai.usage.input_tokens", "ai.usage.inputTokens", "ai.usage.promptTokens", "ai.usage.tokens"),
        ),
        "output_tokens": ("gen_ai.usage.output_tokens", "ai.usage.outputTokens", "ai.usage.completionTokens"),
        "cached_input_tokens": (
            *("gen_ai.usage.cache_read.input_tokens", "ai.usage.cachedInputTokens"),
            "ai.usage.inputTokenDetails.cacheReadTokens",
        ),
        "cache_write_input_tokens": (
            *("gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation.input_tokens"),
            "ai.usage.inputTokenDetails.cacheWriteTokens",
        ),
        "reasoning_output_tokens": (
            *("gen_ai.usage.reasoning.output_tokens", "ai.usage.reasoningTokens"),
            "ai.usage.outputTokenDetails.reasoningTokens",
        ),
        "total_tokens": ("gen_ai.usage.total_tokens", "ai.usage.totalTokens"),
        "conversation_id": ("ai.telemetry.metadata.sessionId", "gen_ai.conversation.id"),
    },
    refine=_refine,
)
