"""Inference servers that time themselves: vLLM and SGLang. vLLM names no model: the settings do, by service."""

from __future__ import annotations

from exporters.traces.conventions.convention import Convention, Found
from exporters.traces.decode.spans import Span


def _is_call(span: Span) -> bool:
    """Others have spans of the same name."""
    a = span.attributes
    if span.name != "llm_request":
        return "gen_ai.latency.e2e" in a
    return "gen_ai.request.id" in a or any(name.startswith("gen_ai.latency.") for name in a)


def _refine(span: Span, found: Found) -> None:
    found["operation"] = "chat"
    if found["provider"] is None:
        found["provider"] = "vllm" if span.name == "llm_request" else "sglang"
    # A server times its first token of every request, streamed or not.
    found["native_ttft"] = True


_KEYS = {
    "ttft_s": ("gen_ai.latency.time_to_first_token",),
    "duration_s": ("gen_ai.latency.e2e",),
    "response_id": ("gen_ai.request.id",),
    "cached_input_tokens": ("gen_ai.usage.cached_tokens",),
}

CONVENTION = Convention("vllm", _is_call, _KEYS, _refine, layer="server", confirms=_is_call)
SGLANG = Convention("sglang", _is_call, _KEYS, _refine, layer="server", confirms=_is_call)
