"""Connections on one socket, of any protocol: limited in number, in what they hold and in their turns.

They are swept for timeouts and closed gracefully.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import cast

from exporters.traces.receive.turns import Service, Turns
from telltale.serving.connections import ACCEPTED_AT_ONCE, MAX_CONNECTIONS, MAX_UNREAD, Room, peer_of
from telltale.serving.listen import BACKLOG

log = logging.getLogger(__name__)

# libuv accepts one connection on a socket in each iteration of its loop: a wave of peers would keep others waiting
# outside for as many iterations. It is given the same socket ACCEPTED_AT_ONCE times.
# Bytes that a connection is given to hold at once.
MAX_READ = 65536
# A connection that holds less beside its bodies is not looked at.
FREE = 2048
STEP = 4096
SWEEP_S = 5.0
LOG_S = 60.0


class Shared:
    """What the servers of a process share, whose connections compete for its one loop and memory."""

    def __init__(self) -> None:
        self.turns = Turns()
        # Bytes that wait, of all connections: responses unsent, requests read and not complete without their bodies.
        self.held: Room[Connection] = Room(MAX_UNREAD, self._abort)
        self._logged_at = float("-inf")
        # Each read's bytes are copied out before the next one.
        self.buffer = memoryview(bytearray(MAX_READ))

    def _abort(self, connection: Connection) -> None:
        now = asyncio.get_running_loop().time()
        if now > self._logged_at + LOG_S:
            self._logged_at = now
            log.warning("peers that do not read, or do not end their requests, hold %d MiB", MAX_UNREAD >> 20)
        connection.abort()


class Server:
    """A protocol on a listening socket. `name` is the setting that names the socket's address."""

    def __init__(
        self,
        name: str,
        connect: Callable[[Server], Connection],
        shared: Shared | None = None,
        most: int = MAX_CONNECTIONS,
    ) -> None:
        """`most`: how many connections there may be; for one more, one that waits is closed."""
        self.name = name
        self.shared = shared or Shared()
        self.room: Room[Connection] = Room(most, self._make_room)
        self._logged_at = float("-inf")
        self._connect = connect
        self._listening: list[asyncio.Server] = []
        self.connections: set[Connection] = set()

    async def start(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        for sock in (listener, *(listener.dup() for _ in range(ACCEPTED_AT_ONCE - 1))):
            self._listening.append(await loop.create_server(lambda: self._connect(self), sock=sock, backlog=BACKLOG))
        self._sweeping = asyncio.create_task(self._sweep())

    async def stop(self, grace: float) -> None:
        """Accept no more requests, and wait for those in flight, but not longer than `grace` seconds."""
        self._sweeping.cancel()
        for listening in self._listening:
            listening.close()
        for connection in list(self.connections):
            connection.finish()
        deadline = asyncio.get_running_loop().time() + grace
        while self.connections and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)
        for connection in list(self.connections):
            connection.transport.abort()

    def _make_room(self, connection: Connection) -> None:
        now = asyncio.get_running_loop().time()
        if now > self._logged_at + LOG_S:
            self._logged_at = now
            log.warning("more than %d connections on %s: some are closed", self.room.limit, self.name)
        connection.abort()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            for connection in list(self.connections):
                connection.expire()


class Connection(asyncio.BufferedProtocol, ABC):
    """One peer's connection. What arrives waits in `_arrived` for the connection's turn; meanwhile nothing is read."""

    transport: asyncio.Transport

    def __init__(self, server: Server) -> None:
        self.service = Service()
        self._server = server
        self._shared = server.shared
        self._loop = asyncio.get_running_loop()
        self._arrived = b""
        # Since when something waits to be sent: the peer does not read.
        self._blocked_since: float | None = None
        self._is_reading = True
        self._accounted = 0
        self._peer = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not by isinstance: uvloop's transports are of no asyncio class.
        self.transport = cast("asyncio.Transport", transport)
        self._peer = peer_of(transport.get_extra_info("peername"))
        self._server.room.enter(self, self._peer)
        self._server.connections.add(self)
        # Whatever the kernel does not take at once is ours to account for.
        self.transport.set_write_buffer_limits(0)
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def connection_lost(self, error: Exception | None) -> None:
        self._server.connections.discard(self)
        self._server.room.leave(self)
        self._shared.held.leave(self)
        self._arrived = b""

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._shared.buffer

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(self._shared.buffer[:nbytes])
        is_late = bool(self._arrived)
        self._arrived = self._arrived + data if is_late else data
        if not self._shared.turns.ask(self):
            # One read may wait; a second one means that the turn is not soon.
            if is_late:
                self._settle()
            else:
                self._account(self.held())

    def pause_writing(self) -> None:
        self._blocked_since = self._loop.time()
        self._settle()

    def resume_writing(self) -> None:
        self._blocked_since = None
        self._shared.turns.ask(self)

    def turn(self) -> bool:
        """Process a slice of what has arrived. Returns whether more could be processed at once."""
        if self.transport.is_closing():
            return False
        has_more = self._blocked_since is None and self.process()
        self._settle()
        return has_more

    def abort(self) -> None:
        """Close at once: this connection must make room."""
        self._accounted = 0
        self._arrived = b""
        self.transport.abort()

    def _settle(self) -> None:
        """Read on only where all that was read is processed, and account for what is held."""
        if self.transport.is_closing():
            return
        wanted = self._blocked_since is None and not self.unprocessed()
        if wanted != self._is_reading:
            self._is_reading = wanted
            if wanted:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()
        held = self.held()
        if self._blocked_since is not None:
            held += self.transport.get_write_buffer_size()
        self._account(held)

    def _account(self, held: int) -> None:
        if held > max(FREE, self._accounted):
            # In steps, so that a peer is no newcomer with each byte that it adds; what it held stays counted until it
            # holds hardly anything.
            self._accounted = -(-held // STEP) * STEP
            self._shared.held.enter(self, self._peer, self._accounted)
        elif held <= FREE and self._accounted:
            self._accounted = 0
            self._shared.held.leave(self)

    @abstractmethod
    def process(self) -> bool:
        """Process a slice of `_arrived`. Returns whether more could be processed at once."""

    @abstractmethod
    def unprocessed(self) -> int:
        """Bytes that arrived and wait for a turn, or for the response to what came before them."""

    @abstractmethod
    def held(self) -> int:
        """Bytes of memory that requests which are not complete hold, beside their bodies, and what is unprocessed."""

    @abstractmethod
    def expire(self) -> None:
        """Time out whatever does not arrive: called every SWEEP_S seconds."""

    @abstractmethod
    def finish(self) -> None:
        """Close once the requests in flight have their responses."""
