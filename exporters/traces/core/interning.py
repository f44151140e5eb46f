"""Byte strings looked up in place: none is copied to find its meaning.

Compiled, a look-up is a few comparisons of machine words. Uncompiled it is plain Python with the same results.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from librt.strings import BytesWriter, read_i64_le, write_i64_le
from librt.vecs import vec
from mypy_extensions import i64

_WORD: Final = 8
_SLOTS: Final = 1024
_MASK: Final = 0x7FFFFFFF
# Odd, and small enough that no product of it and 31 bits leaves 63: uncompiled, integers do not wrap around.
_SPREAD: Final = 0x6C8E9CF5


def spread(number: i64) -> i64:
    """A hash of 42 bits."""
    return (((number ^ (number >> 31)) & _MASK) * _SPREAD) >> 20


def trace_words(trace_id: bytes) -> tuple[i64, i64]:
    """A trace id as two numbers; one that is not 16 bytes long by its hash."""
    if len(trace_id) == 2 * _WORD:
        return read_i64_le(trace_id, 0), read_i64_le(trace_id, _WORD)
    odd: i64 = hash(trace_id)
    return odd, odd


def span_word(span_id: bytes) -> i64:
    """A span id as a number; one that is not 8 bytes long by its hash."""
    if len(span_id) == _WORD:
        return read_i64_le(span_id, 0)
    return hash(span_id)


def id_bytes(number: i64) -> bytes:
    """Eight bytes of an id out of their number."""
    writer = BytesWriter()
    write_i64_le(writer, number)
    return writer.getvalue()


class NameTable:
    """Codes of a fixed set of byte strings: numbers above 0. All others have 0."""

    def __init__(self, codes: Mapping[bytes, int]) -> None:
        # Few are shorter than a machine word.
        self._short: dict[bytes, int] = {name: code for name, code in codes.items() if len(name) < _WORD}
        self._names: list[bytes] = []
        # By slot: the last eight bytes, the size, the code, and the index of the name itself.
        self._tails: vec[i64] = vec[i64]([0] * _SLOTS)
        self._sizes: vec[i64] = vec[i64]([0] * _SLOTS)
        self._codes: vec[i64] = vec[i64]([0] * _SLOTS)
        self._indexes: vec[i64] = vec[i64]([0] * _SLOTS)
        for name, code in codes.items():
            if len(name) >= _WORD:
                self._add(name, code)

    def _add(self, name: bytes, code: int) -> None:
        size: i64 = len(name)
        if len(self._names) * 2 >= _SLOTS:
            raise ValueError(f"more than {_SLOTS // 2} names")
        tail = read_i64_le(name, size - _WORD)
        slot = _slot(tail, size)
        while self._sizes[slot] != 0:
            slot = (slot + 1) & (_SLOTS - 1)
        self._tails[slot] = tail
        self._sizes[slot] = size
        self._codes[slot] = code
        self._indexes[slot] = len(self._names)
        self._names.append(name)

    def code(self, body: bytes, pos: i64, size: i64) -> i64:
        """The code of the `size` bytes at `pos`. Raises IndexError."""
        if size < _WORD:
            return self._short.get(body[pos : pos + size], 0)
        tail = read_i64_le(body, pos + size - _WORD)
        slot = _slot(tail, size)
        sizes = self._sizes
        while sizes[slot] != 0:
            if (
                sizes[slot] == size
                and self._tails[slot] == tail
                and same(self._names[self._indexes[slot]], body, pos, size)
            ):
                return self._codes[slot]
            slot = (slot + 1) & (_SLOTS - 1)
        return 0


class Interned:
    """A value that some bytes were decoded to, as a text and as a list of texts, and a hash of the bytes."""

    __slots__ = ("hash", "raw", "text", "texts")

    def __init__(self, raw: bytes, text: str | None, texts: tuple[str, ...]) -> None:
        self.raw = raw
        self.text = text
        self.texts = texts
        self.hash: i64 = _slot_of(raw, 0, len(raw)) + 1


class InternTable:
    """Values of recent byte strings, so that one that repeats is decoded once.

    A slot has one; another with the same hash replaces it, so senders' inventions cost no memory. Safe to use
    from several threads: a slot changes at once.
    """

    def __init__(self) -> None:
        self._slots: list[Interned] = [Interned(b"", None, ())] * _SLOTS

    def find(self, body: bytes, pos: i64, size: i64) -> Interned | None:
        """The value of the `size` bytes at `pos`, if it is here."""
        found = self._slots[_slot_of(body, pos, size)]
        return found if len(found.raw) == size and same(found.raw, body, pos, size) else None

    def put(self, value: Interned) -> None:
        self._slots[_slot_of(value.raw, 0, len(value.raw))] = value


def same(name: bytes, body: bytes, pos: i64, size: i64) -> bool:
    """Whether the `size` bytes at `pos` are `name`, which is as long."""
    at: i64 = 0
    while at + _WORD <= size:
        if read_i64_le(name, at) != read_i64_le(body, pos + at):
            return False
        at += _WORD
    while at < size:
        if name[at] != body[pos + at]:
            return False
        at += 1
    return True


def _slot_of(body: bytes, pos: i64, size: i64) -> i64:
    """A slot by all of the bytes: the versions of a model share their beginning, their end and their length."""
    number: i64 = 0
    at: i64 = 0
    if size < _WORD:
        while at < size:
            number = (number << 7) ^ i64(body[pos + at])
            at += 1
        return _slot(number, size)
    while at + _WORD < size:
        number = _mix(number, read_i64_le(body, pos + at))
        at += _WORD
    # The last word may overlap the one before.
    return _slot(_mix(number, read_i64_le(body, pos + size - _WORD)), size)


def _mix(number: i64, word: i64) -> i64:
    return spread(number ^ word ^ (word >> 32))


def _slot(number: i64, size: i64) -> i64:
    return spread(number ^ (number >> 32) ^ (size * 0x9E37)) & (_SLOTS - 1)
