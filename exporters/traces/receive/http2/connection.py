"""One connection: bytes in, requests that have progressed out; responses in, bytes out."""

from __future__ import annotations

import math
from typing import Final

from exporters.traces.receive.http2 import frames, settings
from exporters.traces.receive.http2.budget import FrameBudget
from exporters.traces.receive.http2.closed import ClosedStreams
from exporters.traces.receive.http2.flow import FlowControl
from exporters.traces.receive.http2.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADERS,
    NO_ERROR,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    STREAM_CLOSED,
    WINDOW_UPDATE,
    WITH_PRIORITY,
    Broken,
    FrameReader,
    FrameWriter,
    expect,
)
from exporters.traces.receive.http2.headers import MAX_HEADERS, HeaderReader
from exporters.traces.receive.http2.settings import MAX_WINDOW
from exporters.traces.receive.http2.stream import Stream

MAX_STREAMS: Final = 256
# A frame of a body that is smaller, and not its last, counts against the budget.
MIN_DATA: Final = 128
# Something that is done for each of so many streams costs a unit of the budget.
STREAMS_A_UNIT: Final = 8
# Bytes of SETTINGS that cost a unit.
SETTINGS_A_UNIT: Final = 12
# Bytes of memory of an open stream, beside its headers and its body.
STREAM_SIZE: Final = 512


class NotHttp2(Exception):
    """The peer does not start with HTTP/2's preface."""


class Connection:
    """The streams of a connection: which are open, and what a frame does to them."""

    def __init__(self, body_size: int, now: float) -> None:
        """`body_size`: bytes of a body that fit into a stream's window."""
        self._streams: dict[int, Stream] = {}
        self._reader = FrameReader()
        self._out = FrameWriter()
        self._flow = FlowControl(self._out, body_size)
        self._headers = HeaderReader()
        self._budget = FrameBudget(now)
        self._closed = ClosedStreams()
        # Of the open streams' headers, in bytes of memory.
        self._fields_size = 0
        self._now = now
        # What has come of the preface; None once it is whole.
        self._preface: bytes | None = b""
        self._is_settled = False
        self._closing = False
        self._last = 0
        # A header block in parts: its stream (0: none), flags of its first frame, and what is here of it.
        self._block_of = 0
        self._block_flags = 0
        self._block = b""
        self._listed: list[Stream] = []

    @property
    def is_settled(self) -> bool:
        """The peer has sent its preface and SETTINGS."""
        return self._is_settled

    @property
    def streams(self) -> list[Stream]:
        """Those that have no response yet, or whose response waits for the peer's window."""
        return list(self._streams.values())

    @property
    def unread(self) -> int:
        """Bytes that `receive` was given and has left for another time."""
        return self._reader.unread

    @property
    def held(self) -> int:
        """Bytes of memory that requests hold beside their bodies, and what has come of frames and header blocks."""
        begun = self._reader.held + len(self._block)
        return begun + self._fields_size + STREAM_SIZE * len(self._streams)

    def receive(self, data: bytes, now: float, most: float = math.inf) -> list[Stream]:
        """Process bytes. Returns the streams that progressed, each once. Raises NotHttp2, or Broken behind a GOAWAY.

        Stops once it has cost `most` units of the budget: `unread` bytes are left for the next call.
        """
        self._budget.leak(now)
        self._now = now
        until = self._budget.total + most
        self._listed = []
        if self._preface is not None:
            data = self._read_preface(self._preface + data)
        reader = self._reader
        reader.feed(data)
        try:
            while self._budget.total < until and reader.next():
                self._frame(reader.kind, reader.flags, reader.number, reader.payload)
        except Broken as error:
            self._go_away(error.code)
            raise
        for stream in self._listed:
            stream.is_listed = False
        return self._listed

    def respond(self, stream: Stream, head: bytes, body: bytes = b"", trailers: bytes = b"") -> None:
        """Respond to a stream with header blocks and a body; with `head` alone that ends it."""
        if stream.gone:
            self.drop(stream)
            return
        stream.responded = True
        self._budget.credit(stream.cost)
        if not trailers:
            self._out.put(HEADERS, END_HEADERS | END_STREAM, stream.number, head)
            self._finish(stream)
            return
        self._out.put(HEADERS, END_HEADERS, stream.number, head)
        stream.unsent, stream.trailers = body, trailers
        self._send(stream)

    def push(self, stream: Stream, head: bytes, body: bytes) -> None:
        """Send a part of a response, which goes on; `head` comes first, and is empty after that."""
        if not stream.gone:
            if head:
                self._out.put(HEADERS, END_HEADERS, stream.number, head)
            stream.unsent += body
            self._send(stream)

    def reset(self, stream: Stream, code: int) -> None:
        """End a stream without a response."""
        if not stream.gone:
            self._out.reset(stream.number, code)
            self._closed.cut(stream.number)
        self.drop(stream)

    def drop(self, stream: Stream) -> None:
        """Forget a stream: nobody waits for its response."""
        stream.gone = True
        self._remove(stream)

    def forget(self) -> None:
        """Nothing more can be read or sent."""
        self._reader.clear()
        self._block = b""

    def close(self) -> None:
        """Take no more streams; those that are open may end."""
        if not self._closing:
            self._closing = True
            self._go_away(NO_ERROR)

    def output(self) -> bytes:
        """What is to be sent now."""
        return self._out.drain()

    def _read_preface(self, data: bytes) -> bytes:
        """Send our SETTINGS once the peer's preface is whole. Returns what follows it."""
        if not data.startswith(PREFACE):
            if len(data) >= len(PREFACE) or not PREFACE.startswith(data):
                raise NotHttp2
            self._preface = data
            return b""
        self._preface = None
        ours = [
            (settings.MAX_CONCURRENT_STREAMS, MAX_STREAMS),
            (settings.INITIAL_WINDOW_SIZE, self._flow.body_size),
            (settings.MAX_HEADER_LIST_SIZE, MAX_HEADERS),
        ]
        self._out.put(SETTINGS, 0, 0, settings.write(ours))
        self._flow.open_connection()
        return data[len(PREFACE) :]

    def _frame(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if self._block_of and (kind != CONTINUATION or number != self._block_of):
            raise Broken(PROTOCOL_ERROR, "a header block was not ended")
        if not self._is_settled and (kind != SETTINGS or flags & ACK):
            raise Broken(PROTOCOL_ERROR, "the first frame is not SETTINGS")
        if kind == DATA:
            self._budget.pass_by()
            self._data(flags, number, payload)
        elif kind == HEADERS:
            self._budget.pass_by()
            self._begin_block(flags, number, payload)
        else:
            # None of these makes a request progress.
            self._budget.spend()
            self._control(kind, flags, number, payload)

    def _control(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if kind == CONTINUATION:
            expect(self._block_of != 0, PROTOCOL_ERROR, "CONTINUATION of nothing")
            self._continue_block(flags, self._block + payload)
        elif kind == RST_STREAM:
            expect(len(payload) == 4, FRAME_SIZE_ERROR, "RST_STREAM")
            self._expect_opened(number, "RST_STREAM")
            self._cancel(number)
        elif kind == SETTINGS:
            expect(number == 0, PROTOCOL_ERROR, "SETTINGS of a stream")
            self._settings(flags, payload)
        elif kind == PING:
            expect(number == 0, PROTOCOL_ERROR, "PING of a stream")
            expect(len(payload) == 8, FRAME_SIZE_ERROR, "PING")
            if not flags & ACK:
                self._out.put(PING, ACK, 0, payload)
        elif kind == WINDOW_UPDATE:
            expect(len(payload) == 4, FRAME_SIZE_ERROR, "WINDOW_UPDATE")
            self._window_update(number, int.from_bytes(payload, "big") & MAX_WINDOW)
        elif kind == PRIORITY:
            expect(number != 0, PROTOCOL_ERROR, "PRIORITY of the connection")
            if len(payload) != 5:
                self._fail(number, FRAME_SIZE_ERROR)
        elif kind == GOAWAY:
            expect(number == 0, PROTOCOL_ERROR, "GOAWAY of a stream")
            expect(len(payload) >= 8, FRAME_SIZE_ERROR, "GOAWAY")
        elif kind == PUSH_PROMISE:
            raise Broken(PROTOCOL_ERROR, "clients push nothing")

    def _data(self, flags: int, number: int, payload: bytes) -> None:
        size = len(payload)
        self._flow.receive(size)
        self._expect_opened(number, "DATA")
        if flags & PADDED:
            payload = frames.unpadded(payload)
        if len(payload) < MIN_DATA and not flags & END_STREAM:
            self._budget.spend()
        stream = self._streams.get(number)
        if stream is None or stream.gone:
            if not self._closed.is_cut(number):
                self._fail(number, STREAM_CLOSED)
            return
        if stream.responded:
            # Sent before the peer knew it.
            return
        if stream.ended:
            self._fail(number, STREAM_CLOSED)
            return
        stream.receive_window -= size
        if stream.receive_window < 0:
            self._fail(number, frames.FLOW_CONTROL_ERROR)
            return
        if payload:
            stream.chunks.append(payload)
            stream.size += len(payload)
        if stream.announced >= 0 and stream.size > stream.announced:
            self._fail(number, PROTOCOL_ERROR)
        elif flags & END_STREAM:
            self._end(stream)
        else:
            self._list(stream)

    def _begin_block(self, flags: int, number: int, payload: bytes) -> None:
        expect(number % 2 == 1, PROTOCOL_ERROR, "HEADERS of a stream that no client may open")
        if flags & PADDED:
            payload = frames.unpadded(payload)
        if flags & WITH_PRIORITY:
            expect(len(payload) >= 5, FRAME_SIZE_ERROR, "HEADERS")
            payload = payload[5:]
        self._block_of, self._block_flags = number, flags
        self._continue_block(flags, payload)

    def _continue_block(self, flags: int, block: bytes) -> None:
        if len(block) > MAX_HEADERS:
            raise Broken(ENHANCE_YOUR_CALM, f"headers of more than {MAX_HEADERS} bytes")
        self._block = block
        if flags & END_HEADERS:
            number = self._block_of
            self._block, self._block_of = b"", 0
            self._request(number, bool(self._block_flags & END_STREAM), block)

    def _request(self, number: int, ended: bool, block: bytes) -> None:
        """Open a stream with its headers, or end one with its trailers."""
        if number <= self._last:
            self._trailers(number, ended, block)
            return
        # Read whatever becomes of the stream: the table of headers is the connection's.
        fields = self._headers.read(block)
        cost = self._headers.cost
        self._budget.read_headers(cost)
        self._closed.opened(self._last, number)
        self._last = number
        if fields is None:
            self._fail(number, PROTOCOL_ERROR)
        elif self._closing or len(self._streams) >= MAX_STREAMS:
            self._fail(number, REFUSED_STREAM)
        else:
            stream = self._flow.open_stream(number, fields, self._headers.size, cost, self._now)
            self._streams[number] = stream
            self._fields_size += stream.fields_size
            if ended:
                self._end(stream)
            else:
                self._list(stream)

    def _trailers(self, number: int, ended: bool, block: bytes) -> None:
        """A header block of a stream that was opened before, or can no longer be."""
        is_valid = self._headers.read_trailers(block)
        self._budget.read_headers(self._headers.cost)
        stream = self._streams.get(number)
        if stream is None:
            expect(self._closed.was_opened(number), PROTOCOL_ERROR, "a stream's number is lower than another's")
            expect(self._closed.is_cut(number), STREAM_CLOSED, "HEADERS of a closed stream")
            self._budget.spend()
        elif stream.gone or stream.responded:
            self._budget.spend()
        elif stream.ended:
            self._fail(number, STREAM_CLOSED)
        elif not ended or not is_valid:
            self._fail(number, PROTOCOL_ERROR)
        else:
            self._end(stream)

    def _end(self, stream: Stream) -> None:
        """The request is whole, unless its body is shorter than it announced."""
        if stream.announced >= 0 and stream.size != stream.announced:
            self._fail(stream.number, PROTOCOL_ERROR)
            return
        stream.ended = True
        self._list(stream)

    def _settings(self, flags: int, payload: bytes) -> None:
        if flags & ACK:
            expect(not payload, FRAME_SIZE_ERROR, "SETTINGS")
            return
        self._is_settled = True
        self._budget.spend(len(payload) / SETTINGS_A_UNIT)
        for key, value in settings.read(payload):
            if key == settings.INITIAL_WINDOW_SIZE:
                self._budget.spend(len(self._streams) / STREAMS_A_UNIT)
                self._flow.set_initial(value, self.streams)
                self._send_all()
        self._out.put(SETTINGS, ACK, 0, b"")

    def _window_update(self, number: int, by: int) -> None:
        if number == 0:
            self._budget.spend(len(self._streams) / STREAMS_A_UNIT)
            self._flow.widen(by)
            self._send_all()
            return
        self._expect_opened(number, "WINDOW_UPDATE")
        stream = self._streams.get(number)
        if stream is not None:
            code = self._flow.widen_stream(stream, by)
            if code != NO_ERROR:
                self._fail(number, code)
            else:
                self._send(stream)

    def _send_all(self) -> None:
        for stream in self.streams:
            self._send(stream)

    def _send(self, stream: Stream) -> None:
        if self._flow.send(stream):
            self._finish(stream)

    def _finish(self, stream: Stream) -> None:
        if not stream.ended:
            self._out.reset(stream.number, NO_ERROR)
            self._closed.cut(stream.number)
        self._remove(stream)

    def _remove(self, stream: Stream) -> None:
        if self._streams.pop(stream.number, None) is not None:
            self._fields_size -= stream.fields_size

    def _expect_opened(self, number: int, kind: str) -> None:
        """Raises Broken for a stream that is idle: not opened yet, or not a client's."""
        if not 0 < number <= self._last or number % 2 == 0:
            raise Broken(PROTOCOL_ERROR, f"{kind} of an idle stream")

    def _cancel(self, number: int) -> None:
        stream = self._streams.get(number)
        if stream is not None:
            stream.gone = True
            self._list(stream)

    def _fail(self, number: int, code: int) -> None:
        """An error of one stream; many are one of the connection's."""
        self._budget.spend()
        self._out.reset(number, code)
        self._closed.cut(number)
        self._cancel(number)

    def _list(self, stream: Stream) -> None:
        if not stream.is_listed:
            stream.is_listed = True
            self._listed.append(stream)

    def _go_away(self, code: int) -> None:
        self._out.put(GOAWAY, 0, 0, self._last.to_bytes(4, "big") + code.to_bytes(4, "big"))
