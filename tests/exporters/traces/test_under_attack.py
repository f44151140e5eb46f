"""Many peers that send what is costly, or do not read: others are served, and memory stays."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from support.collector_process import Collector
from support.http2_peer import HEADERS, frame, header_block
from support.receiver_in_process import InProcess

from exporters.traces.decode.otlp_json import varint
from exporters.traces.receive.http2 import frames
from exporters.traces.receive.receiver import ExportRequest

PEERS = 150
ATTACK_S = 3.0
MAX_SENT = 200 << 20
GREETING = frames.PREFACE + frame(frames.SETTINGS, 0, 0)
POST = b"POST /v1/traces HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n"
CHUNKED = POST.replace(b"Content-Length: 20", b"Transfer-Encoding: chunked")


def calls(block: bytes) -> bytes:
    """As many calls as a connection may have open, with these headers."""
    flags = frames.END_HEADERS | frames.END_STREAM
    return GREETING + b"".join(frame(frames.HEADERS, flags, number, block) for number in range(1, 512, 2))


ATTACKS: dict[str, tuple[str, bytes]] = {
    "responses that nobody reads": ("http", (POST + b'{"resourceSpans":[]}') * 1000),
    "chunks of one byte": ("http", CHUNKED + b"1\r\na\r\n" * 40_000),
    "fields": ("grpc", calls(header_block() + b"\0\1a\0" * 80)),
    "Huffman": ("grpc", calls(header_block([*HEADERS, ("a", "a" * 4000)]))),
    "settings": ("grpc", GREETING + frame(frames.SETTINGS, 0, 0, struct.pack(">HI", 4, 9) * 30) * 1000),
}  # fmt: skip


@contextmanager
def attacked(address: str, data: bytes) -> Iterator[None]:
    """PEERS connections that send this and never read; one that is closed is opened anew."""
    host, _, port = address.rpartition(":")
    stop = threading.Event()

    def attack() -> None:
        sent = 0
        with selectors.DefaultSelector() as selector:

            def connect() -> None:
                link = socket.socket()
                link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                link.setblocking(False)
                link.connect_ex((host, int(port)))
                selector.register(link, selectors.EVENT_WRITE, [data])

            for _ in range(PEERS):
                connect()
            while not stop.is_set():
                for key, _ in selector.select(0.1):
                    rest = key.data
                    try:
                        done = key.fileobj.send(rest[0][:100_000]) if sent < MAX_SENT else 0  # type: ignore[union-attr]
                    except BlockingIOError:
                        continue
                    except OSError:
                        selector.unregister(key.fileobj)
                        key.fileobj.close()  # type: ignore[union-attr]
                        connect()
                        continue
                    sent += done
                    rest[0] = rest[0][done:] or data[len(GREETING) if data.startswith(GREETING) else 0 :]
                time.sleep(0.001 if sent < MAX_SENT else 0.1)
            for key in list(selector.get_map().values()):
                key.fileobj.close()  # type: ignore[union-attr]

    thread = threading.Thread(target=attack)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def slowest(ask: Callable[[], None], seconds: float) -> float:
    found, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        ask()
        found.append(time.monotonic() - began)
        time.sleep(0.02)
    return max(found)


@pytest.mark.parametrize("name", ATTACKS)
def test_others_are_served_and_memory_stays(collector: Collector, name: str) -> None:
    port, data = ATTACKS[name]
    body = b'{"resourceSpans":[]}'

    def ask() -> None:
        assert collector.post(body, Content_Type="application/json").status_code == 200
        assert collector.is_ready()

    ask()
    before = collector.peak_memory()
    with attacked(getattr(collector, port), data):
        time.sleep(0.3)
        # Generous: two cores do all of this and more. Without turns it took ten seconds and more.
        assert slowest(ask, ATTACK_S) < 4.0
    assert collector.peak_memory() - before < 64 << 20
    assert httpx.get(f"http://{collector.metrics}/-/ready").status_code == 200


def spans_of_many_turns(calls: int, turns: int) -> bytes:
    """Calls to as many models, so that each is kept."""
    turn = {"role": "user", "parts": [{"type": "text", "content": "a"}]}
    asked, answered = json.dumps([turn] * turns), json.dumps([turn | {"role": "assistant"}])
    made = ExportTraceServiceRequest()
    group = made.resource_spans.add().scope_spans.add()
    for _ in range(calls):
        span = group.spans.add(trace_id=os.urandom(16), span_id=os.urandom(8), name="chat", end_time_unix_nano=1)
        for key, value in {
            "operation.name": "chat",
            "request.model": span.trace_id.hex(),
            "input.messages": asked,
            "output.messages": answered,
        }.items():
            span.attributes.add(key=f"gen_ai.{key}").value.string_value = value
    return made.SerializeToString()


def zipped(field: bytes) -> bytes:
    """Two kilobytes that become spans of very many fields."""
    span = field * 60_000
    made = b"\x12" + varint(len(span)) + span
    return gzip.compress(b"\x0a" + varint(4 * len(made) + 4) + b"\x12" + varint(4 * len(made)) + made * 4)


@pytest.mark.parametrize(("calls", "turns"), [(80, 2000), (800, 200)])
def test_a_request_of_many_turns_holds_up_no_other(collector: Collector, calls: int, turns: int) -> None:
    """They are read where nobody waits for them; at once, they took four seconds."""
    body = spans_of_many_turns(calls, turns)
    url, fields = f"http://{collector.http}/v1/traces", {"Content-Type": "application/x-protobuf"}
    statuses: list[int] = []

    def send() -> None:
        statuses.append(httpx.post(url, content=body, headers=fields, timeout=60).status_code)

    slow = threading.Thread(target=send)

    def ask() -> None:
        assert collector.post(b"").status_code == 200

    ask()
    slow.start()
    # Generous: a few tens of milliseconds, where nobody else has the cores.
    assert slowest(ask, 2.0) < 2.0
    slow.join()
    assert statuses == [200]


@pytest.mark.parametrize(
    ("body", "encoding", "media"),
    [
        (zipped(b"\x5a\0"), "gzip", "application/x-protobuf"),
        (zipped(b"\x4a\0"), "gzip", "application/x-protobuf"),
        (
            gzip.compress(b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + b"{}," * 19_999 + b"{}]}]}]}"),
            "gzip",
            "application/json",
        ),
    ],
    ids=["events", "attributes", "JSON"],
)
def test_what_a_few_bytes_become_is_not_read_on_the_loop(
    in_process: InProcess, body: bytes, encoding: str, media: str
) -> None:
    replies: list[object] = []

    async def export() -> float:
        began = time.perf_counter()
        in_process.receiver.export(ExportRequest("traces", body, encoding, media, ""), replies.append)
        took = time.perf_counter() - began
        while not replies:
            await asyncio.sleep(0.01)
        return took

    assert len(body) < 3000
    # On the loop they took 0.15 s and more.
    assert asyncio.run(export()) < 0.05
