"""Requests over one connection: in order however they are cut and sent, and ended when they do not come."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from telltale.serving import asgi, bounded

HOST = b"Host: h\r\n"
Loop = Literal["asyncio", "uvloop"]


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Responds with the path and a digest of the body; /slow leaves the body alone, /wide responds at length."""
    if scope["type"] != "http":
        return
    request = Request(scope, receive)
    if scope["path"] == "/early":
        response = PlainTextResponse("early", 413)
    elif scope["path"] == "/wide":
        response = PlainTextResponse("w" * 4_000_000)
    else:
        response = PlainTextResponse(f"{scope['path']} {hashlib.sha256(await request.body()).hexdigest()}")
    await response(scope, receive, send)


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    with serving(request.param) as number:
        yield number


class serving:  # used as a function
    """`with serving(loop) as port`."""

    def __init__(self, loop: Loop) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        config = asgi._config(echo)
        config.loop = loop
        self._server = asgi._Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listener]})

    def __enter__(self) -> int:
        self._thread.start()
        return int(self._listener.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def read_all(link: socket.socket) -> bytes:
    return b"".join(iter(lambda: link.recv(1 << 16), b""))


bodies = st.lists(
    st.sampled_from([b"\r\n\r\n", b"0\r\n\r\n", b"a", b"GET / HTTP/1.1\r\n\r\n", b"x" * 3000]), max_size=6
)


@st.composite
def messages(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A request, and the body that it has."""
    parts = draw(bodies)
    body = b"".join(parts)
    kind = draw(st.sampled_from(["get", "length", "chunked", "trailers"]))
    if kind == "get":
        return b"GET /x HTTP/1.1\r\n" + HOST + b"\r\n", b""
    if kind == "length":
        return b"POST /x HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(body) + body, body
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    end = b"0\r\nA: b\r\n\r\n" if kind == "trailers" else b"0\r\n\r\n"
    return b"POST /x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + end, body


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=st.lists(messages(), min_size=1, max_size=8), cuts=st.lists(st.integers(1, 400), max_size=12))
def test_pipelined_requests_are_served_in_order(port: int, sent: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    stream = b"".join(request for request, _ in sent) + b"GET /last HTTP/1.0\r\n\r\n"
    with connect(port) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for cut in cuts:
            link.sendall(stream[:cut])
            stream = stream[cut:]
        link.sendall(stream)
        response = read_all(link)
    expected = [f"/x {hashlib.sha256(body).hexdigest()}".encode() for _, body in sent]
    found = [part.rpartition(b"\r\n\r\n")[2] for part in response.split(b"HTTP/1.1 ")[1:]]
    assert found == [*expected, f"/last {hashlib.sha256(b'').hexdigest()}".encode()]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a:b\r\n" * 101 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"b" * 17_000, 431),
        (b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n" + b"b" * 3_000_000, 413),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close, upgrade\r\nUpgrade: websocket\r\n\r\n", 200),
    ],
)
def test_what_is_refused_gets_its_response_and_the_end(port: int, request_: bytes, status: int) -> None:
    with connect(port) as link:
        link.sendall(request_)
        response = read_all(link)
    assert response.startswith(b"HTTP/1.1 %d " % status)
    assert response.count(b"\r\n\r\n") == 1


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of a server whose times are short."""
    for name in ("HEAD_S", "IDLE_S", "UNREAD_S", "LINGER_S"):
        monkeypatch.setattr(bounded, name, 0.3)
    monkeypatch.setattr(bounded, "REQUEST_S", 0.6)
    monkeypatch.setattr(asgi, "TICKS_PER_SWEEP", 1)
    with serving("asyncio") as number:
        yield number


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (b"", b""),
        (b"GET / HTTP/1.1\r\nHost:", b"HTTP/1.1 408"),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc", b"HTTP/1.1 408"),
        (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", b"HTTP/1.1 200"),
        (b"GET / HTTP/1.1\r\nHost: h\r\n\r\nGET", b"HTTP/1.1 200"),
    ],
    ids=["nothing", "half a head", "half a body", "a request and no more", "a request and a half"],
)
def test_whoever_lets_us_wait_is_closed(hasty: int, start: bytes, end: bytes) -> None:
    with connect(hasty) as link:
        link.sendall(start)
        assert read_all(link).startswith(end)


def test_a_request_that_comes_by_the_byte_is_closed_too(hasty: int) -> None:
    with connect(hasty) as link:
        link.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 900\r\n\r\n")
        began = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() < began + 8:
                link.sendall(b"a")
                time.sleep(0.05)
        assert time.monotonic() - began < 5


def test_whoever_does_not_read_is_closed(hasty: int) -> None:
    with connect(hasty) as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        link.sendall(b"GET /wide HTTP/1.1\r\nHost: h\r\n\r\n")
        time.sleep(1.5)
        received = 0
        with contextlib.suppress(ConnectionResetError):
            while piece := link.recv(1 << 16):
                received += len(piece)
    assert received < 4_000_000


def test_a_connection_that_is_used_stays(hasty: int) -> None:
    with connect(hasty) as link:
        for _ in range(8):
            link.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            response = b""
            while b"\r\n\r\n/ " not in response:
                response += link.recv(4096)
            time.sleep(0.1)
