"""Content of a request's many kept calls is read beside the loop: the samples are the same, and so are the counts."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from support.receiver_in_process import InProcess, make

from exporters.traces.keep.sample_collector import MOST_AT_ONCE
from exporters.traces.receive.receiver import ExportRequest
from telltale.records import Sample
from telltale.store import StoreUnavailable, samples

END = 1_790_000_000_000_000_000
LONG = "mail mina@example.com " + "x" * (MOST_AT_ONCE // 10)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[InProcess]:
    made = make(tmp_path, 0.2)
    yield made
    made.store.close()


def said(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


def request(numbers: range, scope: str = "", response_id: bool = False, **content: Any) -> ExportTraceServiceRequest:
    """A call for each number, all with these attributes."""
    made = ExportTraceServiceRequest()
    group = made.resource_spans.add().scope_spans.add()
    group.scope.name = scope
    for number in numbers:
        span = group.spans.add(
            trace_id=(number + 1).to_bytes(16, "big"), span_id=(number + 1).to_bytes(8, "big"), name="chat",
            start_time_unix_nano=END - 10**9, end_time_unix_nano=END,
        )  # fmt: skip
        words = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.response.model": "m"}
        if response_id:
            words["gen_ai.response.id"] = f"response-{number}"
        for key, value in {**words, **content}.items():
            span.attributes.add(key=key.replace("__", ".")).value.string_value = value
    return made


ASKED = {"gen_ai__input__messages": said("user", LONG)}
WHOLE = {**ASKED, "gen_ai__output__messages": said("assistant", "Done.")}


def send(here: InProcess, made: Any, signal: Any = "traces") -> None:
    packed = gzip.compress(made.SerializeToString(), 1)
    batch = here.receiver.ingest(ExportRequest(signal, packed, "gzip", "application/x-protobuf", ""), None)
    here.receiver.finish(batch, signal)


def stored(here: InProcess) -> list[Sample]:
    with here.store.read() as connection:
        return samples.load(connection)


def outcome(here: InProcess, name: str) -> float:
    return here.registry.get_sample_value("telltale_samples_total", {"outcome": name}) or 0.0


def test_all_are_kept_whole_and_redacted(here: InProcess) -> None:
    send(here, request(range(40), **WHOLE))
    found = stored(here)
    assert sorted(int(sample.span_id, 16) for sample in found) == list(range(1, 41))
    assert {(sample.prompt[:13], sample.redactions["email"]) for sample in found} == {("mail [EMAIL] ", 1)}
    assert all(len(sample.prompt) > 9000 and sample.response == "Done." for sample in found)
    assert outcome(here, "kept") == 40
    assert here.registry.get_sample_value("telltale_collector_content_coverage_ratio") == 1.0


def test_a_request_that_the_store_refused_is_kept_once_when_it_comes_again(here: InProcess, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable):
        send(here, request(range(30), **WHOLE))
    other.execute("ROLLBACK")
    other.close()
    assert (stored(here), outcome(here, "kept")) == ([], 0)
    send(here, request(range(30), **WHOLE))
    send(here, request(range(30), **WHOLE))
    assert (len(stored(here)), outcome(here, "kept")) == (30, 30)
    assert here.pipeline.page(False).count("telltale_requests_total{") == 1


def test_one_without_content_waits_for_its_logs(here: InProcess) -> None:
    """What is long about it is no content."""
    send(here, request(range(30), other=LONG))
    assert stored(here) == []
    logs = ExportLogsServiceRequest()
    group = logs.resource_logs.add().scope_logs.add()
    for number in range(30):
        record = group.log_records.add(
            trace_id=(number + 1).to_bytes(16, "big"), span_id=(number + 1).to_bytes(8, "big"),
            event_name="gen_ai.client.inference.operation.details",
        )  # fmt: skip
        for side, text in (("input", said("user", "Capital of France?")), ("output", said("assistant", "Paris."))):
            record.attributes.add(key=f"gen_ai.{side}.messages").value.string_value = text
    send(here, logs, "logs")
    assert [sample.response for sample in stored(here)] == ["Paris."] * 30
    assert outcome(here, "kept") == 30


@pytest.mark.parametrize("more", [{}, {"other": LONG}], ids=["short", "long"])
def test_the_second_span_of_a_call_gives_its_content_once(here: InProcess, more: dict[str, str]) -> None:
    """What is long about the first one is no content."""
    send(here, request(range(30), scope="com.anthropic.sdk.python", response_id=True, **more))
    assert stored(here) == []
    again = request(range(30), response_id=True, **WHOLE)
    for span in again.resource_spans[0].scope_spans[0].spans:
        span.span_id = bytes(reversed(span.span_id))
    send(here, again)
    assert len(stored(here)) == 30
    assert {sample.response for sample in stored(here)} == {"Done."}
    for span in again.resource_spans[0].scope_spans[0].spans:
        span.span_id = b"z" + span.span_id[1:]
    send(here, again)
    assert len(stored(here)) == 30


def test_a_span_that_was_read_beside_the_loop_takes_its_content_from_a_second_one(here: InProcess) -> None:
    vendor = {"scope": "com.anthropic.sdk.python", "response_id": True}
    send(here, request(range(30), other=LONG, **vendor))
    again = request(range(30), response_id=True, **WHOLE)
    for span in again.resource_spans[0].scope_spans[0].spans:
        span.span_id = bytes(reversed(span.span_id))
    send(here, again)
    assert len(stored(here)) == 30
    assert {sample.response for sample in stored(here)} == {"Done."}
    assert outcome(here, "kept") == 30


def test_a_span_that_is_read_beside_the_loop_takes_what_came_in_logs_before_it(here: InProcess) -> None:
    send(here, logs_of(range(30), output=said("assistant", "Paris.")), "logs")
    send(here, request(range(30), **ASKED))
    assert {sample.response for sample in stored(here)} == {"Paris."}
    assert len(stored(here)) == 30


def logs_of(numbers: range, **sides: str) -> ExportLogsServiceRequest:
    logs = ExportLogsServiceRequest()
    group = logs.resource_logs.add().scope_logs.add()
    for number in numbers:
        record = group.log_records.add(
            trace_id=(number + 1).to_bytes(16, "big"), span_id=(number + 1).to_bytes(8, "big"),
            event_name="gen_ai.client.inference.operation.details",
        )  # fmt: skip
        for side, text in sides.items():
            record.attributes.add(key=f"gen_ai.{side}.messages").value.string_value = text
    return logs


def test_others_of_the_request_that_are_not_sampled_take_no_content_away(tmp_path: Path) -> None:
    """They let go of the request's plain bytes at once."""
    few = make(tmp_path, sampling={"per_minute": 20})
    send(few, request(range(200), **WHOLE))
    found = stored(few)
    assert 15 <= len(found) < 200
    assert {sample.response for sample in found} == {"Done."}
    few.store.close()
