"""The path of a request, without a protocol around it: one reply to each, and nothing of it stays in memory."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
from pathlib import Path
from typing import get_args

import pytest
from google.protobuf.message import Message
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from support import receiver_in_process
from support.collector_process import chat
from support.receiver_in_process import InProcess

from exporters.traces.decode.bodies import Reason, Refused
from exporters.traces.pipeline import Batch
from exporters.traces.receive.receiver import ExportRequest
from exporters.traces.receive.statuses import STATUSES
from telltale.store import samples


def requests(number: int) -> list[ExportRequest]:
    """Requests with one call each, all of them sampled."""
    return [
        ExportRequest("traces", encode_spans(chat()).SerializeToString(), "", "application/x-protobuf", "")
        for _ in range(number)
    ]


def export(in_process: InProcess, sent: list[ExportRequest]) -> list[object]:
    """The replies to these requests: responses by their type, refusals by their reason."""

    async def run() -> list[object]:
        replies: list[object] = []

        def reply(outcome: Message | Refused) -> None:
            replies.append(outcome.reason if isinstance(outcome, Refused) else type(outcome))

        for request in sent:
            in_process.receiver.export(request, reply)
        while len(replies) < len(sent):
            await asyncio.sleep(0.01)
        # A second reply to one of them would arrive now.
        await asyncio.sleep(0.1)
        return replies

    return asyncio.run(run())


def rejected(in_process: InProcess, reason: str) -> float:
    return in_process.registry.get_sample_value("telltale_collector_rejected_total", {"reason": reason}) or 0.0


def test_every_reason_has_its_status() -> None:
    assert set(STATUSES) == set(get_args(Reason))


def test_a_request_that_the_store_refuses_is_replied_to_once_and_does_not_stay(tmp_path: Path) -> None:
    in_process = receiver_in_process.make(tmp_path, busy_timeout=0.05)
    sent = requests(30)
    other = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    gc.collect()
    gc.disable()
    try:
        assert export(in_process, sent) == ["store_unavailable"] * 30
        assert sum(isinstance(item, Batch) for item in gc.get_objects()) <= 2
    finally:
        gc.enable()
        other.close()
    assert rejected(in_process, "store_unavailable") == 30
    assert export(in_process, sent) == [ExportTraceServiceResponse] * 30
    with in_process.store.read() as connection:
        assert samples.count(connection) == 30
    in_process.store.close()


def test_a_fault_of_ours_is_replied_to_once_and_counted(
    in_process: InProcess, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = in_process.receiver.finish
    faults = iter([True, False])

    def finish(*args: object) -> Message:
        if next(faults):
            raise ZeroDivisionError
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(in_process.receiver, "finish", finish)
    assert export(in_process, requests(2)) == ["internal", ExportTraceServiceResponse]
    assert rejected(in_process, "internal") == 1
    assert [record.message for record in caplog.records] == ["a request failed"]
