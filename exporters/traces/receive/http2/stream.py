"""One request on a connection, and its response."""

from __future__ import annotations


class Stream:
    """A request as far as it has arrived. `reserved` and `exporting` are for the connection's owner to use."""

    def __init__(
        self, number: int, fields: dict[bytes, bytes], receive_window: int, send_window: int, now: float
    ) -> None:
        self.number = number
        self.fields = fields
        self.since = now
        # Of the body: its parts, their bytes, and how many of them the owner has accounted for.
        self.chunks: list[bytes] = []
        self.size = 0
        self.reserved = 0
        # The request is whole; its owner works on it; no response can be sent any more; a response was given.
        self.ended = False
        self.exporting = False
        self.gone = False
        self.responded = False
        # It is among those that the bytes being read advanced.
        self.is_listed = False
        # Bytes that the peer may still send, and those that it still accepts.
        self.receive_window = receive_window
        self.send_window = send_window
        # Of the response: what waits for the peer's window, and the trailers behind it.
        self.unsent = b""
        self.trailers = b""
