"""The client's side of HTTP/2: another implementation (h2), and hand-made frames for what it would not send."""

from __future__ import annotations

import struct

import h2.config
import h2.connection
import h2.settings
import hpack

HEADERS = [(":method", "POST"), (":scheme", "http"), (":path", "/a"), (":authority", "x"), ("te", "trailers")]


def client(window: int = 65535) -> h2.connection.H2Connection:
    """A client with its preface ready to send; `window`: bytes of a response that it accepts at once."""
    made = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
    made.local_settings = h2.settings.Settings(
        client=True,
        initial_values={
            h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window,
            h2.settings.SettingCodes.ENABLE_PUSH: 0,
        },
    )
    made.initiate_connection()
    return made


def frame(kind: int, flags: int, number: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, number) + payload


def header_block(fields: list[tuple[str, str]] | None = None) -> bytes:
    """As a fresh encoder writes it, with an empty table."""
    return bytes(hpack.Encoder().encode(HEADERS if fields is None else fields))
