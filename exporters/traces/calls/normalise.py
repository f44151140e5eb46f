"""From spans to `Call`s, whatever convention they are written in.

What cannot be true is not known: a time to first token of a call that did not stream, or longer than the call; a NaN or
negative count. What a call's numbers of tokens prove of each other is settled in `usage_evidence`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mypy_extensions import i64

from exporters.traces import conventions
from exporters.traces.calls import fast_path, outcome
from exporters.traces.calls.call import NO_TENANT, Call, CallRef, seconds, token_count
from exporters.traces.calls.owners import key_mark
from exporters.traces.calls.stream_waits import Wait
from exporters.traces.conventions import finish, first_token, gateway_cache, operations, stream_ends
from exporters.traces.conventions.convention import Context, Convention, Found
from exporters.traces.conventions.fields import (
    CACHE_WRITE_INPUT,
    CACHED_INPUT,
    COUNT_FIELDS,
    INPUT,
    OUTPUT,
    REASONING_OUTPUT,
    TOTAL,
)
from exporters.traces.conventions.usage_evidence import INCLUSIVE, Counts, Way, is_plain, known_way, settled
from exporters.traces.core.interning import NameTable
from exporters.traces.decode import attributes
from exporters.traces.decode.faults import Faults
from exporters.traces.decode.otlp_protobuf import Group
from exporters.traces.decode.protobuf import CUT_OFF, Malformed
from exporters.traces.decode.spans import Span, Value
from exporters.traces.messages import places
from telltale.conversation import Conversation
from telltale.records import Status

__all__ = ["Context", "DecodedCalls", "call", "read", "read_conversation", "tenant"]


class DecodedCalls:
    """What the spans of a request hold: calls and where each stands, spans by convention, what senders dropped.

    `operations` counts the spans of known operations that are no calls.
    """

    __slots__ = ("calls", "conventions", "dropped_attributes", "dropped_events", "operations", "waits")

    def __init__(self) -> None:
        self.calls: list[CallRef] = []
        self.conventions: dict[str, int] = {}
        self.dropped_attributes = 0
        self.dropped_events = 0
        self.operations: dict[str, int] = {}
        self.waits: list[Wait] = []

    def add_operation(self, name: str) -> None:
        """Count a span of a known operation that is no call. A call's kind on a span that is none says nothing."""
        if name in operations.OTHERS:
            self.operations[name] = self.operations.get(name, 0) + 1


def read(groups: list[Group], context: Context, table: NameTable, faults: Faults | None = None) -> DecodedCalls:
    """The calls among these spans; `table` is `fast_path.attribute_table` of the context.

    Spans that cannot be read go to `faults`; raises Malformed for one where none are given.
    """
    decoded = DecodedCalls()
    for group in groups:
        _read(group, context, table, decoded, faults)
    if groups and decoded.calls:
        size: i64 = 0
        for ref in decoded.calls:
            size += ref.group.ends[ref.index] - ref.group.starts[ref.index]
        if size * 2 < len(groups[0].source.body):
            # A few calls among many other spans must not keep the whole request in memory while they wait.
            decoded.calls = [CallRef(ref.call, ref.group.part(ref.index), 0) for ref in decoded.calls]
    return decoded


def _read(group: Group, context: Context, table: NameTable, decoded: DecodedCalls, faults: Faults | None) -> None:
    body, starts, ends = group.body, group.starts, group.ends
    resource = group.source.resource
    scope = group.source.scope
    may_be_fast = conventions.is_plain(scope) and not finish.is_translated(scope)
    # Whether a stream of this scope would have told how it ended.
    ends_are_told = stream_ends.of_scope(scope)
    known_tenant: str | None = tenant(context, (resource,))
    if known_tenant == NO_TENANT and not context.tenant:
        known_tenant = None
    model = context.service_models.get(str(resource.get("service.name"))) if context.service_models else None
    fast = none = 0
    tenant_mark: i64 = hash(known_tenant) & 0xFFFFFFFF
    mark = key_mark(context.tenant)
    for index in range(i64(len(starts))):
        try:
            found: Call | None = None
            if may_be_fast:
                try:
                    decided = fast_path.read(body, starts[index], ends[index], table, known_tenant)
                except (IndexError, UnicodeDecodeError) as error:
                    raise Malformed(CUT_OFF) from error
                if isinstance(decided, str):
                    none += 1
                    decoded.add_operation(decided)
                    continue
                found = decided
            if found is not None:
                found.tenant = found.tenant or NO_TENANT
                found.key_mark = mark
                finalise(found, None, ends_are_told, False, model)
                found.label_fingerprint ^= tenant_mark
                fast += 1
            else:
                span = group.span(index)
                decoded.dropped_attributes += span.dropped_attributes
                decoded.dropped_events += span.dropped_events
                found = call(span, context)
                if found is not None and found.irregular_ids is not None:
                    raise Malformed("an id has not its length")
                if found is None:
                    none += 1
                    decoded.add_operation(operations.of(span) or "")
                    if conventions.of(span).is_stream_wait(span):
                        decoded.waits.append(_wait(span, context))
                    continue
                decoded.conventions[found.convention] = decoded.conventions.get(found.convention, 0) + 1
            decoded.calls.append(CallRef(found, group, index))
        except Malformed as error:
            if faults is None:
                raise
            faults.add(str(error))
    for name, number in (("otel", fast), ("none", none)):
        if number:
            decoded.conventions[name] = decoded.conventions.get(name, 0) + number


def call(span: Span, context: Context) -> Call | None:
    """The call that this span is, or None if it is none."""
    convention = conventions.of(span)
    if not convention.is_call(span):
        return None
    return _call(span, convention, convention.read(span), context)


def _wait(span: Span, context: Context) -> Wait:
    asked, owner = request_hash(span, context), tenant(context, (span.resource, span.attributes))
    ids = span.trace_id, span.span_id, span.parent_span_id
    return Wait(asked, span.start_ns / 1e9, span.end_ns / 1e9, owner, ids)


def request_hash(span: Span, context: Context) -> int:
    """The same for two spans of one process, sent with one key or without any, about one request to a model."""
    service = (span.resource.get("service.name"), span.resource.get("service.instance.id"))
    request = tuple(span.attributes.get(name) for name in ("request_data", "gen_ai.input.messages"))
    return hash(repr((context.tenant, service, request)))


def read_conversation(span: Span, operation: str = "chat") -> Conversation:
    """What the span of a call tells of its conversation; vectors are no answers."""
    found = places.of_span(span.attributes, span.events)
    if operation == "embeddings":
        found.choices = []
    return found


def _call(span: Span, convention: Convention, found: Found, context: Context) -> Call:
    call = Call()
    call.set_ids(span.trace_id, span.span_id, span.parent_span_id)
    call.convention = convention.name
    call.tenant = tenant(context, (span.resource, span.attributes))
    call.key_mark = key_mark(context.tenant)
    first_token.refine(span, found, convention.name)
    call.layer = found["layer"]
    if gateway_cache.answered(span.attributes, found["cached_input_tokens"]):
        call.cache = "gateway"
    call.operation = attributes.label(found["operation"])
    call.start_unix_s = (span.start_ns or span.end_ns) / 1e9
    duration = found["duration_s"]
    if duration is None and span.start_ns:
        duration = (span.end_ns - span.start_ns) / 1e9
    call.duration_s = seconds(duration)
    stream_s = found.get("stream_s")
    if stream_s is not None:
        call.request_hash, call.stream_s, call.duration_s = request_hash(span, context), stream_s, None
    call.provider = _label(found["provider"])
    call.model_requested = _label(found["model_requested"])
    call.model_served = _label(found["model_served"])
    call.streaming = found["streaming"]
    call.ttft_s = seconds(found["ttft_s"])
    call.tpot_s = seconds(found.get("tpot_s") or None)
    for kind, field in enumerate(COUNT_FIELDS):
        call.set_tokens(kind, found[field.name])
    if "counting" in found:
        _settle_tokens(call, found["counting"])
    reasons = found["finish_reasons"] or finish.of_span(span.attributes, span.events)
    call.finish_reasons = finish.untranslated(span.scope, call.provider, reasons)
    call.response_id = found["response_id"]
    call.conversation_id = found["conversation_id"]
    status, call.error_type = outcome.of_span(span, found)
    model = context.service_models.get(str(span.resource.get("service.name"))) if context.service_models else None
    ends_are_told = stream_ends.are_told(span, convention.name)
    finalise(call, status, ends_are_told, bool(found.get("native_ttft")), model)
    return call


def _label(name: str | None) -> str | None:
    return None if name is None else attributes.label(name)


def finalise(
    call: Call, status: Status | None, ends_are_told: bool, native_ttft: bool, service_model: str | None
) -> None:
    """Give a call its status, and remove what cannot be true.

    `status` is what its span says of a bad end, beside finish reasons; `service_model` is the settings' name of its
    model. Of a sender for which `ends_are_told`, a stream without any end was broken off.
    """
    _check_tokens(call)
    _set_status(call, status, ends_are_told)
    _check_times(call, native_ttft)
    if service_model is not None and (call.layer == "server" or call.model_requested is None):
        call.model_requested = service_model


def end(call: Call, reasons: tuple[str, ...]) -> None:
    """Give a call the reasons why it ended that its span does not tell."""
    call.finish_reasons = reasons
    call.status = status_of(call, reasons)


def status_of(call: Call, reasons: tuple[str, ...]) -> Status:
    """How a call ended that ended for these reasons: what failed is not judged by them."""
    if finish.are_broken_off(reasons) and call.status == "ok" and not outcome.is_limit(reasons, call.response_id):
        return "aborted"
    return call.status


# These run for every call, so they read `token_counts`, whose -1 is "not known".
def _set_status(call: Call, status: Status | None, ends_are_told: bool) -> None:
    counts = call.token_counts
    if status is not None:
        call.status = status
        # Zeros in place of what nobody counted.
        for kind in (INPUT, OUTPUT):
            if counts[kind] == 0:
                counts[kind] = -1
    elif call.finish_reasons:
        end(call, call.finish_reasons)
    elif ends_are_told and call.streaming and counts[OUTPUT] < 0 and call.layer != "server":
        call.status = "aborted"


def _check_times(call: Call, native_ttft: bool) -> None:
    ttft, duration, output = call.ttft_s, call.duration_s, call.token_counts[OUTPUT]
    if ttft is None:
        return
    if duration is None or not ((call.streaming or native_ttft) and 0.0 < ttft <= duration):
        call.ttft_s = None
    elif call.layer == "server" and call.tpot_s is None and output > 1:
        call.tpot_s = (duration - ttft) / float(output - 1)


def _check_tokens(call: Call) -> None:
    counts = call.token_counts
    if not is_plain(
        counts[INPUT],
        counts[OUTPUT],
        counts[CACHED_INPUT],
        counts[CACHE_WRITE_INPUT],
        counts[REASONING_OUTPUT],
        counts[TOTAL],
    ):
        _settle_tokens(call, INCLUSIVE)


def _settle_tokens(call: Call, way: Way) -> None:
    """Write the counts as OTel has them, given how their sender is known to count."""
    counts = call.token_counts
    known = known_way(call.provider, call.model_requested, call.model_served)
    way = way._replace(hides_input=known.hides_input, hides_output=known.hides_output)
    found = settled(Counts(*[int(counts[kind]) for kind in range(len(COUNT_FIELDS))]), way)
    for kind in range(len(COUNT_FIELDS)):
        counts[kind] = token_count(found[kind])


def tenant(context: Context, sources: Sequence[Mapping[str, Value]]) -> str:
    """The sender's own tenant, else the first that these attributes name."""
    if context.tenant:
        return context.tenant
    for source in sources:
        for name in context.tenant_attributes:
            if name in source and (value := attributes.word(source, name)):
                return attributes.label(value)[:128]
    return NO_TENANT
