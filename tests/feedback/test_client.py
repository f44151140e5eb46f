"""The Python client against a real server: nothing lost, nothing doubled, the application never waits."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from support.ports import free_port

from feedback import client as feedback_client
from feedback.client import FeedbackClient, current_trace
from telltale.store import Store, feedback

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback_client, "FIRST_PAUSE_S", 0.01)


class Flaky(BaseHTTPRequestHandler):
    """Answers each request with the next of `answers`: (status, headers, body), or the bytes of all of it."""

    answers: Iterator[tuple[int, dict[str, str], bytes] | bytes]
    bodies: list[bytes]

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        answer = next(self.answers)
        if isinstance(answer, bytes):
            self.wfile.write(answer)
            return
        status, headers, body = answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def flaky() -> Iterator[Callable[..., tuple[str, list[bytes]]]]:
    """`flaky(answers)` starts such a server; returns its address and the bodies that it gets."""
    servers: list[HTTPServer] = []

    def start(*answers: tuple[int, dict[str, str], bytes] | bytes) -> tuple[str, list[bytes]]:
        bodies: list[bytes] = []
        handler = type("Handler", (Flaky,), {"answers": iter(answers), "bodies": bodies})
        server = HTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}", bodies

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def stored(store: Store) -> list[Any]:
    with store.read() as connection:
        return feedback.load(connection)


def test_what_is_queued_arrives_in_order_and_what_is_invalid_is_named(service: Any) -> None:
    refused: list[tuple[str, str]] = []
    client = FeedbackClient(service.url, service.keys["shop"], on_refused=lambda *why: refused.append(why))
    for number in range(450):
        kind = "thumb" if number != 7 else "applause"
        assert client.send(trace_id=TRACE, kind=kind, value=number % 2, idempotency_key=f"k-{number}")
    client.send(trace_id=TRACE, kind="comment", comment="\ud800", idempotency_key="half")
    assert client.close(30)

    assert [event.idempotency_key for event in stored(service.store)] == [f"k-{n}" for n in range(450) if n != 7]
    assert (client.sent, client.refused, client.waiting) == (449, 2, 0)
    assert [key for key, _ in refused] == ["k-7", "half"]
    assert "kind" in refused[0][1]
    assert not client.send(trace_id=TRACE, kind="thumb", value=1)


def test_it_speaks_of_the_current_span(service: Any) -> None:
    from opentelemetry.sdk.trace import TracerProvider

    client = FeedbackClient(service.url, service.keys["shop"])
    assert current_trace() is None
    with pytest.raises(ValueError, match="pass trace_id="):
        client.send(kind="thumb", value="up")
    with TracerProvider().get_tracer("test").start_as_current_span("chat") as span:
        trace = f"{span.get_span_context().trace_id:032x}"
        assert current_trace() == trace
        client.send(kind="thumb", value="up")
    assert client.close(30)
    assert [event.trace_id for event in stored(service.store)] == [trace]


def test_a_lost_reply_and_a_refusal_are_repeated_with_the_same_keys(flaky: Callable[..., Any]) -> None:
    busy = b'{"results": [{"status": 201}, {"status": 503}]}'
    url, bodies = flaky(
        (503, {"Retry-After": "0"}, b"{}"),
        (429, {}, b"no JSON"),
        (401, {}, b"{}"),
        (302, {"Location": "http://127.0.0.1:9/"}, b""),
        (503, {}, busy),
        (200, {}, b'{"results": [{"status": 200}]}'),
    )
    client = FeedbackClient(url, "key")
    with client._changed:
        for key in ("a", "b"):
            client.send(trace_id=TRACE, kind="thumb", value="up", idempotency_key=key)
    assert client.close(30)

    assert len(set(bodies[:5])) == 1
    assert b'"a"' not in bodies[5]
    assert (client.sent, client.refused) == (2, 0)


@pytest.mark.parametrize(
    "answer",
    [
        b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"resu',
        b'HTTP/1.1 503 Busy\r\nContent-Length: 500\r\n\r\n{"resu',
        b"no HTTP at all\r\n\r\n",
        b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"results": [1]}',
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 429 Wait\r\nRetry-After: \xb2\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_an_answer_that_was_cut_short_or_is_none_is_repeated(answer: bytes, flaky: Callable[..., Any]) -> None:
    """A server that is killed while it answers, or a proxy in its place, must not end the thread that sends."""
    url, bodies = flaky(answer, (200, {}, b'{"results": [{"status": 200}]}'))
    client = FeedbackClient(url, "tt_key")
    assert client.send(trace_id=TRACE, kind="thumb", value="up")
    assert client.close(10)

    assert bodies[0] == bodies[1]
    assert (client.sent, client.waiting) == (1, 0)


def test_what_no_server_takes_keeps_nothing_else_waiting(flaky: Callable[..., Any]) -> None:
    refused: list[str] = []

    def on_refused(key: str, why: str) -> None:
        refused.append(key)
        raise RuntimeError

    url, bodies = flaky((200, {}, b'{"results": [{"status": 422}, {"status": 201}]}'))
    client = FeedbackClient(url, "tt_key", on_refused=on_refused)
    assert not client.send(trace_id=TRACE, kind="comment", comment="long " * 400_000, idempotency_key="long")
    with client._changed:  # so that both are of one batch
        assert client.send(trace_id=TRACE, kind="nothing", idempotency_key="bad")
        assert client.send(trace_id=TRACE, kind="thumb", value="up")
    assert client.close(10)

    assert (refused, len(bodies)) == (["long", "bad"], 1)
    assert (client.sent, client.refused) == (1, 2)


def test_it_begins_before_the_server_and_never_makes_the_application_wait(
    serve: Callable[..., AbstractContextManager[Any]],
) -> None:
    client = FeedbackClient(f"http://127.0.0.1:{free_port()}", "key", most_waiting=3)
    begun = time.monotonic()
    taken = [client.send(trace_id=TRACE, kind="thumb", value="up") for _ in range(5)]
    assert time.monotonic() - begun < 1
    assert taken == [True, True, True, False, False]
    assert (client.waiting, client.full) == (3, 2)
    with serve() as service:
        client._url = service.url + feedback_client.PATH
        client._headers["Authorization"] = f"Bearer {service.keys['shop']}"
        assert client.flush(30)
        assert len(stored(service.store)) == 3


def test_a_batch_that_is_too_large_is_halved(flaky: Callable[..., Any]) -> None:
    both = b'{"results": [{"status": 201}, {"status": 201}]}'
    url, bodies = flaky((413, {}, b""), (200, {}, both), (413, {}, b""))
    client = FeedbackClient(url, "key")
    with client._changed:
        for size in (1000, 1000, 5000):
            client.send(trace_id=TRACE, kind="comment", comment="x" * size)
    assert client.close(30)
    assert [body.count(b"trace_id") for body in bodies] == [3, 2, 1]
    assert (client.sent, client.refused) == (2, 1)


def test_a_forked_process_sends_its_own(flaky: Callable[..., Any]) -> None:
    url, bodies = flaky(*[(200, {}, b'{"results": [{"status": 201}]}')] * 2)
    code = f"""
import os
from feedback.client import FeedbackClient
client = FeedbackClient({url!r}, "key")
client.send(trace_id={TRACE!r}, kind="thumb", value="up")
assert client.flush(20)
child = os.fork()
client.send(trace_id={TRACE!r}, kind="thumb", value="down") if child == 0 else os.waitpid(child, 0)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert [b'"up"' in body for body in bodies] == [True, False]


def test_the_client_needs_nothing_but_python(tmp_path: Path) -> None:
    copy = tmp_path / "client.py"
    copy.write_bytes(Path(feedback_client.__file__).read_bytes())
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import client; "
         "print(client.current_trace())"],
        env={**os.environ}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "None\n"
