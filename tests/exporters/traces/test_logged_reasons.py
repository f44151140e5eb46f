"""Why a response ended, told in logs: in the sample whichever comes first, in the metrics where the record did."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from exporters.traces.decode import otlp_protobuf
from exporters.traces.pipeline import Batch, Pipeline
from telltale.records import Sample
from telltale.settings import Settings
from telltale.store import open_store, samples

NOW = 1_790_000_000.0
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}


def value(plain: Any) -> AnyValue:
    if isinstance(plain, dict):
        return AnyValue(kvlist_value=KeyValueList(values=pairs(plain)))
    if isinstance(plain, list):
        return AnyValue(array_value=ArrayValue(values=[value(item) for item in plain]))
    return AnyValue(string_value=plain)


def pairs(attributes: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=value(plain)) for key, plain in attributes.items()]


def ids(number: int = 1) -> dict[str, bytes]:
    return {"trace_id": number.to_bytes(16), "span_id": number.to_bytes(8)}


def user(text: str) -> LogRecord:
    return LogRecord(**ids(), event_name="gen_ai.user.message", body=value({"content": text}))


def choice(reason: str, text: str = "Paris.", number: int = 1) -> LogRecord:
    message = {"role": "assistant", **({"content": text} if text else {})}
    return LogRecord(
        **ids(number), event_name="gen_ai.choice", body=value({"finish_reason": reason, "message": message})
    )


def details(reason: str) -> LogRecord:
    """What is left of the event where content is not captured."""
    told = {"gen_ai.response.finish_reasons": [reason]}
    return LogRecord(**ids(), event_name="gen_ai.client.inference.operation.details", attributes=pairs(told))


class Collecting:
    """A pipeline that keeps every call, unless it is told otherwise."""

    def __init__(self, folder: Path, per_minute: float = 1e9) -> None:
        self.store = open_store(f"sqlite:///{folder / 's.db'}", 5.0)
        made = Settings.model_validate({"sampling": {"per_minute": per_minute}})
        self.pipeline = Pipeline(made, self.store, CollectorRegistry(), lambda: NOW)

    def span(self, number: int = 1, **attributes: Any) -> None:
        self._spans([Span(**ids(number), attributes=pairs(CHAT | attributes))])

    def spans(self, *spans: tuple[int, int, dict[str, Any]]) -> None:
        """The number of each, that of its parent or 0, and its attributes: in one trace."""
        self._spans(
            [
                Span(
                    trace_id=(1).to_bytes(16), span_id=number.to_bytes(8), attributes=pairs(CHAT | attributes),
                    parent_span_id=parent.to_bytes(8) if parent else b"",
                )
                for number, parent, attributes in spans
            ]
        )  # fmt: skip

    def _spans(self, spans: list[Span]) -> None:
        request = ExportTraceServiceRequest()
        scope = request.resource_spans.add().scope_spans.add()
        start = int(NOW * 1e9)
        for one in spans:
            one.name, one.start_time_unix_nano, one.end_time_unix_nano = "chat m", start, start + 1
        scope.spans.extend(spans)
        groups, _ = otlp_protobuf.split(request.SerializeToString(), 10)
        self._end(self.pipeline.ingest_traces(self.pipeline.decode(groups, None)))

    def logs(self, *records: LogRecord, scope: str = "by-hand") -> None:
        request = ExportLogsServiceRequest()
        made = request.resource_logs.add().scope_logs.add(log_records=records)
        made.scope.name = scope
        self._end(self.pipeline.ingest_logs(request, None))

    def samples(self) -> list[Sample]:
        with self.store.read() as connection:
            return list(samples.load(connection))

    def statuses(self) -> dict[str, float]:
        return {
            sample.labels["status"]: sample.value
            for family in text_string_to_metric_families(self.pipeline.page(False))
            for sample in family.samples
            if sample.name == "telltale_requests_total"
        }

    def _end(self, batch: Batch) -> None:
        if batch.commit is not None:
            batch.commit.result()
        self.pipeline.commit(batch)


@pytest.fixture
def collecting(tmp_path: Path) -> Iterator[Collecting]:
    made = Collecting(tmp_path)
    yield made
    made.store.close()


@pytest.mark.parametrize("first", ["logs", "span"])
@pytest.mark.parametrize(("reason", "status"), [("stop", "ok"), ("abort", "aborted"), ("FinishReason.STOP", "ok")])
def test_a_sample_has_the_reason_and_the_outcome_in_either_order(
    collecting: Collecting, first: str, reason: str, status: str
) -> None:
    if first == "span":
        collecting.span()
    collecting.logs(user("Capital of France?"), choice(reason))
    if first == "logs":
        collecting.span()
    [sample] = collecting.samples()
    assert (sample.finish_reason, sample.status) == (reason.rpartition(".")[2].lower(), status)
    assert (sample.prompt, sample.response) == ("Capital of France?", "Paris.")
    assert collecting.statuses() == {status: 1}


@pytest.mark.parametrize("order", list(itertools.permutations(["outer", "inner", "choice"])))
@pytest.mark.parametrize("is_together", [True, False])
@pytest.mark.parametrize("of", ["outer", "inner"])
def test_a_call_that_two_spans_report_ends_as_the_record_of_one_says(
    collecting: Collecting, order: tuple[str, ...], is_together: bool, of: str
) -> None:
    inner = {"gen_ai.conversation.id": "c"} if of == "outer" else {"gen_ai.response.model": "m-2"}
    spans = {"outer": (1, 0, {}), "inner": (2, 1, inner)}
    first = [spans[name] for name in order if name in spans]
    for name in order:
        if name == "choice":
            record = choice("abort", number=spans[of][0])
            record.trace_id = (1).to_bytes(16)
            collecting.logs(record)
        elif not is_together:
            collecting.spans(spans[name])
        elif first:
            collecting.spans(*first)
            first = []
    assert collecting.statuses() == {"aborted": 1}


def test_calls_that_were_not_sampled_are_counted_with_their_records(tmp_path: Path) -> None:
    collecting = Collecting(tmp_path, per_minute=1e-9)
    for number in range(1, 31):
        collecting.span(number)
    collecting.logs(*[choice("abort", number=number) for number in range(1, 31)])
    assert len(collecting.samples()) < 30
    assert collecting.statuses() == {"aborted": 30}
    collecting.store.close()


@pytest.mark.parametrize("order", list(itertools.permutations(["span", "user", "choice"])))
def test_every_order_gives_the_same(collecting: Collecting, order: tuple[str, ...]) -> None:
    send = {
        "span": collecting.span,
        "user": lambda: collecting.logs(user("Capital of France?")),
        "choice": lambda: collecting.logs(choice("cancelled")),
    }
    for what in order:
        send[what]()
    assert collecting.statuses() == {"aborted": 1}
    [sample] = collecting.samples()
    assert (sample.status, sample.finish_reason, sample.response) == ("aborted", "cancelled", "Paris.")


def test_a_counter_takes_nothing_back(collecting: Collecting) -> None:
    collecting.span()
    assert collecting.statuses() == {"ok": 1}
    collecting.logs(user("Capital of France?"), choice("abort"))
    assert collecting.statuses() == {"ok": 1}
    [sample] = collecting.samples()
    assert (sample.status, sample.finish_reason) == ("aborted", "abort")


def test_a_reason_without_content_counts_before_its_span(collecting: Collecting) -> None:
    collecting.logs(details("abort"))
    collecting.span()
    assert collecting.statuses() == {"aborted": 1}
    assert collecting.samples() == []
    collecting.logs(user("Capital of France?"))
    [sample] = collecting.samples()
    assert (sample.status, sample.finish_reason, sample.response) == ("aborted", "abort", "")


def test_an_answer_that_was_broken_off_before_its_first_word_needs_no_content(collecting: Collecting) -> None:
    collecting.span()
    collecting.logs(user("Capital of France?"))
    assert collecting.samples() == []
    collecting.logs(choice("error", text=""))
    [sample] = collecting.samples()
    assert (sample.status, sample.prompt, sample.response) == ("aborted", "Capital of France?", "")


def test_what_the_span_says_is_not_overruled(collecting: Collecting) -> None:
    collecting.logs(user("Capital of France?"), choice("abort"))
    collecting.span(**{"gen_ai.response.finish_reasons": ["stop"]})
    [sample] = collecting.samples()
    assert (sample.finish_reason, sample.status, collecting.statuses()) == ("stop", "ok", {"ok": 1})


def test_a_failed_call_stays_one(collecting: Collecting) -> None:
    collecting.logs(user("Capital of France?"), choice("stop"))
    collecting.span(**{"error.type": "RateLimitError"})
    [sample] = collecting.samples()
    assert (sample.status, sample.error_type, collecting.statuses()) == ("error", "rate_limit", {"error": 1})


def test_googles_adk_has_one_word_for_an_answer_and_a_tool_call(collecting: Collecting) -> None:
    call = {"type": "function", "id": "c", "function": {"name": "look", "arguments": "{}"}}
    body = {"finish_reason": "stop", "message": {"role": "assistant", "tool_calls": [call]}}
    told = LogRecord(**ids(), event_name="gen_ai.choice", body=value(body))
    collecting.logs(user("Capital of France?"), told, scope="gcp.vertex.agent")
    collecting.span()
    [sample] = collecting.samples()
    assert sample.finish_reason == "tool_calls"
