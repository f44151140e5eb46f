"""The collector from outside: real SDK, real process, real store."""

from __future__ import annotations

import gzip
import json
import re
import signal
import sqlite3
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import grpc
import httpx
import pytest
import zstandard
from google.protobuf import json_format
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from support.collector_process import Collector, chat, send, until

from telltale.records import Feedback
from telltale.store import access, feedback


def trace_of(span: ReadableSpan) -> str:
    context = span.get_span_context()
    assert context is not None
    return f"{context.trace_id:032x}"


def body(**options: object) -> bytes:
    return encode_spans(chat(**options)).SerializeToString()  # type: ignore[arg-type]


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_call_becomes_metrics_and_a_sample(collector: Collector, protocol: str) -> None:
    assert send(collector, chat(seconds=2.0), protocol) is SpanExportResult.SUCCESS
    labels = {"tenant": "acme", "model": "m", "layer": "client", "operation": "chat", "status": "ok"}
    assert collector.value("telltale_requests_total", **labels) == 1
    assert collector.value("telltale_tokens_total", kind="input", **labels) == 20
    assert collector.value("telltale_tokens_total", kind="output", **labels) == 11
    assert collector.value("gen_ai_client_operation_duration_seconds_sum") == pytest.approx(2.0, abs=0.01)
    [stored] = collector.samples()
    assert (stored.prompt, stored.response) == ("How do I reset it?", "Press the button.")
    assert (stored.model, stored.version, stored.tenant) == ("m", "m-2", "acme")
    assert stored.inclusion_probability == 1.0


@pytest.mark.parametrize("encoding", ["", "gzip", "deflate", "zstd"])
def test_every_encoding_of_a_body(collector: Collector, encoding: str) -> None:
    pack: dict[str, Callable[[bytes], bytes]] = {
        "": bytes, "gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstandard.ZstdCompressor().compress,
    }  # fmt: skip
    headers = {"Content_Encoding": encoding} if encoding else {}
    response = collector.post(pack[encoding](body()), **headers)
    assert response.status_code == 200
    assert ExportTraceServiceResponse.FromString(response.content) == ExportTraceServiceResponse()
    assert len(collector.samples()) == 1


def test_json_with_hex_ids(collector: Collector) -> None:
    spans = chat()
    tree = json_format.MessageToDict(encode_spans(spans))
    span = tree["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    context = spans[0].get_span_context()
    assert context is not None
    span["traceId"], span["spanId"] = f"{context.trace_id:032x}", f"{context.span_id:016x}"
    response = collector.post(json.dumps(tree).encode(), Content_Type="application/JSON; charset=utf-8")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert [stored.trace_id for stored in collector.samples()] == [f"{context.trace_id:032x}"]


@pytest.mark.parametrize(
    ("content", "headers", "status", "reason"),
    [
        (b"\xff\xff\xff", {}, 400, "malformed"),
        (b"\x0a\x05abc", {}, 400, "malformed"),
        (gzip.compress(b"x" * 100, mtime=0)[:-5], {"Content_Encoding": "gzip"}, 400, "malformed"),
        (b"no gzip", {"Content_Encoding": "gzip"}, 400, "malformed"),
        (b"x", {"Content_Encoding": "br"}, 415, "encoding"),
        (b"x", {"Content_Type": "text/plain"}, 415, "content_type"),
        (b"{", {"Content_Type": "application/json"}, 400, "malformed"),
        (b'{"resourceSpans": 5}', {"Content_Type": "application/json"}, 400, "malformed"),
        (b"[" * 100_000, {"Content_Type": "application/json"}, 400, "malformed"),
        (gzip.compress(bytes(3_000_000), mtime=0), {"Content_Encoding": "gzip"}, 413, "too_large"),
        (bytes(1_200_000), {}, 413, "too_large"),
    ],
)
def test_bad_bodies_get_the_protocols_error_and_a_counter(
    make_collector: Callable[..., Collector], content: bytes, headers: dict[str, str], status: int, reason: str
) -> None:
    collector = make_collector(
        TELLTALE_COLLECTOR__MAX_BODY_BYTES="1000000", TELLTALE_COLLECTOR__MAX_DECOMPRESSED_BYTES="2000000"
    )
    assert collector.post(content, **headers).status_code == status
    assert collector.value("telltale_collector_rejected_total", reason=reason) == 1
    assert collector.post(body()).status_code == 200


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs"])
def test_millions_of_objects_in_a_small_body_of_json_are_refused_unread(collector: Collector, path: str) -> None:
    packed = gzip.compress(b'{"resourceSpans":[' + b"{}," * 3_000_000 + b"{}]}", 1)
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    before = collector.peak_memory()
    response = httpx.post(f"http://{collector.http}{path}", content=packed, headers=headers, timeout=30)
    assert response.status_code == 413
    assert "2560000 objects" in response.json()["message"]
    assert collector.value("telltale_collector_rejected_total", reason="too_large") == 1
    assert collector.peak_memory() - before < 100 << 20


def test_grpc_errors_carry_the_protocols_codes(collector: Collector) -> None:
    with grpc.insecure_channel(collector.grpc) as channel:
        call = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        with pytest.raises(grpc.RpcError) as refused:
            call(b"\xff\xff")
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT  # type: ignore[attr-defined]
    assert collector.value("telltale_collector_rejected_total", reason="malformed") == 1


def test_too_many_spans_are_a_partial_success(make_collector: Callable[..., Collector]) -> None:
    collector = make_collector(TELLTALE_COLLECTOR__MAX_SPANS="3")
    response = ExportTraceServiceResponse.FromString(collector.post(body(count=5)).content)
    assert response.partial_success.rejected_spans == 2
    assert "3 spans" in response.partial_success.error_message
    assert collector.value("telltale_requests_total") == 3


def test_a_locked_store_is_retryable_and_recovers(collector: Collector, tmp_path: Path) -> None:
    assert collector.post(body()).status_code == 200
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    retried = body()
    response = collector.post(retried)
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    # The cause is for the log: it may reveal where a database server is.
    assert Status.FromString(response.content).message == "the store is not available"
    with grpc.insecure_channel(collector.grpc) as channel:
        call = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        with pytest.raises(grpc.RpcError) as refused:
            call(retried)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE  # type: ignore[attr-defined]
    assert refused.value.details() == "the store is not available"  # type: ignore[attr-defined]
    assert "grpc-status-details-bin" in dict(refused.value.trailing_metadata())  # type: ignore[attr-defined]
    other.execute("ROLLBACK")
    other.close()
    assert collector.post(retried).status_code == 200
    assert collector.value("telltale_requests_total") == 2, "a call that was sent again is counted once"
    assert len(collector.samples()) == 2


def test_a_store_that_cannot_write_is_logged_and_not_ready(collector: Collector, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert [collector.post(body()).status_code for _ in range(3)] == [503] * 3
    response = httpx.get(f"http://{collector.metrics}/-/ready")
    assert (response.status_code, response.text) == (503, "the store took no write: database is locked\n")
    assert httpx.get(f"http://{collector.metrics}/-/healthy").status_code == 200
    warnings = [line for line in collector.log.read_text().splitlines() if "WARNING" in line]
    assert len(warnings) == 1
    assert warnings[0].endswith("the store is not available: database is locked (requests refused: 1)")
    other.execute("ROLLBACK")
    other.close()
    # Nobody sends anything to a collector that is not ready.
    until(collector.is_ready)


def test_the_sdk_retries_until_the_store_is_back(collector: Collector, tmp_path: Path) -> None:
    import threading

    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(1.0, lambda: other.execute("ROLLBACK")).start()
    assert send(collector, chat(), "http") is SpanExportResult.SUCCESS
    assert len(collector.samples()) == 1
    other.close()


def test_kill_9_loses_no_acknowledged_sample(make_collector: Callable[..., Collector]) -> None:
    collector = make_collector(TELLTALE_SAMPLING__PER_MINUTE="100000")
    acknowledged = 0
    for _ in range(30):
        acknowledged += 5 * (collector.post(body(count=5)).status_code == 200)
    assert collector.popen is not None
    collector.popen.send_signal(signal.SIGKILL)
    collector.popen.wait()
    assert len(collector.samples()) == acknowledged == 150


def test_sigterm_ends_cleanly(collector: Collector) -> None:
    send(collector, chat(count=10))
    assert collector.stop() == 0
    assert len(collector.samples()) == 10


def test_an_address_in_use_is_named(collector: Collector, make_collector: Callable[..., Collector]) -> None:
    with pytest.raises(AssertionError, match=r"collector\.grpc_listen"):
        make_collector(TELLTALE_COLLECTOR__GRPC_LISTEN=collector.grpc)


def test_a_response_reported_twice_is_counted_once(collector: Collector) -> None:
    twice = {"gen_ai.response.id": "chatcmpl-1"}
    send(collector, chat(**twice) + chat(**twice))
    assert collector.value("telltale_requests_total") == 1
    assert collector.value("telltale_collector_duplicates_total") == 1


def test_server_spans_are_a_layer_of_their_own_with_a_configured_model(
    make_collector: Callable[..., Collector],
) -> None:
    collector = make_collector(TELLTALE_COLLECTOR__SERVICE_MODELS='{"vllm-a": "llama"}')
    spans = chat(
        resource={"service.name": "vllm-a"}, **{"gen_ai.latency.e2e": 1.5, "gen_ai.latency.time_to_first_token": 0.2}
    )
    send(collector, spans)
    assert collector.value("telltale_requests_total", layer="server", model="llama") == 1
    assert collector.value("gen_ai_server_time_to_first_token_seconds_sum") == pytest.approx(0.2)
    assert collector.value("gen_ai_client_operation_duration_seconds_count") == 0


@pytest.mark.parametrize("tokens", [float("nan"), -1, "", "many"])
def test_impossible_token_counts_are_absent(collector: Collector, tokens: object) -> None:
    send(collector, chat(**{"gen_ai.usage.input_tokens": tokens}))
    assert collector.value("telltale_requests_total") == 1
    assert collector.value("telltale_tokens_total", kind="input") == 0
    assert " nan" not in collector.page().lower()


def test_first_token_time_needs_a_stream(collector: Collector) -> None:
    send(collector, chat(**{"gen_ai.response.time_to_first_chunk": 0.3}))
    assert collector.value("gen_ai_client_operation_time_to_first_chunk_seconds_count") == 0
    send(collector, chat(**{"gen_ai.response.time_to_first_chunk": 0.3, "gen_ai.request.stream": True}))
    assert collector.value("gen_ai_client_operation_time_to_first_chunk_seconds_sum") == pytest.approx(0.3)


def test_agents_and_tools_are_no_calls(collector: Collector) -> None:
    for operation in ("invoke_agent", "execute_tool", "invoke_workflow"):
        send(collector, chat(**{"gen_ai.operation.name": operation}))
    assert collector.value("telltale_requests_total") == 0
    assert collector.value("telltale_collector_spans_total", convention="none") == 3


def test_cost_by_the_price_table(make_collector: Callable[..., Collector]) -> None:
    collector = make_collector(TELLTALE_PRICES='[{"model": "m-*", "input": 10, "output": 100}]')
    send(collector, chat())
    assert collector.value("telltale_cost_usd_total") == pytest.approx((20 * 10 + 11 * 100) / 1e6)


def test_no_price_no_cost(collector: Collector) -> None:
    send(collector, chat())
    assert "telltale_cost_usd_total{" not in collector.page()


def test_label_sets_beyond_the_bound_fold_into_other(make_collector: Callable[..., Collector]) -> None:
    collector = make_collector(TELLTALE_COLLECTOR__MAX_SERIES="6")
    send(collector, [span for number in range(20) for span in chat(**{"gen_ai.request.model": f"m{number}"})])
    assert collector.value("telltale_requests_total") == 20
    assert collector.value("telltale_requests_total", model="other") >= 14


def test_a_keys_tenant_beats_what_a_span_claims(collector: Collector) -> None:
    store = collector.store()
    key = store.write(lambda c: access.add_key(c, name="a", tenant="real", scopes=["otlp:write"], now=1.0))
    other = store.write(lambda c: access.add_key(c, name="b", tenant="x", scopes=["feedback:write"], now=1.0))
    store.close()
    assert collector.post(body(), Authorization=f"Bearer {key}").status_code == 200
    assert collector.value("telltale_requests_total", tenant="real") == 1
    assert collector.post(body(), Authorization=f"Bearer {other}").status_code == 401
    assert collector.post(body(), Authorization="Bearer tt_00000000_wrong").status_code == 401


def test_a_required_key_is_required(make_collector: Callable[..., Collector]) -> None:
    collector = make_collector(TELLTALE_COLLECTOR__REQUIRE_KEY="true")
    response = collector.post(body())
    assert response.status_code == 401
    assert b"telltale key add" in response.content


SECRETS = ("ada@example.org", "4111 1111 1111 1111", "sk-proj4bcd3fGh1jKlmn0pQrStuvwx", "DE89 3704 0044 0532 0130 00")


def test_planted_secrets_reach_neither_store_nor_metrics_nor_log(collector: Collector, tmp_path: Path) -> None:
    text = "My data: " + ", ".join(SECRETS)
    send(collector, chat(prompt=text, response=text))
    send(collector, chat(prompt=text, response=text, failed=True, **{"gen_ai.conversation.id": f"of {SECRETS[0]}"}))
    collector.stop()
    [stored, _] = collector.samples()
    assert sum(stored.redactions.values()) >= 8
    raw = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    for secret in SECRETS:
        assert secret.encode() not in raw


KEYS = ("sk-proj4bcd3fGh1jKlmn0pQrStuvwx", "hf_abcdefghij0123456789KLMN")


@pytest.mark.parametrize("longer", ["", "x" * 200], ids=["read in place", "read in full"])
def test_keys_in_names_reach_neither_labels_nor_store(collector: Collector, tmp_path: Path, longer: str) -> None:
    for secret in KEYS:
        models = ("gen_ai.request.model", "gen_ai.response.model", "gen_ai.provider.name")
        names = dict.fromkeys(models, f"m {secret} {longer}")
        attributes = {**names, "gen_ai.response.finish_reasons": [f"stop {secret}"]}
        send(collector, chat(resource={"tenant.id": f"t {secret}"}, **attributes))
        send(collector, chat(**{**attributes, "gen_ai.request.model": "m", "error.type": f"bad {secret}"}))
        # Another convention, in which an operation may be anything.
        others = {"openinference.span.kind": "LLM", "llm.model_name": f"m {secret}", "llm.system": f"s {secret}"}
        send(collector, chat(**{**others, "gen_ai.operation.name": f"chat {secret}"}))
    page = collector.page()
    assert collector.value("telltale_requests_total") == 3 * len(KEYS)
    # Two keys stay two tenants.
    assert len(set(re.findall(r'tenant="t (\[SECRET\]-[0-9a-f]{8})"', page))) == len(KEYS)
    collector.stop()
    raw = page.encode() + b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert not [secret for secret in KEYS if secret.encode() in raw]
    assert sum(kept.model.startswith("m [SECRET]") for kept in collector.samples()) >= len(KEYS)


def test_tenants_that_are_named_by_numbers_stay_apart(collector: Collector) -> None:
    tenants = ("4111111111111111", "5500005555555559", "123-45-6789", "536-90-4399", "ada@example.org")
    for tenant in tenants:
        send(collector, chat(resource={"tenant.id": tenant}))
    assert [collector.value("telltale_requests_total", tenant=tenant) for tenant in tenants] == [1] * len(tenants)


def test_feedback_brings_an_unsampled_call_into_the_store(make_collector: Callable[..., Collector]) -> None:
    collector = make_collector(TELLTALE_SAMPLING__PER_MINUTE="0.001")
    # The first call of a stratum is always kept: its rate is not known yet.
    send(collector, chat(count=200))
    kept = {stored.trace_id for stored in collector.samples()}
    missed = chat(count=40)
    send(collector, missed)
    trace = next(
        f"{context.trace_id:032x}"
        for span in missed
        if (context := span.get_span_context()) and f"{context.trace_id:032x}" not in kept
    )
    until(lambda: collector.value("telltale_samples_total", outcome="not_sampled") > 0)
    store = collector.store()
    event = Feedback(1.0, "acme", trace, None, "thumb", "helpful", 0.0, "user", "k1")
    store.write(lambda c: feedback.append(c, event, "h"))

    def promoted() -> bool:
        return any(found.promoted_by == "feedback" for found in collector.samples() if found.trace_id == trace)

    until(promoted)
    [found] = [found for found in collector.samples() if found.trace_id == trace]
    assert found.inclusion_probability is None
    store.close()


def test_feedback_through_one_replica_promotes_a_call_that_another_holds(
    make_collector: Callable[..., Collector],
) -> None:
    holder = make_collector(TELLTALE_SAMPLING__PER_MINUTE="0.001")
    other = make_collector()
    send(holder, chat(count=200))
    missed = chat(count=40)
    send(holder, missed)
    # Of late calls one in some hundreds is sampled anyway: that one would not be promoted.
    kept = {stored.trace_id for stored in holder.samples()}
    trace = next(found for span in missed if (found := trace_of(span)) not in kept)
    store = other.store()
    secret = store.write(lambda c: access.add_key(c, name="k", tenant="acme", scopes=["feedback:write"], now=1.0))
    store.close()
    score = {"id": "s1", "traceId": trace, "name": "thumbs", "value": 0.0, "dataType": "BOOLEAN"}
    address = f"http://{other.http}/api/public/scores"
    assert httpx.post(address, json=score, auth=("pk-lf-1", secret)).status_code == 200
    until(lambda: any(found.promoted_by == "feedback" for found in holder.samples() if found.trace_id == trace))


def test_calls_that_were_voted_on_are_stored_once_a_locked_store_is_free(
    make_collector: Callable[..., Collector], tmp_path: Path
) -> None:
    collector = make_collector(TELLTALE_SAMPLING__PER_MINUTE="0.001")
    first, second = _unsampled(collector)[:2]
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    _vote(other, first)
    other.execute("COMMIT")
    other.execute("BEGIN IMMEDIATE")
    until(lambda: "locked" in collector.log.read_text())
    assert "1 sample of a call that somebody voted on is not stored yet" in collector.log.read_text()
    other.execute("ROLLBACK")
    until(lambda: first in _promoted(collector))
    _vote(other, second)
    until(lambda: second in _promoted(collector))
    other.close()


def test_a_vote_that_cannot_be_followed_does_not_keep_others_from_it(
    make_collector: Callable[..., Collector], tmp_path: Path
) -> None:
    collector = make_collector(TELLTALE_SAMPLING__PER_MINUTE="0.001")
    trace = _unsampled(collector)[0]
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    _vote(other, "not hexadecimal")
    until(lambda: "ValueError" in collector.log.read_text())
    _vote(other, trace)
    until(lambda: trace in _promoted(collector))
    other.close()


def _unsampled(collector: Collector) -> list[str]:
    """Traces of calls in the unsampled buffer."""
    # The first call of a stratum is always kept: its rate is not known yet.
    send(collector, chat(count=200))
    missed = chat(count=40)
    send(collector, missed)
    kept = {stored.trace_id for stored in collector.samples()}
    return [trace for span in missed if (trace := trace_of(span)) not in kept]


def _vote(connection: sqlite3.Connection, trace: str) -> None:
    connection.execute(
        "INSERT INTO feedback (received_at, tenant, trace_id, kind, name, value, source, idempotency_key, body_sha256)"
        " VALUES (?, 'acme', ?, 'thumb', 'helpful', 0, 'user', ?, 'h')",
        (time.time(), trace, trace),
    )


def _promoted(collector: Collector) -> set[str]:
    return {found.trace_id for found in collector.samples() if found.promoted_by == "feedback"}


def test_a_response_stopped_by_a_guardrail_is_kept_beyond_the_budget(make_collector: Callable[..., Collector]) -> None:
    collector = make_collector(TELLTALE_SAMPLING__PER_MINUTE="0.001")
    send(collector, chat(count=200))
    stopped = chat(**{"gen_ai.response.finish_reasons": ["content_filter"]})
    send(collector, stopped)
    [found] = [stored for stored in collector.samples() if stored.trace_id == trace_of(stopped[0])]
    assert (found.promoted_by, found.inclusion_probability) == ("guardrail", None)


def test_requests_beyond_the_limit_are_asked_to_retry(make_collector: Callable[..., Collector]) -> None:
    collector = make_collector(TELLTALE_COLLECTOR__MAX_IN_FLIGHT_BYTES="100")
    response = collector.post(body())
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    with grpc.insecure_channel(collector.grpc) as channel:
        call = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        with pytest.raises(grpc.RpcError) as refused:
            call(body())
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED  # type: ignore[attr-defined]
    [delay] = [Status.FromString(value) for key, value in refused.value.trailing_metadata() if key.endswith("-bin")]  # type: ignore[attr-defined]
    retry = RetryInfo()
    assert delay.details[0].Unpack(retry)
    assert retry.retry_delay.seconds == 1
    assert collector.value("telltale_requests_total") == 0


def test_requests_and_their_lag_are_counted(collector: Collector) -> None:
    send(collector, chat())
    for path in ("/v1/logs", "/v1/metrics"):
        httpx.post(f"http://{collector.http}{path}", content=b"", headers={"Content-Type": "application/x-protobuf"})
    counted = {
        signal: collector.value("telltale_collector_requests_total", signal=signal)
        for signal in ("traces", "logs", "metrics", "scores")
    }
    assert counted == {"traces": 1, "logs": 1, "metrics": 1, "scores": 0}
    assert collector.value("telltale_collector_lag_seconds_count") == 1
    assert collector.value("telltale_collector_lag_seconds_sum") < 60


def test_coverage_is_absent_before_the_first_call(collector: Collector) -> None:
    name = "\ntelltale_collector_content_coverage_ratio "
    assert name not in collector.page()
    send(collector, chat())
    assert f"{name}1.0\n" in collector.page()


def test_the_page_is_valid_openmetrics_with_trace_exemplars(collector: Collector) -> None:
    send(collector, chat())
    page = httpx.get(f"http://{collector.metrics}/metrics", headers={"Accept": "application/openmetrics-text"}).text
    exemplars = [sample.exemplar for family in parse_openmetrics(page) for sample in family.samples if sample.exemplar]
    assert exemplars
    assert len(exemplars[0].labels["trace_id"]) == 32


def test_logs_and_metrics_are_accepted_so_that_sdks_stay_quiet(collector: Collector) -> None:
    kind = {"Content-Type": "application/x-protobuf"}
    for path in ("/v1/logs", "/v1/metrics"):
        assert httpx.post(f"http://{collector.http}{path}", content=b"", headers=kind).status_code == 200
    assert httpx.post(f"http://{collector.http}/v2/nothing", content=b"").status_code == 404
    response = httpx.get(f"http://{collector.http}/v1/traces")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


def test_random_bytes_never_end_the_collector(collector: Collector) -> None:
    from random import Random

    random, good = Random(1), bytearray(body())
    for _ in range(100):
        mutated = bytearray(good)
        for _ in range(random.randint(1, 10)):
            mutated[random.randrange(len(mutated))] = random.randrange(256)
        assert collector.post(bytes(mutated)).status_code in (200, 400)
    assert collector.post(bytes(good)).status_code == 200


def test_request_without_spans_is_fine(collector: Collector) -> None:
    assert collector.post(ExportTraceServiceRequest().SerializeToString()).status_code == 200
