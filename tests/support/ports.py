"""Ports for the processes that tests start: below the kernel's ephemeral range, and none given twice.

A port from `bind(0)` is reserved only while it is bound: the kernel may give it to the next caller, or to somebody's
outgoing connection, before the process that it was meant for has bound it.
"""

from __future__ import annotations

import errno
import itertools
import os
import socket

_BELOW_EPHEMERAL = range(20_000, 32_000)
_candidates = itertools.cycle(_BELOW_EPHEMERAL)
# Two runs at once on one machine do not start at the same port.
for _ in range(os.getpid() * 101 % len(_BELOW_EPHEMERAL)):
    next(_candidates)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on and that this run has not given before."""
    for port in itertools.islice(_candidates, len(_BELOW_EPHEMERAL)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
        return port
    raise OSError(errno.EADDRINUSE, "no free port")


def free_address() -> str:
    return f"127.0.0.1:{free_port()}"


def free_addresses(number: int) -> list[str]:
    return [free_address() for _ in range(number)]
