"""Claude Code's own traces: a span for each request to Anthropic's API, with bare names and times in milliseconds.

Its input tokens are Anthropic's, which do not include the cache's.
"""

from __future__ import annotations

from exporters.traces.conventions.convention import Convention, Found
from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Span

_CACHE = ("cached_input_tokens", "cache_write_input_tokens")


def _confirms(span: Span) -> bool:
    return span.name.startswith("claude_code.")


def _refine(span: Span, found: Found) -> None:
    a = span.attributes
    found["provider"] = found["provider"] or "anthropic"
    if found["input_tokens"] is not None and "input_tokens" in a:
        found["input_tokens"] += sum(found[name] or 0 for name in _CACHE)
    first = attributes.number(a.get("ttft_ms"))
    if first is not None:
        found["streaming"], found["ttft_s"] = True, first / 1000
    if attributes.truth(a.get("success")) is False:
        found["failed"] = True
    found["error_type"] = found["error_type"] or attributes.word(a, "error", "status_code")


CONVENTION = Convention(
    "claude_code",
    keys={
        "model_requested": ("gen_ai.request.model", "model"),
        "input_tokens": ("input_tokens",),
        "output_tokens": ("output_tokens",),
        "cached_input_tokens": ("cache_read_tokens",),
        "cache_write_input_tokens": ("cache_creation_tokens",),
        "finish_reasons": ("gen_ai.response.finish_reasons", "stop_reason"),
    },
    refine=_refine,
    confirms=_confirms,
)
