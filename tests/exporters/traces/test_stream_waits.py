"""A streamed call reported in two spans gets its start and duration from both; from one alone it has neither."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from support.receiver_in_process import InProcess

from exporters.traces.calls import stream_waits
from exporters.traces.calls.call import Call
from exporters.traces.calls.stream_waits import StreamWaits, Wait
from exporters.traces.core.journal import Journals
from exporters.traces.receive.receiver import ExportRequest
from telltale.store import samples

DURATION = "gen_ai_client_operation_duration_seconds"
START = 1_790_000_000.0
JOURNAL = Journals().begin()


def attributes(**more: str | float) -> list[KeyValue]:
    more = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "request_data": '{"model":"m"}', **more}
    return [
        KeyValue(key=key, value=AnyValue(**{"double_value" if isinstance(value, float) else "string_value": value}))  # type: ignore[arg-type]  # a field's name
        for key, value in more.items()
    ]


def request(*spans: tuple[str, float, float, dict[str, str | float]]) -> bytes:
    """(kind, start, end, more attributes) of each span, as Logfire writes them: each in its own trace."""
    body = ExportTraceServiceRequest()
    scope = body.resource_spans.add().scope_spans.add()
    scope.scope.name = "logfire.openai"
    for kind, start, end, more in spans:
        number = hash(f"{kind}{start}{more}")
        scope.spans.add(
            trace_id=number.to_bytes(16, "big", signed=True), span_id=number.to_bytes(8, "big", signed=True), name=kind,
            start_time_unix_nano=int(start * 1e9), end_time_unix_nano=int(end * 1e9),
            attributes=attributes(**{"logfire.span_type": kind, **more}),
        )  # fmt: skip
    return body.SerializeToString()


def question_of(question: str) -> dict[str, str | float]:
    return {"gen_ai.input.messages": f'[{{"role":"user","parts":[{{"type":"text","content":"{question}"}}]}}]'}


def response_to(question: str, streamed: float) -> dict[str, str | float]:
    response = '[{"role":"assistant","parts":[{"type":"text","content":"so"}],"finish_reason":"stop"}]'
    return {**question_of(question), "duration": streamed, "gen_ai.output.messages": response}


def send(in_process: InProcess, body: bytes) -> None:
    receiver = in_process.receiver
    receiver.finish(receiver.ingest(ExportRequest("traces", body, "", "application/x-protobuf", ""), None))


def durations(in_process: InProcess) -> tuple[float, float]:
    """How many were measured, and their sum."""
    lines = in_process.pipeline.page(openmetrics=False).splitlines()
    values = {line.split("{")[0]: float(line.split()[-1]) for line in lines if line.startswith(DURATION)}
    return values[f"{DURATION}_count"], values[f"{DURATION}_sum"]


def test_a_stream_lasts_from_its_request_to_its_end(in_process: InProcess) -> None:
    wait = ("span", START, START + 1.5, question_of("one"))
    other = ("span", START + 1.0, START + 1.52, question_of("two"))
    send(in_process, request(wait, other))
    send(in_process, request(("log", START + 3.503, START + 3.503, response_to("one", 2.0))))

    count, total = durations(in_process)
    assert (count, total) == (1, pytest.approx(3.503))
    with in_process.store.read() as connection:
        [stored] = samples.load(connection)
    assert (stored.observed_at, stored.duration_s) == (pytest.approx(START + 3.503), pytest.approx(3.503))


def test_a_stream_whose_wait_is_not_here_has_no_duration(in_process: InProcess) -> None:
    send(in_process, request(("span", START, START + 1.5, question_of("one"))))
    send(in_process, request(("log", START + 9.0, START + 9.0, response_to("one", 2.0))))

    assert durations(in_process) == (0, 0)
    with in_process.store.read() as connection:
        [stored] = samples.load(connection)
    assert (stored.observed_at, stored.duration_s, stored.status) == (START + 9.0, None, "ok")


@given(st.lists(st.floats(0, 50), min_size=1, max_size=90), st.floats(0, 0.09))
def test_of_many_alike_the_nearest_is_chosen(ends: list[float], gap: float) -> None:
    known = StreamWaits()
    for end in ends:
        known.add(Wait(7, end - 1.0, end, "acme"), JOURNAL)
    call = Call()
    call.tenant, call.request_hash = "acme", 7
    call.stream_s, call.duration_s, call.start_unix_s = 3.0, None, ends[-1] + gap + 3.0

    known.complete(call, JOURNAL)

    nearest = min(abs(end - ends[-1] - gap) for end in ends[-stream_waits.MOST_ALIKE :])
    assert abs(call.start_unix_s + 1.0 - ends[-1] - gap) == pytest.approx(nearest, abs=1e-9)
    assert call.start_unix_s + call.duration_s == pytest.approx(ends[-1] + gap + 3.0)


def test_a_stream_waits_again_for_a_wait_that_was_refused() -> None:
    known, journals = StreamWaits(), Journals()
    call = Call()
    call.tenant, call.request_hash, call.stream_s, call.start_unix_s = "acme", 7, 3.0, 10.0
    assert known.complete(call, journals.begin()) is None
    wait = Wait(7, 6.0, 7.0, "acme")
    for _ in range(2):
        refused = journals.begin()
        assert known.add(wait, refused) is call
        assert (call.start_unix_s, call.duration_s) == (6.0, 4.0)
        journals.rollback(refused)
        assert (call.start_unix_s, call.duration_s) == (10.0, None)
    assert known.add(wait, journals.begin()) is call


def test_waits_are_few_and_the_oldest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_waits, "MOST", 3)
    known = StreamWaits()
    for number in range(5):
        known.add(Wait(number, time.time(), time.time(), "acme"), JOURNAL)
    assert list(known._by_asked) == [2, 3, 4]
