"""Spans from the bytes of an ExportTraceServiceRequest (opentelemetry-proto, trace/v1).

A request is split into groups first, which only record where each span begins and ends; a span is decoded when it is
needed. Protobuf's own parser is the oracle in the tests.
"""

from __future__ import annotations

from typing import Final

from librt.vecs import append, vec
from mypy_extensions import i64

from exporters.traces.decode.faults import Faults
from exporters.traces.decode.protobuf import (
    CUT_OFF,
    MAX_ITEMS,
    TOO_LONG,
    Malformed,
    children,
    delimited,
    fixed64,
    key_value,
    length,
    skip_field,
    skip_value,
    varint,
)
from exporters.traces.decode.spans import Event, Span, Value

# No honest resource is larger.
MAX_RESOURCE: Final = 256 * 1024


class Source:
    """The body that spans came in, and what they have in common.

    `body` is compressed as `encoding` says, if that is not empty; `size` is its size in plain bytes.
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
    """Where the spans of one resource and scope are in a request's plain bytes: from `starts` up to before `ends`."""

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
        """A copy of that span alone, which does not keep the whole request in memory."""
        return alone(self.body, self.starts[index], self.ends[index], self.source)


def alone(body: bytes, start: int, end: int, source: Source) -> Group:
    """One span of a body, copied, as a group of its own."""
    span = body[start:end]
    group = Group(span, Source(span, source.scope, source.resource, source.resource_size))
    group.starts = vec[i64]([0])
    group.ends = vec[i64]([len(span)])
    return group


def split(body: bytes, most: int, faults: Faults | None = None) -> tuple[list[Group], int]:
    """Where the first `most` spans of an ExportTraceServiceRequest are, and how many there are.

    Of a resource or a scope that cannot be read all spans go to `faults`. Raises Malformed where none are given, and
    for what has no resources at all.
    """
    found: list[Group] = []
    seen = 0
    try:
        for start, end in children(body, 0, len(body), 0x0A):
            before = len(found)
            try:
                seen = _resource_spans(body, start, end, found, seen, most, faults)
            except (IndexError, UnicodeDecodeError, Malformed) as error:
                if faults is None:
                    raise
                del found[before:]
                faults.add(_why(error), max(1, items(body, start, end)))
    except (IndexError, UnicodeDecodeError) as error:
        raise Malformed(CUT_OFF) from error
    return found, seen


def read(body: bytes, most: int) -> tuple[list[Span], int]:
    """The first `most` spans, read in full, and how many there are. Raises Malformed."""
    groups, seen = split(body, most)
    return [group.span(index) for group in groups for index in range(len(group.starts))], seen


def items(body: bytes, pos: int, end: int) -> int:
    """How many spans or log records a resource has, as far as that can be told."""
    found = 0
    try:
        for start, stop in children(body, pos, end, 0x12):
            found += _within(body, start, stop)
    except (IndexError, Malformed):
        pass
    return found


def _within(body: bytes, pos: int, end: int) -> int:
    """How many spans or log records a scope has, as far as that can be told."""
    try:
        return len(children(body, pos, end, 0x12))
    except (IndexError, Malformed):
        return 0


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, Malformed) else CUT_OFF


def _resource_spans(
    body: bytes, pos: int, end: int, found: list[Group], seen: int, most: int, faults: Faults | None
) -> int:
    resource: dict[str, Value] = {}
    resource_size = 0
    bad = Faults()
    # A resource may come after its spans.
    for start, stop in children(body, pos, end, 0x0A):
        resource_size += stop - start
        if resource_size > MAX_RESOURCE:
            raise Malformed(f"a resource's attributes are larger than {MAX_RESOURCE} bytes")
        _attributes(body, start, stop, 0x0A, resource)
    for start, stop in children(body, pos, end, 0x12):
        try:
            group = Group(body, Source(body, _scope(body, start, stop), resource, resource_size))
            here = _spans(group, start, stop, most - seen)
        except (IndexError, UnicodeDecodeError, Malformed) as error:
            if faults is None:
                raise
            bad.add(_why(error), max(1, _within(body, start, stop)))
            continue
        if len(found) == MAX_ITEMS:
            raise Malformed(f"more than {MAX_ITEMS} scopes")
        seen += here
        found.append(group)
    if faults is not None:
        faults.join(bad)
    return seen


def _scope(body: bytes, pos: int, end: int) -> str:
    """The scope's name."""
    scope = ""
    for start, stop in children(body, pos, end, 0x0A):
        for first, last in children(body, start, stop, 0x0A):
            scope = body[first:last].decode()
    return scope


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
                raise Malformed(TOO_LONG)
            if seen < wanted:
                starts = append(starts, pos)
                ends = append(ends, pos + size)
            seen += 1
            pos += size
        else:
            pos = skip_field(body, pos - 1, end)
    if pos > end:
        raise Malformed(TOO_LONG)
    group.starts, group.ends = starts, ends
    return seen


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
                raise Malformed(TOO_LONG)
            items += 1
            if items > MAX_ITEMS:
                raise Malformed(f"a span has more than {MAX_ITEMS} attributes and events")
            if tag == 0x4A:
                key, value = key_value(body, pos, stop, 0)
                attributes[key] = value
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
            start_ns = fixed64(body, pos, end)
            pos += 8
        elif tag == 0x41:
            end_ns = fixed64(body, pos, end)
            pos += 8
        elif tag == 0x30:
            kind, pos = varint(body, pos)
        elif tag == 0x50:
            dropped_attributes, pos = varint(body, pos)
        elif tag == 0x60:
            dropped_events, pos = varint(body, pos)
        else:
            pos = skip_value(body, pos, tag)
    if pos > end:
        raise Malformed(TOO_LONG)
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
            time_ns = fixed64(body, pos, end)
            pos += 8
        elif tag & 7 == 2:
            start, pos = delimited(body, pos, end)
            if tag == 0x12:
                name = body[start:pos].decode()
            elif tag == 0x1A:
                key, value = key_value(body, start, pos, 0)
                attributes[key] = value
        else:
            pos = skip_value(body, pos, tag)
    return Event(name, time_ns, attributes)


def _status(body: bytes, pos: int, end: int, message: str, code: int) -> tuple[str, int]:
    while pos < end:
        tag, pos = varint(body, pos)
        if tag == 0x18:
            code, pos = varint(body, pos)
        elif tag & 7 == 2:
            start, pos = delimited(body, pos, end)
            if tag == 0x12:
                message = body[start:pos].decode()
        else:
            pos = skip_value(body, pos, tag)
    return message, code


def _attributes(body: bytes, pos: int, end: int, tag: int, into: dict[str, Value]) -> None:
    for start, stop in children(body, pos, end, tag):
        key, value = key_value(body, start, stop, 0)
        into[key] = value
