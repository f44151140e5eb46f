"""HTTP/1.1 for a few short GET paths: one thread, non-blocking, every buffer and wait bounded."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from telltale.serving.connections import (
    ACCEPTED_AT_ONCE,
    HEAD_S,
    IDLE_S,
    MAX_FIELDS,
    MAX_HEAD,
    NO_FILE_LEFT,
    UNREAD_S,
    Room,
    most_connections,
    peer_of,
)
from telltale.serving.pages import Response

SEND_BUFFER = 256 << 10
"""A page of eight GPUs goes out in one call."""
ACCEPT_RETRY = 1.0
"""Seconds without new connections where no file was left and none of ours could be closed."""
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed"}
_REASONS |= {
    421: "Misdirected Request",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}
END = b"\r\n\r\n"
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Request(NamedTuple):
    """Header names in lower case; `path` without the query."""

    method: str
    path: str
    headers: dict[str, str]
    keep: bool
    local: str = ""
    """Our own address on the connection."""


Handler = Callable[[Request], Response]


class Tls(Protocol):
    """How connections are encrypted; behind a protocol so that plain ones do without the TLS library's 3 MiB."""

    want_read: type[OSError]
    want_write: type[OSError]

    def wrap(self, sock: socket.socket) -> socket.socket:
        """The server's end, before its handshake. Raises OSError or ValueError."""
        ...

    def handshake(self, sock: socket.socket) -> None:
        """Go on with it. Raises `want_read` or `want_write` until it is done."""
        ...


class BadRequest(ValueError):
    """The request is invalid or unsupported; `status` is the response's."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def parse(head: bytes) -> Request:
    """A request's head, without the empty line. Raises BadRequest."""
    lines = head.decode("latin-1").split("\r\n")
    first = lines[0].split(" ")
    if len(first) != 3 or not first[2].startswith("HTTP/1."):
        raise BadRequest(400, "not an HTTP/1 request")
    headers: dict[str, str] = {}
    if len(lines) > MAX_FIELDS + 1:
        raise BadRequest(431, "too many headers")
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise BadRequest(400, "malformed header")
        if name.lower() == "host" and "host" in headers:
            raise BadRequest(400, "several Host headers")
        headers[name.lower()] = value.strip()
    if "host" not in headers and first[2] == "HTTP/1.1":
        raise BadRequest(400, "no Host header")
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        raise BadRequest(400, "no body is accepted")
    wish = headers.get("connection", "").lower()
    keep = wish != "close" if first[2] == "HTTP/1.1" else wish == "keep-alive"
    return Request(first[0], first[1].partition("?")[0], headers, keep)


def encode(response: Response, keep: bool, head_only: bool = False) -> list[memoryview]:
    """The bytes of a response, in pieces."""
    parts = (response.body,) if isinstance(response.body, bytes) else response.body
    extra = "".join(f"{name}: {value}\r\n" for name, value in response.headers)
    head = (
        f"HTTP/1.1 {response.status} {_REASONS.get(response.status, 'Unknown')}\r\n"
        f"Content-Type: {response.content_type}\r\nContent-Length: {sum(map(len, parts))}\r\n"
        f"{extra}Connection: {'keep-alive' if keep else 'close'}\r\n\r\n"
    )
    pieces = (head.encode("latin-1"), *(() if head_only else parts))
    return [memoryview(piece) for piece in pieces if piece]


class Connection:
    """One client's connection."""

    def __init__(self, server: Server, sock: socket.socket) -> None:
        self._server, self.sock = server, sock
        self._in = bytearray()
        self._out: list[memoryview] = []
        self._closing = False
        self._handshake = server.tls is not None
        self._local = str(sock.getsockname()[0])
        self._begun = False
        self.deadline = time.monotonic() + HEAD_S

    def ready(self, _events: int) -> None:
        """The socket can be read or written."""
        try:
            if self._handshake:
                self._shake()
            elif self._out:
                self._flush()
            elif self._has_request():
                self._respond()
            else:
                self._receive()
        except self._server.want_read:
            self._server.wait(self, _READ)
        except self._server.want_write:
            self._server.wait(self, _WRITE)
        except OSError:
            self._server.drop(self)

    def _shake(self) -> None:
        assert self._server.tls is not None
        self._server.tls.handshake(self.sock)
        self._handshake = False
        self._receive()

    def _receive(self) -> None:
        # Once, then it is the others' turn. A TLS record is no longer, so that none is left where no selector sees it.
        data = self.sock.recv(MAX_HEAD)
        if not data:
            self._server.drop(self)
            return
        if not self._begun:
            self._begun, self.deadline = True, time.monotonic() + HEAD_S
        self._in += data
        if self._has_request():
            self._respond()
        else:
            self._server.wait(self, _READ)

    def _has_request(self) -> bool:
        return len(self._in) > MAX_HEAD or END in self._in

    def _respond(self) -> None:
        """Respond to the first complete request."""
        end = self._in.find(END)
        try:
            if end < 0 or end > MAX_HEAD:
                raise BadRequest(431, "headers too large")
            request = parse(bytes(self._in[:end]))._replace(local=self._local)
            response = encode(self._server.handler(request), request.keep, request.method == "HEAD")
            self._closing = not request.keep
        except BadRequest as error:
            response = encode(Response(error.status, f"{error}\n".encode()), keep=False)
            self._closing = True
        del self._in[: end + len(END)]
        self._out = response
        self._flush()

    def _flush(self) -> None:
        while self._out:
            try:
                self._sent(self._server.send(self.sock, self._out))
            except self._server.want_write:
                self.deadline = time.monotonic() + UNREAD_S
                self._server.room.wait(self)
                self._server.wait(self, _WRITE)
                return
        if self._closing:
            self._server.drop(self)
            return
        self._begun = bool(self._in)
        self.deadline = time.monotonic() + (HEAD_S if self._begun else IDLE_S)
        self._server.room.wait(self)
        # A request that was sent along with this one has its turn after the others.
        self._server.wait(self, _WRITE if self._has_request() else _READ)

    def _sent(self, count: int) -> None:
        while self._out and count >= len(self._out[0]):
            count -= len(self._out.pop(0))
        if count:
            self._out[0] = self._out[0][count:]


class Server:
    """Listens and responds through `handler`. Uses the caller's selector: each key's data is called with the events."""

    def __init__(
        self,
        listener: socket.socket,
        handler: Handler,
        selector: selectors.BaseSelector,
        tls: Tls | None = None,
    ) -> None:
        self.handler, self._selector, self.tls = handler, selector, tls
        self.want_read: tuple[type[OSError], ...] = (BlockingIOError, *((tls.want_read,) if tls else ()))
        self.want_write: tuple[type[OSError], ...] = (BlockingIOError, *((tls.want_write,) if tls else ()))
        self._socket = listener
        self._socket.setblocking(False)
        self.room: Room[Connection] = Room(most_connections(), self.drop)
        self._connections: dict[Connection, int] = {}
        self._accepts_from: float | None = None
        selector.register(self._socket, _READ, self._accept)

    @property
    def port(self) -> int:
        port: int = self._socket.getsockname()[1]
        return port

    def _accept(self, _events: int) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                sock, address = self._socket.accept()
            except OSError as error:
                if error.errno in NO_FILE_LEFT and not self.room.make_room():
                    # It would be reported as ready over and over.
                    self._selector.unregister(self._socket)
                    self._accepts_from = time.monotonic() + ACCEPT_RETRY
                return
            self._welcome(sock, peer_of(address))

    def _welcome(self, sock: socket.socket, peer: str) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        try:
            if self.tls is not None:
                sock = self.tls.wrap(sock)
        except (OSError, ValueError):
            sock.close()
            return
        connection = Connection(self, sock)
        self.room.enter(connection, peer)
        self._connections[connection] = _READ
        self._selector.register(sock, _READ, connection.ready)

    def send(self, sock: socket.socket, pieces: list[memoryview]) -> int:
        """Send as much as possible at once; returns the number of bytes. TLS cannot send several pieces."""
        return sock.sendmsg(pieces) if self.tls is None else sock.send(pieces[0])

    def wait(self, connection: Connection, events: int) -> None:
        if self._connections.get(connection, events) != events:
            self._connections[connection] = events
            self._selector.modify(connection.sock, events, connection.ready)

    def drop(self, connection: Connection) -> None:
        self.room.leave(connection)
        if self._connections.pop(connection, None) is not None:
            self._selector.unregister(connection.sock)
            connection.sock.close()

    def sweep(self, now: float) -> None:
        """Close connections that timed out, and accept anew."""
        if self._accepts_from is not None and now > self._accepts_from:
            self._accepts_from = None
            self._selector.register(self._socket, _READ, self._accept)
        for connection in [known for known in self._connections if now > known.deadline]:
            self.drop(connection)

    def close(self) -> None:
        for connection in list(self._connections):
            self.drop(connection)
        if self._accepts_from is None:
            self._selector.unregister(self._socket)
        self._socket.close()
