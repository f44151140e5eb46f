"""What the collector stores, on both databases: PostgreSQL checks lengths, SQLite does not."""

from __future__ import annotations

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from prometheus_client import CollectorRegistry

from exporters.traces.pipeline import Pipeline
from telltale.settings import Settings
from telltale.store import Store, feedback


def evaluation(trace: bytes, span: bytes) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    record = LogRecord(trace_id=trace, span_id=span, event_name="gen_ai.evaluation.result", time_unix_nano=7)
    record.attributes.add(key="gen_ai.evaluation.name", value=AnyValue(string_value="Relevance"))
    record.attributes.add(key="gen_ai.evaluation.score.value", value=AnyValue(double_value=0.5))
    request.resource_logs.add().scope_logs.add().log_records.append(record)
    return request


def test_an_evaluation_is_stored_and_one_with_ids_that_are_none_is_refused(store: Store) -> None:
    pipeline = Pipeline(Settings(), store, CollectorRegistry(), lambda: 1e9)
    for _ in range(2):
        batch = pipeline.ingest_logs(evaluation(b"t" * 16, b"s" * 8), "acme")
        assert (batch.refused, batch.commit and batch.commit.result(10)) == (0, 0)
    for trace, span in ((b"t" * 20, b"s" * 8), (b"t" * 16, b"s" * 20)):
        assert pipeline.ingest_logs(evaluation(trace, span), "acme").refused == 1
    with store.read() as connection:
        assert [(event.trace_id, event.value) for event in feedback.load(connection)] == [((b"t" * 16).hex(), 0.5)]
