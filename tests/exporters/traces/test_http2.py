"""The server's side of HTTP/2 against another implementation's client (h2), and against misbehaving peers."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

import h2.events
import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.http2_peer import HEADERS, client, frame, header_block

from exporters.traces.receive import http2
from exporters.traces.receive.http2 import Broken, Connection, NotHttp2, Stream, frames
from exporters.traces.receive.http2.block_shape import BlockShape
from exporters.traces.receive.http2.connection import MAX_STREAMS

MOST = 1 << 20
HEAD = http2.block([(b":status", b"200"), (b"content-type", b"application/grpc")])
TAIL = http2.block([(b"grpc-status", b"0"), (b"grpc-message", b"m" * 300)])


GREETING = frames.PREFACE + frame(frames.SETTINGS, 0, 0)


def greeted() -> Connection:
    connection = Connection(MOST, 0.0)
    connection.receive(GREETING, 0.0)
    connection.output()
    return connection


def goaway_code(out: bytes) -> int:
    """The code of the GOAWAY that the output ends with."""
    assert out[-14] == frames.GOAWAY, out
    return int(struct.unpack(">I", out[-4:])[0])


requests = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from(["authorization", "grpc-timeout", "x-a"]), st.text("abc 1é", max_size=40)),
        st.binary(max_size=60_000),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(requests, st.integers(1, 100_000), st.booleans())
def test_requests_of_another_client_arrive_whole(
    sent: list[tuple[dict[str, str], bytes, bool]], step: int, pieces: bool
) -> None:
    """However the bytes are split, and whichever headers come from the dynamic table."""
    peer, connection = client(), Connection(MOST, 0.0)
    done: dict[int, Stream] = {}

    def deliver() -> None:
        data = peer.data_to_send()
        for at in range(0, len(data), step if pieces else len(data) or 1):
            for stream in connection.receive(data[at : at + (step if pieces else len(data))], 0.0):
                assert not stream.gone
                if stream.ended:
                    done[stream.number] = stream
        peer.receive_data(connection.output())

    deliver()
    for index, (fields, body, trailing) in enumerate(sent):
        number = 2 * index + 1
        peer.send_headers(number, [*HEADERS, *((k, v.strip()) for k, v in fields.items())])
        rest = body
        while rest:
            room = min(peer.local_flow_control_window(number), peer.max_outbound_frame_size, len(rest))
            peer.send_data(number, rest[:room])
            rest = rest[room:]
            deliver()
        if trailing:
            peer.send_headers(number, [("x-trailer", "1")], end_stream=True)
        else:
            peer.end_stream(number)
        deliver()
        stream = done[number]
        assert b"".join(stream.chunks) == body
        assert stream.size == len(body)
        assert stream.fields[b":path"] == b"/a"
        assert {name: stream.fields[name.encode()].decode() for name in fields} == {
            name: value.strip() for name, value in fields.items()
        }
        connection.respond(stream, HEAD, body[:100], TAIL)
        events = peer.receive_data(connection.output())
        assert [e.data for e in events if isinstance(e, h2.events.DataReceived)] == ([body[:100]] if body else [])
        assert any(isinstance(e, h2.events.StreamEnded) for e in events)
    assert not connection.streams


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 300), st.binary(max_size=2000), st.lists(st.integers(1, 500), min_size=1))
def test_a_response_keeps_to_the_peers_window(window: int, body: bytes, steps: list[int]) -> None:
    peer, connection = client(window=window), Connection(MOST, 0.0)
    peer.send_headers(1, HEADERS, end_stream=True)
    [stream] = connection.receive(peer.data_to_send(), 0.0)
    connection.respond(stream, HEAD, body, TAIL)
    got, ended, turn = b"", False, 0
    while not ended:
        # h2 raises if more arrived than the window allows.
        for event in peer.receive_data(connection.output()):
            if isinstance(event, h2.events.DataReceived):
                got += event.data
            ended = ended or isinstance(event, h2.events.StreamEnded)
        if not ended:
            assert connection.streams, "nobody waits, and the response is incomplete"
            peer.increment_flow_control_window(steps[turn % len(steps)], 1)
            turn += 1
            connection.receive(peer.data_to_send(), 0.0)
    assert got == body
    assert not connection.streams


def test_an_early_response_asks_the_peer_to_stop() -> None:
    peer, connection = client(), Connection(MOST, 0.0)
    peer.send_headers(1, HEADERS)
    peer.send_data(1, b"a" * 500)
    [stream] = connection.receive(peer.data_to_send(), 0.0)
    connection.respond(stream, HEAD)
    events = peer.receive_data(connection.output())
    assert [e.error_code for e in events if isinstance(e, h2.events.StreamReset)] == [frames.NO_ERROR]
    # Frames already under way are ignored.
    assert connection.receive(frame(frames.DATA, frames.END_STREAM, 1, b"b" * 500), 0.0) == []
    assert connection.output() == b""


def test_a_body_as_large_as_allowed_needs_no_update_of_its_window() -> None:
    peer, connection = client(), Connection(MOST, 0.0)
    connection.receive(peer.data_to_send(), 0.0)
    peer.receive_data(connection.output())
    peer.send_headers(1, HEADERS)
    stream = None
    for _ in range(MOST // 16384):
        peer.send_data(1, bytes(16384))
        [stream] = connection.receive(peer.data_to_send(), 0.0)
    assert stream is not None
    assert stream.size == MOST
    connection.receive(frame(frames.DATA, 0, 1, bytes(200)), 0.0)
    assert stream.gone, "more than its window"


OPEN = frame(frames.HEADERS, frames.END_HEADERS, 1, header_block())
WHOLE = frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, 1, header_block())


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(frames.DATA, 0, 0, b"a"), frames.PROTOCOL_ERROR),
        (frame(frames.DATA, 0, 1, b"a"), frames.PROTOCOL_ERROR),
        (OPEN + frame(frames.DATA, frames.PADDED, 1, b"\x05abc"), frames.PROTOCOL_ERROR),
        (OPEN + frame(frames.DATA, frames.PADDED, 1, b""), frames.PROTOCOL_ERROR),
        (frame(frames.HEADERS, frames.END_HEADERS, 0, header_block()), frames.PROTOCOL_ERROR),
        (frame(frames.HEADERS, frames.END_HEADERS, 2, header_block()), frames.PROTOCOL_ERROR),
        (frame(frames.HEADERS, frames.END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff"), frames.COMPRESSION_ERROR),
        (frame(frames.HEADERS, frames.END_HEADERS | frames.WITH_PRIORITY, 1, b"\0\0"), frames.FRAME_SIZE_ERROR),
        (frame(frames.HEADERS, 0, 1, header_block()) + frame(frames.PING, 0, 0, bytes(8)), frames.PROTOCOL_ERROR),
        (frame(frames.HEADERS, 0, 1, b"\x82") + frame(frames.CONTINUATION, 4, 3, b"\x86"), frames.PROTOCOL_ERROR),
        (frame(frames.CONTINUATION, 4, 1, b"\x82"), frames.PROTOCOL_ERROR),
        (frame(frames.RST_STREAM, 0, 1, bytes(4)), frames.PROTOCOL_ERROR),
        (OPEN + frame(frames.RST_STREAM, 0, 1, bytes(3)), frames.FRAME_SIZE_ERROR),
        (frame(frames.SETTINGS, 0, 1), frames.PROTOCOL_ERROR),
        (frame(frames.SETTINGS, 0, 0, bytes(5)), frames.FRAME_SIZE_ERROR),
        (frame(frames.SETTINGS, frames.ACK, 0, bytes(6)), frames.FRAME_SIZE_ERROR),
        (frame(frames.SETTINGS, 0, 0, struct.pack(">HI", 4, 1 << 31)), frames.FLOW_CONTROL_ERROR),
        (frame(frames.SETTINGS, 0, 0, struct.pack(">HI", 5, 100)), frames.PROTOCOL_ERROR),
        (frame(frames.SETTINGS, 0, 0, struct.pack(">HI", 2, 7)), frames.PROTOCOL_ERROR),
        (frame(frames.PING, 0, 0, bytes(7)), frames.FRAME_SIZE_ERROR),
        (frame(frames.PING, 0, 1, bytes(8)), frames.PROTOCOL_ERROR),
        (frame(frames.PUSH_PROMISE, 0, 1, bytes(8)), frames.PROTOCOL_ERROR),
        (frame(frames.GOAWAY, 0, 1, bytes(8)), frames.PROTOCOL_ERROR),
        (frame(frames.PRIORITY, 0, 0, bytes(5)), frames.PROTOCOL_ERROR),
        (frame(frames.WINDOW_UPDATE, 0, 0, bytes(3)), frames.FRAME_SIZE_ERROR),
        (frame(frames.WINDOW_UPDATE, 0, 0, bytes(4)), frames.PROTOCOL_ERROR),
        (frame(frames.WINDOW_UPDATE, 0, 1, struct.pack(">I", 1)), frames.PROTOCOL_ERROR),
        (frame(frames.WINDOW_UPDATE, 0, 0, struct.pack(">I", (1 << 31) - 1)), frames.FLOW_CONTROL_ERROR),
        (b"\x00\x40\x01" + bytes(6), frames.FRAME_SIZE_ERROR),
    ],
)
def test_what_breaks_the_protocol_ends_the_connection(sent: bytes, code: int) -> None:
    connection = greeted()
    with pytest.raises(Broken) as broken:
        connection.receive(sent, 0.0)
    assert broken.value.code == code
    assert goaway_code(connection.output()) == code


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (WHOLE + frame(frames.DATA, 0, 1, b"a" * 200), frames.STREAM_CLOSED),
        (WHOLE + frame(frames.HEADERS, frames.END_HEADERS, 1, header_block()), frames.STREAM_CLOSED),
        (OPEN + frame(frames.HEADERS, frames.END_HEADERS, 1, header_block()), frames.PROTOCOL_ERROR),
        (OPEN + frame(frames.WINDOW_UPDATE, 0, 1, bytes(4)), frames.PROTOCOL_ERROR),
        (OPEN + frame(frames.WINDOW_UPDATE, 0, 1, struct.pack(">I", (1 << 31) - 1)), frames.FLOW_CONTROL_ERROR),
        (OPEN + frame(frames.PRIORITY, 0, 1, bytes(4)), frames.FRAME_SIZE_ERROR),
        *(
            (frame(frames.HEADERS, frames.END_HEADERS, 1, header_block(fields)), frames.PROTOCOL_ERROR)
            for fields in (
                [(":method", "POST"), (":scheme", "http")],
                [(":method", "POST"), (":scheme", "http"), (":path", "")],
                [*HEADERS, (":path", "/b")],
                [*HEADERS, ("x", "1"), (":status", "200")],
                [*HEADERS, (":status", "200")],
                [*HEADERS, ("connection", "close")],
                [*HEADERS, ("te", "gzip")],
                [*HEADERS, ("X-Upper", "1")],
                [*HEADERS, ("x", "a\r\nb")],
            )
        ),
    ],
)
def test_what_breaks_a_call_ends_that_call_alone(sent: bytes, code: int) -> None:
    connection = greeted()
    connection.receive(sent, 0.0)
    out = connection.output()
    assert out[-13:] == frame(frames.RST_STREAM, 0, 1, struct.pack(">I", code))
    [stream] = connection.receive(frame(frames.HEADERS, frames.END_HEADERS, 3, header_block()), 0.0)
    assert (stream.number, stream.gone) == (3, False)


@pytest.mark.parametrize("begin", [b"GET / HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n\r\nXX", b"\x16\x03\x01\x02\x00", b"\0"])
def test_other_protocols_are_recognised(begin: bytes) -> None:
    with pytest.raises(NotHttp2):
        Connection(MOST, 0.0).receive(begin, 0.0)


def test_settings_come_first() -> None:
    with pytest.raises(Broken):
        Connection(MOST, 0.0).receive(frames.PREFACE + frame(frames.PING, 0, 0, bytes(8)), 0.0)


def _cancelled(number: int) -> bytes:
    return frame(frames.HEADERS, frames.END_HEADERS, number, header_block()) + frame(
        frames.RST_STREAM, 0, number, bytes(4)
    )


FLOODS: dict[str, Callable[[int], bytes]] = {
    "ping": lambda _: frame(frames.PING, 0, 0, bytes(8)),
    "settings": lambda _: frame(frames.SETTINGS, 0, 0),
    "rapid reset": lambda n: _cancelled(2 * n + 3),
    # The peer makes us reset its streams.
    "made you reset": lambda n: (
        frame(frames.HEADERS, frames.END_HEADERS, 2 * n + 3, header_block())
        + frame(frames.WINDOW_UPDATE, 0, 2 * n + 3, bytes(4))
    ),
    "empty data": lambda _: frame(frames.DATA, 0, 1),
    "crumbs": lambda _: frame(frames.DATA, 0, 1, b"a"),
    "window": lambda _: frame(frames.WINDOW_UPDATE, 0, 1, struct.pack(">I", 1)),
    "priority": lambda _: frame(frames.PRIORITY, 0, 1, bytes(5)),
    "unknown": lambda _: frame(99, 0, 0, b"a"),
    "data of closed streams": lambda n: _cancelled(2 * n + 3) + frame(frames.DATA, 0, 2 * n + 3),
}


def flood(connection: Connection, made: Callable[[int], bytes], pace_s: float, most: int = 3000) -> None:
    for turn in range(most):
        for stream in connection.receive(made(turn), turn * pace_s):
            if stream.gone:
                connection.drop(stream)


@pytest.mark.parametrize("name", FLOODS)
def test_floods_are_cut_off(name: str) -> None:
    connection = greeted()
    connection.receive(OPEN, 0.0)
    with pytest.raises(Broken) as broken:
        flood(connection, FLOODS[name], 0.0)
    assert broken.value.code == frames.ENHANCE_YOUR_CALM


@pytest.mark.parametrize("name", FLOODS)
def test_the_same_frames_at_a_humane_pace_are_borne(name: str) -> None:
    connection = greeted()
    connection.receive(OPEN, 0.0)
    flood(connection, FLOODS[name], 0.1)
    connection.output()
    connection.receive(frame(frames.PING, 0, 0, b"12345678"), 300.0)
    assert connection.output() == frame(frames.PING, frames.ACK, 0, b"12345678")


def _fields(count: int) -> bytes:
    """As many fields as that, of four bytes each."""
    return header_block() + b"\0\1a\0" * (count - len(HEADERS))


def _costly(number: int, block: bytes) -> bytes:
    return frame(frames.HEADERS, frames.END_HEADERS, number, block) + frame(frames.RST_STREAM, 0, number, bytes(4))


def _windows(number: int) -> bytes:
    """Another window for each of the streams that are open, of which this opens one more."""
    opened = frame(frames.HEADERS, frames.END_HEADERS, number, header_block()) if number < 2 * MAX_STREAMS else b""
    return opened + frame(frames.SETTINGS, 0, 0, struct.pack(">HI", 4, number) * 2)


COSTLY: dict[str, tuple[int, Callable[[int], bytes]]] = {
    "a hundred fields": (100, lambda n: _costly(2 * n + 3, _fields(100))),
    "long Huffman": (10, lambda n: _costly(2 * n + 3, bytes(hpack.Encoder().encode([*HEADERS, ("a", "a" * 12_000)])))),
    "windows": (100, lambda n: _windows(2 * n + 3)),
    "many settings": (100, lambda _: frame(frames.SETTINGS, 0, 0, struct.pack(">HI", 1, 1) * 32)),
}


@pytest.mark.parametrize("name", COSTLY)
def test_frames_count_for_what_they_cost(name: str) -> None:
    """A thousand ordinary frames are borne; of these, each of which costs as much as many, some tens."""
    most, made = COSTLY[name]
    connection = greeted()
    with pytest.raises(Broken) as broken:
        flood(connection, made, 0.0, most)
    assert broken.value.code == frames.ENHANCE_YOUR_CALM


def test_long_tokens_are_borne_in_calls_that_get_their_response() -> None:
    """A sender may send two kilobytes of a token anew with each call."""
    connection = greeted()
    block = bytes(hpack.Encoder().encode([*HEADERS, ("authorization", "Bearer " + "x9Q" * 700)], huffman=True))
    for number in range(1, 4001, 2):
        whole = frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, number, block)
        [stream] = connection.receive(whole, 0.0)
        connection.respond(stream, HEAD, b"a", TAIL)
        connection.output()
    assert not connection.streams
    assert connection.held == 0


BLOCKS_THAT_COST_TOO_MUCH: dict[str, tuple[bytes, int]] = {
    "fields": (_fields(101), frames.ENHANCE_YOUR_CALM),
    "Huffman": (b"\0\1a\xff\x82\x3f" + b"\x18" * 8193, frames.ENHANCE_YOUR_CALM),
    "sizes of the table": (b"\x20" * 16000, frames.COMPRESSION_ERROR),
    "an endless index": (b"\xff" * 16000, frames.COMPRESSION_ERROR),
    "an endless length": (b"\0\1a\x7f" + b"\xff" * 16000, frames.COMPRESSION_ERROR),
    "an endless size": (b"\x3f" + b"\xff" * 16000, frames.COMPRESSION_ERROR),
    "cut off in a name": (b"\0\5a", frames.COMPRESSION_ERROR),
    "cut off before a value": (b"\0\1a", frames.COMPRESSION_ERROR),
    "a size behind a field": (b"\x82\x20", frames.COMPRESSION_ERROR),
}


@pytest.mark.parametrize("name", BLOCKS_THAT_COST_TOO_MUCH)
def test_headers_that_cost_too_much_are_not_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    block, code = BLOCKS_THAT_COST_TOO_MUCH[name]
    connection = greeted()
    monkeypatch.setattr(hpack.Decoder, "decode", lambda *_, **__: pytest.fail("it was read"))
    size = frames.MAX_FRAME
    sent = frame(frames.HEADERS, frames.END_HEADERS, 1, block[:size])
    with pytest.raises(Broken) as broken:
        connection.receive(sent, 0.0)
    assert broken.value.code == code


@given(
    st.lists(st.tuples(st.text("abcé ", min_size=1, max_size=200), st.text(max_size=300), st.booleans()), max_size=20)
)
def test_the_shape_of_a_block_is_what_its_encoder_wrote(fields: list[tuple[str, str, bool]]) -> None:
    encoder = hpack.Encoder()
    for huffman in (False, True, True):
        shape = BlockShape(encoder.encode([(name, value) for name, value, _ in fields], huffman=huffman))
        assert shape.fields == len(fields)
        assert huffman or not shape.huffman


def test_what_requests_hold_is_known_and_given_up() -> None:
    connection = greeted()
    assert connection.held == 0
    half = frame(frames.HEADERS, 0, 1, header_block([*HEADERS, ("a", "b" * 5000)]))
    connection.receive(half, 0.0)
    assert connection.held > 3000
    [stream] = connection.receive(frame(frames.CONTINUATION, frames.END_HEADERS, 1), 0.0)
    assert connection.held > 5000
    connection.receive(frame(frames.DATA, 0, 1, b"a" * 9000)[:8000], 0.0)
    assert connection.held > 13_000
    connection.receive(frame(frames.DATA, frames.END_STREAM, 1, b"a" * 9000)[8000:], 0.0)
    connection.respond(stream, HEAD)
    assert connection.held == 0


def test_headers_in_many_parts_are_bounded() -> None:
    connection = greeted()
    connection.receive(frame(frames.HEADERS, 0, 1, b""), 0.0)
    with pytest.raises(Broken, match="too many frames"):
        connection.receive(frame(frames.CONTINUATION, 0, 1, b"") * 3000, 0.0)
    connection = greeted()
    connection.receive(frame(frames.HEADERS, 0, 1, b""), 0.0)
    with pytest.raises(Broken, match="headers of more than"):
        connection.receive(frame(frames.CONTINUATION, 0, 1, b"\0" * 1000) * 100, 0.0)


def test_headers_that_grow_when_they_are_read_are_refused() -> None:
    """References to one long entry of the table: a hundred of them, and some thousand."""
    connection = greeted()
    encoder = hpack.Encoder()
    connection.receive(
        frame(frames.HEADERS, frames.END_HEADERS, 1, bytes(encoder.encode([*HEADERS, ("x", "a" * 3000)]))), 0.0
    )
    bomb = bytes(encoder.encode(HEADERS)) + bytes([0x80 | 62]) * 90
    with pytest.raises(Broken) as broken:
        connection.receive(frame(frames.HEADERS, frames.END_HEADERS, 3, bomb), 0.0)
    assert broken.value.code == frames.COMPRESSION_ERROR
    with pytest.raises(Broken) as broken:
        greeted().receive(frame(frames.HEADERS, frames.END_HEADERS, 1, bytes([0x82]) * 8000), 0.0)
    assert broken.value.code == frames.ENHANCE_YOUR_CALM


def test_more_streams_than_allowed_are_refused() -> None:
    connection = greeted()
    for number in range(MAX_STREAMS):
        connection.receive(frame(frames.HEADERS, frames.END_HEADERS, 2 * number + 1, header_block()), 0.0)
    connection.output()
    late = 2 * MAX_STREAMS + 1
    assert connection.receive(frame(frames.HEADERS, frames.END_HEADERS, late, header_block()), 0.0) == []
    assert connection.output() == frame(frames.RST_STREAM, 0, late, struct.pack(">I", frames.REFUSED_STREAM))
    # A stream that the peer reset counts until its owner is done with it.
    [stream] = connection.receive(frame(frames.RST_STREAM, 0, 1, bytes(4)), 0.0)
    connection.receive(frame(frames.HEADERS, frames.END_HEADERS, late + 2, header_block()), 0.0)
    assert connection.output().startswith(frame(frames.RST_STREAM, 0, late + 2, b"")[3:4], 3)
    connection.drop(stream)
    assert len(connection.receive(frame(frames.HEADERS, frames.END_HEADERS, late + 4, header_block()), 0.0)) == 1


def test_after_close_no_stream_is_accepted_and_open_ones_may_end() -> None:
    peer, connection = client(), Connection(MOST, 0.0)
    peer.send_headers(1, HEADERS)
    [stream] = connection.receive(peer.data_to_send(), 0.0)
    connection.close()
    assert any(isinstance(e, h2.events.ConnectionTerminated) for e in peer.receive_data(connection.output()))
    connection.receive(frame(frames.HEADERS, frames.END_HEADERS, 3, header_block()), 0.0)
    assert connection.output() == frame(frames.RST_STREAM, 0, 3, struct.pack(">I", frames.REFUSED_STREAM))
    connection.receive(frame(frames.DATA, frames.END_STREAM, 1, b"a" * 200), 0.0)
    assert stream.ended
    connection.respond(stream, HEAD, b"b", TAIL)
    assert not connection.streams


pieces_of_frames = st.one_of(
    st.builds(
        frame,
        st.integers(0, 11),
        st.integers(0, 255),
        st.integers(0, 9),
        st.one_of(st.binary(max_size=300), st.just(header_block()), st.just(bytes(4)), st.just(bytes(8))),
    ),
    st.binary(max_size=30),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(pieces_of_frames, max_size=40), st.integers(1, 2000))
def test_any_bytes_leave_it_consistent(parts: list[bytes], step: int) -> None:
    """Any input gives streams, or Broken with a GOAWAY; the same however it is split or sliced."""

    def drive(step: int, most: float = math.inf) -> tuple[list[tuple[int, bytes, bool, bool]], int | None]:
        connection = greeted()
        streams: dict[int, Stream] = {}
        data = b"".join(parts)
        try:
            for at in range(0, len(data), step):
                progressed = connection.receive(data[at : at + step], 0.0, most)
                while connection.unread:
                    progressed += connection.receive(b"", 0.0, most)
                for stream in progressed:
                    streams[stream.number] = stream
        except Broken:
            return [], goaway_code(connection.output())
        return [(s.number, b"".join(s.chunks), s.ended, s.gone) for s in streams.values()], None

    assert drive(step) == drive(1 << 20) == drive(1 << 20, 3.0)


@given(st.lists(st.tuples(st.binary(max_size=300), st.binary(max_size=70_000)), max_size=5))
def test_header_blocks_are_read_as_written(fields: list[tuple[bytes, bytes]]) -> None:
    decoder = hpack.Decoder(max_header_list_size=1 << 24)
    assert [tuple(pair) for pair in decoder.decode(http2.block(fields), raw=True)] == fields
