"""Where messages to people arrive in tests: an HTTP server and a mail server that keep what they were sent."""

from __future__ import annotations

import email
import email.message
import email.policy
import http.server
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class HttpSink:
    """`received` in the order of arrival. `status` is what it responds, by path; 200 where it has none."""

    url: str = ""
    received: list[Request] = field(default_factory=list)
    status: dict[str, int] = field(default_factory=dict)

    def at(self, path: str) -> list[Request]:
        return [request for request in self.received if request.path == path]


@contextmanager
def http_sink() -> Iterator[HttpSink]:
    sink = HttpSink()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            sink.received.append(Request(self.path, dict(self.headers), body))
            self.send_response(sink.status.get(self.path, 200))
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            # As Slack says that it took it. Alertmanager may have ended meanwhile.
            with suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(b'{"ok": true}')

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, _served(server):
        sink.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield sink


@dataclass
class MailSink:
    address: str = ""
    received: list[email.message.EmailMessage] = field(default_factory=list)


@contextmanager
def mail_sink() -> Iterator[MailSink]:
    """As much of SMTP (RFC 5321) as a client without TLS and login needs."""
    sink = MailSink()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 sink")
            for line in self.rfile:
                verb = line[:4].upper()
                if verb == b"DATA":
                    self._say("354 go on")
                    self._keep()
                    self._say("250 kept")
                elif verb == b"QUIT":
                    return self._say("221 bye")
                else:
                    self._say("250 sink")
            return None

        def _keep(self) -> None:
            lines = iter(self.rfile.readline, b".\r\n")
            text = b"".join(line.removeprefix(b".") if line.startswith(b"..") else line for line in lines)
            sink.received.append(email.message_from_bytes(text, policy=email.policy.default))

        def _say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server, _served(server):
        sink.address = f"127.0.0.1:{server.server_address[1]}"
        yield sink


@contextmanager
def _served(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
