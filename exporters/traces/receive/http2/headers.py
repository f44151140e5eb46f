"""Header blocks (RFC 7541): read into the fields of requests, and written without a table."""

from __future__ import annotations

from typing import Final

from hpack import Decoder, HPACKError

from exporters.traces.receive.http2 import fields
from exporters.traces.receive.http2.block_shape import BlockShape
from exporters.traces.receive.http2.frames import COMPRESSION_ERROR, Broken

MAX_HEADERS: Final = 16384
# Blocks that only point into the table are few where calls are alike; what is kept of them is small.
MAX_KNOWN_BLOCKS: Final = 16
MAX_KNOWN_SIZE: Final = 64
MAX_KNOWN_FIELDS_SIZE: Final = 2048
# Bytes of memory that a field takes beside its content.
FIELD_SIZE: Final = 160


class HeaderReader:
    """Reads the header blocks of one connection, whose table of headers they share.

    `size` and `cost` are those of the block that was read last: bytes of memory, and units of the budget.
    """

    def __init__(self) -> None:
        self.size = 0
        self.cost = 0.0
        self._decoder = Decoder(max_header_list_size=MAX_HEADERS)
        self._known: dict[bytes, dict[bytes, bytes]] = {}

    def read(self, block: bytes) -> dict[bytes, bytes] | None:
        """The fields of a request's block, None if they are malformed. Raises Broken."""
        known = self._known.get(block)
        if known is not None:
            # Kept once for all.
            self.size, self.cost = 0, 1.0
            return known
        found = fields.request(self._decode(block))
        self.size = sum(FIELD_SIZE + len(name) + len(value) for name, value in found.items()) if found else 0
        # Each byte an index below 127: nothing was put into the table. Any other block may have moved what is in it.
        if not all(0x80 < byte < 0xFF for byte in block):
            self._known.clear()
        elif found is not None and self._is_small(block):
            self._known[block] = found
        return found

    def read_trailers(self, block: bytes) -> bool:
        """Whether a block holds what may follow a body. Raises Broken."""
        self._known.clear()
        return fields.are_trailers(self._decode(block))

    def _is_small(self, block: bytes) -> bool:
        """It may be kept."""
        is_small = len(block) <= MAX_KNOWN_SIZE and self.size <= MAX_KNOWN_FIELDS_SIZE
        return is_small and len(self._known) < MAX_KNOWN_BLOCKS

    def _decode(self, block: bytes) -> list[tuple[bytes, bytes]]:
        self.cost = BlockShape(block).cost
        try:
            decoded = self._decoder.decode(block, raw=True)
        except HPACKError as error:
            raise Broken(COMPRESSION_ERROR, "headers cannot be read") from error
        return [(bytes(name), bytes(value)) for name, value, *_ in decoded]


def block(pairs: list[tuple[bytes, bytes]]) -> bytes:
    """A header block of plain literals (RFC 7541, 6.2.2), which no table has to be kept for."""
    out = bytearray()
    for name, value in pairs:
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
