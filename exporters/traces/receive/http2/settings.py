"""SETTINGS (RFC 9113, 6.5): what the peer's say, and what ours do."""

from __future__ import annotations

from typing import Final

from exporters.traces.receive.http2.frames import (
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    MAX_FRAME,
    PROTOCOL_ERROR,
    expect,
)

ENABLE_PUSH: Final = 2
MAX_CONCURRENT_STREAMS: Final = 3
INITIAL_WINDOW_SIZE: Final = 4
MAX_FRAME_SIZE: Final = 5
MAX_HEADER_LIST_SIZE: Final = 6

MAX_WINDOW: Final = (1 << 31) - 1
# Six are defined; nghttp2 takes as many as this.
MAX_ENTRIES: Final = 32


def read(payload: bytes) -> list[tuple[int, int]]:
    """The settings in a frame, in order. Raises Broken where one has no such value, or they are too many."""
    expect(len(payload) % 6 == 0, FRAME_SIZE_ERROR, "SETTINGS")
    expect(len(payload) <= 6 * MAX_ENTRIES, ENHANCE_YOUR_CALM, f"more than {MAX_ENTRIES} SETTINGS in a frame")
    found = []
    for at in range(0, len(payload), 6):
        key = int.from_bytes(payload[at : at + 2], "big")
        value = int.from_bytes(payload[at + 2 : at + 6], "big")
        if key == ENABLE_PUSH:
            expect(value <= 1, PROTOCOL_ERROR, "ENABLE_PUSH")
        elif key == INITIAL_WINDOW_SIZE:
            expect(value <= MAX_WINDOW, FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE")
        elif key == MAX_FRAME_SIZE:
            expect(MAX_FRAME <= value < 1 << 24, PROTOCOL_ERROR, "MAX_FRAME_SIZE")
        found.append((key, value))
    return found


def write(entries: list[tuple[int, int]]) -> bytes:
    """The payload of a frame with these settings."""
    return b"".join(key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in entries)
