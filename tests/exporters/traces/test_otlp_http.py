"""OTLP/HTTP and the metrics page from outside: requests in pieces, pipelined, too large, too slow or cut off."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import shutil
import socket
import sqlite3
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import grpc
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from support.collector_process import Collector, chat, until
from support.receiver_in_process import InProcess

from exporters.traces.pipeline import Batch
from exporters.traces.receive import http1, listener
from exporters.traces.receive.http1 import connection as http1_connection
from exporters.traces.receive.otlp_http import Otlp
from telltale.serving.hosts import Hosts
from telltale.store import samples

OK = b"HTTP/1.1 200 OK\r\n"


def body(**options: object) -> bytes:
    return encode_spans(chat(**options)).SerializeToString()  # type: ignore[arg-type]


def post(data: bytes, *fields: str, path: str = "/v1/traces", version: str = "1.1") -> bytes:
    """A request's bytes."""
    head = [f"POST {path} HTTP/{version}", "Host: h", "Content-Type: application/x-protobuf", *fields]
    if not any(field.lower().startswith(("content-length", "transfer-encoding")) for field in fields):
        head.append(f"Content-Length: {len(data)}")
    return "\r\n".join((*head, "", "")).encode() + data


def connect(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=10)


Response = tuple[int, dict[str, str], bytes]


def responses(link: socket.socket, number: int) -> list[Response]:
    """The next `number` responses, in order."""
    found: list[Response] = []
    with link.makefile("rb") as stream:
        while len(found) < number:
            status = int(stream.readline().split()[1])
            fields = {}
            while (line := stream.readline()) not in (b"\r\n", b""):
                name, _, value = line.decode().partition(":")
                fields[name.lower()] = value.strip()
            if status != 100:
                found.append((status, fields, stream.read(int(fields["content-length"]))))
    return found


def ask(address: str, data: bytes) -> bytes:
    """Everything received until the other side closes."""
    with connect(address) as link:
        link.sendall(data)
        got = b""
        try:
            while more := link.recv(65536):
                got += more
        except ConnectionResetError:
            pass
    return got


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_connection_lasts_as_long_as_its_version_says(collector: Collector, version: str) -> None:
    with connect(collector.http) as link:
        link.sendall(post(body(), version=version))
        [(status, fields, payload)] = responses(link, 1)
        assert (status, ExportTraceServiceResponse.FromString(payload)) == (200, ExportTraceServiceResponse())
        assert fields["content-type"] == "application/x-protobuf"
        if version == "1.0":
            assert (fields["connection"], link.recv(1)) == ("close", b"")
            return
        link.sendall(post(body(), "Connection: close"))
        [(status, fields, _)] = responses(link, 1)
        assert (status, fields["connection"], link.recv(1)) == (200, "close", b"")
    assert collector.value("telltale_requests_total") == 2


def test_requests_sent_ahead_are_answered_in_their_order(collector: Collector) -> None:
    """The first waits for its commit; the others, some of which could be finished at once, wait for the first."""
    others = post(b"", path="/v2/nothing") + post(b"\xff") + post(b"", path="/v1/metrics")
    with connect(collector.http) as link:
        link.sendall(b"".join(post(body()) + others for _ in range(20)))
        assert [status for status, _, _ in responses(link, 80)] == [200, 404, 400, 200] * 20
    assert collector.value("telltale_requests_total") == 20
    until(lambda: collector.value("telltale_collector_queue_bytes") == 0)


def test_a_body_in_chunks_and_one_that_asks_first(collector: Collector) -> None:
    data, other = body(), body()
    chunked = b"".join(b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in (data[:7], data[7:8], data[8:])) + b"0\r\n"
    with connect(collector.http) as link:
        link.sendall(post(chunked + b"Authorization: Bearer tt_00000000_no\r\n\r\n", "Transfer-Encoding: chunked"))
        assert responses(link, 1)[0][0] == 200
        whole = post(other, "Expect: 100-continue")
        link.sendall(whole[: -len(other)])
        assert link.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        link.sendall(other)
        assert responses(link, 1)[0][0] == 200
        # One that is refused is not asked to send its body.
        link.sendall(post(b"", "Expect: 100-continue", f"Content-Length: {1 << 40}"))
        assert responses(link, 1)[0][0] == 413
    assert collector.value("telltale_requests_total") == 2


def test_an_offer_of_another_protocol_is_declined(collector: Collector) -> None:
    """As Java's client makes it, with each request of a new connection."""
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk")
    with connect(collector.http) as link:
        link.sendall(post(body(), *offer) + post(body()))
        whole = body()
        link.sendall(post(b"%x\r\n%s\r\n0\r\n\r\n" % (len(whole), whole), *offer, "Transfer-Encoding: chunked"))
        for byte in post(body(), *offer):
            link.send(bytes([byte]))
        assert [status for status, _, _ in responses(link, 4)] == [200] * 4
    assert collector.value("telltale_requests_total") == 4


def test_a_sender_of_grpc_is_pointed_to_the_grpc_port(collector: Collector) -> None:
    reply = ask(collector.http, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
    assert reply.startswith(b"HTTP/1.1 400 ")
    assert b"collector.grpc_listen" in reply
    with grpc.insecure_channel(collector.http) as channel, pytest.raises(grpc.RpcError):
        channel.unary_unary("/a/b")(b"", timeout=5)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\r\n\r\nno\r\n\r\n", b"400"),
        (b"POST /v1/traces HTTP/3.9\r\n\r\n", b"400"),
        (post(b"", "Content-Length: 1", "Content-Length: 2"), b"400"),
        (post(b"", "Content-Length: 1", "Transfer-Encoding: chunked"), b"400"),
        (post(b"zz\r\n", "Transfer-Encoding: chunked"), b"400"),
        (post(b"", *(f"A{number}: b" for number in range(200))), b"431"),
        (post(b"", "A: " + "b" * 20_000), b"431"),
        (post(b"", path="/" + "b" * 20_000), b"431"),
        (b"POST //[ HTTP/1.1\r\nConnection: close\r\n\r\n", b"4"),
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_ends(
    collector: Collector, data: bytes, status: bytes
) -> None:
    assert ask(collector.http, data).startswith(b"HTTP/1.1 " + status)
    assert collector.post(body()).status_code == 200


def most_memory(collector: Collector) -> int:
    """Peak resident memory, in KiB."""
    assert collector.popen is not None
    status = Path(f"/proc/{collector.popen.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


@pytest.mark.parametrize("endless", [b"A: b\r\n", b"b", b"\r\n"])
@pytest.mark.parametrize("port", ["http", "metrics"])
def test_endless_headers_use_no_memory(collector: Collector, endless: bytes, port: str) -> None:
    before = most_memory(collector)
    start = b"" if endless == b"\r\n" else b"GET /metrics HTTP/1.1\r\nHost: h\r\nA: b"
    with connect(getattr(collector, port)) as link:
        link.sendall(start)
        try:
            for _ in range(400):
                link.sendall(endless * (100_000 // len(endless)))
        except (ConnectionResetError, BrokenPipeError):
            pass
    assert most_memory(collector) - before < 4_000
    assert collector.is_ready()


def test_chunks_that_are_nearly_all_frame_are_refused(collector: Collector) -> None:
    with connect(collector.http) as link:
        link.sendall(post(b"", "Transfer-Encoding: chunked"))
        link.sendall((b"1;" + b"x" * 1000 + b"\r\ny\r\n") * 100)
        assert responses(link, 1)[0][0] == 431


def test_a_body_in_very_many_parts_uses_the_memory_of_its_content(collector: Collector) -> None:
    """Two bytes as an object of their own take forty."""
    before = most_memory(collector)
    with connect(collector.http) as link:
        link.sendall(post(b"", "Transfer-Encoding: chunked"))
        for _ in range(40):
            link.sendall(b"2\r\n\xff\xff\r\n" * 25_000)
        until(lambda: collector.value("telltale_collector_queue_bytes") == 2_000_000)
        link.sendall(b"0\r\n\r\n")
        assert responses(link, 1)[0][0] == 400
    assert most_memory(collector) - before < 20_000


def test_bodies_count_as_they_come(make_collector: Callable[..., Collector]) -> None:
    collector = make_collector(TELLTALE_COLLECTOR__MAX_IN_FLIGHT_BYTES="1000000")
    half = post(bytes(400_000))[:-100]
    with connect(collector.http) as first, connect(collector.http) as second, connect(collector.http) as third:
        first.sendall(half)
        second.sendall(half)
        until(lambda: collector.value("telltale_collector_queue_bytes") > 790_000)
        third.sendall(half)
        [(status, fields, _)] = responses(third, 1)
        assert (status, fields["retry-after"]) == (503, "1")
        # The rest of it is read and dropped, and the connection stays usable.
        third.sendall(bytes(100) + post(body()))
        assert responses(third, 1)[0][0] == 200
    until(lambda: collector.value("telltale_collector_queue_bytes") == 0)
    assert collector.value("telltale_collector_rejected_total", reason="busy") == 1


def test_a_body_too_large_is_refused_before_it_is_here(make_collector: Callable[..., Collector]) -> None:
    collector = make_collector(TELLTALE_COLLECTOR__MAX_BODY_BYTES="100000")
    with connect(collector.http) as link:
        link.sendall(post(b"", "Content-Length: 100001"))
        assert responses(link, 1)[0][0] == 413
    with connect(collector.http) as link:
        link.sendall(post(b"", "Transfer-Encoding: chunked"))
        link.sendall(b"186a0\r\n" + bytes(100_000) + b"\r\n" + b"1\r\n\0\r\n")
        assert responses(link, 1)[0][0] == 413
    assert collector.value("telltale_collector_rejected_total", reason="too_large") == 2


def test_a_request_in_progress_is_answered_when_the_collector_stops(
    make_collector: Callable[..., Collector], tmp_path: Path
) -> None:
    collector = make_collector(TELLTALE_STORE__BUSY_TIMEOUT="20s")
    lock = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    with connect(collector.http) as link, connect(collector.http) as idle:
        idle.sendall(b"")
        link.sendall(post(body()))
        until(lambda: collector.value("telltale_collector_queue_bytes") > 0)
        stopped: list[int] = []
        ending = threading.Thread(target=lambda: stopped.append(collector.stop()))
        ending.start()
        until(lambda: not collector.is_ready())
        lock.execute("COMMIT")
        [(status, fields, _)] = responses(link, 1)
        assert (status, fields["connection"]) == (200, "close")
        assert idle.recv(1) == b""
        ending.join()
    assert stopped == [0]
    assert len(collector.samples()) == 1


def test_a_sender_that_shuts_its_side_gets_its_response(collector: Collector) -> None:
    with connect(collector.http) as link:
        link.sendall(post(body()))
        link.shutdown(socket.SHUT_WR)
        assert responses(link, 1)[0][0] == 200
        assert link.recv(1) == b""
    with connect(collector.http) as link:
        link.sendall(post(body())[:-5])
        link.shutdown(socket.SHUT_WR)
        assert link.recv(1) == b""
    until(lambda: collector.value("telltale_collector_queue_bytes") == 0)
    assert len(collector.samples()) == 1


def test_requests_to_other_paths_and_by_other_methods_are_refused_and_counted(collector: Collector) -> None:
    base = f"http://{collector.http}"
    assert httpx.post(f"{base}/v1/trace").status_code == 404
    for method in ("GET", "PUT"):
        refused = httpx.request(method, f"{base}/v1/traces")
        assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert collector.value("telltale_collector_rejected_total", reason="not_found") == 1
    assert collector.value("telltale_collector_rejected_total", reason="method_not_allowed") == 2
    assert collector.value("telltale_collector_rejected_total") == 3


def test_pages(collector: Collector) -> None:
    base = f"http://{collector.metrics}"
    whole = httpx.get(f"{base}/metrics")
    assert whole.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    head = httpx.head(f"{base}/metrics")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 1000
    assert httpx.get(f"{base}/metrics?name=x").status_code == 200
    assert httpx.get(f"{base}/-/healthy").text == "ok\n"
    assert httpx.get(base).status_code == 404
    refused = httpx.post(f"{base}/metrics")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    with urllib.request.urlopen(f"{base}/-/ready") as response:
        assert response.read() == b"ok\n"


def test_nodes_client(collector: Collector, tmp_path: Path, require: Callable[[object, str], None]) -> None:
    node = shutil.which("node")
    require(node, "node is missing: install Node.js 18 or later")
    assert node is not None
    (tmp_path / "body").write_bytes(gzip.compress(body()))
    script = tmp_path / "send.js"
    script.write_text(
        """const http = require('http'), fs = require('fs');
const [url, file] = process.argv.slice(2), body = fs.readFileSync(file);
const agent = new http.Agent({keepAlive: true, maxSockets: 2});
const one = chunked => new Promise((done, fail) => {
  const headers = {'content-type': 'application/x-protobuf', 'content-encoding': 'gzip'};
  if (!chunked) headers['content-length'] = body.length;
  const request = http.request(url, {method: 'POST', agent, headers}, response => {
    response.resume(); response.on('end', () => done(response.statusCode)); });
  request.on('error', fail); request.end(body); });
Promise.all([...Array(40).keys()].map(number => one(number % 2))).then(
  found => { console.log(JSON.stringify(found)); agent.destroy(); });
"""
    )
    done = subprocess.run(
        [node, str(script), f"http://{collector.http}/v1/traces", str(tmp_path / "body")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [200] * 40


def otlp(in_process: InProcess, limit: int = 1 << 20) -> Callable[[listener.Server], listener.Connection]:
    made: list[Otlp] = []

    def connect_to(server: listener.Server) -> listener.Connection:
        if not made:
            made.append(Otlp(in_process.receiver, limit))
        return http1.Connection(server, made[0], Hosts())

    return connect_to


def test_nothing_of_a_request_stays_in_memory_after_its_response(in_process: InProcess) -> None:
    """With cyclic garbage collection off, as it rarely runs here: reference counts must free everything."""

    def calls() -> None:
        for number in range(30):
            with connect(f"{in_process.host}:{in_process.port}") as link:
                link.sendall(post(body()) + (post(body())[:-9] if number % 2 else b""))
                assert responses(link, 1)[0][0] == 200

    async def drive() -> int:
        await asyncio.to_thread(calls)
        await asyncio.sleep(0.1)
        return sum(isinstance(item, Batch | http1.Request | http1.Connection) for item in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        # The last one may still be referenced by a local of the code that responded to it.
        assert in_process.drive(otlp(in_process), drive) <= 2
    finally:
        gc.enable()
    with in_process.store.read() as connection:
        assert samples.count(connection) == 30
    assert in_process.reserved() == 0


def test_a_commit_after_the_grace_calls_nobody_back(in_process: InProcess, caplog: pytest.LogCaptureFixture) -> None:
    released = threading.Event()
    blocked = in_process.store.submit(lambda _: released.wait(10))

    async def drive() -> None:
        _, writer = await asyncio.open_connection(in_process.host, in_process.port)
        writer.write(post(body()))
        while not in_process.store.waiting:
            await asyncio.sleep(0.01)
        writer.close()

    in_process.drive(otlp(in_process), drive)
    released.set()
    assert blocked.result(10)
    in_process.store.close()
    assert caplog.records == []


def test_what_does_not_come_is_given_up(in_process: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first request, the rest of one, the rest of one that was refused, room for a response."""
    patched = {"REQUEST_S": 0.3, "HEAD_S": 0.3, "IDLE_S": 0.6, "LINGER_S": 0.2}
    for module, name, value in ((listener, "SWEEP_S", 0.05), *((http1_connection, *item) for item in patched.items())):
        monkeypatch.setattr(module, name, value)

    async def drive() -> None:
        for sent, expected in (
            (b"", b""),
            (b"POST /v1/traces HTT", b"HTTP/1.1 408 "),
            (post(bytes(5000))[:-1], b"HTTP/1.1 408 "),
            (post(bytes(5000), path="/nothing")[:-1], b"HTTP/1.1 404 "),
        ):
            reader, writer = await asyncio.open_connection(in_process.host, in_process.port)
            writer.write(sent)
            got = await asyncio.wait_for(reader.read(), 5)
            assert got.startswith(expected)
            assert in_process.reserved() == 0
            # A peer that keeps sending is cut off.
            with pytest.raises((ConnectionResetError, BrokenPipeError)):
                await _go_on(writer)
            writer.close()
        # A connection in use stays open.
        reader, writer = await asyncio.open_connection(in_process.host, in_process.port)
        for _ in range(8):
            await asyncio.sleep(0.2)
            writer.write(post(b""))
            await asyncio.wait_for(reader.readuntil(OK), 5)
        writer.close()

    in_process.drive(otlp(in_process), drive)


def test_a_peer_that_does_not_read_is_waited_for_and_then_cut_off(
    in_process: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "SWEEP_S", 0.05)
    monkeypatch.setattr(http1_connection, "UNREAD_S", 0.5)
    page = b"x" * (8 << 20)

    class Large:
        def on_headers(self, request: http1.Request) -> None: ...

        def on_data(self, request: http1.Request) -> None: ...

        def on_request(self, request: http1.Request) -> None:
            request.respond(200, http1.TEXT, page)

        def release(self, request: http1.Request) -> None: ...

    async def drive() -> None:
        asked = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 3
        reader, writer = await asyncio.open_connection(in_process.host, in_process.port, limit=64)
        writer.write(asked)
        await asyncio.sleep(0.2)
        for _ in range(3):
            assert (await _until(reader, b"\r\n\r\n")).startswith(OK)
            assert await reader.readexactly(len(page)) == page
        writer.write(asked)
        await asyncio.sleep(1.5)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await reader.readexactly(3 * len(page))
        writer.close()

    in_process.drive(lambda server: http1.Connection(server, Large(), Hosts()), drive)


def test_requests_sent_ahead_leave_others_their_turn(in_process: InProcess) -> None:
    """A scrape costs milliseconds: a thousand pipelined by one peer must not block everything else."""
    order: list[str] = []

    class Counting:
        def on_headers(self, request: http1.Request) -> None: ...

        def on_data(self, request: http1.Request) -> None: ...

        def on_request(self, request: http1.Request) -> None:
            order.append("taken")
            asyncio.get_running_loop().call_soon(order.append, "turn")
            request.respond(200, http1.TEXT, b"")

        def release(self, request: http1.Request) -> None: ...

    async def drive() -> None:
        reader, writer = await asyncio.open_connection(in_process.host, in_process.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 500)
        for _ in range(500):
            assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).startswith(OK)
        writer.close()

    in_process.drive(lambda server: http1.Connection(server, Counting(), Hosts()), drive)
    assert order == ["taken", "turn"] * 500


def _send_on(link: socket.socket) -> None:
    for _ in range(100):
        link.sendall(b"x")
        time.sleep(0.02)


async def _go_on(writer: asyncio.StreamWriter) -> None:
    for _ in range(200):
        writer.write(b"x" * 1000)
        await writer.drain()
        await asyncio.sleep(0.02)


async def _until(reader: asyncio.StreamReader, end: bytes) -> bytes:
    got = b""
    while not got.endswith(end):
        got += await reader.readexactly(1)
    return got


def test_a_fault_in_one_request_ends_that_request_alone(in_process: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = iter([True, False, True])
    for name in ("_decode", "finish"):
        real = getattr(in_process.receiver, name)

        def faulty(*args: object, real: Callable[..., object] = real) -> object:
            if next(faults):
                raise ZeroDivisionError
            return real(*args)

        monkeypatch.setattr(in_process.receiver, name, faulty)

    def calls() -> list[int]:
        with connect(f"{in_process.host}:{in_process.port}") as link:
            link.sendall(post(body()) * 2 + post(b"", path="/v1/metrics"))
            return [status for status, _, _ in responses(link, 3)]

    assert in_process.drive(otlp(in_process), lambda: asyncio.to_thread(calls)) == [500, 500, 200]
    assert in_process.reserved() == 0


def test_a_port_that_is_full_closes_whoever_waited_longest(in_process: InProcess) -> None:
    address = f"{in_process.host}:{in_process.port}"

    def calls() -> None:
        links = [connect(address) for _ in range(3)]
        half, used, idle = links
        half.sendall(post(body())[:-9])
        for link in (idle, used):
            link.sendall(post(b"", path="/v1/metrics"))
            assert responses(link, 1)[0][0] == 200
        # Others come, and are served.
        for gone in (half, idle):
            links.append(connect(address))
            links[-1].sendall(post(b"", path="/v1/metrics"))
            assert responses(links[-1], 1)[0][0] == 200
            with pytest.raises((ConnectionResetError, BrokenPipeError)):
                _send_on(gone)
        used.sendall(post(b"", path="/v1/metrics"))
        assert responses(used, 1)[0][0] == 200
        for link in links:
            link.close()

    in_process.drive(otlp(in_process), lambda: asyncio.to_thread(calls), most=3)
    assert in_process.reserved() == 0


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 400), max_size=12), garbage=st.binary(max_size=30), at=st.integers(0, 800))
def test_however_it_is_cut_it_is_the_same(in_process: InProcess, cuts: list[int], garbage: bytes, at: int) -> None:
    """Whole requests in pieces get the same responses; with bytes inserted, nothing leaks or hangs."""
    data = b"\xff" * 300
    whole = post(data) + post(b"", path="/nothing") + post(b"", "Connection: close", path="/v1/metrics")

    async def send(sent: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(in_process.host, in_process.port)
        last = 0
        for cut in [*sorted(cuts), len(sent)]:
            writer.write(sent[last:cut])
            last = max(last, cut)
            await asyncio.sleep(0)
        writer.write_eof()
        try:
            got = await asyncio.wait_for(reader.read(), 10)
        except ConnectionResetError:
            got = b""
        writer.close()
        return got

    async def drive() -> tuple[bytes, bytes]:
        return await send(whole), await send(whole[:at] + garbage + whole[at:])

    plain, _ = in_process.drive(otlp(in_process), drive)
    assert [part[:3] for part in plain.split(b"HTTP/1.1 ")[1:]] == [b"400", b"404", b"200"]
    assert in_process.reserved() == 0
