"""From spans to `Call`s, whatever convention they are written in.

What cannot be true is absent: a time to first token of a call that did not stream, or longer than the call; a NaN or
negative count; more tokens out of a cache, or into one, than input tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from mypy_extensions import i64

from exporters.traces import conventions
from exporters.traces.calls import error_types, fast_path
from exporters.traces.calls.call import NO_TENANT, Call, CallRef, seconds, tokens
from exporters.traces.calls.stream_waits import Wait
from exporters.traces.conventions.convention import Context, Convention, Found
from exporters.traces.core.interning import NameTable
from exporters.traces.decode import attributes
from exporters.traces.decode.protobuf import CUT_OFF, Group, Malformed
from exporters.traces.decode.spans import Span, Value

STATUS_ERROR: Final = 2
STOPPED: Final = ("error", "cancelled", "canceled")

__all__ = ["Context", "DecodedCalls", "call", "read", "tenant", "words"]


class DecodedCalls:
    """What the spans of a request say: calls with where each stands, spans by convention, what senders dropped."""

    __slots__ = ("calls", "conventions", "dropped_attributes", "dropped_events", "waits")

    def __init__(self) -> None:
        self.calls: list[CallRef] = []
        self.conventions: dict[str, int] = {}
        self.dropped_attributes = 0
        self.dropped_events = 0
        self.waits: list[Wait] = []


def read(groups: list[Group], context: Context, table: NameTable) -> DecodedCalls:
    """The calls among these spans; `table` is `shortcut.table` of the context. Raises Malformed."""
    told = DecodedCalls()
    for group in groups:
        _read(group, context, table, told)
    if groups and told.calls:
        wanted: i64 = 0
        for held in told.calls:
            wanted += held.group.ends[held.index] - held.group.starts[held.index]
        if wanted * 2 < len(groups[0].source.body):
            # Some calls among many other spans: waiting, they shall not hold the whole request in memory.
            told.calls = [CallRef(held.call, held.group.part(held.index), 0) for held in told.calls]
    return told


def _read(group: Group, context: Context, table: NameTable, told: DecodedCalls) -> None:
    body, starts, ends = group.body, group.starts, group.ends
    resource = group.source.resource
    plain = conventions.is_plain(group.source.scope)
    known: str | None = tenant(context, (resource,))
    if known == NO_TENANT and not context.tenant:
        known = None
    model = context.service_models.get(str(resource.get("service.name"))) if context.service_models else None
    short = none = 0
    senders: i64 = hash(known) & 0xFFFFFFFF
    for index in range(i64(len(starts))):
        found: Call | None = None
        if plain:
            try:
                found = fast_path.read(body, starts[index], ends[index], table, known)
            except (IndexError, UnicodeDecodeError) as error:
                raise Malformed(CUT_OFF) from error
            if found is fast_path.NO_CALL:
                none += 1
                continue
        if found is not None:
            found.tenant = found.tenant or NO_TENANT
            settle(found, False, False, False, model)
            found.labels_hash ^= senders
            short += 1
        else:
            span = group.span(index)
            told.dropped_attributes += span.dropped_attributes
            told.dropped_events += span.dropped_events
            found = call(span, context)
            if found is None:
                none += 1
                if conventions.of(span).waits(span):
                    told.waits.append(Wait(asked(span), span.start_ns / 1e9, span.end_ns / 1e9))
                continue
            told.conventions[found.convention] = told.conventions.get(found.convention, 0) + 1
        told.calls.append(CallRef(found, group, index))
    for name, number in (("otel", short), ("none", none)):
        if number:
            told.conventions[name] = told.conventions.get(name, 0) + number


def call(span: Span, context: Context) -> Call | None:
    """The call that this span is, or None if it is none."""
    convention = conventions.of(span)
    if not convention.is_call(span):
        return None
    return _call(span, convention, convention.read(span), context)


def asked(span: Span) -> int:
    """The same for two spans of one process that tell of the same question."""
    service = (span.resource.get("service.name"), span.resource.get("service.instance.id"))
    question = tuple(span.attributes.get(name) for name in ("request_data", "gen_ai.input.messages"))
    return hash(repr((service, question)))


def words(span: Span) -> tuple[str, str]:
    """Prompt and answer of a call's span as text; empty where it holds none."""
    return conventions.of(span).words(span)


def _call(span: Span, convention: Convention, found: Found, context: Context) -> Call:
    call = Call()
    call.name(span.trace_id, span.span_id, span.parent_span_id)
    call.convention = convention.name
    call.tenant = tenant(context, (span.resource, span.attributes))
    call.layer = found["layer"]
    call.operation = attributes.label(found["operation"])
    call.start_unix_s = (span.start_ns or span.end_ns) / 1e9
    duration = found.get("duration_s")
    if duration is None and span.start_ns:
        duration = (span.end_ns - span.start_ns) / 1e9
    call.duration_s = seconds(duration)
    streamed = found.get("streamed_s")
    if streamed is not None:
        call.asked, call.streamed_s, call.duration_s = asked(span), streamed, -1.0
    call.provider = _label(found["provider"])
    call.model_requested = _label(found["model_requested"])
    call.model_served = _label(found["model_served"])
    call.streaming = found["streaming"]
    call.ttft = seconds(found["ttft_s"])
    call.tpot = seconds(found.get("tpot_s") or None)
    call.given = tokens(found["input_tokens"])
    call.output = tokens(found["output_tokens"])
    call.cached = tokens(found["cached_input_tokens"])
    call.written = tokens(found["cache_write_input_tokens"])
    call.reasoned = tokens(found["reasoning_output_tokens"])
    call.finish_reasons = attributes.labels(found["finish_reasons"])
    call.response_id = found["response_id"]
    call.conversation_id = found["conversation_id"]
    failed = bool(span.status == STATUS_ERROR or found["error_type"] or found.get("failed") or span.event("exception"))
    model = context.service_models.get(str(span.resource.get("service.name"))) if context.service_models else None
    settle(call, failed, bool(found.get("aborted")), bool(found.get("native_ttft")), model)
    if failed:
        call.error_type = error_types.kind(span, found["error_type"])
    return call


def _label(name: str | None) -> str | None:
    return None if name is None else attributes.label(name)


def settle(call: Call, failed: bool, aborted: bool, native_ttft: bool, service_model: str | None) -> None:
    """Put a call in order that holds what its span says. `service_model` is what the settings call its service's."""
    finish = call.finish_reasons
    if failed:
        call.status = "error"
        # Zeros in place of what nobody counted.
        if call.given == 0:
            call.given = -1
        if call.output == 0:
            call.output = -1
    else:
        ended_early = call.streaming and not finish and call.output < 0 and call.layer != "server"
        if aborted or ended_early or (finish and finish[0] in STOPPED):
            call.status = "aborted"
    ttft = call.ttft
    if not ((call.streaming or native_ttft) and 0.0 < ttft <= call.duration_s):
        ttft = call.ttft = -1.0
    if call.tpot < 0.0 and ttft > 0.0 and call.output > 1:
        call.tpot = (call.duration_s - ttft) / float(call.output - 1)
    if call.output < 0:
        call.reasoned = -1
    if call.cached > call.given:
        call.cached = call.given
    # Of those read from the cache none was written into it.
    fresh = call.given if call.cached < 0 else call.given - call.cached
    if call.written > fresh:
        call.written = fresh
    if service_model is not None and (call.layer == "server" or call.model_requested is None):
        call.model_requested = service_model


def tenant(context: Context, sources: Sequence[Mapping[str, Value]]) -> str:
    """The sender's own tenant, else the first that these attributes name."""
    if context.tenant:
        return context.tenant
    for source in sources:
        for name in context.tenant_attributes:
            if name in source and (value := attributes.word(source, name)):
                return attributes.label(value)[:128]
    return NO_TENANT
