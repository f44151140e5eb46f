"""A refused request leaves everything as if it had never come, whatever other requests were in progress."""

from __future__ import annotations

import functools
import gc
import gzip
import itertools
import time
import tracemalloc
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Connection
from support.collector_process import messages

from exporters.traces.calls import fast_path, normalise
from exporters.traces.calls.call import Call
from exporters.traces.calls.owners import SpanKey
from exporters.traces.core.journal import Journals
from exporters.traces.decode import bodies, otlp_protobuf
from exporters.traces.keep.pending_samples import PendingSample, PendingSamples
from exporters.traces.keep.rate_sampler import position
from exporters.traces.keep.unsampled import unpack
from exporters.traces.pipeline import Batch, Pipeline
from telltale.records import NO_TENANT
from telltale.settings import Settings
from telltale.store import Store, StoreUnavailable, open_store
from telltale.store.engine import parse_url

T = TypeVar("T")
NOW = 1_790_000_000.0
BARE: dict[str, str | int] = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
TOKENS: dict[str, str | int] = {"gen_ai.usage.input_tokens": 20, "gen_ai.usage.output_tokens": 11}
CONTENT: dict[str, str | int] = {
    "gen_ai.input.messages": messages("user", "Capital of France?"),
    "gen_ai.output.messages": messages("assistant", "Paris."),
}
RESPONSE: dict[str, str | int] = {"gen_ai.response.id": "r-1"}
ANTHROPIC: dict[str, str | int] = {"gen_ai.provider.name": "anthropic", "error.type": "timeout"}
STREAM: dict[str, str | int] = {**BARE, "request_data": '{"model":"m"}'}
VENDOR = "com.anthropic.sdk.python"
LOGFIRE = "logfire.openai"

Sent = tuple[str, Span]
"""A span and the scope that it comes in."""

Owner = tuple[str | None, str | None]
"""The tenant of the key, and the one that attributes claim."""
NOBODY: Owner = (None, None)
OWNERS: tuple[Owner, ...] = (NOBODY, (None, "acme"), (None, "globex"), ("acme", None), ("globex", None))


def span(number: int, attributes: dict[str, str | int], scope: str = "app", parent: int = 0, start: float = 0.0,
         seconds: float = 1.0) -> Sent:  # fmt: skip
    made = Span(
        trace_id=(parent or number).to_bytes(16), span_id=number.to_bytes(8), name="chat m",
        parent_span_id=parent.to_bytes(8) if parent else b"", start_time_unix_nano=int((NOW + start) * 1e9),
        end_time_unix_nano=int((NOW + start + seconds) * 1e9),
    )  # fmt: skip
    for key, value in attributes.items():
        kind = AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value)
        made.attributes.add(key=key, value=kind)
    if "error.type" in attributes:
        made.status.code = made.status.STATUS_CODE_ERROR
    return scope, made


SPANS: tuple[Sent, ...] = (
    # One within the other: the inner one has the tokens, the outer one the content.
    span(1, {**BARE, **CONTENT}),
    span(2, {**BARE, **TOKENS}, parent=1, start=0.125, seconds=0.5),
    # One response in two traces.
    span(3, {**BARE, **RESPONSE}),
    span(4, {**BARE, **RESPONSE, **TOKENS, **CONTENT}, start=0.125),
    # Content in logs; the second is a failed one.
    span(5, BARE),
    span(6, {**BARE, "error.type": "timeout"}),
    # A failed call that a vendor's SDK and an instrumentation report, and another that may be the vendor's.
    span(7, {**BARE, **ANTHROPIC}),
    span(8, {**BARE, **ANTHROPIC}, VENDOR, start=0.25, seconds=0.5),
    span(9, {**BARE, **ANTHROPIC}, VENDOR, start=0.125, seconds=0.75),
    # A streamed call and its wait.
    span(10, {**STREAM, "logfire.span_type": "span"}, LOGFIRE),
    span(11, {**STREAM, "logfire.span_type": "log", "duration": 2}, LOGFIRE, start=3.0, seconds=0.0),
    # What an instrumentation reports within the wait.
    span(12, {**BARE, **TOKENS, **CONTENT}, parent=10, start=0.125, seconds=0.5),
    # Two calls within a span that is one of either.
    span(13, {**BARE, **CONTENT}),
    span(14, {**BARE, **TOKENS, "gen_ai.response.id": "r-2"}, parent=13, start=0.125, seconds=0.25),
    span(15, {**BARE, "gen_ai.response.id": "r-3"}, parent=13, start=0.5, seconds=0.25),
)


def record(number: int, **attributes: str) -> LogRecord:
    _, of = SPANS[number - 1]
    made = LogRecord(trace_id=of.trace_id, span_id=of.span_id, event_name="gen_ai.client.inference.operation.details")
    for key, value in attributes.items():
        made.attributes.add(key=f"gen_ai.{key}.messages", value=AnyValue(string_value=value))
    return made


def evaluation() -> LogRecord:
    made = LogRecord(event_name="gen_ai.evaluation.result", time_unix_nano=7)
    made.attributes.add(key="gen_ai.response.id", value=AnyValue(string_value="r-1"))
    made.attributes.add(key="gen_ai.evaluation.score.label", value=AnyValue(string_value="good"))
    return made


def records(number: int) -> list[LogRecord]:
    prompt, response = messages("user", "Why?"), messages("assistant", "So.")
    return [
        record(number, input=prompt),
        record(number, output=response),
        record(number, input=prompt, output=response),
    ]


Request = tuple[list[Sent], list[LogRecord]]
"""Spans, or log records."""

# Related spans and log records.
STORIES: tuple[Request, ...] = (
    (list(SPANS[0:2]), records(2)),
    (list(SPANS[2:4]), [*records(3), evaluation()]),
    (list(SPANS[4:5]), records(5)),
    (list(SPANS[5:6]), records(6)),
    (list(SPANS[6:9]), []),
    (list(SPANS[9:12]), []),
    (list(SPANS[12:15]), []),
)


# An evaluation is counted when the store did not have it, and the tests here share one store.
BY_STORE = ("telltale_feedback_events_total",)


class DelayedStore(Store):
    """A store whose commits end when the test says, well or not."""

    def __init__(self, url: str) -> None:
        open_store(url).close()
        super().__init__(parse_url(url), 5.0, 1000)
        self.queued: list[tuple[Callable[[Connection], Any], Future[Any]]] = []

    def submit(self, write: Callable[[Connection], T]) -> Future[T]:
        future: Future[T] = Future()
        self.queued.append((write, future))
        return future

    def write(self, write: Callable[[Connection], T]) -> T:
        return super().submit(write).result()

    def end(self, place: int, is_stored: bool) -> None:
        write, future = self.queued.pop(place)
        if is_stored:
            future.set_result(self.write(write))
        else:
            future.set_exception(StoreUnavailable("the disk is full"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DelayedStore]:
    made = DelayedStore(f"sqlite:///{tmp_path_factory.mktemp('store') / 's.db'}")
    yield made
    made.close()


class Collecting:
    """A pipeline, what it was sent, and the requests without a response yet."""

    def __init__(self, store: DelayedStore, per_minute: float) -> None:
        store.queued.clear()
        self.store = store
        self.registry = CollectorRegistry()
        made = Settings.model_validate({"sampling": {"per_minute": per_minute}})
        self.pipeline = Pipeline(made, store, self.registry, lambda: NOW)
        self.open: list[tuple[Request, Batch]] = []

    def ingest(self, request: Request, owner: Owner = NOBODY) -> None:
        self.open.append((request, self._ingest(*request, *owner)))

    def _ingest(self, spans: list[Sent], records: list[LogRecord], key: str | None, claimed: str | None) -> Batch:
        if records:
            logs = ExportLogsServiceRequest()
            about = logs.resource_logs.add()
            if claimed:
                about.resource.attributes.add(key="tenant.id").value.string_value = claimed
            about.scope_logs.add().log_records.extend(records)
            return self.pipeline.ingest_logs(logs, key)
        found, _ = otlp_protobuf.split(body(spans, claimed), 100)
        return self.pipeline.ingest_traces(self.pipeline.decode(found, key))

    def finish(self, place: int) -> Request | None:
        """Finish a request as the receiver does, if its commit is done. Returns it if it was committed."""
        request, batch = self.open[place]
        if batch.commit is not None and not batch.commit.done():
            return None
        del self.open[place]
        if batch.commit is not None and batch.commit.exception() is not None:
            self.pipeline.rollback(batch)
            return None
        self.pipeline.commit(batch)
        return request

    def state(self) -> dict[str, object]:
        """All state that a request leaves for later ones."""
        pipeline = self.pipeline
        collector, dedup = pipeline._collector, pipeline._dedup
        priors = {}
        for place, owner in itertools.product(range(len(SPANS)), OWNERS):
            for call in calls_of(place, owner):
                prior = dedup.find(call)
                known = prior and (prior.span_key, prior.is_resent(call), prior.has_content)
                priors[place, owner] = known
        text = generate_latest(self.registry).decode() + pipeline.page(openmetrics=False)
        return {
            "metrics": {
                (sample.name, *sorted(sample.labels.items())): sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
                if sample.value and not sample.name.endswith("_created") and sample.name not in BY_STORE
            },
            "priors": priors,
            "pending": [
                (span, sample.probability, sample.promoted_by, sample.since)
                for span, sample in sorted(collector._pending._pending.items())
            ],
            "log content": dict(collector._log_content._content),
            "bytes of log content": collector._log_content.bytes,
            "stream waits": {asked: sorted(waits) for asked, waits in pipeline._waits._by_asked.items()},
            "streams": {
                asked: [(call.span_id, call.start_unix_s, call.duration_s) for call in streams]
                for asked, streams in pipeline._waits._streams.items()
            },
            "unsampled": sorted(group.body for _, group in unpack(collector.unsampled.remove(voted(SPANS)))),
        }


def voted(spans: Iterable[Sent]) -> dict[bytes, set[str]]:
    return {sent.trace_id: {NO_TENANT, "acme", "globex"} for _, sent in spans}


def key(number: int) -> SpanKey:
    return SpanKey("acme", True, b"", number.to_bytes(2))


TENANT = ("tenant.id",)
TABLE = fast_path.attribute_table(TENANT)


def body(spans: list[Sent], claimed: str | None = None) -> bytes:
    request = ExportTraceServiceRequest()
    for scope, one in spans:
        of_resource = request.resource_spans.add()
        if claimed:
            of_resource.resource.attributes.add(key="tenant.id").value.string_value = claimed
        scope_spans = of_resource.scope_spans.add()
        scope_spans.scope.name = scope
        scope_spans.spans.append(one)
    return request.SerializeToString()


@functools.cache
def calls_of(place: int, owner: Owner) -> list[Call]:
    """The calls of one of SPANS, to be looked up only."""
    found, _ = otlp_protobuf.split(body([SPANS[place]], owner[1]), 1)
    return [ref.call for ref in normalise.read(found, normalise.Context(owner[0], TENANT, {}), TABLE).calls]


def drawn_in_a_row(count: int) -> list[int]:
    """Numbers of spans that are drawn although each one that was drawn before halved the probability."""
    found: list[int] = []
    for number in itertools.count(10_000):
        if position(0, number) < 0.5 ** len(found):
            found.append(number)
            if len(found) == count:
                return found
    raise AssertionError


# After them less than one call of a thousand is drawn.
FIRST = [span(number, {**BARE, **CONTENT}) for number in drawn_in_a_row(10)]
EXTRA = span(49, {**BARE, **CONTENT, "error.type": "timeout"})


@st.composite
def requests_of_a_story(draw: st.DrawFn) -> list[Request]:
    spans, records = draw(st.sampled_from(STORIES))
    made: list[Request] = []
    for number in range(draw(st.integers(1, 6))):
        if records and draw(st.booleans()):
            made.append(([], draw(st.lists(st.sampled_from(records), min_size=1, max_size=2))))
        else:
            chosen = draw(st.lists(st.sampled_from(spans), min_size=1, max_size=2))
            # A call that is sampled in any case, for which most requests wait.
            extra = [span(50 + number, {**BARE, **CONTENT, "error.type": "timeout"})]
            made.append(([*chosen, *draw(st.sampled_from([extra, extra, []]))], []))
    return made


STEPS = st.tuples(st.sampled_from(["come", "come", "come", "store", "refuse", "finish", "finish"]), st.integers(0, 5))


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(  # Content of a call that is committed comes in a request that is refused.
    requests=[([SPANS[1]], []), ([SPANS[0]], [])],
    steps=[("come", 0), ("finish", 0), ("come", 0), ("refuse", 0), ("finish", 0)],
    keeps_all=True,
    owners=[NOBODY] * 6,
)
@example(  # So does the other half of a failed call.
    requests=[([SPANS[6]], []), ([SPANS[7], EXTRA], [])],
    steps=[("come", 0), ("finish", 0), ("come", 0), ("refuse", 0), ("finish", 0)],
    keeps_all=True,
    owners=[NOBODY] * 6,
)
@example(  # What builds on a refused request is refused with it, though it was stored itself.
    requests=[([SPANS[2], EXTRA], []), ([SPANS[3]], [])],
    steps=[("come", 0), ("come", 0), ("store", 1), ("finish", 1), ("refuse", 0), ("finish", 0), ("finish", 0)],
    keeps_all=True,
    owners=[NOBODY] * 6,
)
@example(  # The wait of a stream that came before it is refused.
    requests=[([SPANS[10]], []), ([SPANS[9], EXTRA], [])],
    steps=[("come", 0), ("finish", 0), ("come", 0), ("refuse", 0), ("finish", 0)],
    keeps_all=False,
    owners=[NOBODY] * 6,
)
@example(  # So is a stream, for which its wait came.
    requests=[([SPANS[10], EXTRA], []), ([SPANS[9]], [])],
    steps=[("come", 0), ("come", 0), ("refuse", 0), ("finish", 0), ("finish", 0)],
    keeps_all=False,
    owners=[NOBODY] * 6,
)
@example(  # A span that would be a call's, if a refused request had not taken its place.
    requests=[([SPANS[6]], []), ([SPANS[7], EXTRA], []), ([SPANS[8]], [])],
    steps=[("come", 0), ("finish", 0), ("come", 0), ("come", 0), ("finish", 1), ("refuse", 0), ("finish", 0)],
    keeps_all=False,
    owners=[NOBODY] * 6,
)
@given(
    requests=requests_of_a_story(),
    steps=st.lists(STEPS, max_size=24),
    keeps_all=st.booleans(),
    owners=st.one_of(
        st.sampled_from(OWNERS).map(lambda owner: [owner] * 6),
        st.lists(st.sampled_from(OWNERS), min_size=6, max_size=6),
    ),
)
def test_what_is_left_is_what_the_committed_requests_alone_leave(
    store: DelayedStore,
    requests: list[Request],
    steps: list[tuple[str, int]],
    keeps_all: bool,
    owners: list[Owner],
) -> None:
    per_minute = 1e9 if keeps_all else 1e-6
    real = Collecting(store, per_minute)
    spend_the_budget(real)
    committed: list[int] = []
    coming = deque(enumerate(requests))
    numbers: list[int] = []

    def finish(place: int) -> None:
        number = numbers[place]
        before = len(real.open)
        if real.finish(place) is not None:
            committed.append(number)
        if len(real.open) < before:
            del numbers[place]

    for step, choice in steps:
        if step == "come" and coming:
            number, request = coming.popleft()
            numbers.append(number)
            real.ingest(request, owners[number])
        elif step == "finish" and real.open:
            finish(choice % len(real.open))
        elif step in ("store", "refuse") and store.queued:
            store.end(choice % len(store.queued), step == "store")
    while store.queued:
        store.end(0, is_stored=False)
    while real.open:
        finish(0)

    alone = Collecting(store, per_minute)
    spend_the_budget(alone)
    for number in sorted(committed):
        alone.ingest(requests[number], owners[number])
        while store.queued:
            store.end(0, is_stored=True)
        assert alone.finish(0) is not None
    assert real.state() == alone.state()
    assert (real.pipeline._journals.open, real.pipeline._journals.owners) == ([], {})


def spend_the_budget(collecting: Collecting) -> None:
    """Where few are sampled, the first of each tenant are all the same, and a refused request spends its budget."""
    for owner in OWNERS:
        collecting.ingest((FIRST, []), owner)
        while collecting.store.queued:
            collecting.store.queued.pop()[1].set_result(0)
        collecting.finish(0)


def test_hundreds_of_requests_that_build_on_one_are_all_answered(store: DelayedStore) -> None:
    collecting = Collecting(store, 1e9)
    for number in range(500):
        # The same question each time: its wait is what they have in common.
        collecting.ingest(([SPANS[9], span(200 + number, {**BARE, **CONTENT})], []))
    assert len(store.queued) == 500
    while len(store.queued) > 1:
        store.end(1, is_stored=True)
    assert not any(batch.commit and batch.commit.done() for _, batch in collecting.open)
    store.end(0, is_stored=True)
    assert all(collecting.finish(0) for _ in range(500))


def test_a_fault_of_one_request_has_those_that_build_on_it_sent_again(store: DelayedStore) -> None:
    """A sender gives up a request that failed by itself, and these have nothing wrong."""
    collecting = Collecting(store, 1e9)
    collecting.ingest(([SPANS[9], span(60, {**BARE, **CONTENT})], []))
    collecting.ingest(([SPANS[9], span(61, {**BARE, **CONTENT})], []))
    collecting.ingest(([SPANS[9]], []))
    store.queued.pop(0)[1].set_exception(ValueError("this cannot be stored"))
    store.end(0, is_stored=True)
    faults = [type(batch.commit.exception()) for _, batch in collecting.open if batch.commit is not None]
    assert faults == [ValueError, StoreUnavailable, StoreUnavailable]
    for _ in range(3):
        assert collecting.finish(0) is None
    collecting.ingest(([SPANS[9], span(61, {**BARE, **CONTENT})], []))
    store.end(0, is_stored=True)
    assert collecting.finish(0) is not None


def test_a_request_that_waits_keeps_its_plain_bytes_no_longer(store: DelayedStore) -> None:
    """Compressed they are what it is charged for, and may be a thousandth of them."""
    collecting = Collecting(store, 1e-6)
    spend_the_budget(collecting)
    many = [span(300 + number, {**BARE, "note": "x" * 100_000}) for number in range(100)]
    # One that is sampled in any case, for which it waits.
    packed = gzip.compress(body([*many, EXTRA]))
    gc.collect()
    tracemalloc.start()
    found, _ = bodies.spans(packed, "gzip", "application/x-protobuf", 1 << 30, 1000)
    batch = collecting.pipeline.ingest_traces(collecting.pipeline.decode(found, None))
    del found
    assert batch.commit is not None
    if not store.queued:
        # A sampled one that is large is read in a thread, which writes it by itself.
        batch.commit.result(30)
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept < 1_000_000
    if store.queued:
        store.end(0, is_stored=True)
    collecting.pipeline.commit(batch)
    unsampled = collecting.pipeline._collector.unsampled.remove(voted(many))
    assert len(list(unpack(unsampled))) == batch.tally.not_sampled > 50


def test_pending_samples_come_back_at_once_and_the_oldest_is_given_up_first() -> None:
    journals, pending = Journals(), PendingSamples()
    first = journals.begin()
    for number in range(5000):
        pending.add(key(number), PendingSample(Call(), 1.0, None, float(number)), first)
    journals.commit(first)
    joined = journals.begin()
    for number in range(2000):
        pending.remove(key(number), joined)
    start = time.perf_counter()
    journals.rollback(joined)
    # Each by itself put into its place took a millisecond and a half.
    assert time.perf_counter() - start < 1.0
    assert [sample.since for sample in pending.expire(60.0 + 2500.0)] == [float(number) for number in range(2501)]


def test_an_outage_of_the_store_costs_no_more_for_each_request_that_waits() -> None:
    journals = Journals()
    waiting = [journals.begin() for _ in range(6000)]
    start = time.perf_counter()
    for journal in waiting:
        journals.rollback(journal)
    # To look through all later ones for each took five seconds.
    assert time.perf_counter() - start < 1.0
    assert journals.open == []
