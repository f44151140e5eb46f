"""Calls that people vote on, whichever is here first: the vote or the call."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from prometheus_client import CollectorRegistry
from support.collector_process import chat

from exporters.traces.decode import bodies
from exporters.traces.pipeline import Batch, Pipeline
from exporters.traces.promote import SECOND_LOOK_S, Promoter
from telltale.records import Feedback, Sample
from telltale.settings import Settings
from telltale.store import Store, feedback, open_store, samples


class Voting:
    """A pipeline that samples next to nothing, and a promoter whose clock the test sets."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = 0.0
        settings = Settings.model_validate({"sampling": {"per_minute": 1e-9}})
        self.pipeline = Pipeline(settings, store, CollectorRegistry(), time.time)
        self.promoter = Promoter(store, self.pipeline, 0, lambda: self.now)
        # The first call of a kind is sampled anyway.
        self.commit(self.ingest(chat(count=50)))

    def ingest(self, spans: list[ReadableSpan]) -> Batch:
        found, _ = bodies.spans(encode_spans(spans).SerializeToString(), "", "application/x-protobuf", 1 << 20, 100)
        return self.pipeline.ingest_traces(self.pipeline.decode(found, None))

    def commit(self, batch: Batch) -> None:
        if batch.commit is not None:
            batch.commit.result(10)
        self.pipeline.commit(batch)

    def vote(self, span: ReadableSpan) -> None:
        event = Feedback(1.0, "acme", trace_of(span), None, "thumb", "helpful", 0.0, "user", trace_of(span))
        self.store.write(lambda connection: feedback.append(connection, event, "h"))

    def promoted(self, span: ReadableSpan) -> list[Sample]:
        with self.store.read() as connection:
            return samples.load(connection, trace_ids=[trace_of(span)])


def trace_of(span: ReadableSpan) -> str:
    context = span.get_span_context()
    assert context is not None
    return f"{context.trace_id:032x}"


@pytest.fixture
def voting(tmp_path: Path) -> Iterator[Voting]:
    store = open_store(f"sqlite:///{tmp_path / 's.db'}")
    yield Voting(store)
    store.close()


def test_a_vote_that_is_here_before_its_call_promotes_it(voting: Voting) -> None:
    [span] = chat()
    voting.vote(span)
    voting.promoter.round()
    voting.commit(voting.ingest([span]))
    voting.promoter.round()
    assert voting.promoted(span) == []
    voting.now = SECOND_LOOK_S
    voting.promoter.round()
    assert [found.promoted_by for found in voting.promoted(span)] == ["feedback"]


def test_a_vote_between_a_request_and_its_commit_promotes_its_call(voting: Voting) -> None:
    [span] = chat()
    batch = voting.ingest([span])
    voting.vote(span)
    voting.promoter.round()
    voting.commit(batch)
    voting.now = SECOND_LOOK_S
    voting.promoter.round()
    assert [found.promoted_by for found in voting.promoted(span)] == ["feedback"]


def test_a_second_look_promotes_nothing_twice(voting: Voting) -> None:
    [span] = chat()
    voting.commit(voting.ingest([span]))
    voting.vote(span)
    for voting.now in (0.0, SECOND_LOOK_S, 2 * SECOND_LOOK_S):
        voting.promoter.round()
    assert len(voting.promoted(span)) == 1
