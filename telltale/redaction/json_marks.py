"""Keeps JSON valid where a mark replaced a number that stood without quotes: `{"card": [CARD]}` is no JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def quoted(data: bytes, marks: Iterable[bytes]) -> bytes:
    """The text with quotes around each mark that stands for a number in JSON, if the text looks like JSON at all.

    Also in the JSON that a string of JSON holds, as a tool call's arguments do: there the quotes are escaped.
    """
    stripped = data.strip()
    if stripped[:1] + stripped[-1:] not in (b"{}", b"[]"):
        return data
    pieces: list[bytes] = []
    place, last = _Place(), 0
    for start, end in sorted(found for mark in set(marks) for found in _values(data, mark)):
        place.pass_over(data[last:start])
        quote = place.quote()
        pieces += (data[last:start], quote, data[start:end], quote)
        last = end
    return b"".join((*pieces, data[last:]))


def _values(data: bytes, mark: bytes) -> Iterator[tuple[int, int]]:
    """Where the mark stands behind `:`, `,` or `[` and before `,`, `]` or `}`."""
    start = data.find(mark)
    while start >= 0:
        end = start + len(mark)
        before, after = data[max(0, start - 32) : start].rstrip(), data[end : end + 32].lstrip()
        if before[-1:] in (b":", b",", b"[") and after[:1] in (b",", b"]", b"}"):
            yield start, end
        start = data.find(mark, end)


class _Place:
    """Where in JSON the reading is: in a string, and in a string of the JSON within that."""

    def __init__(self) -> None:
        self._in_string = self._holds_json = self._in_inner = False

    def pass_over(self, between: bytes) -> None:
        masked = _masked(between)
        if quotes := masked.count(b'"'):
            self._in_string ^= quotes % 2 == 1
            between = between[masked.rfind(b'"') + 1 :]
            self._holds_json, self._in_inner = between.lstrip()[:1] in (b"{", b"["), False
        if self._in_string:
            inner = between.replace(b"\\\\", b"\0").replace(b'\\"', b'"').replace(b"\0", b"\\")
            self._in_inner ^= _masked(inner).count(b'"') % 2 == 1

    def quote(self) -> bytes:
        if not self._in_string:
            return b'"'
        return b'\\"' if self._holds_json and not self._in_inner else b""


def _masked(data: bytes) -> bytes:
    """The same length, without escaped backslashes and quotes."""
    return data.replace(b"\\\\", b"__").replace(b'\\"', b"__")
