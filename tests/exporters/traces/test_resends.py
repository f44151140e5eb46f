"""Calls that several spans report: counted once, with the content of each, in whatever order they come."""

from __future__ import annotations

import itertools
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from support.collector_process import messages

from exporters.traces.pipeline import Batch, Pipeline
from exporters.traces.receive.receiver import ExportRequest, Receiver
from telltale.records import Sample
from telltale.settings import Price, Settings
from telltale.store import StoreUnavailable, open_store, samples

PROTOBUF = "application/x-protobuf"
NOW = 1_790_000_000.0
BARE = {
    "gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.response.finish_reasons": ["stop"],
}  # fmt: skip
TOKENS = {"gen_ai.usage.input_tokens": 20, "gen_ai.usage.output_tokens": 11}
CONTENT = {
    "gen_ai.input.messages": messages("user", "Capital of France?"),
    "gen_ai.output.messages": messages("assistant", "Paris."),
}


@contextmanager
def locked(path: Path) -> Iterator[None]:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


class Collecting:
    """A receiver, its pipeline and its store; what they count."""

    def __init__(self, path: Path, busy_timeout: float = 0.05, **settings: Any) -> None:
        self.path = path
        self.registry = CollectorRegistry()
        self.faults: list[bool] = []
        self.store = open_store(f"sqlite:///{path}", busy_timeout)
        made = Settings.model_validate({"prices": [Price(model="m", input=1.0, output=1.0)], **settings})
        self.pipeline = Pipeline(made, self.store, self.registry, self._clock)
        self.receiver = Receiver(made, self.store, self.pipeline, self.registry, lambda: NOW)

    def _clock(self) -> float:
        if self.faults and self.faults.pop(0):
            raise ZeroDivisionError
        return NOW

    def send(self, *spans: Span, scope: str = "app") -> None:
        self.receiver.finish(self.ingest(*spans, scope=scope))

    def ingest(self, *spans: Span, scope: str = "app") -> Batch:
        request = ExportTraceServiceRequest()
        scope_spans = request.resource_spans.add().scope_spans.add()
        scope_spans.scope.name = scope
        scope_spans.spans.extend(spans)
        return self.receiver.ingest(ExportRequest("traces", request.SerializeToString(), "", PROTOBUF, ""), None)

    def log(self, span: Span, **attributes: str) -> None:
        self.receiver.finish(self.ingest_logs(span, **attributes), "logs")

    def ingest_logs(self, span: Span, **attributes: str) -> Batch:
        request = ExportLogsServiceRequest()
        record = LogRecord(trace_id=span.trace_id, span_id=span.span_id)
        record.event_name = "gen_ai.client.inference.operation.details"
        for key, value in attributes.items():
            record.attributes.add(key=key.replace("__", "."), value=AnyValue(string_value=value))
        request.resource_logs.add().scope_logs.add().log_records.append(record)
        return self.receiver.ingest(ExportRequest("logs", request.SerializeToString(), "", PROTOBUF, ""), None)

    def refused(self, *spans: Span, scope: str = "app") -> None:
        """Send while the store accepts nothing."""
        with locked(self.path), pytest.raises(StoreUnavailable):
            self.send(*spans, scope=scope)

    def counted(self, name: str, **labels: str) -> float:
        return sum(
            sample.value
            for family in text_string_to_metric_families(self.pipeline.page(False))
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def outcome(self, name: str) -> float:
        return self.registry.get_sample_value("telltale_samples_total", {"outcome": name}) or 0.0

    def samples(self) -> list[Sample]:
        with self.store.read() as connection:
            return samples.load(connection)


@pytest.fixture
def collecting(tmp_path: Path) -> Iterator[Collecting]:
    made = Collecting(tmp_path / "s.db")
    yield made
    made.store.close()


def span(
    attributes: dict[str, Any], *, trace: bytes = b"", parent: Span | None = None, start: float = 0.0,
    seconds: float = 1.0,
) -> Span:  # fmt: skip
    made = Span(
        trace_id=trace or (parent.trace_id if parent else os.urandom(16)), span_id=os.urandom(8), name="chat m",
        parent_span_id=parent.span_id if parent else b"", start_time_unix_nano=int((NOW + start) * 1e9),
        end_time_unix_nano=int((NOW + start + seconds) * 1e9),
    )  # fmt: skip
    for key, value in attributes.items():
        if isinstance(value, list):
            any_value = AnyValue(array_value=ArrayValue(values=[AnyValue(string_value=item) for item in value]))
        elif isinstance(value, int):
            any_value = AnyValue(int_value=value)
        else:
            any_value = AnyValue(string_value=value)
        made.attributes.add(key=key, value=any_value)
    return made


def test_ids_reused_after_a_while_are_other_calls(collecting: Collecting) -> None:
    """Ollama draws its ids out of a thousand; a gateway's cache repeats a response with its id."""
    ids = [{"gen_ai.response.id": f"chatcmpl-{number % 7}"} for number in range(300)]
    collecting.send(*[span({**BARE, **one}, start=place * 2.0, seconds=0.5) for place, one in enumerate(ids)])
    assert collecting.counted("telltale_requests_total") == 300


def test_ids_of_two_tenants_are_not_the_same(collecting: Collecting) -> None:
    for tenant in ("acme", "globex"):
        collecting.send(span({**BARE, "tenant.id": tenant, "gen_ai.response.id": "chatcmpl-7"}))
    assert [collecting.counted("telltale_requests_total", tenant=name) for name in ("acme", "globex")] == [1, 1]
    # An instrumentation may not know the tenant.
    collecting.send(span({**BARE, "gen_ai.response.id": "chatcmpl-7"}, start=0.9))
    assert collecting.counted("telltale_requests_total") == 2


@pytest.mark.parametrize("order", [order for order in itertools.permutations("ABC") if order[2] != "B"])
def test_three_that_lie_within_each_other_are_one_call(collecting: Collecting, order: tuple[str, ...]) -> None:
    outer = span(BARE)
    between = span(BARE, parent=outer, start=0.01, seconds=0.9)
    inner = span(BARE, parent=between, start=0.02, seconds=0.8)
    spans_by_name = {"A": outer, "B": between, "C": inner}
    for name in order:
        collecting.send(spans_by_name[name])
    assert collecting.counted("telltale_requests_total") == 1
    collecting.send(*spans_by_name.values())
    assert collecting.counted("telltale_requests_total") == 1


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("scope", ["app", "com.anthropic.sdk.python"])
def test_what_the_first_span_lacks_the_second_adds(collecting: Collecting, apart: bool, scope: str) -> None:
    outer = span({**BARE, **TOKENS, **CONTENT})
    inner = span(BARE, parent=outer, start=0.01, seconds=0.9)
    if apart or scope != "app":
        collecting.send(inner, scope=scope)
        collecting.send(outer)
    else:
        collecting.send(inner, outer)
    assert collecting.counted("telltale_requests_total") == 1
    assert [collecting.counted("telltale_tokens_total", kind=kind) for kind in ("input", "output")] == [20, 11]
    assert collecting.counted("telltale_cost_usd_total") == pytest.approx(31e-6)
    [sample] = collecting.samples()
    assert (sample.prompt, sample.response, sample.inclusion_probability) == ("Capital of France?", "Paris.", 1.0)
    assert (collecting.outcome("kept"), collecting.outcome("no_content")) == (1, 0)
    third = span({**BARE, **TOKENS, **CONTENT}, parent=inner, start=0.02, seconds=0.8)
    collecting.send(third)
    assert (collecting.counted("telltale_tokens_total", kind="input"), len(collecting.samples())) == (20, 1)


@pytest.mark.parametrize("inner_first", [True, False])
def test_a_call_is_drawn_once_however_many_spans_it_has(tmp_path: Path, inner_first: bool) -> None:
    collecting = Collecting(tmp_path / "s.db", sampling={"per_minute": 20})
    for first in range(0, 1500, 50):
        ids = [{"gen_ai.response.id": f"r-{number}"} for number in range(first, first + 50)]
        bare, full = [span({**BARE, **one}) for one in ids], [span({**BARE, **one, **CONTENT}) for one in ids]
        for spans in (bare, full) if inner_first else (full, bare):
            collecting.send(*spans)
    collecting.pipeline.promote({}, "feedback")
    weights = [1 / sample.inclusion_probability for sample in collecting.samples() if sample.inclusion_probability]
    assert collecting.counted("telltale_requests_total") == 1500
    assert len(weights) == len(collecting.samples()) >= 20
    # Five standard deviations of so few weights.
    spread = sum(weight * (weight - 1) for weight in weights) ** 0.5
    assert abs(sum(weights) - 1500) < 5 * spread
    assert collecting.outcome("kept") + collecting.outcome("not_sampled") == 1500
    collecting.store.close()


def test_feedback_promotes_one_sample_of_a_call_with_two_spans(tmp_path: Path) -> None:
    collecting = Collecting(tmp_path / "s.db", sampling={"per_minute": 1e-6})
    for _ in range(60):
        collecting.send(span({**BARE, **CONTENT}))
    for first, second in ((BARE, CONTENT), (CONTENT, CONTENT), (CONTENT, {})):
        outer = span({**BARE, **second})
        inner = span({**BARE, **first}, parent=outer, start=0.01, seconds=0.9)
        collecting.send(inner)
        collecting.send(outer)
        drawn = [sample for sample in collecting.samples() if sample.trace_id == inner.trace_id.hex()]
        found = collecting.pipeline.promote({inner.trace_id: {"acme"}}, "feedback")
        assert [sample.response for sample in [*drawn, *found]] == ["Paris."]
    collecting.store.close()


@pytest.mark.parametrize("order", [order for order in itertools.permutations("oil") if order != tuple("oil")])
def test_content_in_logs_of_the_second_span_is_the_calls(collecting: Collecting, order: tuple[str, ...]) -> None:
    outer = span({**BARE, **TOKENS})
    inner = span({**BARE, **TOKENS}, parent=outer, start=0.01, seconds=0.9)
    content = {key.replace(".", "__"): value for key, value in CONTENT.items()}
    for what in order:
        if what == "l":
            collecting.log(inner, **content)
        else:
            collecting.send(outer if what == "o" else inner)
    assert [sample.response for sample in collecting.samples()] == ["Paris."]
    assert (collecting.counted("telltale_requests_total"), collecting.outcome("kept")) == (1, 1)


def test_a_refused_span_adds_its_content_when_it_is_resent(collecting: Collecting) -> None:
    outer = span({**BARE, **TOKENS, **CONTENT})
    inner = span(BARE, parent=outer, start=0.01, seconds=0.9)
    collecting.send(inner)
    for _ in range(2):
        collecting.refused(outer)
    assert (collecting.samples(), collecting.outcome("kept")) == ([], 0)
    assert collecting.counted("telltale_tokens_total", kind="input") == 0
    collecting.send(outer)
    assert [sample.response for sample in collecting.samples()] == ["Paris."]
    assert collecting.counted("telltale_tokens_total", kind="input") == 20
    assert (collecting.counted("telltale_requests_total"), collecting.outcome("kept")) == (1, 1)


@pytest.mark.parametrize("is_stored", [True, False])
def test_a_resend_before_the_commit_waits_for_it(tmp_path: Path, is_stored: bool) -> None:
    # The lock is gone before the store gives up, or after.
    collecting = Collecting(tmp_path / "s.db", 60.0 if is_stored else 0.05)
    first, more = span({**BARE, **CONTENT}), span({**BARE, **CONTENT})
    with locked(collecting.path):
        batches = [collecting.ingest(first), collecting.ingest(first), collecting.ingest(first, more)]
        assert all(batch.commit is not None for batch in batches)
        assert not (is_stored and any(batch.commit.done() for batch in batches if batch.commit))
        if not is_stored:
            for batch in batches:
                with pytest.raises(StoreUnavailable):
                    collecting.receiver.finish(batch)
    if is_stored:
        for batch in reversed(batches):
            collecting.receiver.finish(batch)
    else:
        collecting.send(first, more)
    assert (collecting.counted("telltale_requests_total"), len(collecting.samples())) == (2, 2)
    assert collecting.ingest(first).commit is None, "nothing is waited for that is done"
    collecting.store.close()


def test_a_log_resent_before_the_commit_waits_for_it(collecting: Collecting) -> None:
    without_content = span(BARE)
    collecting.send(without_content)
    content = {key.replace(".", "__"): value for key, value in CONTENT.items()}
    with locked(collecting.path):
        first, second = (
            collecting.ingest_logs(without_content, **content),
            collecting.ingest_logs(without_content, **content),
        )
        for batch in (second, first):
            with pytest.raises(StoreUnavailable):
                collecting.receiver.finish(batch, "logs")
    collecting.log(without_content, **content)
    assert [sample.response for sample in collecting.samples()] == ["Paris."]


def test_content_in_logs_outlives_a_refused_span(collecting: Collecting) -> None:
    without_content = span(BARE)
    collecting.log(without_content, **{key.replace(".", "__"): value for key, value in CONTENT.items()})
    for _ in range(2):
        collecting.refused(without_content)
    collecting.send(without_content)
    assert [sample.response for sample in collecting.samples()] == ["Paris."]
    assert (collecting.counted("telltale_requests_total"), collecting.outcome("kept")) == (1, 1)


def test_an_internal_error_makes_no_call_a_duplicate(collecting: Collecting) -> None:
    spans = span({**BARE, **CONTENT}), span({**BARE, **CONTENT})
    # The clock is read once to decode the calls, and again to store samples.
    collecting.faults = [False, True]
    with pytest.raises(ZeroDivisionError):
        collecting.send(*spans)
    collecting.send(*spans)
    assert (collecting.counted("telltale_requests_total"), len(collecting.samples())) == (2, 2)
    assert collecting.outcome("kept") == 2
