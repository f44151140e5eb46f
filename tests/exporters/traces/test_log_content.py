"""Content that comes in logs: joined with its span in either order, redacted, durable once acknowledged."""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.sdk.trace import ReadableSpan
from support.collector_process import Collector, chat, send

from exporters.traces.decode.otlp_json import varint

SILENT = {"gen_ai.input.messages": "", "gen_ai.output.messages": ""}


def record(span: ReadableSpan, name: str, **attributes: AnyValue) -> LogRecord:
    context = span.get_span_context()
    assert context is not None
    return LogRecord(
        trace_id=context.trace_id.to_bytes(16, "big"),
        span_id=context.span_id.to_bytes(8, "big"),
        event_name=name,
        attributes=[KeyValue(key=key.replace("__", "."), value=value) for key, value in attributes.items()],
    )


def structured(role: str, text: str) -> AnyValue:
    part = _object(type="text", content=text)
    return _list(_object(role=role, parts=_list(part)))


def _object(**values: str | AnyValue) -> AnyValue:
    pairs = [
        KeyValue(key=key, value=AnyValue(string_value=value) if isinstance(value, str) else value)
        for key, value in values.items()
    ]
    return AnyValue(kvlist_value=KeyValueList(values=pairs))


def _list(*values: AnyValue) -> AnyValue:
    return AnyValue(array_value=ArrayValue(values=values))


def details(span: ReadableSpan) -> LogRecord:
    return record(
        span,
        "gen_ai.client.inference.operation.details",
        gen_ai__input__messages=structured("user", "Write to ada@example.org"),
        gen_ai__output__messages=structured("assistant", "Done."),
    )


def post(collector: Collector, *records: LogRecord) -> httpx.Response:
    request = ExportLogsServiceRequest()
    request.resource_logs.add().scope_logs.add().log_records.extend(records)
    headers = {"Content-Type": "application/x-protobuf"}
    return httpx.post(f"http://{collector.http}/v1/logs", content=request.SerializeToString(), headers=headers)


@pytest.mark.parametrize("first", ["span", "log"])
def test_content_in_a_log_joins_its_span(collector: Collector, first: str) -> None:
    spans = chat(**SILENT)
    if first == "span":
        send(collector, spans)
        assert collector.samples() == []
    assert post(collector, details(spans[0])).status_code == 200
    if first == "log":
        send(collector, spans)
    [stored] = collector.samples()
    assert (stored.prompt, stored.response) == ("Write to [EMAIL]", "Done.")
    assert collector.value("telltale_requests_total") == 1


def test_older_events_of_one_call_stand_together(collector: Collector) -> None:
    spans = chat(**SILENT)
    send(collector, spans)
    user = record(spans[0], "gen_ai.user.message")
    user.body.CopyFrom(_object(content="Capital of France?"))
    choice = record(spans[0], "gen_ai.choice")
    choice.body.CopyFrom(_object(finish_reason="stop", message=_object(role="assistant", content="Paris.")))
    assert post(collector, user).status_code == 200
    assert post(collector, choice).status_code == 200
    [stored] = collector.samples()
    assert (stored.prompt, stored.response) == ("Capital of France?", "Paris.")


def test_a_log_that_the_store_refused_is_joined_when_it_comes_again(collector: Collector, tmp_path: Path) -> None:
    spans = chat(**SILENT)
    send(collector, spans)
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert post(collector, details(spans[0])).status_code == 503
    other.execute("ROLLBACK")
    other.close()
    assert post(collector, details(spans[0])).status_code == 200
    assert [stored.response for stored in collector.samples()] == ["Done."]


def test_bad_logs_get_the_protocols_error(make_collector: Callable[..., Collector]) -> None:
    collector = make_collector()
    headers = {"Content-Type": "application/x-protobuf"}
    response = httpx.post(f"http://{collector.http}/v1/logs", content=b"\xff\xff", headers=headers)
    assert response.status_code == 400
    assert collector.value("telltale_collector_rejected_total", reason="malformed") == 1


def test_more_records_than_a_request_may_have_are_refused_unread(make_collector: Callable[..., Collector]) -> None:
    collector = make_collector(TELLTALE_COLLECTOR__MAX_SPANS="2")
    spans = chat(**SILENT)
    send(collector, spans)
    refused = post(collector, *[details(spans[0])] * 3)
    assert refused.status_code == 413
    assert "more than 2 log records" in Status.FromString(refused.content).message
    assert collector.value("telltale_collector_rejected_total", reason="too_large") == 1
    assert collector.samples() == []
    assert post(collector, *[details(spans[0])] * 2).status_code == 200
    assert len(collector.samples()) == 1


@pytest.mark.parametrize("where", ["resource_logs", "scope_logs", "log_records", "attributes"])
def test_millions_of_things_in_few_bytes_are_refused_soon(collector: Collector, where: str) -> None:
    # Each is two bytes, and took hundreds in memory.
    body = {"resource_logs": b"\x0a\0", "scope_logs": b"\x12\0", "log_records": b"\x12\0", "attributes": b"\x32\0"}[
        where
    ] * 4_000_000
    for tag in {"resource_logs": (), "scope_logs": (1,), "log_records": (2, 1), "attributes": (2, 2, 1)}[where]:
        body = bytes((tag << 3 | 2,)) + varint(len(body)) + body
    headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
    before = collector.peak_memory()
    response = httpx.post(f"http://{collector.http}/v1/logs", content=gzip.compress(body, 1), headers=headers)
    assert response.status_code == 413
    assert collector.peak_memory() - before < 100 << 20


def test_a_vendors_own_span_and_an_instrumentations_are_one_call_with_its_content(collector: Collector) -> None:
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    ids = {"gen_ai.response.id": "msg_1"}
    vendor = encode_spans(chat(**ids, **SILENT))
    vendor.resource_spans[0].scope_spans[0].scope.name = "com.anthropic.sdk.python"
    assert collector.post(vendor.SerializeToString()).status_code == 200
    send(collector, chat(**ids))
    assert collector.value("telltale_requests_total") == 1
    assert collector.value("telltale_collector_duplicates_total", pair="anthropic+otel") == 1
    assert [stored.response for stored in collector.samples()] == ["Press the button."]
