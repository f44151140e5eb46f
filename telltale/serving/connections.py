"""How many connections a port has, how long each may wait, and which one makes room. Standard library only.

Every port of ours follows this, whatever its protocol. A connection either works (we owe it something) or waits for
its peer: it is idle, its request is not here yet, or its response is not read. A port that is full lets a new peer in
by closing a connection of the peer that holds most, the one that has waited longest; so neither thousands of half
requests nor a low `ulimit -n` keep others out.

A server makes a `Room` for its connections, `Room(most_connections(ports), close)`, and calls `enter` for a new one,
`work` when a request is complete, `wait` when its response is written, `leave` when it is closed. A second `Room`, of
`MAX_UNREAD`, does the same for the bytes of responses that peers have not read yet.
"""

from __future__ import annotations

import errno
import resource
import socket
from collections import defaultdict
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

# Seconds that a request's head may take, from the connection's or its own first byte on (nginx: client_header_timeout).
HEAD_S: Final = 10.0
# Seconds that the whole of a request may take.
REQUEST_S: Final = 60.0
# Seconds that a peer may take none of a response that waits for it.
UNREAD_S: Final = 30.0
# Seconds that a connection may rest between two requests: longer than scrapers and senders keep theirs, so that it is
# they who close it and no request meets a closed connection.
IDLE_S: Final = 120.0

# Seconds that a peer may go on sending after the response that closes its connection.
LINGER_S: Final = 3.0

# Bytes of a request without its body, and its header fields: an object for each costs several times its bytes.
MAX_HEAD: Final = 16 << 10
MAX_FIELDS: Final = 100
# Bytes that the kernel holds for a peer that does not read; a page goes out in one call.
SEND_BUFFER: Final = 128 << 10

# Connections of one port: what a connection costs times this must stay within tens of MiB.
MAX_CONNECTIONS: Final = 1000
# Bytes, of all connections of one port together, that wait for their peers: responses not read, bodies not complete.
MAX_UNREAD: Final = 16 << 20
# Bytes of a response that a connection buffers before its application waits.
UNREAD_PER_CONNECTION: Final = 64 << 10
# Connections accepted at once: each must be counted before there is no file left for the next.
ACCEPTED_AT_ONCE: Final = 16

# Open files of a process that are no connections of peers: the store, logs, upstreams, listeners, children's pipes.
RESERVED_FILES: Final = 128
# More open files than this are never asked for.
MAX_FILES: Final = 65536

# What accept(2) raises when there is no file left.
NO_FILE_LEFT: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

T = TypeVar("T", bound=Hashable)


def most_connections(ports: int = 1) -> int:
    """How many connections each of the process's `ports` may have; raises the process's limit of open files to do so.

    Of few files half are reserved: with `ulimit -n 256` and one port these are 128.
    """
    files = _raise_file_limit()
    return max(1, min(MAX_CONNECTIONS, (files - min(RESERVED_FILES, files // 2)) // ports))


def peer_of(address: object) -> str:
    """Who is behind a socket's remote address: the IPv4 address, or the /64 network that an IPv6 user is given."""
    host = str(address[0]) if isinstance(address, tuple) and address else ""
    if ":" not in host or host.startswith("::ffff:"):
        return host
    return socket.inet_pton(socket.AF_INET6, host.partition("%")[0])[:8].hex()


class Room(Generic[T]):
    """What the peers of a port hold, up to a limit: connections, or the bytes that each of them has not read.

    Beyond the limit, `close` is called with members of the peer that holds most: with the one that has waited longest,
    or if none waits with the one that has worked longest. It must end the member later, without an exception.
    """

    def __init__(self, limit: int, close: Callable[[T], object]) -> None:
        self.limit = limit
        self.held = 0
        self._close = close
        self._sizes: dict[T, tuple[str, int]] = {}
        self._by_peer: defaultdict[str, int] = defaultdict(int)
        # Of each peer, the longest first.
        self._waiting: defaultdict[str, dict[T, None]] = defaultdict(dict)
        self._working: defaultdict[str, dict[T, None]] = defaultdict(dict)

    def __len__(self) -> int:
        return len(self._sizes)

    def enter(self, member: T, peer: str, size: int = 1) -> None:
        """Hold `size` for a member, which waits from now on; a member that is here already changes its size."""
        self.leave(member)
        while self._sizes and self.held + size > self.limit:
            self._make_room()
        self.held += size
        self._sizes[member] = peer, size
        self._by_peer[peer] += size
        self._waiting[peer][member] = None

    def work(self, member: T) -> None:
        """The member's request is complete: it waits no longer."""
        self._move(member, self._waiting, self._working)

    def wait(self, member: T) -> None:
        """The member waits for its peer, from now on."""
        self._move(member, self._working, self._waiting)

    def leave(self, member: T) -> None:
        """The member holds nothing any more; one that is not here is ignored."""
        peer, size = self._sizes.pop(member, ("", 0))
        if not size:
            return
        self.held -= size
        self._by_peer[peer] -= size
        self._waiting[peer].pop(member, None)
        self._working[peer].pop(member, None)
        if not self._by_peer[peer]:
            for table in (self._by_peer, self._waiting, self._working):
                del table[peer]

    def make_room(self) -> bool:
        """Close one member, as when the limit is reached: no file was left. False if there is none."""
        if not self._sizes:
            return False
        self._make_room()
        return True

    def _make_room(self) -> None:
        peer = max(self._by_peer, key=self._by_peer.__getitem__)
        member = next(iter(self._waiting[peer] or self._working[peer]))
        self.leave(member)
        self._close(member)

    def _move(self, member: T, *tables: defaultdict[str, dict[T, None]]) -> None:
        if member in self._sizes:
            peer, _ = self._sizes[member]
            for table in tables:
                table[peer].pop(member, None)
            tables[-1][peer][member] = None


def _raise_file_limit() -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return MAX_FILES if soft == resource.RLIM_INFINITY else min(soft, MAX_FILES)
