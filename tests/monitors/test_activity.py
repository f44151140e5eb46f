"""What arrives is counted once, by series and time, whenever one looks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitors import reading
from monitors.activity import Activity
from telltale.conversation import Conversation, Message, text
from telltale.records import Feedback, Sample, Series
from telltale.settings import Split
from telltale.store import Store, feedback, open_store, samples

CALL = Sample("", "a" * 16, 0.0, "shop", "m", "v", "client", "chat", "ok", "hello", "fine", 1.0)
SPLITS = [Split(by=("tenant",))]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 's.db'}")
    yield opened
    opened.close()


def save(store: Store, *calls: Sample) -> None:
    store.write(lambda c: samples.save(c, calls, now=1.0))


def vote(store: Store, trace: str, at: float, key: str) -> None:
    event = Feedback(at, "shop", trace, None, "thumb", "helpful", 0.0, "user", key)
    store.write(lambda c: feedback.append(c, event, key))


def read(store: Store, activity: Activity, now: float = 2000.0) -> None:
    with store.read() as connection:
        activity.read(connection, now)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.tuples(st.integers(0, 60), st.sampled_from(["shop", "bank"])), max_size=8), max_size=6))
def test_however_often_one_looks_the_counts_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[int, str]]]
) -> None:
    opened = open_store(f"sqlite:///{tmp_path_factory.mktemp('store') / 's.db'}")
    often, number = Activity(SPLITS, 100, 10.0, 0.0), 0
    for batch in batches:
        for at, tenant in batch:
            number += 1
            save(opened, CALL._replace(trace_id=f"{number:032x}", observed_at=1000.0 + at, tenant=tenant))
        read(opened, often)
    once = Activity(SPLITS, 100, 10.0, 0.0)
    read(opened, once)
    opened.close()
    for series in (Series("m", "v"), Series("m", "v", "shop"), Series("m", "v", "bank")):
        assert often.counts("calls", series) == once.counts("calls", series)
    assert sum(once.counts("calls", Series("m", "v")).values()) == number


def test_failed_calls_that_nothing_served_are_no_version_of_their_model(store: Store) -> None:
    """They have the model's name for a version, and would gather for ever, or be compared with what was answered."""
    failed = CALL._replace(version="m", status="error", response="")
    calls = [failed._replace(trace_id=f"{number:032x}", observed_at=5.0) for number in range(1, 4)]
    save(store, *calls, CALL._replace(trace_id="a" * 32, observed_at=5.0))
    vote(store, f"{1:032x}", 6.0, "k")
    activity = Activity(SPLITS, 100, 10.0, 0.0)
    read(store, activity)
    assert {series.version for series in activity.table} == {"v"}

    # Of a model whose calls never tell their version they are rows like the others.
    save(store, CALL._replace(trace_id="b" * 32, observed_at=15.0, version="m"))
    save(store, *(call._replace(trace_id=f"c{call.trace_id[1:]}", observed_at=15.0) for call in calls))
    read(store, activity)
    assert activity.counts("calls", Series("m", "m")) == {1: 4}


def test_promoted_calls_are_no_traffic(store: Store) -> None:
    save(store, CALL._replace(trace_id="1" * 32, observed_at=5.0, inclusion_probability=None, promoted_by="error"))
    activity = Activity([], 100, 10.0, 0.0)
    read(store, activity)
    assert not list(activity.table)


def test_a_vote_waits_for_its_call(store: Store) -> None:
    activity = Activity([], 100, 10.0, 0.0)
    vote(store, "1" * 32, 1005.0, "k1")
    read(store, activity)
    assert activity.counts("votes", Series("m", "v")) == {}
    save(
        store, CALL._replace(trace_id="1" * 32, observed_at=1001.0, inclusion_probability=None, promoted_by="feedback")
    )
    read(store, activity)
    read(store, activity)
    assert activity.counts("votes", Series("m", "v")) == {100: 1}


def test_an_answer_that_nobody_recorded_is_no_empty_one(store: Store) -> None:
    asked: Message = {"role": "user", "parts": [text("hello")]}
    silent: Message = {"role": "assistant", "parts": [], "finish_reason": "stop"}
    save(
        store,
        CALL._replace(trace_id="1" * 32, response="", conversation=Conversation(messages=[asked], choices=[silent])),
        CALL._replace(trace_id="2" * 32, response="", conversation=Conversation(messages=[asked])),
        CALL._replace(trace_id="3" * 32, response="fine"),
    )
    with store.read() as connection:
        activity = Activity([], 100, 10.0, 0.0)
        activity.read(connection, 2000.0)
        reader = reading.Reader(connection, activity, 0, reading.VotesRead())
        rows = reader.rows("calls", Series("m", "v"), 0.0, 10.0, 500)
    assert sorted(rows.texts["response"], key=repr) == ["", "fine", None]


def test_what_is_over_for_all_is_forgotten(store: Store) -> None:
    activity = Activity([], 100, 10.0, 0.0)
    save(store, *(CALL._replace(trace_id=f"{n:032x}", observed_at=n * 10.0) for n in range(1, 9)))
    read(store, activity)
    activity.forget(1e6, 40.0)
    assert sorted(activity.counts("calls", Series("m", "v"))) == [4, 5, 6, 7, 8], "the clock was ahead"
    activity.forget(85.0, 30.0)
    assert sorted(activity.counts("calls", Series("m", "v"))) == [5, 6, 7, 8]
