"""OpenLIT, which estimates tokens that nobody sent, and takes the response's headers for the first token.

Many servers send the headers with the first token, after the whole wait; and calls that did not stream have such a time
too. No rule finds the right ones, so none is used.
"""

from __future__ import annotations

from exporters.traces.conventions import evidence
from exporters.traces.conventions.convention import Convention, Found
from exporters.traces.decode.spans import Span

_REAL = ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_creation.input_tokens")
_NAMES = ("chat", "openai.chat", "openai.embeddings", "embeddings", "anthropic.messages", "cohere.", "mistral.")


def _is_call(span: Span) -> bool:
    # Errors of 1.34 have no attributes at all, only their name.
    return evidence.is_call(span) or (not span.attributes and span.status == 2 and span.name.startswith(_NAMES))


def _refine(span: Span, found: Found) -> None:
    if not span.attributes and "embedding" in span.name:
        found["operation"] = "embeddings"
    if found["operation"] == "embeddings" and found["model_served"] == found["model_requested"]:
        # The request's name again, whatever responded.
        found["model_served"] = None
    # On a stream, token details are there exactly when the provider sent its usage; else the numbers are estimates.
    if found["streaming"] and not any(name in span.attributes for name in _REAL):
        found["input_tokens"] = found["output_tokens"] = None
        found["reasoning_output_tokens"] = found["cached_input_tokens"] = found["cache_write_input_tokens"] = None


def _confirms(span: Span) -> bool:
    """OpenLIT says who it is on its spans too, whoever's tracer it writes through."""
    return span.scope.startswith("openlit") or span.attributes.get("telemetry.sdk.name") == "openlit"


CONVENTION = Convention(
    "openlit",
    _is_call,
    keys={"total_tokens": ("gen_ai.usage.total_tokens", "gen_ai.client.token.usage")},
    refine=_refine,
    ignored=frozenset(("ttft_s",)),
    confirms=_confirms,
)
