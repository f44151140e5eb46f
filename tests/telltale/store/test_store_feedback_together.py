"""Events stored together end as they would one after the other."""

from __future__ import annotations

from itertools import count
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telltale.records import Feedback
from telltale.store import Conflict, Store, feedback

_tenants = count()


def event(tenant: str, key: str, trace: int = 1) -> Feedback:
    return Feedback(
        received_at=5.0, tenant=tenant, trace_id=f"{trace:032x}", span_id=None, kind="thumb", name="helpful",
        value=0.0, source="user", idempotency_key=key, comment="why: it's \"odd\" 한", subject=None,
    )  # fmt: skip


def one_by_one(store: Store, events: list[tuple[Feedback, str]]) -> list[Any]:
    def write(connection: Any) -> list[Any]:
        results: list[Any] = []
        for each, body in events:
            try:
                results.append(feedback.append(connection, each, body))
            except Conflict:
                results.append(None)
        return results

    return store.write(write)


def outcome(result: Any) -> object:
    if result is None or isinstance(result, Conflict):
        return None
    stored, replayed = result
    return stored.idempotency_key, stored.trace_id, replayed


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    groups=st.lists(
        st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.sampled_from("pq")), max_size=12),
        min_size=1,
        max_size=4,
    )
)
def test_together_is_as_one_after_the_other(store: Store, groups: list[list[tuple[str, str, str]]]) -> None:
    run = next(_tenants)
    trace = count(1)
    for group in groups:
        traces = [next(trace) for _ in group]
        pairs = {}
        for way in ("alone", "together"):
            pairs[way] = [
                (event(f"{way}-{run}-{tenant}", key, number), body)
                for (key, body, tenant), number in zip(group, traces, strict=True)
            ]
        expected = one_by_one(store, pairs["alone"])
        found = store.write(lambda connection, pairs=pairs: feedback.append_all(connection, pairs["together"]))
        assert [outcome(result) for result in found] == [outcome(result) for result in expected]


def test_many_are_numbered_in_their_order(store: Store) -> None:
    events = [(event("shop", f"k-{number}"), "body") for number in range(300)]
    found = store.write(lambda connection: feedback.append_all(connection, events))
    ids = [result[0].id for result in found if not isinstance(result, Conflict)]
    assert ids == sorted(set(ids))
    assert len(ids) == 300
    with store.read() as connection:
        assert [stored.idempotency_key for stored in feedback.load(connection)] == [f"k-{n}" for n in range(300)]


def test_every_column_comes_back(store: Store) -> None:
    sent = event("shop", "k")
    ((stored, replayed),) = store.write(lambda connection: feedback.append_all(connection, [(sent, "b")]))
    assert not replayed
    with store.read() as connection:
        assert feedback.load(connection) == [stored]
    assert stored.comment == sent.comment
