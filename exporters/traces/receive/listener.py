"""Connections on one socket, of any protocol: limited in number, swept for timeouts, closed gracefully."""

from __future__ import annotations

import asyncio
import logging
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import cast

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 1000
MAX_UNREAD = 1 << 20
REQUEST_S = 60.0
SWEEP_S = 5.0


class Server:
    """A protocol on a listening socket. `name` is the setting that names the socket's address."""

    def __init__(self, name: str, connect: Callable[[Server], Connection]) -> None:
        self.name = name
        self._connect = connect
        self.connections: set[Connection] = set()

    async def start(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(lambda: self._connect(self), sock=listener)
        self._sweeping = asyncio.create_task(self._sweep())

    async def stop(self, grace: float) -> None:
        """Accept no more requests, and wait for those in flight, but not longer than `grace` seconds."""
        self._sweeping.cancel()
        self._listening.close()
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


class Connection(asyncio.Protocol, ABC):
    """One peer's connection."""

    transport: asyncio.Transport

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not by isinstance: uvloop's transports are of no asyncio class.
        self.transport = cast("asyncio.Transport", transport)
        if len(self._server.connections) >= MAX_CONNECTIONS:
            log.warning("more than %d connections on %s: one was closed", MAX_CONNECTIONS, self._server.name)
            self.transport.abort()
            return
        self._server.connections.add(self)
        self.transport.set_write_buffer_limits(MAX_UNREAD)
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def connection_lost(self, error: Exception | None) -> None:
        self._server.connections.discard(self)

    @abstractmethod
    def expire(self) -> None:
        """Time out whatever does not arrive: called every SWEEP_S seconds."""

    @abstractmethod
    def finish(self) -> None:
        """Close once the requests in flight have their responses."""
