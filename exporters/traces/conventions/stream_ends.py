"""Which senders tell how a stream ended, by a finish reason or by its usage, whenever it ended well.

Of these a stream with neither was broken off. Of any other nothing follows: many never tell. What is known of a sender
decides, never what came from it before, so calls are judged alike in any order. Each was measured against a provider
that cuts its streams, and whose clients do (`test_emitters.py`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from exporters.traces.decode.spans import Span

# Instrumentations in OTel's convention, by scope, with or without a module's name behind it.
_SCOPES: Final[tuple[str, ...]] = (
    "opentelemetry.instrumentation.genai.openai",
    "opentelemetry.instrumentation.genai.anthropic",
    "opentelemetry.instrumentation.openai_v2",
)
# OpenLLMetry's for OpenAI: since 0.60, whose flag this is, in any case, before that with content only.
_OPENLLMETRY: Final = "opentelemetry.instrumentation.openai"
_SINCE: Final = "gen_ai.is_streaming"
_CONTENT: Final = "gen_ai.completion.0."
# Conventions whose senders always do, by name.
_CONVENTIONS: Final = frozenset(("anthropic", "litellm", "openlit", "vercel"))
# Only in the response itself, which may not be there: hidden, or not recorded.
_IN_RESPONSE: Final = {
    "openinference.instrumentation.openai": "output.value",
    "logfire.openai": "gen_ai.output.messages",
    "logfire": "gen_ai.output.messages",
}
_HIDDEN: Final = "__REDACTED__"
# Langfuse's integration of OpenAI's SDK, which writes this where the application set nothing.
_LANGFUSE: Final = ("langfuse.observation.model.parameters", '"max_tokens": "Infinity"')


@lru_cache(maxsize=1024)
def of_scope(scope: str) -> bool:
    """Whether all that comes from this instrumentation tells how its streams ended."""
    return any(_is_of(scope, known) for known in _SCOPES)


def are_told(span: Span, convention: str) -> bool:
    """Whether a stream would have told how it ended."""
    if convention in _CONVENTIONS or of_scope(span.scope):
        return True
    a = span.attributes
    if convention == "langfuse":
        name, mark = _LANGFUSE
        return span.name == "OpenAI-generation" or mark in str(a.get(name))
    if _is_of(span.scope, _OPENLLMETRY):
        return _SINCE in a or any(name.startswith(_CONTENT) for name in a)
    name = _IN_RESPONSE.get(span.scope, "")
    return bool(a.get(name)) and a.get(name) != _HIDDEN


def _is_of(scope: str, instrumentation: str) -> bool:
    return scope == instrumentation or scope.startswith(f"{instrumentation}.")
