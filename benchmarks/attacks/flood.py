"""An attacker: many connections, the same costly bytes over and over on each, read slowly or never."""

from __future__ import annotations

import os
import resource
import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection

FILES = 4096
# Connections that were closed are opened anew, so many a second: more would be a flood of handshakes.
REOPENED = 500
SENT_AT_ONCE = 256 << 10


def nothing(number: int) -> bytes:
    return b""


def always(data: bytes) -> Callable[[int], bytes]:
    """The same in every round."""
    return lambda number: data


@dataclass(frozen=True)
class Flood:
    """Connections to one port: each sends `start`, then `repeat(0)`, `repeat(1)` …

    `read` bytes are read at a time; those who never read send on all the same, and have room for little.
    """

    port: str
    connections: int
    start: bytes = b""
    repeat: Callable[[int], bytes] = nothing
    read: int = 1 << 16


@dataclass(frozen=True)
class Attack:
    """What is sent to a part, all at the same time; `files` is the part's limit of open files."""

    part: str
    floods: tuple[Flood, ...]
    files: int | None = None


class Peer:
    """One connection."""

    def __init__(self, flood: Flood, port: int) -> None:
        self.flood = flood
        self.link = socket.socket()
        if not flood.read or flood.read == 1:
            self.link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.link.setblocking(False)
        self.link.connect_ex(("127.0.0.1", port))
        self._rest = memoryview(flood.start)
        self._round = 0

    def events(self) -> int:
        """What to wait for."""
        sends = selectors.EVENT_WRITE if self._rest or self.flood.repeat is not nothing else 0
        return sends | (selectors.EVENT_READ if self.flood.read else 0)

    def go_on(self, event: int) -> bool:
        """Send and read what can be. Returns whether the connection is still open."""
        try:
            if event & selectors.EVENT_WRITE:
                if not self._rest:
                    self._rest = memoryview(self.flood.repeat(self._round))
                    self._round += 1
                self._rest = self._rest[self.link.send(self._rest[:SENT_AT_ONCE]) :]
            return not event & selectors.EVENT_READ or bool(self.link.recv(self.flood.read))
        except BlockingIOError:
            return True
        except OSError:
            return False


def run(floods: tuple[Flood, ...], ports: dict[str, int], seconds: float, main: Connection) -> None:
    """Attack for so long; says "begun" before the first connection."""
    # Another machine's attacker would take no time from the part's processors.
    os.nice(5)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    for flood in floods:
        # What is made only once is made now.
        flood.repeat(0)
    main.send("begun")
    end, opened = time.monotonic() + seconds, 0
    wanted = [flood for flood in floods for _ in range(flood.connections)]
    first = len(wanted)
    began = time.monotonic()
    with selectors.DefaultSelector() as selector:
        while (now := time.monotonic()) < end:
            while wanted and opened < first + (now - began) * REOPENED:
                flood = wanted.pop()
                peer = Peer(flood, ports[flood.port])
                selector.register(peer.link, peer.events(), peer)
                opened += 1
            for key, event in selector.select(0.05):
                peer = key.data
                if not peer.go_on(event):
                    selector.unregister(peer.link)
                    peer.link.close()
                    wanted.append(peer.flood)
                elif key.events != peer.events():
                    selector.modify(peer.link, peer.events(), peer)
            time.sleep(0.001)
        for key in list(selector.get_map().values()):
            key.data.link.close()
