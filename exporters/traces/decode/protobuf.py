"""Spans straight out of a request's bytes: protobuf's wire format, opentelemetry-proto trace/v1, and nothing else.

It builds no message objects in between, which is most of the time that reading costs. Plain typed functions over
`bytes` and `int`, so that mypyc can compile this file as it is; protobuf's own parser is the oracle in the tests.
Fields that are not read are skipped unseen, fields of an unexpected wire type too, as protobuf has it.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from librt.strings import read_f64_le
from librt.vecs import append, vec
from mypy_extensions import i64

from exporters.traces.decode.spans import Event, Span, Value

MAX_DEPTH: Final = 90
CUT_OFF: Final = "the message is cut off or holds text that is not UTF-8"
_MAX_KEYS: Final = 4096
_MAX_KEY: Final = 128
# An empty item takes two bytes here and a hundred times as many once it is read; a packed body of them takes nearly
# none. No honest message has so many attributes, list items, scopes or resources, nor so much to say of a resource.
MAX_ITEMS: Final = 100_000
MAX_RESOURCE: Final = 256 * 1024

_double: Final = Struct("<d").unpack_from
_fixed64: Final = Struct("<Q").unpack_from
# Attribute names repeat without end: each is decoded once.
_keys: Final[dict[bytes, str]] = {}


class Malformed(ValueError):
    """Bytes that are no such message."""


class Source:
    """The bytes that spans came in, as they came, and what all of them share.

    `body` is in an `encoding` if that is not empty, and of `size` bytes without it.
    """

    __slots__ = ("body", "encoding", "resource", "resource_size", "scope", "size")

    def __init__(self, body: bytes, scope: str, resource: dict[str, Value], resource_size: int = 0) -> None:
        self.body = body
        self.encoding = ""
        self.size = len(body)
        self.scope = scope
        self.resource = resource
        self.resource_size = resource_size


class Group:
    """Where the spans of one resource and scope stand in a request's plain bytes: from `starts` to `ends`."""

    __slots__ = ("body", "ends", "source", "starts")

    def __init__(self, body: bytes, source: Source) -> None:
        self.body = body
        self.source = source
        self.starts: vec[i64] = vec[i64]()
        self.ends: vec[i64] = vec[i64]()

    def span(self, index: int) -> Span:
        """That span, read in full. Raises Malformed."""
        source = self.source
        try:
            return _span(self.body, self.starts[index], self.ends[index], source.scope, source.resource)
        except (IndexError, UnicodeDecodeError) as error:
            raise Malformed(CUT_OFF) from error

    def part(self, index: int) -> Group:
        """A copy of that span alone: it does not hold the whole request in memory."""
        return alone(self.body, self.starts[index], self.ends[index], self.source)


def alone(body: bytes, start: int, end: int, source: Source) -> Group:
    """One span of a body as a group of its own."""
    span = body[start:end]
    group = Group(span, Source(span, source.scope, source.resource, source.resource_size))
    group.starts = vec[i64]([0])
    group.ends = vec[i64]([len(span)])
    return group


def split(body: bytes, most: int) -> tuple[list[Group], int]:
    """Where the first `most` spans of an ExportTraceServiceRequest are, and how many there are. Raises Malformed."""
    found: list[Group] = []
    seen = 0
    try:
        for start, end in _children(body, 0, len(body), 0x0A):
            seen = _resource_spans(body, start, end, found, seen, most)
    except (IndexError, UnicodeDecodeError) as error:
        raise Malformed(CUT_OFF) from error
    return found, seen


def read(body: bytes, most: int) -> tuple[list[Span], int]:
    """The first `most` spans, read in full, and how many there are. Raises Malformed."""
    groups, seen = split(body, most)
    return [group.span(index) for group in groups for index in range(len(group.starts))], seen


def _resource_spans(body: bytes, pos: int, end: int, found: list[Group], seen: int, most: int) -> int:
    resource: dict[str, Value] = {}
    resource_size = 0
    # A resource may stand behind its spans.
    for start, stop in _children(body, pos, end, 0x0A):
        resource_size += stop - start
        if resource_size > MAX_RESOURCE:
            raise Malformed(f"a resource's attributes are larger than {MAX_RESOURCE} bytes")
        _attributes(body, start, stop, 0x0A, resource)
    for start, stop in _children(body, pos, end, 0x12):
        scope = ""
        for at, until in _children(body, start, stop, 0x0A):
            for first, last in _children(body, at, until, 0x0A):
                scope = body[first:last].decode()
        if len(found) == MAX_ITEMS:
            raise Malformed(f"more than {MAX_ITEMS} scopes")
        group = Group(body, Source(body, scope, resource, resource_size))
        seen += _spans(group, start, stop, most - seen)
        found.append(group)
    return seen


def _spans(group: Group, pos: i64, end: i64, most: int) -> int:
    """Find the first `most` spans of a scope's bytes; returns how many it has."""
    body = group.body
    starts, ends = group.starts, group.ends
    seen: i64 = 0
    wanted: i64 = max(most, 0)
    while pos < end:
        tag: i64 = body[pos]
        pos += 1
        if tag == 0x12:
            size: i64 = body[pos]
            pos += 1
            if size >= 0x80:
                size, pos = length(body, pos - 1)
            if pos + size > end:
                raise Malformed("a field is longer than its message")
            if seen < wanted:
                starts = append(starts, pos)
                ends = append(ends, pos + size)
            seen += 1
            pos += size
        else:
            pos = past(body, pos - 1, end)
    if pos > end:
        raise Malformed("a field is longer than its message")
    group.starts, group.ends = starts, ends
    return seen


def past(body: bytes, pos: int, end: int) -> int:
    """Past a field, whatever it is."""
    tag, pos = varint(body, pos)
    return _range(body, pos, end)[1] if tag & 7 == 2 else _skip(body, pos, tag)


def length(body: bytes, pos: i64) -> tuple[i64, i64]:
    """A length, and where it ends."""
    first: i64 = body[pos]
    if first < 0x80:
        return first, pos + 1
    second: i64 = body[pos + 1]
    if second < 0x80:
        return (first & 0x7F) | (second << 7), pos + 2
    size, stop = varint(body, pos)
    if size > len(body):
        raise Malformed("a field is longer than its message")
    return size, stop


def _span(body: bytes, pos: i64, end: i64, scope: str, resource: dict[str, Value]) -> Span:
    begin = pos
    trace_id = span_id = parent = b""
    name = message = ""
    kind = start_ns = end_ns = status = dropped_attributes = dropped_events = 0
    attributes: dict[str, Value] = {}
    events: list[Event] = []
    items: i64 = 0
    while pos < end:
        tag: i64 = body[pos]
        pos += 1
        if tag >= 0x80:
            tag, pos = varint(body, pos - 1)
        if tag & 7 == 2:
            size: i64 = body[pos]
            pos += 1
            if size >= 0x80:
                size, pos = length(body, pos - 1)
            stop = pos + size
            if stop > end:
                raise Malformed("a field is longer than its message")
            items += 1
            if items > MAX_ITEMS:
                raise Malformed(f"a span has more than {MAX_ITEMS} attributes and events")
            if tag == 0x4A:
                key, held = _pair(body, pos, stop, 0)
                attributes[key] = held
            elif tag == 0x0A:
                trace_id = body[pos:stop]
            elif tag == 0x12:
                span_id = body[pos:stop]
            elif tag == 0x22:
                parent = body[pos:stop]
            elif tag == 0x2A:
                name = body[pos:stop].decode()
            elif tag == 0x5A:
                events.append(_event(body, pos, stop))
            elif tag == 0x7A:
                message, status = _status(body, pos, stop, message, status)
            pos = stop
        elif tag == 0x39:
            start_ns = _u64(body, pos, end)
            pos += 8
        elif tag == 0x41:
            end_ns = _u64(body, pos, end)
            pos += 8
        elif tag == 0x30:
            kind, pos = varint(body, pos)
        elif tag == 0x50:
            dropped_attributes, pos = varint(body, pos)
        elif tag == 0x60:
            dropped_events, pos = varint(body, pos)
        else:
            pos = _skip(body, pos, tag)
    if pos > end:
        raise Malformed("a field is longer than its message")
    return Span(
        trace_id, span_id, parent, name, kind, start_ns, end_ns, status, message, scope,
        attributes, resource, tuple(events), dropped_attributes & 0xFFFFFFFF, dropped_events & 0xFFFFFFFF,
        end - begin,
    )  # fmt: skip


def _event(body: bytes, pos: int, end: int) -> Event:
    name, time_ns = "", 0
    attributes: dict[str, Value] = {}
    while pos < end:
        tag, pos = varint(body, pos)
        if tag == 0x09:
            time_ns = _u64(body, pos, end)
            pos += 8
        elif tag & 7 == 2:
            start, pos = _range(body, pos, end)
            if tag == 0x12:
                name = body[start:pos].decode()
            elif tag == 0x1A:
                key, value = _pair(body, start, pos, 0)
                attributes[key] = value
        else:
            pos = _skip(body, pos, tag)
    return Event(name, time_ns, attributes)


def _status(body: bytes, pos: int, end: int, message: str, code: int) -> tuple[str, int]:
    while pos < end:
        tag, pos = varint(body, pos)
        if tag == 0x18:
            code, pos = varint(body, pos)
        elif tag & 7 == 2:
            start, pos = _range(body, pos, end)
            if tag == 0x12:
                message = body[start:pos].decode()
        else:
            pos = _skip(body, pos, tag)
    return message, code


def _attributes(body: bytes, pos: int, end: int, tag: int, into: dict[str, Value]) -> None:
    for start, stop in _children(body, pos, end, tag):
        key, value = _pair(body, start, stop, 0)
        into[key] = value


def _pair(body: bytes, pos: i64, end: i64, depth: int) -> tuple[str, Value]:
    """A KeyValue. Every SDK writes a short name and then one plain value: that shape is read without further calls."""
    size: i64 = 0x80
    if end - pos > 6 and body[pos] == 0x0A:
        size = body[pos + 1]
    at = pos + 2 + size
    if size < 0x80 and at + 4 <= end and body[at] == 0x12:
        held: i64 = body[at + 1]
        start = at + 2
        if held >= 0x80:
            held, start = length(body, at + 1)
        if start + held == end and held > 1:
            name = _key(body[pos + 2 : at])
            tag: i64 = body[start]
            first: i64 = body[start + 1]
            if tag == 0x0A:
                text = start + 2
                if first >= 0x80:
                    first, text = length(body, start + 1)
                if text + first == end:
                    return name, body[text:end].decode()
            elif held == 2 and first < 0x80 and tag == 0x18:
                return name, int(first)
            elif held == 2 and first < 0x80 and tag == 0x10:
                return name, first != 0
            elif held == 9 and tag == 0x21:
                return name, read_f64_le(body, start + 1)
            return name, any_value(body, start, end, depth)
    return _any_pair(body, pos, end, depth)


def _any_pair(body: bytes, pos: int, end: int, depth: int) -> tuple[str, Value]:
    key = ""
    value: Value = None
    while pos < end:
        tag, pos = varint(body, pos)
        if tag & 7 != 2:
            pos = _skip(body, pos, tag)
            continue
        start, pos = _range(body, pos, end)
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
    if depth > MAX_DEPTH:
        raise Malformed("values are nested too deeply")
    value: Value = None
    while pos < end:
        tag, pos = varint(body, pos)
        if tag & 7 == 2:
            start, pos = _range(body, pos, end)
            if tag == 0x0A:
                value = body[start:pos].decode()
            elif tag == 0x2A:
                value = [any_value(body, at, until, depth + 1) for at, until in _children(body, start, pos, 0x0A)]
            elif tag == 0x32:
                held: dict[str, Value] = {}
                for at, until in _children(body, start, pos, 0x0A):
                    name, inner = _pair(body, at, until, depth + 1)
                    held[name] = inner
                value = held
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
            pos = _skip(body, pos, tag)
    if pos > end:
        raise Malformed("a field is longer than its message")
    return value


def _children(body: bytes, pos: int, end: int, wanted: int) -> list[tuple[int, int]]:
    """Where the fields with that tag begin and end."""
    found: list[tuple[int, int]] = []
    while pos < end:
        tag, pos = varint(body, pos)
        if tag & 7 == 2:
            start, pos = _range(body, pos, end)
            if tag == wanted:
                if len(found) == MAX_ITEMS:
                    raise Malformed(f"a field comes more than {MAX_ITEMS} times in one message")
                found.append((start, pos))
        else:
            pos = _skip(body, pos, tag)
    if pos > end:
        raise Malformed("a field is longer than its message")
    return found


def _range(body: bytes, pos: int, end: int) -> tuple[int, int]:
    size, pos = varint(body, pos)
    if pos + size > end:
        raise Malformed("a field is longer than its message")
    return pos, pos + size


def varint(body: bytes, pos: int) -> tuple[int, int]:
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


def _u64(body: bytes, pos: int, end: int) -> int:
    if pos + 8 > end:
        raise Malformed("a number is cut off")
    return int(_fixed64(body, pos)[0])


def _skip(body: bytes, pos: int, tag: int) -> int:
    """Past a field that is not wanted; its bounds are its message's, which the caller checks."""
    kind = tag & 7
    if tag >> 3 == 0:
        raise Malformed("a field has the number 0")
    if kind == 0:
        return varint(body, pos)[1]
    if kind == 1:
        return pos + 8
    if kind == 5:
        return pos + 4
    if kind == 2:
        size, pos = varint(body, pos)
        return pos + size
    raise Malformed("groups are not used here")
