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

from exporters.traces.receive.backlog import FREE, Backlog
from exporters.traces.receive.turns import Service, Turns
from telltale.serving.listen import BACKLOG

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 1000
# libuv accepts one connection on a socket in each iteration of its loop: a wave of peers would keep others waiting
# outside for as many iterations. It is given the same socket so many times.
ACCEPTS = 16
# Bytes that a connection is given to hold at once.
MAX_READ = 65536
REQUEST_S = 60.0
SWEEP_S = 5.0


class Shared:
    """What the servers of a process share, whose connections compete for its one loop and memory."""

    def __init__(self) -> None:
        self.turns = Turns()
        # Each read's bytes are copied out before the next one.
        self.buffer = memoryview(bytearray(MAX_READ))
        self.backlog = Backlog()


class Server:
    """A protocol on a listening socket. `name` is the setting that names the socket's address."""

    def __init__(self, name: str, connect: Callable[[Server], Connection], shared: Shared | None = None) -> None:
        self.name = name
        self.shared = shared or Shared()
        self._connect = connect
        self._listening: list[asyncio.Server] = []
        self.connections: set[Connection] = set()

    async def start(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        for sock in (listener, *(listener.dup() for _ in range(ACCEPTS - 1))):
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

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not by isinstance: uvloop's transports are of no asyncio class.
        self.transport = cast("asyncio.Transport", transport)
        if len(self._server.connections) >= MAX_CONNECTIONS:
            log.warning("more than %d connections on %s: one was closed", MAX_CONNECTIONS, self._server.name)
            self.transport.abort()
            return
        self._server.connections.add(self)
        # Whatever the kernel does not take at once is ours to account for.
        self.transport.set_write_buffer_limits(0)
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def connection_lost(self, error: Exception | None) -> None:
        self._server.connections.discard(self)
        self._arrived = b""
        self._account(0)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._shared.buffer

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(self._shared.buffer[:nbytes])
        self._arrived = self._arrived + data if self._arrived else data
        if not self._shared.turns.ask(self):
            self._settle()

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
        """Close at once: this connection holds the most of all."""
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
        if held > FREE or self._accounted:
            self._accounted = held if held > FREE else 0
            self._shared.backlog.hold(self, held, self._loop.time())

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
