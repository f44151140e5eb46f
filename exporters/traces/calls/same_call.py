"""Whether two spans are of one call: what links them, and what contradicts it.

Two spans are linked by a response id, by one being the other's parent, or, where a call of Anthropic's failed or was
broken off, by one lying within the other. They are of two calls all the same if they say so: by other response ids,
other operations, other models, times apart, a response out of a gateway's cache, or a failed attempt within a call that
succeeded. What is absent contradicts nothing.
"""

from __future__ import annotations

from typing import Final

from exporters.traces.calls import model_names
from exporters.traces.calls.call import Call
from exporters.traces.calls.owners import may_be_one
from exporters.traces.conventions.fields import INPUT, OUTPUT

VENDOR: Final = "anthropic"
# How far apart the times of two spans of one call may be: of one within the other; of two with the same response id,
# which is no proof (Ollama draws its ids out of a thousand, and a gateway's cache repeats its responses); and how far
# apart two clocks of one process may read.
SLACK_S: Final = 0.05
RESPONSE_SLACK_S: Final = 1.0
STEP_S: Final = 0.005
# Several names for the same: one sender calls `chat` what another calls after its function.
_GENERATIONS: Final = frozenset(("chat", "text_completion", "generate_content", "infer"))


def is_one(first: Call, second: Call) -> bool:
    """Whether two spans are linked, and nothing contradicts it."""
    return (has_same_id(first, second) or is_nested(first, second) or are_halves(first, second)) and not differ(
        first, second
    )


def has_same_id(first: Call, second: Call) -> bool:
    """Whether both have the same response id, at about the same time."""
    return (
        first.response_id is not None
        and first.response_id == second.response_id
        and _are_near(first, second, RESPONSE_SLACK_S)
    )


def is_nested(first: Call, second: Call) -> bool:
    """Whether one is the other's parent."""
    return is_same_trace(first, second) and (is_child(first, second) or is_child(second, first))


def is_same_trace(first: Call, second: Call) -> bool:
    return first.trace_low == second.trace_low and first.trace_high == second.trace_high


def is_child(inner: Call, outer: Call) -> bool:
    """Whether one names the other as its parent; in one trace."""
    return inner.parent != 0 and inner.parent == outer.span


def may_be_a_half(call: Call) -> bool:
    """Whether Anthropic's SDK and an instrumentation may each have reported it, in two traces and one without an id."""
    return call.status != "ok" and call.provider == VENDOR


def are_halves(first: Call, second: Call) -> bool:
    """Whether two are the same failed call, as Anthropic's SDK and as an instrumentation around it reported it.

    Of a stream that broke only the SDK knows the id.
    """
    if not (may_be_a_half(first) and may_be_a_half(second)):
        return False
    if first.response_id is not None and second.response_id is not None:
        return False
    if (first.convention == VENDOR) == (second.convention == VENDOR) or first.model_requested != second.model_requested:
        return False
    inner, outer = (first, second) if first.convention == VENDOR else (second, first)
    return outer.start_unix_s - STEP_S <= inner.start_unix_s and inner.end_unix_s <= outer.end_unix_s + STEP_S


def differ(first: Call, second: Call) -> bool:
    """Whether two spans cannot be of one call, whatever links them."""
    if first.stands_for == second.number >= 0 or second.stands_for == first.number >= 0:
        return False
    if first.layer != second.layer or _are_other_operations(first.operation, second.operation):
        return True
    if not may_be_one(first.tenant, first.key_mark != 0, second.tenant, second.key_mark != 0):
        return True
    if (first.cache or second.cache) and not (is_same_trace(first, second) and _are_near(first, second, 0.0)):
        # A gateway's cache repeats a response with its id.
        return True
    if first.response_id is not None and second.response_id is not None:
        # An id that a run's calls share (Microsoft's Agent Framework): they follow each other, and used other tokens.
        return first.response_id != second.response_id or (_are_apart(first, second) and _used_other(first, second))
    if first.stream_s is not None or second.stream_s is not None:
        # Where the span of a stream stands tells nothing, but that it is its sender's only one.
        return first.stream_s is not None and second.stream_s is not None
    if not is_same_trace(first, second):
        return may_be_a_half(first) and may_be_a_half(second) and not are_halves(first, second)
    if first.parent == second.parent != 0 or not _are_near(first, second, SLACK_S):
        return True
    return _are_other_models(first, second) or _is_attempt(first, second) or _is_attempt(second, first)


def _are_other_operations(first: str, second: str) -> bool:
    return first != second and not (first in _GENERATIONS and second in _GENERATIONS)


def _are_near(first: Call, second: Call, slack: float) -> bool:
    return first.start_unix_s <= second.end_unix_s + slack and second.start_unix_s <= first.end_unix_s + slack


def _are_apart(first: Call, second: Call) -> bool:
    """Whether one had ended when the other began; a moment is no time."""
    if first.start_unix_s == first.end_unix_s or second.start_unix_s == second.end_unix_s:
        return False
    return first.end_unix_s <= second.start_unix_s or second.end_unix_s <= first.start_unix_s


def _used_other(first: Call, second: Call) -> bool:
    """Whether both say how many tokens were used, and say otherwise."""
    for kind in (INPUT, OUTPUT):
        mine, theirs = first.token_counts[kind], second.token_counts[kind]
        if mine >= 0 and theirs >= 0 and mine != theirs:
            return True
    return False


def _are_other_models(first: Call, second: Call) -> bool:
    """Whether none of one's names may be one of the other's."""
    if first.model is None or second.model is None:
        return False
    for mine in (first.model_requested, first.model_served):
        for theirs in (second.model_requested, second.model_served):
            if mine is not None and theirs is not None and model_names.may_be_one(mine, theirs):
                return False
    return True


def _is_attempt(inner: Call, outer: Call) -> bool:
    """Whether one is an attempt that failed, without an answer, within a call that came to a good end."""
    if inner.status != "error" or outer.status == "error" or inner.has_usage:
        return False
    # Of two that are not parent and child, one by way of a third lies within the other.
    if is_child(inner, outer) or is_child(outer, inner):
        return is_child(inner, outer)
    return inner.end_unix_s - inner.start_unix_s <= outer.end_unix_s - outer.start_unix_s
