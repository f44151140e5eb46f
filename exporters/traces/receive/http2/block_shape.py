"""What reading a header block will cost, found by walking over it (RFC 7541, 5 and 6) before the decoder does.

The decoder is of plain Python and has no bounds of its own on fields, on integers without an end, or on changes of the
table's size. A block that was refused is not read, and without it the table is lost: that ends the connection.
"""

from __future__ import annotations

from typing import Final

from exporters.traces.receive.http2.frames import COMPRESSION_ERROR, ENHANCE_YOUR_CALM, Broken, expect

MAX_FIELDS: Final = 100
# RFC 7541, 4.2: as many changes of the table's size as may precede a block's first field.
MAX_RESIZES: Final = 2
# What an ordinary call's headers have, which cost nothing extra.
ORDINARY_FIELDS: Final = 20
ORDINARY_SIZE: Final = 1000
# A field costs half a unit, Huffman's code a unit for so many bytes.
BYTES_A_UNIT: Final = 64


def cost(block: bytes) -> float:
    """What a block costs beyond an ordinary one, in units of the budget. Raises Broken for one that costs too much."""
    fields = count(block)
    return max(0, fields - ORDINARY_FIELDS) / 2 + max(0, len(block) - ORDINARY_SIZE) / BYTES_A_UNIT


def count(block: bytes) -> int:
    """How many fields a block holds. Raises Broken where they are too many, or where it is no header block."""
    at, size, fields, resizes = 0, len(block), 0, 0
    while at < size:
        first = block[at]
        if first >= 0x80:
            at = _after_number(block, at, 0x7F)
        elif first & 0xE0 == 0x20:
            resizes += 1
            expect(resizes <= MAX_RESIZES and not fields, COMPRESSION_ERROR, "the table's size changes again")
            at = _after_number(block, at, 0x1F)
            continue
        else:
            mask = 0x3F if first & 0x40 else 0x0F
            at = _after_number(block, at, mask)
            if not first & mask:
                at = _after_string(block, at)
            at = _after_string(block, at)
        fields += 1
        expect(fields <= MAX_FIELDS, ENHANCE_YOUR_CALM, f"more than {MAX_FIELDS} header fields")
    expect(at == size, COMPRESSION_ERROR, "a header block that is cut off")
    return fields


def _after_number(block: bytes, at: int, mask: int) -> int:
    """Where a number ends; none that matters has more than three bytes behind its prefix."""
    if block[at] & mask != mask:
        return at + 1
    for stop in range(at + 2, min(at + 5, len(block) + 1)):
        if block[stop - 1] < 0x80:
            return stop
    raise Broken(COMPRESSION_ERROR, "a number that is too large")


def _after_string(block: bytes, at: int) -> int:
    expect(at < len(block), COMPRESSION_ERROR, "a header block that is cut off")
    size = block[at] & 0x7F
    at += 1
    if size == 0x7F:
        shift = 0
        while True:
            expect(at < len(block) and shift < 21, COMPRESSION_ERROR, "a length that is too large")
            byte = block[at]
            size += (byte & 0x7F) << shift
            shift += 7
            at += 1
            if byte < 0x80:
                break
    return at + size
