"""Header blocks (RFC 7541): read into the fields of requests, and written without a table."""

from __future__ import annotations

from typing import Final

from hpack import Decoder, HPACKError

from exporters.traces.receive.http2.frames import COMPRESSION_ERROR, Broken

MAX_HEADERS: Final = 16384
MAX_KNOWN_BLOCKS: Final = 64
PSEUDO: Final = frozenset((b":method", b":scheme", b":path", b":authority"))
OF_CONNECTION: Final = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))


class HeaderReader:
    """Reads the header blocks of one connection, whose table of headers they share."""

    def __init__(self) -> None:
        self._decoder = Decoder(max_header_list_size=MAX_HEADERS)
        self._known: dict[bytes, dict[bytes, bytes]] = {}

    def read(self, block: bytes) -> dict[bytes, bytes] | None:
        """The fields of a block, None if they are no request's; a block that only points into the table is known.

        Raises Broken.
        """
        known = self._known.get(block)
        if known is not None:
            return known
        try:
            decoded = self._decoder.decode(block, raw=True)
        except HPACKError as error:
            raise Broken(COMPRESSION_ERROR, "headers cannot be read") from error
        found = read_fields([(bytes(name), bytes(value)) for name, value, *_ in decoded])
        # Each byte an index below 127: nothing was put into the table. Any other block may have moved what is in it.
        if all(0x80 < byte < 0xFF for byte in block):
            if found is not None and len(self._known) < MAX_KNOWN_BLOCKS:
                self._known[block] = found
        else:
            self._known.clear()
        return found


def read_fields(pairs: list[tuple[bytes, bytes]]) -> dict[bytes, bytes] | None:
    """A request's headers by name; None where they are malformed (RFC 9113, 8.2 and 8.3)."""
    found: dict[bytes, bytes] = {}
    regular = False
    for name, value in pairs:
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
