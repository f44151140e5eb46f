"""Flow control (RFC 9113, 5.2): how much the peer may still send, and how much of our responses it accepts now."""

from __future__ import annotations

from typing import Final

from exporters.traces.receive.http2.frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    FLOW_CONTROL_ERROR,
    HEADERS,
    MAX_FRAME,
    NO_ERROR,
    PROTOCOL_ERROR,
    WINDOW_UPDATE,
    FrameWriter,
    expect,
)
from exporters.traces.receive.http2.settings import MAX_WINDOW
from exporters.traces.receive.http2.stream import Stream

# What a connection may have in flight, beside its streams' own windows.
WINDOW: Final = 16 << 20
DEFAULT_WINDOW: Final = 65535


class FlowControl:
    """The windows of a connection, in both directions; its streams carry their own."""

    def __init__(self, out: FrameWriter, body_size: int) -> None:
        """`body_size`: bytes of a body that fit into a stream's window."""
        self.body_size = min(body_size, MAX_WINDOW)
        self._out = out
        self._receive_window = WINDOW
        self._send_window = DEFAULT_WINDOW
        self._initial_send_window = DEFAULT_WINDOW

    def open_connection(self) -> None:
        """Open the connection's window."""
        self._out.put(WINDOW_UPDATE, 0, 0, (WINDOW - DEFAULT_WINDOW).to_bytes(4, "big"))

    def open_stream(self, number: int, fields: dict[bytes, bytes], size: int, cost: float, now: float) -> Stream:
        """A new stream with its windows. `size` and `cost`: of its headers."""
        window = max(self.body_size, DEFAULT_WINDOW)
        return Stream(number, fields, size, cost, window, self._initial_send_window, now)

    def receive(self, size: int) -> None:
        """Account for data of any stream, and open the connection's window again in time. Raises Broken."""
        self._receive_window -= size
        expect(self._receive_window >= 0, FLOW_CONTROL_ERROR, "more than the connection's window")
        if self._receive_window < WINDOW // 2:
            self._out.put(WINDOW_UPDATE, 0, 0, (WINDOW - self._receive_window).to_bytes(4, "big"))
            self._receive_window = WINDOW

    def set_initial(self, window: int, streams: list[Stream]) -> None:
        """Give streams, also those that are open, another window to send into. Raises Broken."""
        change = window - self._initial_send_window
        self._initial_send_window = window
        for stream in streams:
            stream.send_window += change
            expect(stream.send_window <= MAX_WINDOW, FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE")

    def widen(self, by: int) -> None:
        """The peer accepts more on this connection. Raises Broken."""
        expect(by > 0, PROTOCOL_ERROR, "WINDOW_UPDATE of nothing")
        self._send_window += by
        expect(self._send_window <= MAX_WINDOW, FLOW_CONTROL_ERROR, "WINDOW_UPDATE")

    def widen_stream(self, stream: Stream, by: int) -> int:
        """The peer accepts more on this stream. Returns the stream's error, or NO_ERROR."""
        stream.send_window += by
        if not by:
            return PROTOCOL_ERROR
        return FLOW_CONTROL_ERROR if stream.send_window > MAX_WINDOW else NO_ERROR

    def send(self, stream: Stream) -> bool:
        """Send what the peer's windows let through of a response. Returns whether that was the last of it."""
        if stream.gone:
            return False
        while stream.unsent:
            size = min(len(stream.unsent), MAX_FRAME, self._send_window, stream.send_window)
            if size <= 0:
                return False
            self._out.put(DATA, 0, stream.number, stream.unsent[:size])
            stream.unsent = stream.unsent[size:]
            self._send_window -= size
            stream.send_window -= size
        if not stream.trailers:
            return False
        self._out.put(HEADERS, END_HEADERS | END_STREAM, stream.number, stream.trailers)
        return True
