"""Two tenants with the same ids end as if each had been alone: ids are no secret, `traceparent` hands them on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Connection
from support.collector_process import messages

from exporters.traces.decode import otlp_protobuf
from exporters.traces.pipeline import Batch, Pipeline
from exporters.traces.promote import SECOND_LOOK_S, Promoter
from telltale.records import Feedback, Sample
from telltale.settings import Settings
from telltale.store import Store, feedback, open_store, samples, schema

NOW = 1_790_000_000.0
TENANTS = ("acme", "globex")
OWN = {"acme": "Acme", "globex": "Globex"}
SCOPES = {7: "com.anthropic.sdk.python", 8: "logfire.openai", 9: "logfire.openai"}
DETAILS = "gen_ai.client.inference.operation.details"
BARE: dict[str, str | int] = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
TOKENS: dict[str, str | int] = {"gen_ai.usage.input_tokens": 20, "gen_ai.usage.output_tokens": 11}
FAILED: dict[str, str | int] = {"gen_ai.provider.name": "anthropic", "error.type": "timeout"}
RESPONSE: dict[str, str | int] = {"gen_ai.response.id": "r-1"}
STREAM: dict[str, str | int] = {**BARE, "request_data": '{"model":"m"}'}


class Shape(NamedTuple):
    """A span without its tenant: number, attributes, parent, start and length in seconds."""

    number: int
    attributes: dict[str, str | int]
    parent: int = 0
    start: float = 0.0
    seconds: float = 1.0
    has_content: bool = False


SHAPES = {
    shape.number: shape
    for shape in (
        # One within the other; one response in two traces.
        Shape(1, BARE, has_content=True),
        Shape(2, {**BARE, **TOKENS}, 1, 0.125, 0.5),
        Shape(3, {**BARE, **RESPONSE}),
        Shape(4, {**BARE, **RESPONSE, **TOKENS}, 0, 0.125, has_content=True),
        # Its content comes in logs.
        Shape(5, {**BARE, **TOKENS}),
        # A failed call that an instrumentation and a vendor's SDK report.
        Shape(6, {**BARE, **FAILED}, has_content=True),
        Shape(7, {**BARE, **FAILED}, 0, 0.25, 0.5),
        # The wait for a stream, and the stream.
        Shape(8, {**STREAM, "logfire.span_type": "span"}),
        Shape(9, {**STREAM, "logfire.span_type": "log", "duration": 2}, 0, 3.0, 0.0),
    )
}

What = tuple[Literal["span", "prompt", "answer", "judged", "vote"], int]
"""A span, a log record about it, or a vote on it, by the span's number."""

Sent = tuple[str, What]
"""Whose, and what."""


def pairs(attributes: dict[str, str | int]) -> list[KeyValue]:
    return [
        KeyValue(key=key, value=AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value))
        for key, value in attributes.items()
    ]


def trace_of(number: int) -> bytes:
    return (SHAPES[number].parent or number).to_bytes(16)


def span(number: int, tenant: str) -> Span:
    shape = SHAPES[number]
    said = {"gen_ai.input.messages": messages("user", f"{OWN[tenant]} asks"),
            "gen_ai.output.messages": messages("assistant", f"{OWN[tenant]} hears")}  # fmt: skip
    made = Span(
        trace_id=trace_of(number), span_id=number.to_bytes(8), name="chat m",
        parent_span_id=shape.parent.to_bytes(8) if shape.parent else b"",
        start_time_unix_nano=int((NOW + shape.start) * 1e9),
        end_time_unix_nano=int((NOW + shape.start + shape.seconds) * 1e9),
        attributes=pairs({**shape.attributes, **(said if shape.has_content else {})}),
    )  # fmt: skip
    if "error.type" in shape.attributes:
        made.status.code = made.status.STATUS_CODE_ERROR
    return made


def record(what: What, tenant: str) -> LogRecord:
    kind, number = what
    if kind == "judged":
        label = {"gen_ai.response.id": "r-1", "gen_ai.evaluation.score.label": f"{OWN[tenant]} good"}
        return LogRecord(event_name="gen_ai.evaluation.result", time_unix_nano=7, attributes=pairs({**label}))
    said = {"prompt": ("input", messages("user", f"{OWN[tenant]} logs")),
            "answer": ("output", messages("assistant", f"{OWN[tenant]} reads"))}  # fmt: skip
    side, text = said[kind]
    return LogRecord(
        trace_id=trace_of(number), span_id=number.to_bytes(8), event_name=DETAILS,
        attributes=pairs({f"gen_ai.{side}.messages": text}),
    )  # fmt: skip


class Collecting:
    """A pipeline over a store of its own, which is told whose everything is by keys or by attributes."""

    def __init__(self, store: Store, by_key: bool, keeps_all: bool) -> None:
        self.store, self.by_key = store, by_key
        self.now = 0.0
        store.write(_empty)
        made = Settings.model_validate({"sampling": {"per_minute": 1e9 if keeps_all else 1e-9}})
        self.pipeline = Pipeline(made, store, CollectorRegistry(), lambda: NOW)
        self.promoter = Promoter(store, self.pipeline, 0, lambda: self.now)
        if not keeps_all:
            # The first calls of a kind are drawn, those that fail beyond the others.
            for tenant in TENANTS:
                self._spans(tenant, [_spender(number, 6 if number % 2 else 1, tenant) for number in range(100, 200)])

    def send(self, sent: Sequence[Sent]) -> None:
        """One request each for its spans and its records; keys are one a request, attributes one a resource."""
        for tenant, what in sent:
            if what[0] == "vote":
                self._vote(tenant, what[1])
        if not self.by_key:
            self.request([(tenant, tenant, what) for tenant, what in sent], None)
            return
        for tenant in TENANTS:
            self.request([(owner, None, what) for owner, what in sent if owner == tenant], tenant)

    def request(self, sent: Sequence[tuple[str, str | None, What]], key: str | None) -> None:
        """`sent`: whose words, the tenant that attributes claim, and what; `key`: the tenant of the key."""
        traces, logs = ExportTraceServiceRequest(), ExportLogsServiceRequest()
        for whose, claimed, what in sent:
            resource = pairs({"tenant.id": claimed}) if claimed else []
            if what[0] == "span":
                of_resource = traces.resource_spans.add()
                of_resource.resource.attributes.extend(resource)
                scope = of_resource.scope_spans.add(spans=[span(what[1], whose)])
                scope.scope.name = SCOPES.get(what[1], "app")
            elif what[0] != "vote":
                about = logs.resource_logs.add()
                about.resource.attributes.extend(resource)
                about.scope_logs.add(log_records=[record(what, whose)])
        self._traces(traces, key)
        if logs.resource_logs:
            self._end(self.pipeline.ingest_logs(logs, key))

    def promote(self) -> None:
        for self.now in (0.0, SECOND_LOOK_S):
            self.promoter.round()

    def _vote(self, tenant: str, number: int) -> None:
        event = Feedback(1.0, tenant, trace_of(number).hex(), None, "thumb", "helpful", 0.0, "user", f"{number}")
        self.store.write(lambda connection: feedback.append(connection, event, "h"))

    def _spans(self, tenant: str, spans: list[Span]) -> None:
        traces = ExportTraceServiceRequest()
        of_resource = traces.resource_spans.add()
        if not self.by_key:
            of_resource.resource.attributes.extend(pairs({"tenant.id": tenant}))
        of_resource.scope_spans.add(spans=spans)
        self._traces(traces, tenant if self.by_key else None)

    def _traces(self, traces: ExportTraceServiceRequest, key: str | None) -> None:
        found, _ = otlp_protobuf.split(traces.SerializeToString(), 1000)
        self._end(self.pipeline.ingest_traces(self.pipeline.decode(found, key)))

    def _end(self, batch: Batch) -> None:
        if batch.commit is not None:
            batch.commit.result(10)
        self.pipeline.commit(batch)

    def responses(self) -> list[tuple[str, str]]:
        """Whose each sample is, and what its response is."""
        with self.store.read() as connection:
            return sorted((one.tenant, one.response) for one in samples.load(connection))

    def counted(self, name: str) -> dict[str, float]:
        """A counter or sum by tenant."""
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(self.pipeline.page(openmetrics=False)):
            for one in family.samples:
                if one.name == name:
                    found[one.labels["tenant"]] = found.get(one.labels["tenant"], 0) + one.value
        return found

    def state(self, tenant: str) -> dict[str, object]:
        """All that the tenant can see."""
        with self.store.read() as connection:
            kept = [_about(one) for one in samples.load(connection, whole=True) if one.tenant == tenant]
            judged = [
                (one.kind, one.trace_id, one.span_id, one.comment)
                for one in feedback.load(connection)
                if one.tenant == tenant
            ]
        page = text_string_to_metric_families(self.pipeline.page(openmetrics=False))
        return {
            "samples": sorted(kept),
            "feedback": sorted(judged, key=repr),
            "metrics": {
                (sample.name, *sorted(sample.labels.items())): sample.value
                for family in page
                for sample in family.samples
                if sample.labels.get("tenant") == tenant and not sample.name.endswith("_created")
            },
        }


def _empty(connection: Connection) -> None:
    samples.remove(connection, samples.oldest(connection, 100_000))
    connection.execute(schema.feedback.delete())


def _about(sample: Sample) -> tuple[object, ...]:
    when = round(sample.observed_at, 3)
    said = (sample.prompt, sample.response, repr(sample.conversation))
    return sample.trace_id, sample.span_id, when, sample.status, sample.promoted_by or "", said


def _spender(number: int, like: int, tenant: str) -> Span:
    made = span(like, tenant)
    made.trace_id, made.span_id = number.to_bytes(16), number.to_bytes(8)
    made.start_time_unix_nano -= int(60e9)
    made.end_time_unix_nano -= int(60e9)
    return made


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = open_store(f"sqlite:///{tmp_path_factory.mktemp('store') / 's.db'}")
    yield made
    made.close()


WHATS: list[What] = [("span", number) for number in SHAPES]
WHATS += [("prompt", 5), ("answer", 5), ("prompt", 3), ("answer", 2), ("judged", 3), *(("vote", n) for n in (1, 3, 5))]
SENT: st.SearchStrategy[Sent] = st.tuples(st.sampled_from(TENANTS), st.sampled_from(WHATS))


@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(  # The other one's span comes first.
    requests=[[("globex", ("span", 1))], [("acme", ("span", 1)), ("acme", ("span", 2))]], by_key=True, keeps_all=True
)
@example(  # The other one's words do.
    requests=[[("globex", ("prompt", 5)), ("globex", ("answer", 5))], [("acme", ("span", 5))]],
    by_key=True, keeps_all=True,
)  # fmt: skip
@example(  # The other one's wait does.
    requests=[[("globex", ("span", 8))], [("acme", ("span", 9))]], by_key=True, keeps_all=True
)
@example(  # The other one votes.
    requests=[[("acme", ("span", 1)), ("globex", ("vote", 1))]], by_key=False, keeps_all=False
)
@given(requests=st.lists(st.lists(SENT, min_size=1, max_size=5), max_size=8), by_key=st.booleans(),
       keeps_all=st.booleans())  # fmt: skip
def test_two_tenants_with_the_same_ids_end_as_if_each_had_been_alone(
    store: Store, requests: list[list[Sent]], by_key: bool, keeps_all: bool
) -> None:
    together = Collecting(store, by_key, keeps_all)
    for request in requests:
        together.send(request)
    together.promote()
    found = {tenant: together.state(tenant) for tenant in TENANTS}
    for tenant in TENANTS:
        alone = Collecting(store, by_key, keeps_all)
        for request in requests:
            alone.send([(owner, what) for owner, what in request if owner == tenant])
        alone.promote()
        assert found[tenant] == alone.state(tenant)


@pytest.fixture
def collecting(store: Store) -> Collecting:
    return Collecting(store, by_key=False, keeps_all=True)


LOGGED: list[What] = [("prompt", 5), ("answer", 5)]


@pytest.mark.parametrize("is_log_first", [True, False])
@pytest.mark.parametrize(("of_span", "of_log"), [("acme", None), (None, "acme"), ("acme", "acme"), (None, None)])
def test_without_keys_one_of_two_may_name_the_tenant(
    collecting: Collecting, of_span: str | None, of_log: str | None, is_log_first: bool
) -> None:
    parts: list[list[tuple[str, str | None, What]]] = [
        [("acme", of_log, what) for what in LOGGED],
        [("acme", of_span, ("span", 5))],
    ]
    for sent in parts if is_log_first else reversed(parts):
        collecting.request(sent, None)
    assert collecting.responses() == [(of_span or "unknown", "Acme reads")]


@pytest.mark.parametrize("claimed", [None, "acme"])
@pytest.mark.parametrize("is_key_first", [True, False])
def test_what_came_without_a_key_is_no_part_of_what_a_key_proves(
    collecting: Collecting, claimed: str | None, is_key_first: bool
) -> None:
    without: list[tuple[str, str | None, What]] = [("globex", claimed, what) for what in LOGGED]
    without += [("globex", claimed, ("span", number)) for number in (1, 3, 8)]
    under: list[tuple[str, str | None, What]] = [("acme", None, ("span", number)) for number in (1, 2, 3, 4, 5, 9)]
    for sent, key in ((under, "acme"), (without, None)) if is_key_first else ((without, None), (under, "acme")):
        collecting.request(sent, key)
    collecting.request([("acme", None, what) for what in LOGGED], "acme")
    said = sorted(response for _, response in collecting.responses())
    assert said == ["Acme hears", "Acme hears", "Acme reads", "Globex hears"]
    requests = collecting.counted("telltale_requests_total")
    assert (requests["acme"], sum(requests.values())) == ((4, 6) if claimed is None else (6, 6))
    # Its wait came without a key.
    assert collecting.counted("gen_ai_client_operation_duration_seconds_count")["acme"] == (3 if claimed is None else 5)


@pytest.mark.parametrize("key", ["acme", None])
def test_a_judge_finds_a_call_by_its_response_with_a_key_and_without(collecting: Collecting, key: str | None) -> None:
    claimed = None if key else "acme"
    collecting.request([("acme", claimed, ("span", 3)), ("acme", claimed, ("judged", 3))], key)
    [(_, trace_id, span_id, _)] = collecting.state("acme")["feedback"]  # type: ignore[misc]  # a list
    assert (trace_id, span_id) == (trace_of(3).hex(), (3).to_bytes(8).hex())
