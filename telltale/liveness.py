"""Whether a process still responds on its own port: what hangs is told from what works, and from what is only busy.

Any reply counts, and so does a closed connection: a server behind TLS or a password is as alive as another. Only one
that says nothing, or that does not listen, is not. Standard library only.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

from telltale.serving.listen import parse_address

REQUEST = b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
EVERY_S = 5.0
TIMEOUT_S = 5.0
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # no bind: where to reach what listens there


def responds(address: str, timeout: float = TIMEOUT_S) -> bool:
    """Whether something responds at `host:port` within so many seconds."""
    host, port = parse_address(address)
    try:
        with socket.create_connection((EVERYWHERE.get(host, host), port), timeout) as connection:
            connection.sendall(REQUEST)
            connection.recv(1)
    except ConnectionResetError:
        return True
    except OSError:
        return False
    return True


class Watch:
    """Asks again and again, in a thread of its own, until it is stopped: how often in a row nothing responded."""

    def __init__(self, ask: Callable[[], bool], every: float = EVERY_S) -> None:
        """`ask` blocks for as long as its timeout; `every`: seconds between two questions."""
        self.missed = 0
        self._ask, self._every = ask, every
        self._stopped = threading.Event()
        threading.Thread(target=self._run, name="liveness", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self._every):
            self.missed = 0 if self._ask() else self.missed + 1
