"""uvicorn's HTTP/1.1 connections within limits.

By itself uvicorn makes an object and a task of every request that it has read, goes on reading while they wait, holds
responses that nobody reads, and has no time limit before a request is complete. Here the parser gets one request at a
time: the next one when the response is with the peer. What has been read until then stays bytes, and while there are
any nothing more is read. The bytes of all connections of a port share `MAX_UNREAD`, the connections their number.
"""

from __future__ import annotations

import asyncio
import socket
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, cast

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from telltale.serving.connections import (
    HEAD_S,
    IDLE_S,
    LINGER_S,
    MAX_FIELDS,
    MAX_HEAD,
    MAX_UNREAD,
    REQUEST_S,
    SEND_BUFFER,
    UNREAD_S,
    Room,
    most_connections,
    peer_of,
)

if TYPE_CHECKING:
    from typing import Any

    from uvicorn.config import Config

# How many times longer a chunked body may be than its content.
CHUNKING: Final = 4
# Bytes and pieces that a connection parses before it is the others' turn: of tiny chunks each takes a call.
TURN_BYTES: Final = 2048
TURN_PIECES: Final = 16
# A response's head always fits, so that the body behind it is written too and counted.
UNREAD_HEAD: Final = 4096
END: Final = b"\r\n\r\n"
# What may be an end costs a call too, and counts as so many bytes beside a body.
END_COST: Final = 64


class Shared(ServerState):
    """What the connections of one port share."""

    def __init__(self) -> None:
        super().__init__()
        self.places: Room[Bounded] = Room(most_connections(), Bounded.abort)
        self.held: Room[Bounded] = Room(MAX_UNREAD, Bounded.abort)

    def expire(self, now: float) -> None:
        """Time out what does not arrive. Call this every second or so, with the loop's time."""
        for connection in list(self.connections):
            cast("Bounded", connection).expire(now)


class Bounded(HttpToolsProtocol):
    """One connection; see the module."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        assert isinstance(server_state, Shared)
        self._places, self._held = server_state.places, server_state.held
        self._peer = ""
        # Read, and not yet given to the parser; and what the parser got last, as far as an END may have begun there.
        self._pending = bytearray()
        self._tail = b""
        # Of the request that is arriving or in work: what it has beside its body, its body, what of it is to come.
        self._overhead = self._body = self._announced = 0
        self._has_head = self._ended = False
        # When the arriving request began; None between requests.
        self._begun: float | None = None
        self._idle_since = self.loop.time()
        self._is_new = True
        # When a response that nobody reads last grew shorter, and its length then.
        self._unread = (0.0, 0)
        self._lingers_since: float | None = None
        self._reads = True
        self._has_turn = False

    @property
    def _responds(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the base class
        super().connection_made(transport)
        self.flow = _Flow(transport, self)
        transport.set_write_buffer_limits(high=UNREAD_HEAD, low=0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self._peer = peer_of(transport.get_extra_info("peername"))
        self._places.enter(self, self._peer)

    def connection_lost(self, exc: Exception | None) -> None:
        self._pending.clear()
        self._places.leave(self)
        self._held.leave(self)
        super().connection_lost(exc)

    def abort(self) -> None:
        """Close at once; what the peer has not read is lost."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._lingers_since is None:
            self._pending += data
            self.advance()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.time(), self.transport.get_write_buffer_size()
        self._places.wait(self)
        self._count()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._responds and self._ended:
            self._places.work(self)
        self.advance()

    def shutdown(self) -> None:
        if self._lingers_since is not None:
            self.abort()
        super().shutdown()

    def advance(self) -> None:
        """Give the parser what it may have by now, and read on only if nothing is left."""
        pieces = fed = 0
        while self._pending and self._is_wanted():
            if pieces == TURN_PIECES or fed >= TURN_BYTES:
                self._take_turn()
                break
            piece = self._take()
            pieces, fed = pieces + 1, fed + len(piece)
            self._feed(piece)
        if self.parser is not None and not self.transport.is_closing():
            self._read(not self._pending)
            self._count()

    def expire(self, now: float) -> None:
        """Time out whatever does not arrive."""
        unread = self.transport.get_write_buffer_size()
        if unread and unread != self._unread[1]:
            self._unread = now, unread
        elif unread and now > self._unread[0] + UNREAD_S:
            self.abort()
        elif self._lingers_since is not None:
            if now > self._lingers_since + LINGER_S:
                self.abort()
        elif self._begun is not None:
            if now > self._begun + (REQUEST_S if self._has_head else HEAD_S):
                self._refuse(408, "the request was not here in time")
        elif not self._responds and now > self._idle_since + (HEAD_S if self._is_new else IDLE_S):
            self.transport.close()

    def on_message_begin(self) -> None:
        """Called by the parser, as are the next ones."""
        if self._ended:
            raise ValueError("a request ended where none was expected to")
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        # Of trailers, behind a body, nothing is kept.
        if not self._has_head:
            super().on_header(name, value)
            if len(self.headers) > MAX_FIELDS:
                raise ValueError("too many fields")

    def on_headers_complete(self) -> None:
        names = [name for name, _ in self.headers]
        version = self.parser.get_http_version()
        # RFC 9112, section 3.2: a server refuses a request without Host, and one with several.
        if version not in ("1.0", "1.1") or names.count(b"host") > 1 or (version == "1.1" and b"host" not in names):
            raise ValueError("no Host, or several")
        super().on_headers_complete()
        self._has_head = True
        if b"transfer-encoding" not in names:
            self._announced = next((int(value) for name, value in self.headers if name == b"content-length"), 0)

    def on_body(self, body: bytes) -> None:
        self._overhead -= len(body)
        self._body += len(body)
        self._announced = max(0, self._announced - len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._ended, self._begun = True, None
        self._places.work(self)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self._places.wait(self)
        if not self._ended:
            self._linger()
            return
        self._overhead = self._body = self._announced = 0
        self._has_head = self._ended = self._is_new = False
        self._idle_since = self.loop.time()
        self.advance()

    def _take_turn(self) -> None:
        if not self._has_turn:
            self._has_turn = True
            self.loop.call_soon(self._on_turn)

    def _on_turn(self) -> None:
        self._has_turn = False
        self.advance()

    def _is_wanted(self) -> bool:
        """Whether the parser may go on: with a request that is arriving, or the first after the last response."""
        if self.parser is None or self._lingers_since is not None or self.transport.is_closing():
            return False
        if self._responds:
            return not self._ended and len(self.cycle.body) <= HIGH_WATER_LIMIT
        return not self.flow.write_paused

    def _take(self) -> bytes:
        """The next bytes for the parser: not beyond the end of a request."""
        size = self._announced
        if not size:
            # A head ends like this, and so does a chunked body. In between it may occur too, which does no harm.
            before, found = len(self._tail), -1
            if before:
                found = (self._tail + self._pending[: len(END)]).find(END)
            if found < 0:
                before, found = 0, self._pending.find(END, 0, TURN_BYTES)
            size = found - before + len(END) if found >= 0 else TURN_BYTES
            self._overhead += END_COST * (found >= 0)
        piece = bytes(self._pending[:size])
        del self._pending[:size]
        self._tail = (self._tail + piece)[1 - len(END) :]
        return piece

    def _feed(self, piece: bytes) -> None:
        if self._begun is None:
            self._begun = self.loop.time()
        self._overhead += len(piece)
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            # Offers are ignored. The request is complete: it ends with the piece.
            pass
        except httptools.HttpParserError:
            if len(self.headers or ()) <= MAX_FIELDS:
                self._refuse(400, "no valid HTTP/1.1 request")
                return
            self._overhead += MAX_HEAD
        if self._overhead > MAX_HEAD + CHUNKING * self._body:
            self._refuse(431, "the headers are too large")

    def _refuse(self, status: int, why: str) -> None:
        """Respond at once, in place of the application, and close."""
        if self._responds:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:
                self.abort()
                return
        self.transport.write(
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: text/plain; charset=utf-8\r\n"
            f"content-length: {len(why) + 1}\r\nconnection: close\r\n\r\n{why}\n".encode()
        )
        self._linger()

    def _linger(self) -> None:
        """Close, but not at once: data that is still arriving would reset the connection and lose the response."""
        if self._lingers_since is None and not self.transport.is_closing():
            self._lingers_since = self.loop.time()
            self._pending.clear()
            self._places.wait(self)
            self._read(True)
            self._count()
            self.transport.write_eof()

    def _read(self, wanted: bool) -> None:
        if wanted != self._reads and not self.transport.is_closing():
            self._reads = wanted
            if wanted:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()

    def _count(self) -> None:
        size = len(self._pending) + self._body + self.transport.get_write_buffer_size()
        if size:
            self._held.enter(self, self._peer, size)
        else:
            self._held.leave(self)


class _Flow(FlowControl):
    """When the application waits for more of a body, the parser may go on; what is read is the connection's matter."""

    def __init__(self, transport: asyncio.Transport, connection: Bounded) -> None:
        super().__init__(transport)
        self._connection = connection

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        self._connection.advance()
