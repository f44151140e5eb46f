"""One request on a connection, and its response."""

from __future__ import annotations


class Stream:
    """A request as far as it has arrived. `reserved` and `exporting` are for the connection's owner to use."""

    def __init__(
        self,
        number: int,
        fields: dict[bytes, bytes],
        size: int,
        cost: float,
        receive_window: int,
        send_window: int,
        now: float,
    ) -> None:
        """`size` and `cost` are its headers': bytes of memory, and units of the budget."""
        self.number = number
        self.fields = fields
        self.fields_size = size
        self.cost = cost
        self.since = now
        # Bytes that the body must have; -1: not announced.
        self.announced = int(fields.get(b"content-length", b"-1"))
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
