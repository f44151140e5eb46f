"""Evaluations in OTLP logs: stored once as a judge's feedback, redacted; unusable ones are reported."""

from __future__ import annotations

from collections.abc import Callable

import httpx
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from support.collector_process import Collector, chat, send

from telltale.feedback import is_person
from telltale.records import Feedback
from telltale.store import access, feedback

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def evaluation(parented: bool = True, **attributes: str | float) -> LogRecord:
    record = LogRecord(event_name="gen_ai.evaluation.result", time_unix_nano=7)
    if parented:
        record.trace_id, record.span_id = bytes.fromhex(TRACE), bytes.fromhex(SPAN)
    for name, value in {"name": "Relevance", **attributes}.items():
        key = name if name.startswith("gen_ai") else f"gen_ai.evaluation.{name}"
        any_value = AnyValue(string_value=value) if isinstance(value, str) else AnyValue(double_value=value)
        record.attributes.append(KeyValue(key=key, value=any_value))
    return record


def post(collector: Collector, *records: LogRecord, authorization: str = "") -> ExportLogsServiceResponse:
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    resource.resource.attributes.append(KeyValue(key="tenant.id", value=AnyValue(string_value="acme")))
    resource.scope_logs.add().log_records.extend(records)
    headers = {"Content-Type": "application/x-protobuf"} | ({"Authorization": authorization} if authorization else {})
    response = httpx.post(f"http://{collector.http}/v1/logs", content=request.SerializeToString(), headers=headers)
    assert response.status_code == 200
    return ExportLogsServiceResponse.FromString(response.content)


def stored(collector: Collector) -> list[Feedback]:
    store = collector.store()
    try:
        with store.read() as connection:
            return feedback.load(connection)
    finally:
        store.close()


def test_a_score_is_a_judges_rating_and_counts_as_no_persons_vote(collector: Collector) -> None:
    evaluated = evaluation(**{"score.value": 0.2, "score.label": "fail", "explanation": "see ada@example.org"})
    assert post(collector, evaluated) == ExportLogsServiceResponse()
    assert post(collector, evaluated) == ExportLogsServiceResponse()
    [judged] = stored(collector)
    assert (judged.trace_id, judged.span_id, judged.tenant) == (TRACE, SPAN, "acme")
    assert (judged.source, judged.kind, judged.name, judged.value) == ("judge", "rating", "Relevance", 0.2)
    assert judged.comment == "fail\nsee [EMAIL]"
    assert not is_person(judged)


def test_a_score_of_an_unknown_scale_keeps_its_label_only(collector: Collector) -> None:
    post(collector, evaluation(**{"score.value": 4.0, "score.label": "good"}))
    [judged] = stored(collector)
    assert (judged.kind, judged.value, judged.comment) == ("category", None, "good")


def test_without_a_span_the_response_id_finds_the_call(collector: Collector) -> None:
    [span] = chat(**{"gen_ai.response.id": "resp-1"})
    send(collector, [span])
    post(collector, evaluation(False, **{"score.value": 1.0, "gen_ai.response.id": "resp-1"}))
    [judged] = stored(collector)
    context = span.get_span_context()
    assert context is not None
    assert judged.trace_id == f"{context.trace_id:032x}"


def test_what_cannot_be_used_is_a_partial_success(collector: Collector) -> None:
    response = post(
        collector,
        evaluation(**{"score.value": 4.0}),
        evaluation(False, **{"score.value": 1.0, "gen_ai.response.id": "never-seen"}),
        evaluation(**{"score.value": 0.5}),
    )
    assert response.partial_success.rejected_log_records == 2
    assert "[0, 1]" in response.partial_success.error_message
    assert collector.value("telltale_collector_rejected_total", reason="evaluation") == 2
    assert len(stored(collector)) == 1


def test_the_keys_tenant_beats_what_the_resource_claims(make_collector: Callable[..., Collector]) -> None:
    collector = make_collector()
    store = collector.store()
    secret = store.write(lambda c: access.add_key(c, name="k", tenant="real", scopes=["otlp:write"], now=1.0))
    store.close()
    post(collector, evaluation(**{"score.value": 0.9}), authorization=f"Bearer {secret}")
    assert [judged.tenant for judged in stored(collector)] == ["real"]


def test_an_explanation_that_is_too_long_is_cut_after_it_was_redacted(collector: Collector) -> None:
    evaluated = evaluation(**{"score.value": 0.2, "explanation": "x" * 7_990 + " mina.kim@example.com"})
    post(collector, evaluated)
    [judged] = stored(collector)
    assert judged.comment == "x" * 7_990 + " [EMAIL]"


def test_what_is_stored_is_counted_once_by_its_kind(collector: Collector) -> None:
    rating, label = evaluation(**{"score.value": 0.2}), evaluation(**{"score.label": "off topic"})
    for _ in range(2):
        post(collector, rating, label, evaluation(**{"score.value": 4.0}))
    assert collector.value("telltale_feedback_events_total", kind="rating") == 1
    assert collector.value("telltale_feedback_events_total", kind="category") == 1
