"""Listen on an address of the settings, and stop on a signal. Standard library only."""

from __future__ import annotations

import errno
import re
import signal
import socket
from collections.abc import Callable

from telltale.exits import UsageError

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
BACKLOG = 1024

_FORM = re.compile(r"(\[[0-9a-fA-F:]+\]|[^:\s/\[\]]+):(\d{1,5})")
_MENDS = {
    errno.EADDRINUSE: "stop what uses it, or choose another port",
    errno.EACCES: "choose a port from 1024 up, or allow the process to bind this one",
    errno.EADDRNOTAVAIL: "choose an address of this machine",
}


class AddressError(UsageError):
    """An address that cannot be listened on; the message names the setting, the value and the remedy."""


def parse_address(text: str) -> tuple[str, int]:
    """Split `host:port`, where an IPv6 host is in brackets: `[::1]:80`. Raises ValueError."""
    match = _FORM.fullmatch(text)
    if match is None or int(match[2]) > 65535:
        raise ValueError("write host:port, such as 127.0.0.1:8080, [::1]:8080 or 0.0.0.0:4318")
    return match[1].strip("[]"), int(match[2])


def listen(setting: str, address: str) -> socket.socket:
    """Bind and listen on `address`, the value of `setting`. Raises AddressError."""
    try:
        host, port = parse_address(address)
        return _bind(host, port)
    except ValueError as error:
        raise AddressError(f"{setting} = {address}: {error}") from error
    except OSError as error:
        # An unknown host name has error numbers of its own.
        unknown = isinstance(error, socket.gaierror)
        mend = "choose an address of this machine" if unknown else _MENDS.get(error.errno or 0, "choose another")
        raise AddressError(f"{setting} = {address}: {error.strerror}; {mend}") from error


def on_stop(stop: Callable[[], object]) -> None:
    """Have SIGTERM and SIGINT call `stop`. From the main thread only."""
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: stop())


def _bind(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    # A name such as localhost means both; clients given the name always try IPv4.
    family, _, _, _, target = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(target)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
