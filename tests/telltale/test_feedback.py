"""The meaning of feedback: which call an event is about and which events count, in whatever order they arrived."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale.feedback import (
    build,
    concerns_votes,
    current,
    fingerprint,
    is_negative,
    is_positive,
    match,
    subject_hash,
    votes,
)
from telltale.records import Feedback, Sample

TRACE, OTHER_TRACE = "1" * 32, "2" * 32
EVENT = Feedback(0.0, "shop", TRACE, None, "thumb", "helpful", 1.0, "user", "k", None, "a")
CALL = Sample(TRACE, "1" * 16, 0.0, "shop", "chat", "chat-1", "client", "chat", "ok", "p", "r", 1.0)
CALLS = [
    CALL._replace(id=1),
    CALL._replace(id=2, span_id="2" * 16, observed_at=5.0, model="router"),
    CALL._replace(id=3, span_id="3" * 16, observed_at=9.0, layer="server"),
    CALL._replace(id=4, span_id="4" * 16, tenant="bank", observed_at=9.0),
    CALL._replace(id=5, trace_id=OTHER_TRACE, tenant="unknown"),
]


def event(number: int, **fields: object) -> Feedback:
    """The event of that number, received at that second."""
    values = {"id": number, "received_at": float(number), "idempotency_key": f"k{number}"} | fields
    return replace(EVENT, **values)  # type: ignore[arg-type]  # fields of an event


def standing(events: Sequence[Feedback], calls: Sequence[Sample] = ()) -> list[Feedback]:
    return current(events, match(events, calls))


def _fit(fields: dict[str, object]) -> dict[str, object]:
    """Only votes have a value."""
    return fields if fields["kind"] in ("thumb", "rating") else fields | {"value": None}


streams = st.lists(
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from(["thumb", "rating", "comment", "correction", "category", "retract"]),
            "subject": st.sampled_from(["a", "b", None]),
            "name": st.sampled_from(["helpful", "tone"]),
            "tenant": st.sampled_from(["shop", "bank"]),
            "source": st.sampled_from(["user", "reviewer", "judge"]),
            "trace_id": st.sampled_from([TRACE, OTHER_TRACE]),
            "span_id": st.sampled_from([None, "1" * 16, "2" * 16, "9" * 16]),
            "value": st.sampled_from([0.0, 0.5, 1.0]),
            # Several within one tick of the clock, and servers whose clocks disagree.
            "received_at": st.sampled_from([1.0, 2.0, 3.0]),
        }
    ),
    max_size=30,
).map(lambda found: [event(number, **fields) for number, fields in enumerate(map(_fit, found), 1)])


@given(streams)
def test_each_persons_latest_feedback_counts(events: list[Feedback]) -> None:
    def subject_of(found: Feedback) -> tuple[object, ...]:
        about = match([found], CALLS).get(found)
        call = about.span_id if about else found.span_id
        return found.tenant, found.source, found.subject, found.trace_id, call, found.name

    def replaces(later: Feedback, earlier: Feedback) -> bool:
        if subject_of(later) != subject_of(earlier):
            return False
        if (later.id or 0) <= (earlier.id or 0):
            return False
        votes = {"thumb", "rating"}
        return later.kind in ("retract", earlier.kind) or (later.kind in votes and earlier.kind in votes)

    expected = [
        found for found in events if found.kind != "retract" and not any(replaces(other, found) for other in events)
    ]
    assert standing(events, CALLS) == sorted(expected, key=lambda found: found.id or 0)


@given(streams, st.randoms(use_true_random=False), st.permutations(CALLS))
def test_neither_order_nor_duplicates_matter(events: list[Feedback], random: object, calls: list[Sample]) -> None:
    shuffled = events + events[: len(events) // 2]
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # random.Random
    assert match(shuffled, calls + calls[:2]) == match(events, CALLS)
    assert standing(shuffled, calls + calls[:2]) == standing(events, CALLS)
    assert votes(shuffled, match(shuffled, calls)) == votes(events, match(events, CALLS))


@given(streams)
def test_batches_of_whole_traces_give_the_same(events: list[Feedback]) -> None:
    batches = defaultdict(list)
    for found in events:
        batches[found.trace_id].append(found)
    together = standing(events, CALLS)
    apart = [found for batch in batches.values() for found in standing(batch, CALLS)]
    assert sorted(apart, key=lambda found: found.id or 0) == sorted(together, key=lambda found: found.id or 0)
    assert standing(together, CALLS) == together


@given(streams)
def test_nobody_counts_twice_on_a_call_nor_on_another_tenants(events: list[Feedback]) -> None:
    found = votes(events, match(events, CALLS))
    keys = [(vote.call.id, vote.event.tenant, vote.event.source, vote.event.subject, vote.event.name) for vote in found]
    assert len(keys) == len(set(keys))
    assert all(vote.call.tenant in (vote.event.tenant, "unknown") for vote in found)
    assert all(vote.event.source != "judge" for vote in found)
    assert all(vote.event.span_id in (None, vote.call.span_id) for vote in found)


@given(streams)
def test_votes_depend_on_nothing_but_peoples_votes_and_retractions(events: list[Feedback]) -> None:
    few = [found for found in events if concerns_votes(found)]
    assert votes(few, match(few, CALLS)) == votes(events, match(events, CALLS))
    assert {found.source for found in few} <= {"user", "reviewer"}
    assert {found.kind for found in few} <= {"thumb", "rating", "retract"}


def test_an_event_is_about_its_span_else_the_last_call_as_the_client_recorded_it() -> None:
    first, last = CALLS[:2]
    assert match([EVENT], CALLS) == {EVENT: last}
    named = replace(EVENT, span_id="1" * 16)
    assert match([named], CALLS) == {named: first}
    assert match([replace(EVENT, span_id="9" * 16)], CALLS) == {}
    assert match([replace(EVENT, trace_id="3" * 32)], CALLS) == {}


def test_an_event_is_never_about_another_tenants_call() -> None:
    assert match([replace(EVENT, tenant="other")], CALLS) == {}
    assert match([replace(EVENT, span_id="4" * 16)], CALLS) == {}
    unclaimed = replace(EVENT, trace_id=OTHER_TRACE)
    assert match([unclaimed], CALLS) == {unclaimed: CALLS[4]}
    own = CALLS[4]._replace(id=6, tenant="shop")
    assert match([unclaimed], [*CALLS, own]) == {unclaimed: own}


def test_the_response_that_the_person_saw_is_preferred_whichever_layer_names_the_tenant() -> None:
    """A gateway that knows its keys' teams names a tenant where the application names none."""
    seen = CALL._replace(id=1, tenant="unknown", observed_at=5.0)
    gateway = CALL._replace(id=2, span_id="2" * 16, layer="gateway", model="eu/chat", observed_at=4.9)
    earlier = CALL._replace(id=3, span_id="3" * 16, observed_at=1.0)
    assert match([EVENT], [seen, gateway, earlier]) == {EVENT: seen}


def test_a_retraction_that_names_the_span_finds_the_vote_on_the_trace() -> None:
    vote = event(1, value=0.0)
    retraction = event(2, kind="retract", value=None, span_id="2" * 16)
    assert standing([vote, retraction], CALLS) == []
    assert standing([vote, replace(retraction, span_id="1" * 16)], CALLS) == [vote]


def test_what_was_stored_later_is_newer_whatever_the_servers_clocks_say() -> None:
    vote = event(1, value=0.0, received_at=1000.8)
    undone = event(2, kind="retract", value=None, received_at=1000.0)
    assert standing([vote, undone], CALLS) == []
    again = event(3, value=1.0, received_at=990.0)
    assert standing([vote, undone, again], CALLS) == [again]


def test_a_retraction_finds_the_vote_of_a_person_without_a_subject() -> None:
    vote = event(1, value=0.0, subject=None)
    retraction = event(2, kind="retract", value=None, subject=None)
    again = event(3, value=1.0, subject=None)
    assert standing([vote, retraction], CALLS) == []
    assert standing([vote, retraction, again], CALLS) == [again]
    assert standing([vote, replace(retraction, trace_id=OTHER_TRACE)], CALLS) == [vote]


UNNAMED = CALL._replace(id=1, tenant="unknown")
SHOP = CALL._replace(id=2, tenant="shop", layer="gateway")
BANK = CALL._replace(id=3, tenant="bank", layer="server")


@pytest.mark.parametrize(
    ("speaks", "calls", "about"),
    [
        # An installation of one tenant, of which nobody speaks.
        ("unknown", [UNNAMED], 1),
        # The key names a tenant, no call does.
        ("shop", [UNNAMED], 1),
        # The gateway names it, the application does not: its calls and its key are of that tenant.
        ("shop", [UNNAMED, SHOP], 1),
        ("unknown", [UNNAMED, SHOP], 1),
        ("bank", [UNNAMED, SHOP], None),
        # Every call names it: who names none is somebody else.
        ("unknown", [SHOP], None),
        # Two tenants in one trace: what names none is nobody's.
        ("shop", [UNNAMED, SHOP, BANK], 2),
        ("bank", [UNNAMED, SHOP, BANK], 3),
        ("unknown", [UNNAMED, SHOP, BANK], 1),
        ("acme", [UNNAMED, SHOP, BANK], None),
        # The operator's own service.
        ("*", [SHOP], 2),
        ("*", [UNNAMED, SHOP, BANK], 1),
        # No sender makes itself everybody's.
        ("shop", [SHOP._replace(tenant="*")], None),
    ],
)
def test_whose_call_feedback_may_be_about(speaks: str, calls: list[Sample], about: int | None) -> None:
    spoken = replace(EVENT, tenant=speaks)
    found = match([spoken], calls).get(spoken)
    assert (found and found.id) == about


@given(st.lists(st.sampled_from(["unknown", "shop", "bank", "acme"]), min_size=1, max_size=5), st.data())
def test_feedback_is_about_its_own_tenants_call_or_one_that_nobody_else_can_claim(
    tenants: list[str], data: st.DataObject
) -> None:
    calls = [CALL._replace(id=number, span_id=f"{number:016x}", tenant=name) for number, name in enumerate(tenants, 1)]
    speaks = data.draw(st.sampled_from(["unknown", "shop", "bank"]))
    span = data.draw(st.sampled_from([None, *(call.span_id for call in calls)]))
    spoken = replace(EVENT, tenant=speaks, span_id=span)
    found = match([spoken], calls).get(spoken)
    named = set(tenants) - {"unknown"}
    if speaks == "unknown":
        fits = found is None or found.tenant == speaks or ("unknown" in tenants and named == {found.tenant})
    else:
        fits = found is None or found.tenant == speaks or (found.tenant == "unknown" and named <= {speaks})
    assert fits
    assert found is not None or speaks not in tenants or span is not None


@pytest.mark.parametrize("other", [{"tenant": "bank"}, {"source": "reviewer"}, {"subject": "b"}, {"name": "tone"}])
def test_a_retraction_withdraws_nothing_of_somebody_else_or_of_another_name(other: dict[str, object]) -> None:
    vote = event(1, value=0.0)
    assert standing([vote, event(2, kind="retract", value=None, **other)], CALLS) == [vote]


def test_the_middle_of_a_scale_is_neither_positive_nor_negative() -> None:
    found = [event(number, value=value) for number, value in enumerate((0.0, 0.49, 0.5, 0.51, 1.0, None), 1)]
    assert [is_negative(e) for e in found] == [True, True, False, False, False, False]
    assert [is_positive(e) for e in found] == [False, False, False, True, True, False]


def test_an_event_is_built_redacted_and_within_its_limits() -> None:
    made = build(
        received_at=1.0,
        tenant="shop",
        trace_id=TRACE,
        span_id=None,
        kind="comment",
        name="<b>" + "n" * 80,
        value=None,
        source="user",
        idempotency_key="k",
        comment="x" * 90 + " mina@example.com",
        subject=None,
        rules={"badge": r"E-\d{5}"},
        max_comment=95,
    )
    assert made.name == "_b_" + "n" * 61
    assert made.comment == "x" * 90 + " [EMA"


def test_a_person_of_two_tenants_is_two_subjects() -> None:
    assert subject_hash(b"k", "shop", "mina") == subject_hash(b"k", "shop", "mina")
    assert (
        len(
            {subject_hash(b"k", "shop", "mina"), subject_hash(b"k", "bank", "mina"), subject_hash(b"x", "shop", "mina")}
        )
        == 3
    )


def test_a_fingerprint_is_of_what_an_event_says() -> None:
    assert fingerprint(event(1)) == fingerprint(event(2, subject="b"))
    for fields in ({"value": 0.0}, {"span_id": "1" * 16}, {"comment": "x"}, {"name": "tone"}, {"kind": "rating"}):
        assert fingerprint(event(1, **fields)) != fingerprint(event(1))
