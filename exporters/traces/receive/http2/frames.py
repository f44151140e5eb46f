"""Frames (RFC 9113, 4 and 6): their kinds, flags and error codes, read out of bytes and written as bytes."""

from __future__ import annotations

from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER_SIZE: Final = 9
MAX_FRAME: Final = 16384

DATA: Final = 0
HEADERS: Final = 1
PRIORITY: Final = 2
RST_STREAM: Final = 3
SETTINGS: Final = 4
PUSH_PROMISE: Final = 5
PING: Final = 6
GOAWAY: Final = 7
WINDOW_UPDATE: Final = 8
CONTINUATION: Final = 9

END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
WITH_PRIORITY: Final = 0x20

NO_ERROR: Final = 0x0
PROTOCOL_ERROR: Final = 0x1
FLOW_CONTROL_ERROR: Final = 0x3
STREAM_CLOSED: Final = 0x5
FRAME_SIZE_ERROR: Final = 0x6
REFUSED_STREAM: Final = 0x7
CANCEL: Final = 0x8
COMPRESSION_ERROR: Final = 0x9
ENHANCE_YOUR_CALM: Final = 0xB


class Broken(Exception):
    """The connection cannot go on; `code` is for its GOAWAY."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def expect(condition: bool, code: int, message: str) -> None:
    """Raises Broken where the condition does not hold."""
    if not condition:
        raise Broken(code, message)


def unpadded(payload: bytes) -> bytes:
    """What a PADDED frame holds. Raises Broken."""
    expect(len(payload) > 0 and payload[0] < len(payload), PROTOCOL_ERROR, "padding")
    return payload[1 : len(payload) - payload[0]]


class FrameReader:
    """Reads frames one by one: `feed`, then `next` until it is False; the frame is in the attributes."""

    def __init__(self) -> None:
        self.kind = 0
        self.flags = 0
        self.number = 0
        self.payload = b""
        self._data = b""
        self._at = 0
        # The beginning of a frame whose end is not here.
        self._begun = b""

    @property
    def unread(self) -> int:
        """Bytes that were fed and not read: `next` was not called until it was False."""
        return len(self._data) - self._at

    @property
    def held(self) -> int:
        """Bytes that are kept."""
        return len(self._data) + len(self._begun)

    def feed(self, data: bytes) -> None:
        """Take the bytes that arrived next."""
        if data:
            self._data = self._data[self._at :] + data if self._at < len(self._data) else data
            self._at = 0

    def clear(self) -> None:
        """Drop what was fed."""
        self._data = self._begun = self.payload = b""
        self._at = 0

    def next(self) -> bool:
        """Read a frame; False when no other one is whole. Raises Broken for one that is too large."""
        if self._begun:
            # Only the frame that was begun is put together; what follows is read where it is.
            begun = self._begun + self._data[: HEADER_SIZE + MAX_FRAME]
            stop = self._read(begun, 0)
            if stop == 0:
                self._stop(begun)
                return False
            self._at = stop - len(self._begun)
            self._begun = b""
            return True
        stop = self._read(self._data, self._at)
        if stop == self._at:
            self._stop(self._data[self._at :])
            return False
        self._at = stop
        return True

    def _stop(self, begun: bytes) -> None:
        """Keep of what was read only the frame that was begun, until more comes."""
        self._begun = begun
        self._data = self.payload = b""
        self._at = 0

    def _read(self, data: bytes, at: int) -> int:
        """Read the frame that begins there. Returns where it ends; where it begins, if it is not whole."""
        if len(data) - at < HEADER_SIZE:
            return at
        size = data[at] << 16 | data[at + 1] << 8 | data[at + 2]
        expect(size <= MAX_FRAME, FRAME_SIZE_ERROR, "a frame that is too large")
        start = at + HEADER_SIZE
        stop = start + size
        if stop > len(data):
            return at
        self.kind = data[at + 3]
        self.flags = data[at + 4]
        self.number = (data[at + 5] & 0x7F) << 24 | data[at + 6] << 16 | data[at + 7] << 8 | data[at + 8]
        self.payload = data[start:stop]
        return stop


class FrameWriter:
    """Frames that are to be sent."""

    def __init__(self) -> None:
        self._out = bytearray()

    def put(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        self._out += (len(payload) << 48 | kind << 40 | flags << 32 | number).to_bytes(HEADER_SIZE, "big")
        self._out += payload

    def reset(self, number: int, code: int) -> None:
        """End a stream."""
        self.put(RST_STREAM, 0, number, code.to_bytes(4, "big"))

    def drain(self) -> bytes:
        """What is to be sent now."""
        out = bytes(self._out)
        self._out.clear()
        return out
