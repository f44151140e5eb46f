"""From a span to a `Call`, whatever convention it is written in.

What cannot be true is absent: a time to first token of a call that did not stream, or longer than the call; a NaN or
negative count; more cached tokens than input tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from exporters.traces import conventions, errors, fields
from exporters.traces.conventions.convention import Context, Convention, Found
from exporters.traces.spans import Span, Value
from telltale.records import Call, Status

STATUS_ERROR = 2
NO_TENANT = "unknown"
STOPPED = ("error", "cancelled", "canceled")

__all__ = ["Context", "call", "tenant", "words"]


def call(span: Span, context: Context) -> Call | None:
    """The call that this span is, or None if it is none."""
    convention = conventions.of(span)
    if not convention.is_call(span):
        return None
    return _call(span, convention, convention.read(span), context)


def words(span: Span) -> tuple[str, str]:
    """Prompt and answer of a call's span as text; empty where it holds none."""
    return conventions.of(span).words(span)


def _call(span: Span, convention: Convention, found: Found, context: Context) -> Call:
    duration = found.get("duration_s")
    if duration is None:
        duration = max(0.0, (span.end_ns - span.start_ns) / 1e9)
    status = _status(span, found)
    ttft = _ttft(found, duration)
    given, cached, output = found["input_tokens"], found["cached_input_tokens"], found["output_tokens"]
    if status == "error":
        # Zeros in place of what nobody counted.
        given, output = given or None, output or None
    if cached is not None:
        cached = min(cached, given) if given is not None else None
    requested = found["model_requested"]
    if context.service_models and (found["layer"] == "server" or requested is None):
        requested = context.service_models.get(str(span.resource.get("service.name"))) or requested
    return Call(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_span_id,
        start_unix_s=span.start_ns / 1e9,
        duration_s=duration,
        tenant=tenant(context, (span.resource, span.attributes)),
        layer=found["layer"],
        operation=found["operation"],
        status=status,
        provider=found["provider"],
        model_requested=requested,
        model_served=found["model_served"],
        error_type=errors.kind(span, found["error_type"]) if status == "error" else None,
        streaming=found["streaming"],
        ttft_s=ttft,
        tpot_s=found.get("tpot_s") or _per_token(duration, ttft, output),
        input_tokens=given,
        output_tokens=output,
        cached_input_tokens=cached,
        reasoning_output_tokens=found["reasoning_output_tokens"] if output is not None else None,
        finish_reasons=found["finish_reasons"],
        response_id=found["response_id"],
        conversation_id=found["conversation_id"],
        convention=convention.name,
    )


def _status(span: Span, found: Found) -> Status:
    if span.status == STATUS_ERROR or found["error_type"] or found.get("failed") or span.event("exception"):
        return "error"
    finish = found["finish_reasons"]
    if found.get("aborted") or (finish and finish[0] in STOPPED):
        return "aborted"
    ended_early = found["streaming"] and not finish and found["output_tokens"] is None
    return "aborted" if ended_early and found["layer"] != "server" else "ok"


def _ttft(found: Found, duration: float) -> float | None:
    ttft: float | None = found["ttft_s"]
    if ttft is None or not (found["streaming"] or found.get("native_ttft")):
        return None
    return ttft if 0 < ttft <= duration else None


def tenant(context: Context, sources: Sequence[Mapping[str, Value]]) -> str:
    """The sender's own tenant, else the first that these attributes name."""
    if context.tenant:
        return context.tenant
    for source in sources:
        for name in context.tenant_attributes:
            if name in source and (value := fields.word(source, name)):
                return value[:128]
    return NO_TENANT


def _per_token(duration: float, ttft: float | None, tokens: int | None) -> float | None:
    return (duration - ttft) / (tokens - 1) if ttft is not None and tokens and tokens > 1 else None
