"""The index of prior calls against a linear search through a list."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.traces.calls.call import Call
from exporters.traces.calls.call_index import RESPONSE_SLACK_S, SLACK_S
from exporters.traces.calls.dedup import CallDeduplicator
from exporters.traces.calls.owners import key_mark
from exporters.traces.conventions.fields import INPUT

# Few ids, so that they collide; some are too short.
TRACES = st.sampled_from([b"t" * 16, b"u" * 16, bytes(8) + b"v" * 8, b"short", b"", b"t" * 24])
SPANS = st.sampled_from([b"spanspan", b"parentof", b"another1", b"odd", bytes(8), b"spanspanspan"])
PARENTS = st.just(b"") | SPANS


@st.composite
def calls(draw: st.DrawFn) -> Call:
    made = Call()
    made.set_ids(draw(TRACES), draw(SPANS), draw(PARENTS))
    made.response_id = draw(st.sampled_from([None, None, "r-1", "r-2"]))
    made.layer = draw(st.sampled_from(["client", "client", "server"]))
    made.convention = draw(st.sampled_from(["otel", "openinference"]))
    made.model_requested = draw(st.sampled_from(["m", "n", None]))
    made.tenant = draw(st.sampled_from(["acme", "globex", "unknown"]))
    made.key_mark = draw(st.sampled_from([0, 0, key_mark(made.tenant)]))
    made.start_unix_s, made.duration_s = draw(st.sampled_from([100.0, 101.0, 102.5, 500.0])), 2.0
    made.set_tokens(INPUT, draw(st.sampled_from([None, 5])))
    return made


def is_same_tenant(first: Call, tenant: str, by_key: bool) -> bool:
    if (first.key_mark != 0) != by_key:
        return False
    return first.tenant == tenant or (not by_key and "unknown" in (first.tenant, tenant))


def repeats(first: Call, second: Call) -> bool:
    if not is_same_tenant(first, second.tenant, second.key_mark != 0):
        return False
    if (first.trace_id, first.span_id) == (second.trace_id, second.span_id):
        return True
    if first.response_id is not None and (first.layer, first.response_id) == (second.layer, second.response_id):
        apart = max(first.start_unix_s, second.start_unix_s) - min(first.end_unix_s, second.end_unix_s)
        if apart <= RESPONSE_SLACK_S:
            return True
    is_near = first.trace_id == second.trace_id and (
        (any(second.span_id) and first.parent_span_id == second.span_id)
        or (any(second.parent_span_id) and first.span_id == second.parent_span_id)
    )
    return (
        is_near
        and first.layer == second.layer
        and first.model_requested is not None
        and first.model_requested == second.model_requested
        and first.start_unix_s < second.end_unix_s + SLACK_S
        and second.start_unix_s < first.end_unix_s + SLACK_S
    )


@settings(deadline=None, max_examples=300)
@given(sent=st.lists(st.tuples(calls(), st.booleans()), max_size=12))
def test_the_same_as_a_search_through_all_calls(sent: list[tuple[Call, bool]]) -> None:
    # Spans that were reported, each with the one that was counted for its call.
    recent, known = CallDeduplicator(), list[tuple[Call, Call]]()
    for call, is_forgotten in sent:
        seen, number = recent.find(call), recent.next_number
        same = [(span, first) for span, first in known if repeats(span, call)]
        assert (seen is not None) == bool(same)
        if seen is None:
            recent.add(call)
            known.append((call, call))
        else:
            is_resent = any((one.trace_id, one.span_id) == (call.trace_id, call.span_id) for one, _ in same)
            assert seen.is_resent(call) == is_resent
            pairs = {"+".join(sorted((first.convention, call.convention))) for _, first in same}
            assert seen.pair(call) in ({"resent"} if is_resent else pairs)
            assert any(seen.span_key == first.span_key for _, first in same)
            if is_resent:
                continue
            recent.add_again(call, seen)
            # Two that name different tenants may have the same ids.
            first = next(first for _, first in same if seen.span_key == first.span_key)
            known.append((call, first))
        if is_forgotten:
            recent.forget(number, recent.next_number)
            known = [(span, first) for span, first in known if span is not call and first is not call]
            found = recent.find(call)
            assert (found is not None) == any(repeats(span, call) for span, _ in known)
        for response, by_key in itertools.product(("r-1", "r-2"), (False, True)):
            owners = [
                first.span_key
                for span, first in known
                if span.response_id == response and is_same_tenant(span, "acme", by_key)
            ]
            found = recent.by_response(response, "acme", by_key)
            assert (found and found.span_key) in (owners or [None])


def test_a_trace_of_many_calls_is_searched_only_so_far() -> None:
    """A sender that puts all its calls into one trace does not slow others down."""
    recent = CallDeduplicator()
    for number in range(5_000):
        call = Call()
        call.set_ids(b"t" * 16, (number + 1).to_bytes(8), b"")
        assert recent.find(call) is None
        recent.add(call)
    assert recent.find(call) is not None
