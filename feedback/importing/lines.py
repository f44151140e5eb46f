"""The physical lines of a file, one at a time: a file may be larger than memory, and one line must not be."""

from __future__ import annotations

import codecs
import hashlib
import io
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

MOST_BYTES: Final = 1 << 20
"""A longer line is refused."""
_PIECE: Final = 1 << 16
_OTHER_ENCODINGS = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}


class Unreadable(Exception):
    """Nothing in this file can be read; the message says why, and the remedy."""


class Line(NamedTuple):
    """`text` is None where `fault` says why it cannot be read."""

    number: int
    text: str | None
    fault: str = ""


class Lines:
    """Iterates over a file's lines, which keep their line ends. `push_back` gives lines back to be read again.

    `read` is how many of its `size` bytes are read; a pipe has no size.
    """

    def __init__(self, path: Path) -> None:
        """Raises Unreadable."""
        try:
            self._file = io.BufferedReader(path.open("rb", buffering=0), _PIECE)
            self.size = path.stat().st_size
        except OSError as error:
            raise Unreadable(f"{error.strerror}") from error
        # Looked at, not read: a pipe cannot be read twice.
        start = self._file.peek(4)
        for mark, name in _OTHER_ENCODINGS.items():
            if start.startswith(mark):
                self._file.close()
                raise Unreadable(f"it is in {name}: save it as UTF-8, such as with `iconv -f {name} -t UTF-8`")
        mark = self._file.read(len(codecs.BOM_UTF8)) if start.startswith(codecs.BOM_UTF8) else b""
        self._sha256 = hashlib.sha256(mark)
        self.read = len(mark)
        self._waiting: deque[Line] = deque()
        self._number = 0

    @property
    def sha256(self) -> str:
        """Of what was read so far, so of the file at its end."""
        return self._sha256.hexdigest()

    def begins_with(self, mark: str) -> bool:
        """Whether the first character that is no blank is this one; before anything is read."""
        return self._file.peek(_PIECE).lstrip().startswith(mark.encode())

    def pieces(self) -> Iterator[str]:
        """The text in pieces without regard to lines. Bytes that are no UTF-8 become lone surrogates."""
        decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        while raw := self._file.read(_PIECE):
            self._took(raw)
            yield decoder.decode(raw)
        yield decoder.decode(b"", final=True)

    def push_back(self, lines: list[Line]) -> None:
        self._waiting.extendleft(reversed(lines))

    def close(self) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Line]:
        return self

    def __next__(self) -> Line:
        if self._waiting:
            return self._waiting.popleft()
        raw = self._next_piece()
        if not raw:
            raise StopIteration
        self._number += 1
        if len(raw) > MOST_BYTES:
            while not raw.endswith(b"\n") and raw:
                raw = self._next_piece()
            return Line(self._number, None, f"is longer than {MOST_BYTES:,} bytes")
        try:
            return Line(self._number, raw.decode())
        except UnicodeDecodeError as error:
            return Line(self._number, None, f"is no UTF-8 at byte {error.start + 1}: save the file as UTF-8")

    def _next_piece(self) -> bytes:
        piece = self._file.readline(MOST_BYTES + 1)
        self._took(piece)
        return piece

    def _took(self, piece: bytes) -> None:
        self._sha256.update(piece)
        self.read += len(piece)
