"""The index of prior calls against a linear search through a list."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.traces.calls.call import Call, copy_of
from exporters.traces.calls.dedup import CallDeduplicator
from exporters.traces.calls.owners import SpanKey, key_mark
from exporters.traces.calls.same_call import RESPONSE_SLACK_S, SLACK_S
from exporters.traces.conventions.fields import INPUT
from exporters.traces.core.journal import Journals

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


def is_same_span(first: Call, second: Call) -> bool:
    is_same = (first.trace_id, first.span_id) == (second.trace_id, second.span_id)
    return is_same and is_same_tenant(first, second.tenant, second.key_mark != 0)


def contradict(first: Call, second: Call) -> bool:
    if first.layer != second.layer or not is_same_tenant(first, second.tenant, second.key_mark != 0):
        return True
    if first.response_id is not None and second.response_id is not None:
        is_over = first.end_unix_s <= second.start_unix_s or second.end_unix_s <= first.start_unix_s
        used = {first.input_tokens, second.input_tokens} - {None}
        return first.response_id != second.response_id or (is_over and len(used) == 2)
    if first.trace_id != second.trace_id:
        return False
    are_siblings = any(first.parent_span_id) and first.parent_span_id == second.parent_span_id
    models = {first.model_requested, second.model_requested} - {None}
    return are_siblings or apart(first, second) > SLACK_S or len(models) == 2


def apart(first: Call, second: Call) -> float:
    """Seconds from the end of one to the beginning of the other."""
    return max(first.start_unix_s, second.start_unix_s) - min(first.end_unix_s, second.end_unix_s)


def repeats(first: Call, second: Call) -> bool:
    if is_same_span(first, second):
        return True
    is_answer = first.response_id is not None and first.response_id == second.response_id
    is_nested = first.trace_id == second.trace_id and (
        (any(second.span_id) and first.parent_span_id == second.span_id)
        or (any(second.parent_span_id) and first.span_id == second.parent_span_id)
    )
    is_linked = (is_answer and apart(first, second) <= RESPONSE_SLACK_S) or is_nested
    return is_linked and not contradict(first, second)


@settings(deadline=None, max_examples=300)
@given(sent=st.lists(st.tuples(calls(), st.booleans()), max_size=12))
def test_the_same_as_a_search_through_all_calls(sent: list[tuple[Call, bool]]) -> None:
    # Spans that were reported, in groups that were taken for a call; the first of each is the one that was counted.
    recent, journals, known = CallDeduplicator(), Journals(), list[list[Call]]()
    for call, is_forgotten in sent:
        journal = journals.begin()
        again = [group for group in known if any(is_same_span(span, call) for span in group)]
        same = again or [
            group
            for group in known
            if any(repeats(span, call) for span in group) and not any(contradict(span, call) for span in group)
        ]
        seen = recent.merge(call, journal)
        assert (seen is not None) == bool(same)
        if seen is None:
            known.append([call])
        else:
            [into] = [group for group in same if group[0].span_key == seen.span_key][:1]
            is_resent = any(is_same_span(span, call) for span in into)
            assert seen.is_resent(call) == is_resent
            pairs = {"+".join(sorted((group[0].convention, call.convention))) for group in same}
            assert seen.pair(call) in ({"resent"} if is_resent else pairs)
            if is_resent:
                continue
            into.append(call)
        if is_forgotten:
            journals.rollback(journal)
            known = [group for group in ([span for span in group if span is not call] for group in known) if group]
            found = recent.find(call)
            assert (found is not None) == any(
                any(repeats(span, call) for span in group) and not any(contradict(span, call) for span in group)
                for group in known
            )
        for response, by_key in itertools.product(("r-1", "r-2"), (False, True)):
            owners: list[SpanKey | None] = [
                group[0].span_key
                for group in known
                for span in group
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


def test_a_copy_has_all_that_a_span_tells() -> None:
    # What the collector alone knows of a span.
    own = {"number", "stage", "has_relatives", "stands_for", "label_fingerprint"}
    made = Call()
    made.set_ids(b"t" * 24, b"spanspanspan", b"p")
    made.irregular_ids = (b"t" * 24, b"spanspanspan", b"p")
    # Compiled, a class has none.
    told = [name for name in getattr(Call, "__slots__", ()) if name not in own and "id" not in name]
    texts = ("convention", "tenant", "operation", "provider", "model_requested", "model_served", "error_type")
    for name in texts:
        setattr(made, name, name)
    made.layer, made.status, made.cache = "server", "error", "gateway"
    made.key_mark, made.request_hash, made.finish_reasons, made.streaming = 7, 8, ("stop",), True
    made.start_unix_s, made.duration_s, made.ttft_s, made.tpot_s, made.stream_s = 1.0, 2.0, 3.0, 4.0, 5.0
    made.response_id, made.conversation_id = "r-1", "c-1"
    made.set_tokens(INPUT, 5)
    new, copied = Call(), copy_of(made)
    for name in told:
        value = getattr(made, name)
        assert getattr(new, name) != value, f"{name} tells nothing here"
        assert getattr(copied, name) == value
    assert (copied.trace_id, copied.span_id, copied.parent_span_id) == (
        made.trace_id,
        made.span_id,
        made.parent_span_id,
    )
    assert (copied.response_id, copied.conversation_id) == ("r-1", "c-1")
    copied.set_tokens(INPUT, 6)
    assert made.input_tokens == 5
