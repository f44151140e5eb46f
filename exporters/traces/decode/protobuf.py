"""Protobuf's wire format, read in place, and OTLP's attributes and values (opentelemetry-proto, common/v1).

No message objects are built, which is most of what reading costs. Plain typed functions over `bytes` and `int`, so that
mypyc compiles this file as it is; protobuf's own parser is the oracle in the tests. Positions are of a message from
`pos` up to before `end`. Fields that are not read are skipped, and so are fields of an unexpected wire type, as
protobuf does.
"""

from __future__ import annotations

import re
from struct import Struct
from typing import Final

from librt.strings import read_f64_le
from mypy_extensions import i64

from exporters.traces.decode.spans import Value

MAX_DEPTH: Final = 90
CUT_OFF: Final = "the message is cut off or holds text that is not UTF-8"
TOO_LONG: Final = "a field is longer than its message"
_MAX_KEYS: Final = 4096
_MAX_KEY: Final = 128
# An empty item takes two bytes here and a hundred times as many once it is read; compressed, nearly none. No honest
# message has so many attributes, list items, scopes or resources.
MAX_ITEMS: Final = 100_000

# Items of a list that are doubles, each eleven bytes: vectors have thousands.
NUMBERS: Final = re.compile(rb"(?:\n\t!.{8})++", re.DOTALL)
_NUMBER_SIZE: Final = 11

_numbers: Final = Struct("<3xd").iter_unpack
_double: Final = Struct("<d").unpack_from
_fixed64: Final = Struct("<Q").unpack_from
# Attribute names repeat all the time: each is decoded once.
_keys: Final[dict[bytes, str]] = {}


class Malformed(ValueError):
    """Bytes that are not a valid message."""


def skip_field(body: bytes, pos: int, end: int) -> int:
    """The end of the field at `pos`, whatever its type."""
    tag, pos = varint(body, pos)
    return delimited(body, pos, end)[1] if tag & 7 == 2 else skip_value(body, pos, tag)


def length(body: bytes, pos: i64) -> tuple[i64, i64]:
    """A length, and where its own bytes end."""
    first: i64 = body[pos]
    if first < 0x80:
        return first, pos + 1
    second: i64 = body[pos + 1]
    if second < 0x80:
        return (first & 0x7F) | (second << 7), pos + 2
    size, stop = varint(body, pos)
    if size > len(body):
        raise Malformed(TOO_LONG)
    return size, stop


def key_value(body: bytes, pos: i64, end: i64, depth: int) -> tuple[str, Value]:
    """An attribute. Every SDK writes a short name and then one plain value: that form is read without further calls."""
    size: i64 = 0x80
    if end - pos > 6 and body[pos] == 0x0A:
        size = body[pos + 1]
    at = pos + 2 + size
    if size < 0x80 and at + 4 <= end and body[at] == 0x12:
        value_size: i64 = body[at + 1]
        start = at + 2
        if value_size >= 0x80:
            value_size, start = length(body, at + 1)
        if start + value_size == end and value_size > 1:
            name = _key(body[pos + 2 : at])
            tag: i64 = body[start]
            first: i64 = body[start + 1]
            if tag == 0x0A:
                text = start + 2
                if first >= 0x80:
                    first, text = length(body, start + 1)
                if text + first == end:
                    return name, body[text:end].decode()
            elif value_size == 2 and first < 0x80 and tag == 0x18:
                return name, int(first)
            elif value_size == 2 and first < 0x80 and tag == 0x10:
                return name, first != 0
            elif value_size == 9 and tag == 0x21:
                return name, read_f64_le(body, start + 1)
            return name, any_value(body, start, end, depth)
    return _anykey_value(body, pos, end, depth)


def _anykey_value(body: bytes, pos: int, end: int, depth: int) -> tuple[str, Value]:
    key = ""
    value: Value = None
    while pos < end:
        tag, pos = varint(body, pos)
        if tag & 7 != 2:
            pos = skip_value(body, pos, tag)
            continue
        start, pos = delimited(body, pos, end)
        if tag == 0x0A:
            key = _key(body[start:pos])
        elif tag == 0x12:
            value = any_value(body, start, pos, depth)
    return key, value


def _key(raw: bytes) -> str:
    key = _keys.get(raw)
    if key is None:
        key = raw.decode()
        if len(raw) <= _MAX_KEY and len(_keys) < _MAX_KEYS:
            _keys[raw] = key
    return key


def any_value(body: bytes, pos: int, end: int, depth: int) -> Value:
    """An AnyValue, `depth` levels deep in others; None when none is set."""
    if depth > MAX_DEPTH:
        raise Malformed("values are nested too deeply")
    value: Value = None
    while pos < end:
        tag, pos = varint(body, pos)
        if tag & 7 == 2:
            start, pos = delimited(body, pos, end)
            if tag == 0x0A:
                value = body[start:pos].decode()
            elif tag == 0x2A:
                value = _list(body, start, pos, depth)
            elif tag == 0x32:
                pairs: dict[str, Value] = {}
                for at, until in children(body, start, pos, 0x0A):
                    name, inner = key_value(body, at, until, depth + 1)
                    pairs[name] = inner
                value = pairs
            elif tag == 0x3A:
                value = body[start:pos]
        elif tag == 0x18:
            number, pos = varint(body, pos)
            value = number - (1 << 64) if number >= 1 << 63 else number
        elif tag == 0x10:
            number, pos = varint(body, pos)
            value = number != 0
        elif tag == 0x21:
            if pos + 8 > end:
                raise Malformed("a number is cut off")
            value = float(_double(body, pos)[0])
            pos += 8
        else:
            pos = skip_value(body, pos, tag)
    if pos > end:
        raise Malformed(TOO_LONG)
    return value


def _list(body: bytes, pos: int, end: int, depth: int) -> list[Value]:
    """The items of an ArrayValue."""
    if 0 < end - pos <= MAX_ITEMS * _NUMBER_SIZE and NUMBERS.fullmatch(body, pos, end) is not None:
        return [float(number) for (number,) in _numbers(body[pos:end])]
    return [any_value(body, at, until, depth + 1) for at, until in children(body, pos, end, 0x0A)]


def children(body: bytes, pos: int, end: int, wanted: int) -> list[tuple[int, int]]:
    """Where the messages of the fields with that tag begin and end."""
    found: list[tuple[int, int]] = []
    while pos < end:
        tag, pos = varint(body, pos)
        if tag & 7 == 2:
            start, pos = delimited(body, pos, end)
            if tag == wanted:
                if len(found) == MAX_ITEMS:
                    raise Malformed(f"a field comes more than {MAX_ITEMS} times in one message")
                found.append((start, pos))
        else:
            pos = skip_value(body, pos, tag)
    if pos > end:
        raise Malformed(TOO_LONG)
    return found


def delimited(body: bytes, pos: int, end: int) -> tuple[int, int]:
    """Where the value of a length-delimited field begins and ends."""
    size, pos = varint(body, pos)
    if pos + size > end:
        raise Malformed(TOO_LONG)
    return pos, pos + size


def varint(body: bytes, pos: int) -> tuple[int, int]:
    """A number, and where it ends."""
    byte = body[pos]
    pos += 1
    if byte < 0x80:
        return byte, pos
    value, shift = byte & 0x7F, 7
    while shift < 70:
        byte = body[pos]
        pos += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, pos
        shift += 7
    raise Malformed("a number has more than ten bytes")


def fixed64(body: bytes, pos: int, end: int) -> int:
    if pos + 8 > end:
        raise Malformed("a number is cut off")
    return int(_fixed64(body, pos)[0])


def skip_value(body: bytes, pos: int, tag: int) -> int:
    """Where the value of a field with this tag ends. The caller checks that this is within the message."""
    wire_type = tag & 7
    if tag >> 3 == 0:
        raise Malformed("a field has the number 0")
    if wire_type == 0:
        return varint(body, pos)[1]
    if wire_type == 1:
        return pos + 8
    if wire_type == 5:
        return pos + 4
    if wire_type == 2:
        size, pos = varint(body, pos)
        return pos + size
    raise Malformed("groups are not used here")
