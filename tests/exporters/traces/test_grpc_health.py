"""gRPC's health service: asked by grpcio, and by grpcio's own health checks of a channel."""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from support.collector_process import Collector, chat, send, until

from exporters.traces.decode.protobuf import Malformed
from exporters.traces.receive import health

CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
TRACES = "opentelemetry.proto.collector.trace.v1.TraceService"
SERVING, NOT_SERVING, SERVICE_UNKNOWN = b"\x08\1", b"\x08\2", b"\x08\3"


def named(service: str) -> bytes:
    raw = service.encode()
    return b"\x0a" + bytes([len(raw)]) + raw if raw else b""


def check(channel: grpc.Channel, service: str = "") -> bytes:
    answer: bytes = channel.unary_unary(CHECK)(named(service), timeout=10)
    return answer


@contextmanager
def locked(tmp_path: Path, collector: Collector) -> Iterator[None]:
    """A store that takes no writes, which the collector has met."""
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    send_one(collector)
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def send_one(collector: Collector) -> int:
    return collector.post(encode_spans(chat()).SerializeToString()).status_code


def test_services_are_known_by_name_and_need_no_key(make_collector: Callable[..., Collector]) -> None:
    collector = make_collector(TELLTALE_COLLECTOR__REQUIRE_KEY="true")
    with grpc.insecure_channel(collector.grpc) as channel:
        for service in ("", TRACES, TRACES.replace("trace", "logs").replace("Trace", "Logs")):
            assert check(channel, service) == SERVING
        with pytest.raises(grpc.RpcError) as unknown:
            check(channel, "another.Service")
        assert unknown.value.code() is grpc.StatusCode.NOT_FOUND  # type: ignore[attr-defined]
        zipped = channel.unary_unary(CHECK)(named(TRACES), compression=grpc.Compression.Gzip)
        assert zipped == SERVING
    assert collector.value("telltale_collector_rejected_total") == 0
    assert collector.value("telltale_collector_requests_total") == 0


def test_it_serves_while_the_collector_is_ready(collector: Collector, tmp_path: Path) -> None:
    with grpc.insecure_channel(collector.grpc) as channel:
        with locked(tmp_path, collector):
            assert not collector.is_ready()
            assert check(channel) == NOT_SERVING
        # Asking has the store tried again, as on the page.
        until(lambda: check(channel) == SERVING)
    assert collector.is_ready()


def test_a_watch_hears_of_each_change(collector: Collector, tmp_path: Path) -> None:
    with grpc.insecure_channel(collector.grpc) as channel:
        watch = channel.unary_stream(WATCH)(named(TRACES), timeout=60)
        assert next(watch) == SERVING
        with locked(tmp_path, collector):
            assert next(watch) == NOT_SERVING
        assert next(watch) == SERVING
        unknown = channel.unary_stream(WATCH)(named("another.Service"), timeout=60)
        assert next(unknown) == SERVICE_UNKNOWN
        unknown.cancel()
        assert check(channel) == SERVING, "the connection goes on"
        collector.stop()
        with pytest.raises(grpc.RpcError) as ended:
            next(watch)
        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE  # type: ignore[attr-defined]


@pytest.mark.parametrize(("service", "is_served"), [(TRACES, True), ("another.Service", False)])
def test_grpcs_own_health_checks_of_a_channel(collector: Collector, service: str, is_served: bool) -> None:
    config = {"healthCheckConfig": {"serviceName": service}, "loadBalancingConfig": [{"round_robin": {}}]}
    options = [("grpc.service_config", json.dumps(config))]
    with grpc.insecure_channel(collector.grpc, options) as channel:
        export = channel.unary_unary(f"/{TRACES}/Export")
        sent = encode_spans(chat()).SerializeToString()
        if is_served:
            assert export(sent, timeout=20, wait_for_ready=True) == b""
        else:
            with pytest.raises(grpc.RpcError):
                export(sent, timeout=3)
    assert collector.value("telltale_requests_total") == is_served


def test_many_watches_that_nobody_reads_cost_no_others(collector: Collector) -> None:
    """A connection has only so many calls open; they end with it."""
    with grpc.insecure_channel(collector.grpc) as channel:
        watches = [channel.unary_stream(WATCH)(b"") for _ in range(200)]
        assert [next(watch) for watch in watches] == [SERVING] * 200
        assert check(channel) == SERVING
        for watch in watches[::2]:
            watch.cancel()
        assert check(channel) == SERVING
    send(collector, chat())
    assert collector.value("telltale_requests_total") == 1
    assert collector.stop() == 0


def test_other_methods_are_unimplemented_and_counted(collector: Collector) -> None:
    with grpc.insecure_channel(collector.grpc) as channel:
        for path, reason in {
            f"/{TRACES}/Exports": "not_found",
            "/jaeger.api_v2.CollectorService/PostSpans": "not_found",
            "/grpc.health.v1.Health/List": "probe",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": "probe",
        }.items():
            before = collector.value("telltale_collector_rejected_total", reason=reason)
            with pytest.raises(grpc.RpcError) as refused:
                channel.unary_unary(path)(b"", timeout=10)
            assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED  # type: ignore[attr-defined]
            assert collector.value("telltale_collector_rejected_total", reason=reason) == before + 1
    with pytest.raises(grpc.RpcError) as bad, grpc.insecure_channel(collector.grpc) as channel:
        channel.unary_unary(CHECK)(b"\x0a\xff", timeout=10)
    assert bad.value.code() is grpc.StatusCode.INVALID_ARGUMENT  # type: ignore[attr-defined]


@given(st.text(max_size=200), st.binary(max_size=5))
def test_a_request_names_its_service(service: str, other: bytes) -> None:
    raw = service.encode()
    size = len(raw)
    varint = bytes([size]) if size < 128 else bytes([size & 0x7F | 0x80, size >> 7])
    unknown = b"\x12" + bytes([len(other)]) + other + b"\x1d" + struct.pack("<f", 1.0)
    assert health.service(b"\x0a" + varint + raw + unknown) == service


@given(st.binary(max_size=20))
def test_whatever_a_request_is_it_raises_nothing_else(body: bytes) -> None:
    with suppress(Malformed):
        assert isinstance(health.service(body), str)
