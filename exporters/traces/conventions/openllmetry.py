"""OpenLLMetry (Traceloop), with indexed attributes up to 0.52 and OTel's messages since 0.60.

With many messages the SDK's limit of 128 attributes drops the oldest, model and request type among them: such a span
is known as a call by its scope and name.

Streams of Anthropic's API have no flag and count the first event's output tokens twice. They name the model after the
tokens, other responses before them: the only difference between the two.
"""

from __future__ import annotations

from exporters.traces.conventions import evidence
from exporters.traces.conventions.convention import Convention, Found, since_start
from exporters.traces.conventions.usage_evidence import Way
from exporters.traces.decode.spans import Span

_NAMES = (".chat", ".completion", ".completions", ".embeddings")
_ANTHROPIC = "opentelemetry.instrumentation.anthropic"
_BEDROCK = "opentelemetry.instrumentation.bedrock"
_CHUNKS = ("gen_ai.content.completion.chunk", "llm.content.completion.chunk")


def _is_call(span: Span) -> bool:
    return evidence.is_call(span) or (span.dropped_attributes > 0 and span.name.endswith(_NAMES))


def _refine(span: Span, found: Found) -> None:
    if "gen_ai.operation.name" not in span.attributes and span.name.endswith(".embeddings"):
        found["operation"] = "embeddings"
    first = since_start(span, *_CHUNKS)
    if first is not None:
        found["streaming"], found["ttft_s"] = True, first
    if span.scope.startswith(_BEDROCK):
        # Bedrock's own numbers, and a total that is the sum of two of them.
        found["counting"] = Way(cache_apart=True, has_total=False)
    if span.scope.startswith(_ANTHROPIC) and _has_tokens_first(span):
        found["streaming"], found["output_tokens"] = True, None


def _has_tokens_first(span: Span) -> bool:
    """Whether tokens stand before the served model: an SDK keeps the order in which attributes were set."""
    names = [name for name in span.attributes if name in ("gen_ai.usage.output_tokens", "gen_ai.response.model")]
    return names == ["gen_ai.usage.output_tokens", "gen_ai.response.model"]


CONVENTION = Convention(
    "openllmetry",
    _is_call,
    keys={
        # Its first names.
        "provider": ("gen_ai.provider.name", "gen_ai.system", "llm.vendor"),
        "model_requested": ("gen_ai.request.model", "llm.request.model"),
        "model_served": ("gen_ai.response.model", "llm.response.model"),
        "conversation_id": (
            *("gen_ai.conversation.id", "traceloop.association.properties.session_id"),
            "traceloop.association.properties.chat_id",
        ),
    },
    refine=_refine,
)
