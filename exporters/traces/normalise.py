"""From a span to a `Call`: OTel GenAI, current and older generations, and inference servers (vLLM, SGLang).

Aggregate spans (agents, tools, workflows) are no calls. What cannot be true is absent: a time to first token of a call
that did not stream, a NaN or negative count.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from exporters.traces.spans import Span, Value
from telltale.records import Call, Layer, Status

INFERENCE_OPERATIONS = {"chat", "text_completion", "generate_content", "embeddings"}
CLIENT, SERVER = 3, 2
STATUS_ERROR = 2
NO_TENANT = "unknown"


@dataclass(frozen=True, slots=True)
class Context:
    """What normalisation needs beside the span: the sender's own tenant and the settings' mappings."""

    tenant: str | None
    tenant_attributes: Sequence[str]
    service_models: Mapping[str, str]


def call(span: Span, context: Context) -> Call | None:
    """The call that this span is, or None if it is none."""
    if span.name == "llm_request" or "gen_ai.latency.e2e" in span.attributes:
        return _server_call(span, context)
    if span.attributes.get("gen_ai.operation.name") in INFERENCE_OPERATIONS:
        return _client_call(span, context)
    return None


def _client_call(span: Span, context: Context) -> Call:
    a = span.attributes
    duration = max(0.0, (span.end_ns - span.start_ns) / 1e9)
    streaming = _flag(a.get("gen_ai.request.stream"))
    finish = _words(a.get("gen_ai.response.finish_reasons"))
    output_tokens = _count(a, "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")
    ttft = _seconds(a.get("gen_ai.response.time_to_first_chunk")) if streaming else None
    ttft = ttft if ttft is not None and ttft <= duration else None
    status = _status(span, bool(streaming) and not finish and output_tokens is None)
    return Call(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_span_id,
        start_unix_s=span.start_ns / 1e9,
        duration_s=duration,
        tenant=_tenant(span, context),
        layer="client",
        operation=str(a["gen_ai.operation.name"]),
        status=status,
        provider=_word(a, "gen_ai.provider.name", "gen_ai.system"),
        model_requested=_word(a, "gen_ai.request.model"),
        model_served=_word(a, "gen_ai.response.model"),
        error_type=_word(a, "error.type") if status == "error" else None,
        streaming=streaming,
        ttft_s=ttft,
        tpot_s=_per_token(duration, ttft, output_tokens),
        input_tokens=_count(a, "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
        output_tokens=output_tokens,
        cached_input_tokens=_count(a, "gen_ai.usage.cache_read.input_tokens"),
        reasoning_output_tokens=_count(a, "gen_ai.usage.reasoning.output_tokens"),
        finish_reasons=finish,
        response_id=_word(a, "gen_ai.response.id"),
        conversation_id=_word(a, "gen_ai.conversation.id"),
    )


def _server_call(span: Span, context: Context) -> Call:
    a = span.attributes
    duration = _seconds(a.get("gen_ai.latency.e2e"))
    output_tokens = _count(a, "gen_ai.usage.completion_tokens", "gen_ai.usage.output_tokens")
    ttft = _seconds(a.get("gen_ai.latency.time_to_first_token"))
    duration = (span.end_ns - span.start_ns) / 1e9 if duration is None else duration
    service = span.resource.get("service.name")
    layer: Layer = "server"
    return Call(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_span_id,
        start_unix_s=span.start_ns / 1e9,
        duration_s=max(0.0, duration),
        tenant=_tenant(span, context),
        layer=layer,
        operation="chat",
        status=_status(span, False),
        provider="vllm" if span.name == "llm_request" else "sglang",
        model_requested=context.service_models.get(str(service)) or _word(a, "gen_ai.request.model"),
        model_served=_word(a, "gen_ai.response.model"),
        error_type=_word(a, "error.type"),
        ttft_s=ttft,
        tpot_s=_per_token(duration, ttft, output_tokens),
        input_tokens=_count(a, "gen_ai.usage.prompt_tokens", "gen_ai.usage.input_tokens"),
        output_tokens=output_tokens,
        response_id=_word(a, "gen_ai.request.id"),
        convention="vllm",
    )


def _status(span: Span, stopped_short: bool) -> Status:
    failed = span.status == STATUS_ERROR or "error.type" in span.attributes or "exception" in span.events
    return "error" if failed else "aborted" if stopped_short else "ok"


def _tenant(span: Span, context: Context) -> str:
    if context.tenant:
        return context.tenant
    for source in (span.resource, span.attributes):
        for name in context.tenant_attributes:
            if value := source.get(name):
                return str(value)[:128]
    return NO_TENANT


def _per_token(duration: float, ttft: float | None, tokens: int | None) -> float | None:
    return (duration - ttft) / (tokens - 1) if ttft is not None and tokens and tokens > 1 else None


def _word(attributes: Mapping[str, Value], *names: str) -> str | None:
    for name in names:
        value = attributes.get(name)
        if isinstance(value, str) and value:
            return value[:256]
    return None


def _count(attributes: Mapping[str, Value], *names: str) -> int | None:
    for name in names:
        number = _number(attributes.get(name))
        if number is not None:
            return int(number)
    return None


def _seconds(value: Value) -> float | None:
    return _number(value)


def _number(value: Value) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None


def _flag(value: Value) -> bool | None:
    if isinstance(value, str):
        return value.lower() == "true"
    return value if isinstance(value, bool) else None


def _words(value: Value) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    return tuple(item for item in items if isinstance(item, str) and item)
