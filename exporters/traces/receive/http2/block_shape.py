"""What reading a header block will cost, found by walking over it (RFC 7541, 5 and 6) before the decoder does.

The decoder is of plain Python and has no bounds of its own on fields, on integers without an end, or on changes of the
table's size. A block that was refused is not read, and without it the table is lost: that ends the connection.
"""

from __future__ import annotations

from typing import Final

from exporters.traces.receive.http2.frames import COMPRESSION_ERROR, ENHANCE_YOUR_CALM, expect

MAX_FIELDS: Final = 100
# Bytes of Huffman's code.
MAX_HUFFMAN: Final = 8192
# RFC 7541, 4.2: as many changes of the table's size as may precede a block's first field.
MAX_RESIZES: Final = 2
# A block costs a unit of the budget, and so do two fields and so many bytes of Huffman's code.
FIELDS_A_UNIT: Final = 2
HUFFMAN_A_UNIT: Final = 32


class BlockShape:
    """Fields, and bytes of Huffman's code, in a header block. Raises Broken where they are too many, or it is none."""

    def __init__(self, block: bytes) -> None:
        self.fields = 0
        self.huffman = 0
        self._block = block
        self._at = 0
        resizes = 0
        while self._at < len(block):
            first = block[self._at]
            if first & 0xE0 == 0x20:
                resizes += 1
                expect(resizes <= MAX_RESIZES and self.fields == 0, COMPRESSION_ERROR, "the table's size changes again")
                self._number(0x1F)
                continue
            self._field(first)
            expect(self.fields <= MAX_FIELDS, ENHANCE_YOUR_CALM, f"more than {MAX_FIELDS} header fields")
            expect(self.huffman <= MAX_HUFFMAN, ENHANCE_YOUR_CALM, f"more than {MAX_HUFFMAN} bytes of Huffman's code")

    @property
    def cost(self) -> float:
        """In units of the budget."""
        return 1.0 + self.fields / FIELDS_A_UNIT + self.huffman / HUFFMAN_A_UNIT

    def _field(self, first: int) -> None:
        self.fields += 1
        if first >= 0x80:
            self._number(0x7F)
            return
        mask = 0x3F if first & 0x40 else 0x0F
        self._number(mask)
        if not first & mask:
            self._string()
        self._string()

    def _string(self) -> None:
        expect(self._at < len(self._block), COMPRESSION_ERROR, "a header block that is cut off")
        is_huffman = self._block[self._at] >= 0x80
        size = self._number(0x7F)
        self._at += size
        if is_huffman:
            self.huffman += size
        expect(self._at <= len(self._block), COMPRESSION_ERROR, "a header block that is cut off")

    def _number(self, mask: int) -> int:
        """Read a number; none that makes sense has more than three bytes behind its prefix."""
        block, at = self._block, self._at
        number = block[at] & mask
        at += 1
        if number == mask:
            for shift in (0, 7, 14, 21):
                expect(at < len(block) and shift < 21, COMPRESSION_ERROR, "a number without an end")
                byte = block[at]
                number += (byte & 0x7F) << shift
                at += 1
                if byte < 0x80:
                    break
        self._at = at
        return number
