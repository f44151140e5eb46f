"""One call out of what each of its spans tells of it, whatever order they came in.

The span that tells most is the call; what it lacks comes from the others. A failure that one of them saw is the
call's. Tokens are those of the span next to the model that knows them: what lies around several calls has their sum.
"""

from __future__ import annotations

from exporters.traces.calls.call import Call, copy_of
from exporters.traces.calls.grouping import Spans
from exporters.traces.conventions.fields import (
    CACHE_WRITE_INPUT,
    CACHED_INPUT,
    INPUT,
    OUTPUT,
    REASONING_OUTPUT,
    TOKEN_FIELDS,
)
from telltale.records import NO_TENANT

_Rank = tuple[int, int, float, float, tuple[int, int, int]]


def joined(spans: Spans) -> Call:
    """The call that these spans report, with the ids and the number of the one that tells most."""
    if len(spans.calls) == 1:
        return spans.calls[0]
    ranked = _ranked(spans.calls, [_rank(call, call in spans.around) for call in spans.calls])
    whole = copy_of(ranked[0])
    whole.number = ranked[0].number
    for call in ranked[1:]:
        _complete(whole, call)
    _set_tokens(whole, spans)
    _set_status(whole, ranked)
    return whole


def lacking(counted: list[Call], whole: Call) -> Call | None:
    """The tokens of kinds that a call lacked when it was counted, under the labels that it was counted with."""
    more = copy_of(counted[0])
    found = False
    for kind in range(len(TOKEN_FIELDS)):
        count = whole.token_counts[kind]
        is_new = count >= 0 and all(call.token_counts[kind] < 0 for call in counted)
        more.token_counts[kind] = count if is_new else -1
        found = found or is_new
    return more if found else None


def with_tokens_of(first: Call, second: Call) -> Call:
    """A copy of a call with the tokens that only another knows."""
    made = copy_of(first)
    for kind in range(len(TOKEN_FIELDS)):
        if made.token_counts[kind] < 0:
            made.token_counts[kind] = second.token_counts[kind]
    return made


def _rank(call: Call, is_around: bool) -> _Rank:
    """How much a span tells: of two that tell as much it is the one next to the model; no two are equal."""
    told = 0
    for is_told in (
        call.token_counts[INPUT] >= 0, call.token_counts[OUTPUT] >= 0, bool(call.finish_reasons),
        call.response_id is not None, call.model_requested is not None, call.model_served is not None,
        call.ttft_s is not None, call.duration_s is not None, call.tenant != NO_TENANT,
    ):  # fmt: skip
        told += 1 if is_told else 0
    return _place(call, 0 if is_around else 1, told)


def _usage_rank(call: Call) -> _Rank:
    is_whole = call.token_counts[INPUT] >= 0 and call.token_counts[OUTPUT] >= 0
    return _place(call, 1 if is_whole else 0, 0)


def _place(call: Call, first: int, second: int) -> _Rank:
    span = int(call.trace_high), int(call.trace_low), int(call.span)
    return first, second, call.start_unix_s, -call.end_unix_s, span


def _ranked(calls: list[Call], ranks: list[_Rank]) -> list[Call]:
    """The highest rank first."""
    order = sorted(zip(ranks, range(len(calls)), strict=True), reverse=True)
    return [calls[place] for _, place in order]


def _complete(whole: Call, call: Call) -> None:
    """Give a call what it lacks. Times belong together: a duration comes with its start."""
    if whole.tenant == NO_TENANT:
        whole.tenant = call.tenant
    if whole.duration_s is None and call.duration_s is not None:
        whole.start_unix_s, whole.duration_s = call.start_unix_s, call.duration_s
    whole.cache = whole.cache or call.cache
    whole.provider = whole.provider or call.provider
    whole.model_requested = whole.model_requested or call.model_requested
    whole.model_served = whole.model_served or call.model_served
    whole.error_type = whole.error_type or call.error_type
    whole.finish_reasons = whole.finish_reasons or call.finish_reasons
    whole.response_id = whole.response_id or call.response_id
    whole.conversation_id = whole.conversation_id or call.conversation_id
    whole.streaming = call.streaming if whole.streaming is None else whole.streaming
    if whole.ttft_s is None and call.ttft_s is not None and call.ttft_s <= (whole.duration_s or 0.0):
        whole.ttft_s = call.ttft_s
    whole.tpot_s = call.tpot_s if whole.tpot_s is None else whole.tpot_s


def _set_tokens(whole: Call, spans: Spans) -> None:
    """Each kind from the first span that knows it, as far as they agree with each other."""
    known = [call for call in spans.calls if call.has_usage and call not in spans.around]
    known = known or [call for call in spans.calls if call.has_usage]
    known = _ranked(known, [_usage_rank(call) for call in known])
    counts = whole.token_counts
    for kind in range(len(TOKEN_FIELDS)):
        counts[kind] = -1
    for call in known:
        for kind in range(len(TOKEN_FIELDS)):
            if counts[kind] < 0:
                counts[kind] = call.token_counts[kind]
                if not _is_possible(whole):
                    counts[kind] = -1


def _is_possible(call: Call) -> bool:
    counts = call.token_counts
    within = max(counts[CACHED_INPUT], 0) + max(counts[CACHE_WRITE_INPUT], 0)
    return (counts[INPUT] < 0 or within <= counts[INPUT]) and (
        counts[OUTPUT] < 0 or counts[REASONING_OUTPUT] <= counts[OUTPUT]
    )


def _set_status(whole: Call, spans: list[Call]) -> None:
    """A failure that one saw; else a good end that one can show; else what was broken off."""
    failed = [call for call in spans if call.status == "error"]
    if failed:
        whole.status = "error"
        return
    whole.error_type = None
    ended = any(call.status == "ok" and (call.token_counts[OUTPUT] >= 0 or call.finish_reasons) for call in spans)
    whole.status = "ok" if ended or all(call.status == "ok" for call in spans) else "aborted"
