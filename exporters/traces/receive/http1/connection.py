"""One peer's HTTP/1.1 connection: bytes in, one request at a time to the application, its response out."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

import httptools

from exporters.traces.receive import listener
from exporters.traces.receive.http1 import head
from exporters.traces.receive.http1.request import TEXT, Application, Request
from exporters.traces.receive.listener import Server
from telltale.serving.connections import HEAD_S, IDLE_S, REQUEST_S, UNREAD_S
from telltale.serving.hosts import BROWSER_FIELDS, STATUS, Hosts

# How many times its content a chunked body may take.
CHUNKING = 8
# How long a peer may go on sending after the response that closes its connection.
LINGER_S = 5.0
# What the check of a request's host looks at.
HOST_FIELDS = (b"host", b"user-agent", *(name.encode() for name in BROWSER_FIELDS))
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# What llhttp says of HTTP/2's preface.
PREFACE_ERROR = "Pause on PRI/Upgrade"
NO_HTTP1 = "this port speaks HTTP/1.1; OTLP/gRPC has its own (collector.grpc_listen, 4317)"
# With it ends a head, and a body in chunks: what is parsed at once goes no further, and so holds one end at most.
END = b"\r\n\r\n"
# Bytes of a head or of chunks that are parsed at once: few may be a field or a chunk of their own.
STEP = 4096
# Fields, parts of bodies and steps after which a turn is over.
SLICE = 128


class Connection(listener.Connection):
    """Reads a request only once the one before it has its response."""

    def __init__(self, server: Server, application: Application, hosts: Hosts) -> None:
        super().__init__(server)
        self._application = application
        self._hosts = hosts
        # The fields of the last request whose host was checked and found ours.
        self._checked: list[bytes | None] = []
        self._is_new = True
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        # The request that is arriving, or that has no response yet.
        self._request: Request | None = None
        # Of `_arrived`, where the rest begins; the last bytes parsed, which may begin an END.
        self._at = 0
        self._tail = b""
        # Bytes of the request without its body, and those of its body, if it has a length, that are not here.
        self._overhead = 0
        self._awaited = 0
        self._events = 0
        self._idle_since = self._loop.time()
        self._closing_since: float | None = None
        self._closing = self._in_turn = self._offered = self._declining = False

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        # The parser refers to this object.
        self._parser = None
        if self._request is not None and not self._request.handed_over:
            self._release(self._request)
        self._request = None

    def eof_received(self) -> bool:
        """The peer sends no more; it may still read its response."""
        self._closing = True
        if self._request is None:
            return False
        self._request.close = True
        return self._request.ended

    def process(self) -> bool:
        self._events = 0
        self._in_turn = True
        while self._parser is not None and self._at < len(self._arrived) and self._events < SLICE and self._is_due():
            self._parse(self._parser)
        self._in_turn = False
        if self._at >= len(self._arrived) or self._parser is None:
            self._arrived, self._at = b"", 0
        self._advance()
        return bool(self._arrived) and self._is_due()

    def unprocessed(self) -> int:
        return len(self._arrived) - self._at

    def held(self) -> int:
        # The bytes before `_at` are kept with the rest.
        return len(self._arrived) + (self._overhead + self._request.held() if self._request is not None else 0)

    def expire(self) -> None:
        now, request = self._loop.time(), self._request
        if self._closing_since is not None:
            if now > self._closing_since + LINGER_S:
                self.transport.abort()
        elif self._blocked_since is not None:
            if now > self._blocked_since + UNREAD_S:
                self.transport.abort()
        elif request is not None:
            most = REQUEST_S if request.method else HEAD_S
            if not request.ended and now > request.since + most:
                self._refuse(request, HTTPStatus.REQUEST_TIMEOUT, f"the request was not here in {most:.0f} s")
        elif now > self._idle_since + (HEAD_S if self._is_new else IDLE_S):
            self.transport.close()

    def finish(self) -> None:
        self._closing = True
        if self._request is None:
            self.transport.close()
        else:
            self._request.close = True

    def on_message_begin(self) -> None:
        """Called by the parser, as are the next ones."""
        if self._parser is not None and not self._declining:
            self._request = Request(self, self._loop.time())
            self._is_new = False

    def on_url(self, url: bytes) -> None:
        if self._request is not None and not self._declining:
            self._request.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        request = self._request
        self._events += 1
        # Trailer fields, after a body, are ignored.
        if request is not None and not request.method:
            request.list(name, value)

    def on_headers_complete(self) -> None:
        request, parser = self._request, self._parser
        if request is None or parser is None or self._declining:
            return
        self._offered = parser.should_upgrade()
        request.method = parser.get_method().decode()
        request.version = parser.get_http_version()
        request.close = not parser.should_keep_alive() or request.version == "1.0" or self._closing
        fault = head.size_fault(request, self._overhead) or head.read(request) or self._host_fault(request)
        self._awaited = request.announced
        if fault is not None:
            self._refuse(request, *fault)
            return
        self._call(self._application.on_headers, request)
        if request.fields.get(b"expect", b"").lower() == b"100-continue" and request.response is None:
            self.transport.write(CONTINUE)

    def on_body(self, body: bytes) -> None:
        self._events += 1
        self._overhead -= len(body)
        self._awaited = max(0, self._awaited - len(body))
        request = self._request
        if request is not None and request.response is None:
            request.size += len(body)
            self._call(self._application.on_data, request)
            if request.response is None:
                request.add(body)

    def on_message_complete(self) -> None:
        if not self._offered and self._request is not None:
            self._request.ended = True

    def respond(self, request: Request) -> None:
        """Called by a request that has its response now."""
        self._release(request)
        if self._in_turn:
            return
        self._advance()
        if self.unprocessed():
            self._shared.turns.ask(self)
        self._settle()

    def _host_fault(self, request: Request) -> head.Fault | None:
        """Why a browser may have been made to send this, or None."""
        looked_at = [request.fields.get(name) for name in HOST_FIELDS]
        if looked_at == self._checked:
            return None
        local = self.transport.get_extra_info("sockname")
        why = self._hosts.refusal(request.named, str(local[0]))
        if why is not None:
            return HTTPStatus(STATUS), why
        self._checked = looked_at
        return None

    def _is_due(self) -> bool:
        """What arrived may be parsed: it is not behind a request that waits for its response."""
        return self._request is None or not self._request.ended

    def _parse(self, parser: httptools.HttpRequestParser) -> None:
        """Parse as much as holds one request's end at most."""
        data, at = self._arrived, self._at
        if self._request is None and data[at] in b"\r\n":
            # RFC 9112, 2.2: empty lines before a request are ignored.
            self._events += 1
            skipped = data[at : at + STEP]
            self._at, self._tail = at + len(skipped) - len(skipped.lstrip(b"\r\n")), b""
            return
        if self._awaited:
            stop, self._tail = min(len(data), at + self._awaited), b""
        else:
            stop = self._step(data, at)
        part = data if at == 0 and stop == len(data) else data[at:stop]
        self._at = stop
        self._events += 1
        self._overhead = len(part) + (self._overhead if self._request is not None else 0)
        try:
            parser.feed_data(part)
        except httptools.HttpParserUpgrade as error:
            # The parser stopped there.
            self._at, self._tail = at + error.args[0], b""
            self._overhead -= stop - self._at
            self._decline()
        except httptools.HttpParserError as error:
            self._broken(NO_HTTP1 if str(error) == PREFACE_ERROR else f"no HTTP/1.1: {error}")
        request = self._request
        if request is not None and not request.ended:
            fault = head.size_fault(request, self._overhead - CHUNKING * request.size)
            if fault is not None:
                self._refuse(request, *fault)

    def _step(self, data: bytes, at: int) -> int:
        """Where the next END ends, but not further than a step."""
        seen = self._tail + data[at : at + STEP]
        end = seen.find(END)
        if end >= 0:
            seen = seen[: end + len(END)]
        stop = at + len(seen) - len(self._tail)
        self._tail = seen[1 - len(END) :]
        return stop

    def _advance(self) -> None:
        """Hand the request over if it is complete, send its response if that is ready, and end it."""
        request = self._request
        if request is None or self._in_turn:
            return
        if request.ended and not request.handed_over and request.response is None:
            request.handed_over = self._in_turn = True
            self._server.room.work(self)
            self._call(self._application.on_request, request)
            self._in_turn = False
        if request.response is None:
            return
        if not request.written:
            request.written = True
            if not self.transport.is_closing():
                self.transport.write(request.response)
        if request.close:
            self._close_after(request)
        elif request.ended:
            self._request = None
            self._overhead = self._awaited = 0
            self._server.room.wait(self)
            self._idle_since = self._loop.time()

    def _close_after(self, last: Request) -> None:
        """Close the connection after this response; whatever arrived after the request is dropped."""
        self._parser = self._request = None
        self._arrived, self._at = b"", 0
        if last.ended:
            self.transport.close()
        elif self._closing_since is None:
            # Closing at once would reset the connection because of data still arriving, and lose the response.
            self._closing_since = self._loop.time()
            if not self.transport.is_closing():
                self.transport.write_eof()

    def _decline(self) -> None:
        """Ignore an offer to upgrade, such as Java's client's to HTTP/2, and handle the request as any other.

        The parser stopped before the body; a new one, fed headers without the offer, reads it.
        """
        request, self._offered = self._request, False
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
        if self._request is None:
            self.on_message_begin()
        request = self._request
        if request is not None:
            self._parser = None
            self._refuse(request, HTTPStatus.BAD_REQUEST, why)

    def _refuse(self, request: Request, status: HTTPStatus, why: str) -> None:
        request.close = True
        if request.response is None:
            request.respond(status, TEXT, f"{why}\n".encode())
        else:
            self._advance()

    def _call(self, what: Callable[[Request], None], request: Request) -> None:
        try:
            what(request)
        except Exception:  # noqa: BLE001  # an error in one request must not end the others, nor the parser
            request.fail()

    def _release(self, request: Request) -> None:
        self._application.release(request)
        request.clear()
