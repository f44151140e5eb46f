"""An HTTP/1.1 server (RFC 9112) for responses that are ready at once or later. llhttp parses; the limits are here.

Requests on one connection get their responses in order. One that is refused before it is complete gets its response
at once; the rest of it is read and dropped.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol
from urllib.parse import unquote

import httptools

from exporters.traces.receive import listener
from exporters.traces.receive.listener import REQUEST_S, Server

log = logging.getLogger(__name__)

# Bytes of a request without its body.
MAX_HEADERS = 16384
MAX_FIELDS = 100
# How many parts of a body are kept separately before they are joined.
MOST_PARTS = 256
# How many times its content a chunked body may take.
CHUNKING = 8
KEEP_ALIVE_S = 120.0
# How long a peer may go on sending after the response that closes its connection.
LINGER_S = 5.0
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
TEXT = b"text/plain; charset=utf-8"
NO_HTTP1 = "this port speaks HTTP/1.1; OTLP/gRPC has its own (collector.grpc_listen, 4317)"

Field = tuple[bytes, bytes]


class Application(Protocol):
    """The handler of requests: calls `Request.respond` once for each, at once or later in the loop's thread."""

    def on_headers(self, request: Request) -> None:
        """The headers have arrived."""

    def on_data(self, request: Request) -> None:
        """More of the body has arrived: `request.size` bytes of it."""

    def on_request(self, request: Request) -> None:
        """The request is complete, and those before it have their responses."""

    def release(self, request: Request) -> None:
        """It has its response or will never have one: free what is reserved for it."""


class Request:
    """One request. Of a repeated header field the last value counts; `reserved` is for the application."""

    __slots__ = (
        "_gathered", "announced", "chunks", "close", "connection", "ended", "fields", "handed_over", "method", "path",
        "reserved", "response", "since", "size", "url", "written",
    )  # fmt: skip

    def __init__(self, connection: Connection, since: float) -> None:
        self.connection = connection
        self.since = since
        self.url = b""
        self.method = self.path = ""
        self.fields: dict[bytes, bytes] = {}
        self.announced = self.size = self.reserved = 0
        self.chunks: list[bytes] = []
        # The first parts of a body in very many, joined: one object per part would take many times its size.
        self._gathered = bytearray()
        self.response: bytes | None = None
        self.ended = self.handed_over = self.written = self.close = False

    def field(self, name: bytes) -> str:
        """That header field, or an empty string."""
        return self.fields.get(name, b"").decode("latin-1")

    def add(self, part: bytes) -> None:
        """Append the body's next part."""
        self.chunks.append(part)
        if len(self.chunks) == MOST_PARTS:
            self._gathered += b"".join(self.chunks)
            self.chunks.clear()

    def take_body(self) -> bytes:
        """The body received so far; the request no longer keeps it."""
        if self._gathered:
            body = b"".join((self._gathered, *self.chunks))
        else:
            body = self.chunks[0] if len(self.chunks) == 1 else b"".join(self.chunks)
        self.clear()
        return body

    def clear(self) -> None:
        """Drop the body."""
        self.chunks.clear()
        self._gathered = bytearray()

    def respond(self, status: int, kind: bytes, body: bytes, *more: Field) -> None:
        """Respond with a body of media type `kind` and `more` header fields. Only the first response counts."""
        self.connection.respond(self, status, kind, body, more)

    def fail(self) -> None:
        """Log the exception that is being handled, and respond with 500."""
        log.exception("a request failed")
        self.respond(500, TEXT, b"the collector failed: see its log\n")


class Connection(listener.Connection):
    """One peer's connection."""

    def __init__(self, server: Server, application: Application) -> None:
        super().__init__(server)
        self._application = application
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        # Requests without a response, in order, and the one of them that is still arriving.
        self._requests: deque[Request] = deque()
        self._incoming: Request | None = None
        # Bytes of the arriving request, without its body.
        self._overhead = 0
        self._idle_since = self._loop.time()
        self._blocked_since: float | None = None
        self._closing_since: float | None = None
        self._closing = self._advancing = self._paused = self._offered = self._declining = False

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        # The parser refers to this object.
        self._parser = self._incoming = None
        for request in self._requests:
            if not request.handed_over:
                self._release(request)
        self._requests.clear()

    def eof_received(self) -> bool:
        """The peer sends no more; it may still read its responses."""
        self._closing = True
        return bool(self._requests) and self._incoming is None

    def pause_writing(self) -> None:
        self._blocked_since = self._loop.time()

    def resume_writing(self) -> None:
        self._blocked_since = None
        self._advance()

    def data_received(self, data: bytes) -> None:
        self._overhead += len(data)
        # Responses are sent once all of the data is parsed.
        self._advancing = True
        while data and self._parser is not None:
            rest = b""
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as error:
                rest = data[error.args[0] :]
                self._decline()
            except httptools.HttpParserError as error:
                self._broken(NO_HTTP1 if data.startswith(b"PRI * HTTP/2") else f"no HTTP/1.1: {error}")
            data = rest
        request = self._incoming
        if request is not None and self._overhead > MAX_HEADERS + CHUNKING * request.size:
            self._refuse(request, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the headers are too large")
        self._advancing = False
        self._advance()

    def expire(self) -> None:
        now, coming = self._loop.time(), self._incoming
        if self._closing_since is not None:
            if now > self._closing_since + LINGER_S:
                self.transport.abort()
        elif self._blocked_since is not None:
            if now > self._blocked_since + REQUEST_S:
                self.transport.abort()
        elif coming is not None:
            if now > coming.since + REQUEST_S:
                self._refuse(coming, HTTPStatus.REQUEST_TIMEOUT, f"the request was not here in {REQUEST_S:.0f} s")
        elif not self._requests and now > self._idle_since + KEEP_ALIVE_S:
            self.transport.close()

    def finish(self) -> None:
        self._closing = True
        if not self._requests:
            self.transport.close()

    def on_message_begin(self) -> None:
        """Called by the parser, as are the next ones."""
        if self._parser is None or self._declining:
            return
        self._incoming = Request(self, self._loop.time())
        self._requests.append(self._incoming)

    def on_url(self, url: bytes) -> None:
        if self._incoming is not None and not self._declining:
            self._incoming.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        request = self._incoming
        # Trailer fields, after a body, are ignored.
        if request is not None and not request.method and len(request.fields) <= MAX_FIELDS:
            request.fields[name.lower()] = value

    def on_headers_complete(self) -> None:
        request, parser = self._incoming, self._parser
        if request is None or parser is None or self._declining:
            return
        self._offered = parser.should_upgrade()
        request.method = parser.get_method().decode()
        request.close = not parser.should_keep_alive() or parser.get_http_version() == "1.0"
        announced = request.fields.get(b"content-length", b"0")
        request.announced = int(announced) if announced.isdigit() and len(announced) < 20 else 0
        if len(request.fields) > MAX_FIELDS or len(request.url) + _size(request.fields) > MAX_HEADERS:
            self._refuse(request, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the headers are too large")
            return
        try:
            request.path = unquote((httptools.parse_url(request.url).path or b"/").decode("latin-1"))
        except httptools.HttpParserError:
            self._refuse(request, HTTPStatus.BAD_REQUEST, "the target is no URL")
            return
        self._call(self._application.on_headers, request)
        expects = request.fields.get(b"expect", b"").lower() == b"100-continue"
        if expects and request.response is None and self._requests[0] is request:
            self.transport.write(CONTINUE)

    def on_body(self, body: bytes) -> None:
        self._overhead -= len(body)
        request = self._incoming
        if request is not None and request.response is None:
            request.size += len(body)
            self._call(self._application.on_data, request)
            if request.response is None:
                request.add(body)

    def on_message_complete(self) -> None:
        if self._offered:
            return
        request, self._incoming = self._incoming, None
        self._overhead = 0
        if request is not None:
            request.ended = True

    def respond(self, request: Request, status: int, kind: bytes, body: bytes, more: tuple[Field, ...]) -> None:
        if request.response is not None:
            return
        request.close = request.close or self._closing
        head = [b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode()), b"content-type: " + kind]
        head += [b"content-length: %d" % len(body), *(b"%s: %s" % field for field in more)]
        if request.close:
            head.append(b"connection: close")
        request.response = b"\r\n".join((*head, b"", b"" if request.method == "HEAD" else body))
        self._release(request)
        self._advance()

    def _advance(self) -> None:
        """Send the ready responses in order and hand over the next request; then yield to other connections."""
        if self._advancing:
            return
        self._advancing, handed_over = True, False
        requests = self._requests
        while requests and self._blocked_since is None:
            request = requests[0]
            if request.response is None:
                if request.handed_over or not request.ended:
                    break
                if handed_over:
                    self._loop.call_soon(self._advance)
                    break
                request.handed_over = handed_over = True
                self._call(self._application.on_request, request)
                continue
            if not request.written:
                request.written = True
                if not self.transport.is_closing():
                    self.transport.write(request.response)
            if request.close:
                self._close_after(request)
                break
            if not request.ended:
                break
            requests.popleft()
            self._idle_since = self._loop.time()
        self._advancing = False
        if self._closing and not requests:
            self.transport.close()
        self._throttle()

    def _close_after(self, last: Request) -> None:
        """Close the connection after this response; whatever arrived after the request is dropped."""
        self._parser = self._incoming = None
        for request in self._requests:
            self._release(request)
        self._requests.clear()
        if last.ended:
            self.transport.close()
        elif self._closing_since is None:
            # Closing at once would reset the connection because of data still arriving, and lose the response.
            self._closing_since = self._loop.time()
            if not self.transport.is_closing():
                self.transport.write_eof()

    def _throttle(self) -> None:
        """Pause a peer that pipelines requests or does not read."""
        wanted = (len(self._requests) > 1 or self._blocked_since is not None) and not self.transport.is_closing()
        if wanted != self._paused and not self.transport.is_closing():
            self._paused = wanted
            if wanted:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def _decline(self) -> None:
        """Ignore an offer to upgrade, such as Java's client's to HTTP/2, and handle the request as any other.

        The parser stopped before the body; a new one, fed headers without the offer, reads it.
        """
        request, self._offered = self._incoming, False
        if request is None or self._parser is None:
            return
        framing = b""
        for name in (b"transfer-encoding", b"content-length"):
            if name in request.fields:
                framing += b"%s: %s\r\n" % (name, request.fields[name])
        self._parser = httptools.HttpRequestParser(self)
        self._declining = True
        self._parser.feed_data(b"POST / HTTP/1.1\r\n%s\r\n" % framing)
        self._declining = False

    def _broken(self, why: str) -> None:
        if self._incoming is None:
            self.on_message_begin()
        if self._incoming is not None:
            self._parser = None
            self._refuse(self._incoming, HTTPStatus.BAD_REQUEST, why)

    def _refuse(self, request: Request, status: HTTPStatus, why: str) -> None:
        request.close = True
        if request.written:
            self._close_after(request)
        request.respond(status, TEXT, f"{why}\n".encode())

    def _call(self, what: Callable[[Request], None], request: Request) -> None:
        try:
            what(request)
        except Exception:  # noqa: BLE001  # an error in one request must not end the others, nor the parser
            request.fail()

    def _release(self, request: Request) -> None:
        self._application.release(request)
        request.clear()


def _size(fields: dict[bytes, bytes]) -> int:
    return sum(len(name) + len(value) for name, value in fields.items())
