"""One item that cannot be read is refused by itself: those beside it are taken, and the sender is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from support.receiver_in_process import InProcess, make

from exporters.traces.decode.bodies import Refused
from exporters.traces.receive.receiver import ExportRequest

END = 1_790_000_000_000_000_000


def span(number: int, **changed: Any) -> dict[str, Any]:
    words = {"gen_ai.operation.name": "chat", "gen_ai.request.model": f"m{number}"}
    return {
        "traceId": f"{number + 1:032x}",
        "spanId": f"{number + 1:016x}",
        "name": "chat",
        "startTimeUnixNano": str(END - 10**9),
        "endTimeUnixNano": str(END),
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in words.items()],
    } | changed


def spans(items: list[Any]) -> bytes:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": items}]}]}).encode()


def send(here: InProcess, signal: Any, body: bytes, media: str = "application/json") -> Any:
    batch = here.receiver.ingest(ExportRequest(signal, body, "", media, ""), None)
    return here.receiver.finish(batch, signal)


BAD = st.sampled_from([
    span(7, startTimeUnixNano="soon"),
    span(7, traceId="q83vEjRWeJCrze8SNFZ4kA=="),
    span(7, kind=1.5),
    span(7, attributes={"key": "no list"}),
    "no object",
    None,
    5,
])  # fmt: skip


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.lists(st.none() | BAD, min_size=1, max_size=8))
def test_a_span_in_json_that_is_none_is_refused_by_itself(
    tmp_path_factory: pytest.TempPathFactory, found: list[Any]
) -> None:
    here = make(tmp_path_factory.mktemp("faults"))
    items = [span(number) if item is None else item for number, item in enumerate(found)]
    bad = sum(item is not None for item in found)
    if bad == len(items):
        with pytest.raises(Refused) as refused:
            send(here, "traces", spans(items))
        assert refused.value.reason == "malformed"
    else:
        response = send(here, "traces", spans(items))
        assert isinstance(response, ExportTraceServiceResponse)
        assert response.partial_success.rejected_spans == bad
        assert ("malformed" in response.partial_success.error_message) == bool(bad)
        assert (
            here.registry.get_sample_value("telltale_collector_rejected_total", {"reason": "malformed"}) or 0
        ) == bad
    page = here.pipeline.page(False)
    assert page.count("telltale_requests_total{") == len(items) - bad
    here.store.close()


@pytest.mark.parametrize("key", ["gen_ai.request.model", "gen_ai.response.id", "tenant.id"])
def test_a_span_whose_text_is_none_is_refused_by_itself(tmp_path: Path, key: str) -> None:
    here = make(tmp_path)
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for number in range(3):
        one = scope.spans.add(
            trace_id=bytes([number + 1]) * 16, span_id=bytes([number + 1]) * 8, name="chat",
            start_time_unix_nano=END - 10**9, end_time_unix_nano=END,
        )  # fmt: skip
        words = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", key: "0123456789abcdef"}
        for name, value in words.items():
            pair = one.attributes.add(key=name)
            pair.value.string_value = "broken-word-here" if number == 1 and name == key else value
    body = request.SerializeToString().replace(b"broken-word-here", b"broken-\xff\xfe\xfd\xfc-here")
    response = send(here, "traces", body, "application/x-protobuf")
    assert response.partial_success.rejected_spans == 1
    assert here.pipeline.page(False).count("telltale_requests_total{") >= 1
    here.store.close()


def test_a_log_record_in_json_that_is_none_is_refused_by_itself(tmp_path: Path) -> None:
    here = make(tmp_path)
    good = {"traceId": "0a" * 16, "spanId": "0b" * 8, "eventName": "gen_ai.choice", "body": {"stringValue": "hello"}}
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [good, {"timeUnixNano": "soon"}]}]}]}).encode()
    response = send(here, "logs", body)
    assert isinstance(response, ExportLogsServiceResponse)
    assert response.partial_success.rejected_log_records == 1
    assert "time_unix_nano" in response.partial_success.error_message
    here.store.close()
