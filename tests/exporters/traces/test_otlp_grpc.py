"""OTLP/gRPC from outside: grpcio's and nghttp2's clients, and peers that stop half-way."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import shutil
import socket
import sqlite3
import struct
import subprocess
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
import zstandard
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from support.collector_process import Collector, chat, until
from support.http2_peer import HEADERS, client, frame, header_block
from support.receiver_in_process import InProcess

from exporters.traces.pipeline import Batch
from exporters.traces.receive import http2, listener, otlp_grpc
from exporters.traces.receive.http2 import frames, settings
from exporters.traces.receive.receiver import Receiver
from telltale.store import samples

SERVICE = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
FIELDS = [*((k, SERVICE if k == ":path" else v) for k, v in HEADERS), ("content-type", "application/grpc")]


def body(**options: object) -> bytes:
    return encode_spans(chat(**options)).SerializeToString()  # type: ignore[arg-type]


def message(data: bytes, compressed: bool = False) -> bytes:
    return struct.pack(">BI", compressed, len(data)) + data


def connect_to(receiver: Receiver) -> Callable[[listener.Server], listener.Connection]:
    return lambda server: otlp_grpc.Connection(server, receiver, 1 << 20)


def connect(collector: Collector) -> socket.socket:
    host, _, port = collector.grpc.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def ask(collector: Collector, data: bytes, *more: tuple[str, str], path: str = SERVICE) -> dict[str, str]:
    """Headers and trailers of a call with another HTTP/2 implementation."""
    peer = client()
    peer.send_headers(1, [*((k, path if k == ":path" else v) for k, v in FIELDS), *more])
    peer.send_data(1, data, end_stream=True)
    found: dict[str, str] = {}
    with connect(collector) as link:
        link.sendall(peer.data_to_send())
        while "grpc-status" not in found and found.get(":status", "200") == "200":
            got = link.recv(65536)
            assert got, "closed without a response"
            for event in peer.receive_data(got):
                found |= dict(getattr(event, "headers", None) or ())
    return found


@pytest.mark.parametrize(
    "compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip, grpc.Compression.Deflate]
)
def test_every_compression_of_grpcio(collector: Collector, compression: grpc.Compression) -> None:
    with grpc.insecure_channel(collector.grpc, compression=compression) as channel:
        export = channel.unary_unary(SERVICE)
        assert export(body(prompt="What is it? " * 500)) == b""
    assert collector.value("telltale_requests_total") == 1
    [stored] = collector.samples()
    assert stored.prompt.startswith("What is it?")


def test_other_encodings_by_name(collector: Collector) -> None:
    packed = zstandard.ZstdCompressor().compress(body())
    assert ask(collector, message(packed, True), ("grpc-encoding", "zstd"))["grpc-status"] == "0"
    assert ask(collector, message(gzip.compress(body()), True), ("grpc-encoding", "gzip"))["grpc-status"] == "0"
    # A message that is not compressed may come under any encoding.
    assert ask(collector, message(body()), ("grpc-encoding", "snappy"))["grpc-status"] == "0"
    trailers = ask(collector, message(b"x", True), ("grpc-encoding", "snappy"))
    assert (trailers["grpc-status"], trailers["grpc-accept-encoding"]) == ("12", "identity,gzip,deflate,zstd")
    assert collector.value("telltale_requests_total") == 3


@pytest.mark.parametrize(
    ("data", "more", "status", "says"),
    [
        (b"", (), "3", "no message"),
        (b"\0\0", (), "3", "no message"),
        (message(b"abc")[:-1], (), "3", "cut off: 2 of 3 bytes"),
        (message(b"abc") + b"d", (), "3", "more than one message"),
        (message(zlib.compress(b""), True), (), "3", "without grpc-encoding"),
        (message(b"\xff\xff"), (), "3", "not an ExportTraceServiceRequest"),
        (message(b"no", True), (("grpc-encoding", "gzip"),), "3", "not gzip"),
        (message(b""), (("authorization", "Bearer tt_00000000_no"),), "16", "unknown, expired"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(
    collector: Collector, data: bytes, more: tuple[tuple[str, str], ...], status: str, says: str
) -> None:
    trailers = ask(collector, data, *more)
    assert trailers["grpc-status"] == status
    assert says in trailers["grpc-message"]
    assert collector.value("telltale_collector_rejected_total") == 1


def test_unknown_methods_and_requests_that_are_not_grpc(collector: Collector) -> None:
    trailers = ask(collector, message(b""), path="/zipkin.proto3.SpanService/Report")
    assert trailers["grpc-status"] == "12"
    assert trailers["grpc-message"] == "no such method: /zipkin.proto3.SpanService/Report"
    peer = client()
    peer.send_headers(1, [*FIELDS[:-1], ("content-type", "application/json")], end_stream=True)
    with connect(collector) as link:
        link.sendall(peer.data_to_send())
        statuses: list[str] = []
        while not statuses:
            events = peer.receive_data(link.recv(65536))
            statuses = [dict(e.headers)[":status"] for e in events if hasattr(e, "headers")]
    assert statuses == ["415"]
    assert collector.value("telltale_collector_rejected_total", reason="not_found") == 1
    assert collector.value("telltale_collector_rejected_total", reason="content_type") == 1


def test_metrics_are_accepted_and_not_kept(collector: Collector) -> None:
    with grpc.insecure_channel(collector.grpc) as channel:
        export = channel.unary_unary("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export")
        export(ExportMetricsServiceRequest().SerializeToString())
    assert collector.value("telltale_collector_requests_total", signal="metrics") == 1


def test_http_1_is_pointed_to_the_http_port(collector: Collector) -> None:
    with connect(collector) as link:
        link.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        response = b"".join(iter(lambda: link.recv(65536), b""))
    assert response.startswith(b"HTTP/1.1 505 ")
    assert b"collector.http_listen" in response


def test_a_message_announced_as_too_large_is_refused_before_it_comes(make_collector: Callable[..., Collector]) -> None:
    collector = make_collector(TELLTALE_COLLECTOR__MAX_BODY_BYTES="100000")
    peer = client()
    peer.send_headers(1, FIELDS)
    peer.send_data(1, struct.pack(">BI", 0, 100_001))
    with connect(collector) as link:
        link.sendall(peer.data_to_send())
        found: dict[str, str] = {}
        while "grpc-status" not in found:
            for event in peer.receive_data(link.recv(65536)):
                found |= dict(getattr(event, "headers", None) or ())
    assert (found["grpc-status"], found["grpc-message"]) == ("8", "the message is larger than 100000 bytes")
    with grpc.insecure_channel(collector.grpc) as channel:
        export = channel.unary_unary(SERVICE)
        with pytest.raises(grpc.RpcError) as refused:
            export(bytes(200_000))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED  # type: ignore[attr-defined]
        assert export(body()) == b"", "the connection goes on"
    assert collector.value("telltale_collector_rejected_total", reason="too_large") == 2
    assert collector.value("telltale_collector_queue_bytes") == 0


def test_many_calls_at_once_on_one_connection(collector: Collector) -> None:
    """Large and small, some of them abandoned: the rest is counted once, and nothing stays in memory afterwards."""
    large = [body(prompt="p" * 2_000_000, response=str(n)) for n in range(6)]
    small = [body(count=3) for _ in range(200)]
    with grpc.insecure_channel(collector.grpc) as channel, ThreadPoolExecutor(32) as pool:
        export = channel.unary_unary(SERVICE)
        given_up = [export.future(data) for data in large]
        for waiting in given_up[::2]:
            waiting.cancel()
        assert list(pool.map(lambda data: export(data, timeout=60), small)) == [b""] * 200
        assert [waiting.result() for waiting in given_up[1::2]] == [b""] * 3
    until(lambda: collector.value("telltale_collector_queue_bytes") == 0)
    assert 603 <= collector.value("telltale_requests_total") <= 606
    assert collector.value("telltale_collector_rejected_total") == 0


def test_a_partial_success_comes_back(make_collector: Callable[..., Collector]) -> None:
    collector = make_collector(TELLTALE_COLLECTOR__MAX_SPANS="3")
    with grpc.insecure_channel(collector.grpc) as channel:
        response = ExportTraceServiceResponse.FromString(channel.unary_unary(SERVICE)(body(count=5)))
    assert response.partial_success.rejected_spans == 2


def test_a_sender_that_is_gone_holds_nothing(collector: Collector) -> None:
    peer = client()
    peer.send_headers(1, FIELDS)
    peer.send_data(1, struct.pack(">BI", 0, 50_000) + bytes(16_000))
    with connect(collector) as link:
        link.sendall(peer.data_to_send())
        until(lambda: collector.value("telltale_collector_queue_bytes") == 16_005)
    until(lambda: collector.value("telltale_collector_queue_bytes") == 0)


def test_an_acknowledged_call_is_stored_though_its_sender_left(
    make_collector: Callable[..., Collector], tmp_path: Path
) -> None:
    """The commit waits for a lock while the call is cancelled: the memory in use stays accounted for."""
    collector = make_collector(TELLTALE_STORE__BUSY_TIMEOUT="20s")
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    with grpc.insecure_channel(collector.grpc) as channel:
        waiting = channel.unary_unary(SERVICE).future(body())
        until(lambda: collector.value("telltale_collector_queue_bytes") > 0)
        waiting.cancel()
    other.execute("ROLLBACK")
    other.close()
    until(lambda: len(collector.samples()) == 1)
    until(lambda: collector.value("telltale_collector_queue_bytes") == 0)
    assert collector.value("telltale_requests_total") == 1


def test_a_call_in_progress_is_answered_when_the_collector_stops(
    make_collector: Callable[..., Collector], tmp_path: Path
) -> None:
    collector = make_collector(TELLTALE_STORE__BUSY_TIMEOUT="20s")
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    assert collector.popen is not None
    with grpc.insecure_channel(collector.grpc) as channel:
        waiting = channel.unary_unary(SERVICE).future(body())
        until(lambda: collector.value("telltale_collector_queue_bytes") > 0)
        collector.popen.terminate()
        until(lambda: not collector.is_ready())
        other.execute("ROLLBACK")
        assert waiting.result(timeout=10) == b""
    assert collector.popen.wait(timeout=20) == 0
    assert len(collector.samples()) == 1
    other.close()


def test_nghttp2s_client_through_node(
    collector: Collector, tmp_path: Path, require: Callable[[object, str], None]
) -> None:
    """Node's own HTTP/2 client: many calls on a connection, bodies over many frames, pings between them."""
    require(shutil.which("node"), "apt install nodejs")
    bodies = [body(count=2, prompt="p" * 40_000) for _ in range(20)]
    (tmp_path / "bodies.json").write_text(json.dumps([message(gzip.compress(data), True).hex() for data in bodies]))
    script = tmp_path / "client.mjs"
    script.write_text(
        """
import http2 from 'node:http2';
import fs from 'node:fs';
const [url, path, file] = process.argv.slice(2);
const session = http2.connect(url);
const call = (body) => new Promise((resolve, reject) => {
  const stream = session.request({':method': 'POST', ':path': path, 'content-type': 'application/grpc+proto',
                                  te: 'trailers', 'grpc-encoding': 'gzip', 'grpc-timeout': `${Date.now() % 1e7}m`});
  let size = 0;
  stream.on('data', (data) => { size += data.length; });
  stream.on('trailers', (trailers) => resolve([trailers['grpc-status'], size]));
  stream.on('error', reject);
  stream.write(Buffer.from(body, 'hex'));
  stream.end();
});
const responses = await Promise.all(JSON.parse(fs.readFileSync(file)).map(call));
await new Promise((resolve) => session.ping(resolve));
session.close();
console.log(JSON.stringify(responses));
"""
    )
    done = subprocess.run(
        ["node", str(script), f"http://{collector.grpc}", SERVICE, str(tmp_path / "bodies.json")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [["0", 5]] * 20
    assert collector.value("telltale_requests_total") == 40


def test_nothing_of_a_request_stays_in_memory_after_its_response(in_process: InProcess) -> None:
    """With cyclic garbage collection off, as it rarely runs here: reference counts must free everything."""

    def calls() -> None:
        with grpc.insecure_channel(f"{in_process.host}:{in_process.port}") as channel:
            for _ in range(30):
                channel.unary_unary(SERVICE)(body(), timeout=10)

    async def drive() -> int:
        await asyncio.to_thread(calls)
        return sum(isinstance(item, Batch | http2.Stream) for item in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        # The last one may still be referenced by a local of the code that responded to it.
        assert in_process.drive(connect_to(in_process.receiver), drive) <= 2
    finally:
        gc.enable()
    with in_process.store.read() as connection:
        assert samples.count(connection) == 30


def test_a_commit_after_the_grace_calls_nobody_back(in_process: InProcess, caplog: pytest.LogCaptureFixture) -> None:
    released = threading.Event()
    blocked = in_process.store.submit(lambda _: released.wait(10))

    async def drive() -> None:
        _, writer = await asyncio.open_connection(in_process.host, in_process.port)
        peer = client()
        peer.send_headers(1, FIELDS)
        peer.send_data(1, message(body()), end_stream=True)
        writer.write(peer.data_to_send())
        while not in_process.store.waiting:
            await asyncio.sleep(0.01)
        writer.close()

    in_process.drive(connect_to(in_process.receiver), drive)
    released.set()
    assert blocked.result(10)
    in_process.store.close()
    assert caplog.records == []


def test_what_does_not_come_is_given_up(in_process: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """A greeting, the rest of a body, a window for the response; what is in progress is left alone."""
    monkeypatch.setattr(listener, "SWEEP_S", 0.05)
    monkeypatch.setattr(otlp_grpc, "REQUEST_S", 0.3)
    monkeypatch.setattr(otlp_grpc, "HEAD_S", 0.3)
    reset = frame(frames.RST_STREAM, 0, 1, struct.pack(">I", frames.CANCEL))

    async def until_closed(reader: asyncio.StreamReader) -> bytes:
        try:
            return await asyncio.wait_for(reader.read(), 5)
        except ConnectionResetError:
            return b""

    async def drive() -> None:

        silent, writer = await asyncio.open_connection(in_process.host, in_process.port)
        assert await until_closed(silent) == b""
        writer.close()

        for waits_for_window in (False, True):
            reader, writer = await asyncio.open_connection(in_process.host, in_process.port)
            window = struct.pack(">HI", settings.INITIAL_WINDOW_SIZE, 0 if waits_for_window else 65535)
            writer.write(frames.PREFACE + frame(frames.SETTINGS, 0, 0, window))
            writer.write(frame(frames.HEADERS, frames.END_HEADERS, 1, header_block(FIELDS)))
            whole = message(b"") if waits_for_window else message(bytes(5000))[:1000]
            writer.write(frame(frames.DATA, frames.END_STREAM if waits_for_window else 0, 1, whole))
            got = b""
            while reset not in got:
                got += await asyncio.wait_for(reader.read(1000), 5)
            assert in_process.reserved() == 0
            # The connection goes on.
            writer.write(frame(frames.PING, 0, 0, b"12345678"))
            await asyncio.wait_for(reader.readuntil(b"12345678"), 5)
            writer.close()

    in_process.drive(connect_to(in_process.receiver), drive)


def test_a_fault_in_one_call_ends_that_call_alone(in_process: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = iter([True, False])
    real: Callable[..., object] = in_process.receiver._decode

    def faulty(*args: object) -> object:
        if next(faults):
            raise ZeroDivisionError
        return real(*args)

    monkeypatch.setattr(in_process.receiver, "_decode", faulty)

    def call() -> list[grpc.StatusCode]:
        found = []
        with grpc.insecure_channel(f"{in_process.host}:{in_process.port}") as channel:
            for _ in range(2):
                try:
                    channel.unary_unary(SERVICE)(body(), timeout=10)
                    found.append(grpc.StatusCode.OK)
                except grpc.RpcError as error:
                    found.append(error.code())  # type: ignore[attr-defined]
        return found

    async def drive() -> list[grpc.StatusCode]:
        return await asyncio.to_thread(call)

    assert in_process.drive(connect_to(in_process.receiver), drive) == [grpc.StatusCode.INTERNAL, grpc.StatusCode.OK]
    assert in_process.reserved() == 0
