"""The server's side of HTTP/2 (RFC 9113) for calls of one request and one answer, without I/O.

Less than a general server: nothing is pushed, no priorities, no header of ours is put into a table, and a whole body
fits into its stream's window. What a peer may cost is bounded: streams, headers, bodies, and frames that bring no
request on (resets, pings, settings, crumbs of data, headers in many parts), which leak away at LEAK a second.
"""

from __future__ import annotations

from typing import Final

from hpack import Decoder, HPACKError

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MAX_FRAME: Final = 16384
MAX_HEADERS: Final = 16384
MAX_STREAMS: Final = 256
# What a connection may have in flight, beside its streams' own windows.
WINDOW: Final = 16 << 20
MAX_WINDOW: Final = (1 << 31) - 1
DEFAULT_WINDOW: Final = 65535
BURST: Final = 1000.0
LEAK: Final = 33.0
# What a call that was answered makes good: its acknowledgements, window updates and pings.
CREDIT: Final = 10.0
MAX_KNOWN_BLOCKS: Final = 64
# Of a frame of a body that goes on: less is a frame too many.
MIN_DATA: Final = 128

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

ENABLE_PUSH: Final = 2
MAX_CONCURRENT_STREAMS: Final = 3
INITIAL_WINDOW_SIZE: Final = 4
MAX_FRAME_SIZE: Final = 5
MAX_HEADER_LIST_SIZE: Final = 6

PSEUDO: Final = frozenset((b":method", b":scheme", b":path", b":authority"))
OF_CONNECTION: Final = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))


class NotHttp2(Exception):
    """The peer does not begin as HTTP/2 does."""


class Broken(Exception):
    """The connection cannot go on; the GOAWAY that says so is in the output."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Stream:
    """A request as far as it has arrived."""

    def __init__(self, number: int, fields: dict[bytes, bytes], room: int, window: int, now: float) -> None:
        self.number = number
        self.fields = fields
        self.since = now
        # Of the body: its parts, their bytes, and how many of them the connection's owner has accounted for.
        self.chunks: list[bytes] = []
        self.size = 0
        self.reserved = 0
        # The request is whole; its owner works on it; no answer can be sent any more; an answer was given.
        self.ended = False
        self.exporting = False
        self.gone = False
        self.responded = False
        self._moved = False
        self._room = room
        self._window = window
        self._waiting = b""
        self._tail = b""


class Connection:
    """One connection: bytes in, streams that got on; answers in, bytes out."""

    def __init__(self, most: int, now: float) -> None:
        """`most`: bytes of a body that fit into a stream's window."""
        self._most = min(most, MAX_WINDOW)
        self._streams: dict[int, Stream] = {}
        self._out = bytearray()
        self._rest = b""
        self._greeted = False
        self._settled = False
        self._last = 0
        self._room = WINDOW
        self._window = DEFAULT_WINDOW
        self._initial = DEFAULT_WINDOW
        self._closing = False
        self._decoder = Decoder(max_header_list_size=MAX_HEADERS)
        self._known: dict[bytes, dict[bytes, bytes]] = {}
        # A header block in parts: its stream (0: none), flags of its first frame, and what is here of it.
        self._block_of = 0
        self._block_flags = 0
        self._block = b""
        self._noise = 0.0
        self._now = now
        self._moved: list[Stream] = []

    @property
    def settled(self) -> bool:
        """The peer has greeted as HTTP/2 asks."""
        return self._settled

    @property
    def streams(self) -> list[Stream]:
        """Those that are not answered yet, or whose answer waits for the peer's window."""
        return list(self._streams.values())

    def receive(self, data: bytes, now: float) -> list[Stream]:
        """Take bytes in. Returns the streams that got on, each once. Raises NotHttp2 or Broken."""
        self._noise = max(0.0, self._noise - (now - self._now) * LEAK)
        self._now = now
        self._moved = []
        at = 0
        if not self._greeted:
            data, self._rest = self._rest + data, b""
            if not data.startswith(PREFACE):
                if len(data) >= len(PREFACE) or not PREFACE.startswith(data):
                    raise NotHttp2
                self._rest = data
                return []
            self._greet()
            at = len(PREFACE)
        if self._rest:
            # Only the frame that was begun is put together; what follows is read where it is.
            begun = self._rest + data[: 9 + MAX_FRAME]
            at = self._next(begun, 0) - len(self._rest)
            if at < 0:
                self._rest = begun
                return []
        while (stop := self._next(data, at)) > at:
            at = stop
        self._rest = data[at:]
        for stream in self._moved:
            stream._moved = False
        return self._moved

    def respond(self, stream: Stream, head: bytes, body: bytes = b"", tail: bytes = b"") -> None:
        """Answer a stream with header blocks and a body; with `head` alone that ends it."""
        if stream.gone:
            self.drop(stream)
            return
        stream.responded = True
        if not tail:
            self._put(HEADERS, END_HEADERS | END_STREAM, stream.number, head)
            self._finish(stream)
            return
        self._noise = max(0.0, self._noise - CREDIT)
        self._put(HEADERS, END_HEADERS, stream.number, head)
        stream._waiting, stream._tail = body, tail
        self._push(stream)

    def reset(self, stream: Stream, code: int) -> None:
        """End a stream without an answer."""
        if not stream.gone:
            self._put(RST_STREAM, 0, stream.number, code.to_bytes(4, "big"))
        self.drop(stream)

    def drop(self, stream: Stream) -> None:
        """Forget a stream: nobody waits for its answer."""
        stream.gone = True
        self._streams.pop(stream.number, None)

    def close(self) -> None:
        """Take no more streams; those that are open may end."""
        if not self._closing:
            self._closing = True
            self._go_away(NO_ERROR)

    def output(self) -> bytes:
        """What is to be sent now."""
        out = bytes(self._out)
        self._out.clear()
        return out

    def _greet(self) -> None:
        self._greeted = True
        settings = (
            (MAX_CONCURRENT_STREAMS, MAX_STREAMS),
            (INITIAL_WINDOW_SIZE, self._most),
            (MAX_HEADER_LIST_SIZE, MAX_HEADERS),
        )
        self._put(
            SETTINGS, 0, 0, b"".join(key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in settings)
        )
        self._put(WINDOW_UPDATE, 0, 0, (WINDOW - DEFAULT_WINDOW).to_bytes(4, "big"))

    def _next(self, data: bytes, at: int) -> int:
        """Take the frame that begins there. Returns where it ends; where it begins, if it is not whole."""
        if len(data) - at < 9:
            return at
        size = data[at] << 16 | data[at + 1] << 8 | data[at + 2]
        if size > MAX_FRAME:
            raise self._broken(FRAME_SIZE_ERROR, f"a frame of {size} bytes")
        start = at + 9
        stop = start + size
        if stop > len(data):
            return at
        number = (data[at + 5] & 0x7F) << 24 | data[at + 6] << 16 | data[at + 7] << 8 | data[at + 8]
        self._frame(data[at + 3], data[at + 4], number, data[start:stop])
        return stop

    def _frame(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if self._block_of and (kind != CONTINUATION or number != self._block_of):
            raise self._broken(PROTOCOL_ERROR, "a header block was not ended")
        if not self._settled and (kind != SETTINGS or flags & ACK):
            raise self._broken(PROTOCOL_ERROR, "no SETTINGS at the begin")
        if kind == DATA:
            self._data(flags, number, payload)
        elif kind == HEADERS:
            self._headers(flags, number, payload)
        else:
            # None of these brings a request on.
            self._disturb()
            self._control(kind, flags, number, payload)

    def _control(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if kind == CONTINUATION:
            if not self._block_of:
                raise self._broken(PROTOCOL_ERROR, "CONTINUATION of nothing")
            self._part(flags, self._block + payload)
        elif kind == RST_STREAM:
            self._expect(len(payload) == 4, FRAME_SIZE_ERROR, "RST_STREAM")
            self._expect(0 < number <= self._last, PROTOCOL_ERROR, "RST_STREAM of an idle stream")
            self._cancelled(number)
        elif kind == SETTINGS:
            self._expect(number == 0, PROTOCOL_ERROR, "SETTINGS of a stream")
            self._settings(flags, payload)
        elif kind == PING:
            self._expect(number == 0, PROTOCOL_ERROR, "PING of a stream")
            self._expect(len(payload) == 8, FRAME_SIZE_ERROR, "PING")
            if not flags & ACK:
                self._put(PING, ACK, 0, payload)
        elif kind == WINDOW_UPDATE:
            self._expect(len(payload) == 4, FRAME_SIZE_ERROR, "WINDOW_UPDATE")
            self._grow(number, int.from_bytes(payload, "big") & MAX_WINDOW)
        elif kind == PRIORITY:
            self._expect(number != 0, PROTOCOL_ERROR, "PRIORITY of the connection")
            if len(payload) != 5:
                self._fail(number, FRAME_SIZE_ERROR)
        elif kind == GOAWAY:
            self._expect(number == 0, PROTOCOL_ERROR, "GOAWAY of a stream")
        elif kind == PUSH_PROMISE:
            raise self._broken(PROTOCOL_ERROR, "clients push nothing")

    def _data(self, flags: int, number: int, payload: bytes) -> None:
        size = len(payload)
        self._room -= size
        self._expect(self._room >= 0, FLOW_CONTROL_ERROR, "more than the connection's window")
        if self._room < WINDOW // 2:
            self._put(WINDOW_UPDATE, 0, 0, (WINDOW - self._room).to_bytes(4, "big"))
            self._room = WINDOW
        self._expect(0 < number <= self._last, PROTOCOL_ERROR, "DATA of an idle stream")
        stream = self._streams.get(number)
        if size < MIN_DATA and not flags & END_STREAM:
            self._disturb()
        if stream is None or stream.gone or stream.responded:
            # Sent before the peer knew that the stream is closed.
            return
        if stream.ended:
            self._fail(number, STREAM_CLOSED)
            return
        stream._room -= size
        if stream._room < 0:
            self._fail(number, FLOW_CONTROL_ERROR)
            return
        if flags & PADDED:
            payload = self._unpadded(payload)
        if payload:
            stream.chunks.append(payload)
            stream.size += len(payload)
        if flags & END_STREAM:
            stream.ended = True
        self._move(stream)

    def _headers(self, flags: int, number: int, payload: bytes) -> None:
        self._expect(number % 2 == 1, PROTOCOL_ERROR, "HEADERS of a stream that no client may open")
        if flags & PADDED:
            payload = self._unpadded(payload)
        if flags & WITH_PRIORITY:
            self._expect(len(payload) >= 5, FRAME_SIZE_ERROR, "HEADERS")
            payload = payload[5:]
        self._block_of, self._block_flags = number, flags
        self._part(flags, payload)

    def _part(self, flags: int, block: bytes) -> None:
        if len(block) > MAX_HEADERS:
            raise self._broken(ENHANCE_YOUR_CALM, f"headers of more than {MAX_HEADERS} bytes")
        self._block = block
        if flags & END_HEADERS:
            number = self._block_of
            self._block, self._block_of = b"", 0
            self._request(number, bool(self._block_flags & END_STREAM), block)

    def _request(self, number: int, ended: bool, block: bytes) -> None:
        # Read whatever becomes of the stream: the table of headers is the connection's.
        fields = self._fields(block)
        stream = self._streams.get(number)
        if number <= self._last:
            if stream is None or stream.gone or stream.responded:
                self._disturb()
            elif stream.ended or not ended:
                self._fail(number, STREAM_CLOSED if stream.ended else PROTOCOL_ERROR)
            else:
                stream.ended = True
                self._move(stream)
            return
        self._last = number
        if fields is None:
            self._fail(number, PROTOCOL_ERROR)
        elif self._closing or len(self._streams) >= MAX_STREAMS:
            self._fail(number, REFUSED_STREAM)
        else:
            stream = Stream(number, fields, max(self._most, DEFAULT_WINDOW), self._initial, self._now)
            stream.ended = ended
            self._streams[number] = stream
            self._move(stream)

    def _fields(self, block: bytes) -> dict[bytes, bytes] | None:
        """The headers of a block, None if they are no request's; a block that only points into the table is known."""
        known = self._known.get(block)
        if known is not None:
            return known
        try:
            told = self._decoder.decode(block, raw=True)
        except HPACKError as error:
            raise self._broken(COMPRESSION_ERROR, "headers cannot be read") from error
        found = read_fields([(bytes(name), bytes(value)) for name, value, *_ in told])
        # Each byte an index below 127: nothing was put into the table. Any other block may have moved what is in it.
        if all(0x80 < byte < 0xFF for byte in block):
            if found is not None and len(self._known) < MAX_KNOWN_BLOCKS:
                self._known[block] = found
        else:
            self._known.clear()
        return found

    def _settings(self, flags: int, payload: bytes) -> None:
        size = len(payload)
        if flags & ACK:
            self._expect(not size, FRAME_SIZE_ERROR, "SETTINGS")
            return
        self._expect(size % 6 == 0, FRAME_SIZE_ERROR, "SETTINGS")
        self._settled = True
        for at in range(0, size, 6):
            key = int.from_bytes(payload[at : at + 2], "big")
            value = int.from_bytes(payload[at + 2 : at + 6], "big")
            if key == INITIAL_WINDOW_SIZE:
                self._expect(value <= MAX_WINDOW, FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE")
                change = value - self._initial
                self._initial = value
                for stream in self.streams:
                    stream._window += change
                    self._expect(stream._window <= MAX_WINDOW, FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE")
                    self._push(stream)
            elif key == ENABLE_PUSH:
                self._expect(value <= 1, PROTOCOL_ERROR, "ENABLE_PUSH")
            elif key == MAX_FRAME_SIZE:
                self._expect(MAX_FRAME <= value < 1 << 24, PROTOCOL_ERROR, "MAX_FRAME_SIZE")
        self._put(SETTINGS, ACK, 0, b"")

    def _grow(self, number: int, by: int) -> None:
        if number == 0:
            self._expect(by > 0, PROTOCOL_ERROR, "WINDOW_UPDATE of nothing")
            self._window += by
            self._expect(self._window <= MAX_WINDOW, FLOW_CONTROL_ERROR, "WINDOW_UPDATE")
            for stream in self.streams:
                self._push(stream)
            return
        self._expect(number <= self._last, PROTOCOL_ERROR, "WINDOW_UPDATE of an idle stream")
        found = self._streams.get(number)
        if found is not None:
            found._window += by
            if not by or found._window > MAX_WINDOW:
                self._fail(number, FLOW_CONTROL_ERROR if by else PROTOCOL_ERROR)
            else:
                self._push(found)

    def _push(self, stream: Stream) -> None:
        """Send what the peer's windows let through of an answer."""
        if not stream._tail or stream.gone:
            return
        while stream._waiting:
            size = min(len(stream._waiting), MAX_FRAME, self._window, stream._window)
            if size <= 0:
                return
            self._put(DATA, 0, stream.number, stream._waiting[:size])
            stream._waiting = stream._waiting[size:]
            self._window -= size
            stream._window -= size
        self._put(HEADERS, END_HEADERS | END_STREAM, stream.number, stream._tail)
        self._finish(stream)

    def _finish(self, stream: Stream) -> None:
        if not stream.ended:
            self._put(RST_STREAM, 0, stream.number, NO_ERROR.to_bytes(4, "big"))
        del self._streams[stream.number]

    def _cancelled(self, number: int) -> None:
        stream = self._streams.get(number)
        if stream is not None:
            stream.gone = True
            self._move(stream)

    def _fail(self, number: int, code: int) -> None:
        """An error of one stream; many are one of the connection's."""
        self._disturb()
        self._put(RST_STREAM, 0, number, code.to_bytes(4, "big"))
        self._cancelled(number)

    def _move(self, stream: Stream) -> None:
        if not stream._moved:
            stream._moved = True
            self._moved.append(stream)

    def _disturb(self) -> None:
        self._noise += 1
        if self._noise > BURST:
            raise self._broken(ENHANCE_YOUR_CALM, "too many frames that bring no request on")

    def _unpadded(self, payload: bytes) -> bytes:
        self._expect(len(payload) > 0 and payload[0] < len(payload), PROTOCOL_ERROR, "padding")
        return payload[1 : len(payload) - payload[0]]

    def _expect(self, true: bool, code: int, what: str) -> None:
        if not true:
            raise self._broken(code, what)

    def _broken(self, code: int, what: str) -> Broken:
        self._go_away(code)
        return Broken(code, what)

    def _go_away(self, code: int) -> None:
        self._put(GOAWAY, 0, 0, self._last.to_bytes(4, "big") + code.to_bytes(4, "big"))

    def _put(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        self._out += (len(payload) << 48 | kind << 40 | flags << 32 | number).to_bytes(9, "big")
        self._out += payload


def read_fields(told: list[tuple[bytes, bytes]]) -> dict[bytes, bytes] | None:
    """A request's headers by name; None where they are malformed (RFC 9113, 8.2 and 8.3)."""
    found: dict[bytes, bytes] = {}
    regular = False
    for name, value in told:
        if name.startswith(b":"):
            if regular or name not in PSEUDO or name in found:
                return None
        else:
            regular = True
            if not name or name != name.lower() or name in OF_CONNECTION or (name == b"te" and value != b"trailers"):
                return None
        if b"\0" in value or b"\r" in value or b"\n" in value:
            return None
        found[name] = found[name] + b", " + value if name in found else value
    return found if found.get(b":method") and found.get(b":scheme") and found.get(b":path") else None


def block(fields: list[tuple[bytes, bytes]]) -> bytes:
    """A header block of plain literals (RFC 7541, 6.2.2), which no table has to be kept for."""
    out = bytearray()
    for name, value in fields:
        out.append(0)
        out += _length(len(name)) + name + _length(len(value)) + value
    return bytes(out)


def _length(size: int) -> bytes:
    """An integer in a prefix of seven bits (RFC 7541, 5.1)."""
    if size < 127:
        return bytes([size])
    out = bytearray([127])
    size -= 127
    while size >= 128:
        out.append(size & 127 | 128)
        size >>= 7
    out.append(size)
    return bytes(out)
