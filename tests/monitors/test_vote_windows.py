"""Votes as monitors count them: each person once for each call, on the model of that call alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection
from support.reports import no_report

from monitors.runs import Runs
from telltale.evidence.scores import VoteShares
from telltale.records import Feedback, Sample, Score
from telltale.settings import Monitor
from telltale.store import Store, feedback, open_store, samples, scores

SETTINGS = Monitor(window=10.0, min_votes=5, reference_votes=20, persistence=(2, 3), reference_span=0.0)
CALL = Sample("", "a" * 16, 0.0, "shop", "chat", "chat-1", "client", "chat", "ok", "question", "response", 1.0)
VOTE = Feedback(0.0, "shop", "", None, "thumb", "helpful", 1.0, "user", "")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 's.db'}")
    yield opened
    opened.close()


class Traffic:
    """Calls and votes for a store: those of the reference first, then those of the window from 1010 to 1020."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._calls: list[Sample] = []
        self._events: list[Feedback] = []
        for number in range(20):
            trace = self.call(number, at=1001.0)
            self.vote(trace, at=1002.0)

    def call(self, number: int, at: float = 1011.0, **fields: object) -> str:
        sample = CALL._replace(**({"trace_id": f"{number + 1:032x}", "observed_at": at} | fields))  # type: ignore[arg-type]  # fields of a sample
        self._calls.append(sample)
        return sample.trace_id

    def vote(self, trace: str, at: float = 1012.0, **fields: object) -> None:
        event = replace(VOTE, received_at=at, trace_id=trace, idempotency_key=f"k{len(self._events)}")
        self._events.append(replace(event, **fields))  # type: ignore[arg-type]  # fields of an event

    def postpone_first(self, to: float) -> None:
        """Let the first vote have been received later than those that were stored after it."""
        self._events[0] = replace(self._events[0], received_at=to)

    def judge(self) -> dict[str, Score]:
        """The score of votes in that window, by model."""

        def write(connection: Connection) -> None:
            samples.save(connection, self._calls, now=1020.0)
            for event in self._events:
                feedback.append(connection, event, event.idempotency_key)

        self._store.write(write)
        runs = Runs(self._store, SETTINGS, no_report, 1e9)
        runs.run(1012.0)
        runs.run(1023.0)
        runs.close()
        assert not runs.failed
        with self._store.read() as connection:
            return {score.model: score for score in scores.load(connection) if score.monitor == "feedback"}


@pytest.fixture
def traffic(store: Store) -> Traffic:
    return Traffic(store)


def ratio(score: Score) -> float:
    assert isinstance(score.details.finding, VoteShares)
    return score.details.finding.negative_ratio


def test_a_vote_of_the_reference_is_in_no_window(traffic: Traffic, store: Store) -> None:
    traffic.vote(traffic.call(20), value=0.0)
    traffic.judge()
    with store.read() as connection:
        found = scores.load(connection)
    assert found == []


def test_a_reference_has_whole_stretches_whatever_order_votes_were_stored_in(traffic: Traffic) -> None:
    traffic.postpone_first(to=1008.0)
    traffic.vote(traffic.call(20, at=1003.0), at=1003.0)
    for number in range(21, 31):
        traffic.vote(traffic.call(number))
    score = traffic.judge()["chat"]
    assert score.samples == 10
    assert isinstance(score.details.finding, VoteShares)
    assert score.details.finding.reference_votes == 21


def test_a_retracted_anonymous_vote_counts_for_nothing(traffic: Traffic) -> None:
    for number in range(20, 30):
        trace = traffic.call(number)
        traffic.vote(trace, value=0.0)
        if number < 25:
            traffic.vote(trace, at=1013.0, kind="retract", value=None)
    score = traffic.judge()["chat"]
    assert (score.samples, ratio(score)) == (5, 1.0)


def test_an_anonymous_changed_mind_counts_once(traffic: Traffic) -> None:
    for number in range(20, 30):
        trace = traffic.call(number)
        traffic.vote(trace, value=0.0)
        traffic.vote(trace, at=1013.0, value=1.0)
    score = traffic.judge()["chat"]
    assert (score.samples, ratio(score)) == (10, 0.0)


def test_a_vote_counts_for_the_model_of_the_call_that_it_names(traffic: Traffic) -> None:
    for number in range(20, 30):
        traffic.call(number, span_id="b" * 16, model="router", at=1010.5)
        traffic.call(number + 100, model="router", at=1001.0)
        traffic.vote(f"{number + 101:032x}", at=1002.0, name="one")
        traffic.vote(f"{number + 101:032x}", at=1002.0, name="two")
        trace = traffic.call(number, at=1011.0)
        traffic.vote(trace, span_id="a" * 16, value=0.0)
    assert {model: score.samples for model, score in traffic.judge().items()} == {"chat": 10}


def test_a_vote_on_a_trace_counts_for_the_model_of_its_last_response(traffic: Traffic) -> None:
    for number in range(20, 30):
        traffic.call(number + 100, model="router", at=1001.0)
        traffic.vote(f"{number + 101:032x}", at=1002.0, name="one")
        traffic.vote(f"{number + 101:032x}", at=1002.0, name="two")
        traffic.call(number, span_id="b" * 16, model="router", at=1010.5)
        trace = traffic.call(number, at=1011.0)
        traffic.vote(trace, value=0.0)
    assert {model: score.samples for model, score in traffic.judge().items()} == {"chat": 10}


def test_a_vote_of_one_tenant_never_counts_on_a_call_of_another(traffic: Traffic) -> None:
    for number in range(20, 30):
        trace = traffic.call(number)
        traffic.vote(trace, value=1.0)
        traffic.vote(trace, tenant="bank", value=0.0)
    score = traffic.judge()["chat"]
    assert (score.samples, ratio(score)) == (10, 0.0)


def test_judges_and_comments_are_no_votes(traffic: Traffic) -> None:
    for number in range(20, 30):
        trace = traffic.call(number)
        traffic.vote(trace, value=0.0)
        traffic.vote(trace, source="judge", kind="rating", value=0.9)
        traffic.vote(trace, kind="comment", value=None, comment="wrong city")
    score = traffic.judge()["chat"]
    assert (score.samples, ratio(score)) == (10, 1.0)


def test_one_person_has_one_vote_a_question(traffic: Traffic) -> None:
    """Somebody who votes all day is one person; without a name, each call's user is one."""
    for number in range(20, 60):
        traffic.vote(traffic.call(number), value=0.0, subject="a" * 64)
    for number in range(60, 70):
        traffic.vote(traffic.call(number), value=1.0, subject=f"{number:064x}")
    for number in range(70, 80):
        traffic.vote(traffic.call(number), value=1.0)
    traffic.vote(f"{21:032x}", value=0.0, subject="a" * 64, name="tone")
    score = traffic.judge()["chat"]
    assert score.samples == 22
    assert ratio(score) == pytest.approx(2 / 22)


def test_the_examples_are_the_calls_that_were_voted_down(traffic: Traffic, store: Store) -> None:
    for number in range(20, 30):
        trace = traffic.call(number)
        traffic.call(number, span_id="b" * 16, layer="server", at=1011.5, response="the server's copy")
        traffic.vote(trace, value=float(number > 21))
    examples = traffic.judge()["chat"].details.examples
    assert examples
    with store.read() as connection:
        shown = samples.load(connection, ids=list(examples.current))
    assert [(sample.trace_id, sample.layer) for sample in shown] == [
        (f"{21:032x}", "client"),
        (f"{22:032x}", "client"),
    ]
