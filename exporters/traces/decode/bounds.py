"""Limits on the items of a request, counted before decoding: two bytes of a body may become hundreds in memory.

Counting stops at the limit, so that what is refused costs little. What cannot be counted within a part of a request is
counted as if it were as many fields as it could be: that part is refused when it is read, and only that part. Plain
typed functions, as in `protobuf`.
"""

from __future__ import annotations

import re
from typing import Any, Final

from google.protobuf.message import Message

from exporters.traces.decode.protobuf import CUT_OFF, NUMBERS, Malformed, delimited, skip_field, varint

# Fields or objects per item of a request. An attribute is four fields in protobuf and two objects in JSON, so this
# allows 16 or 30 attributes for each of `collector.max_spans` items, and thousands for each of the 512 that SDKs send.
EACH: Final = 64
# Even if few items are allowed, one may be a long conversation.
LEAST: Final = 64_000
# The limit of protobuf's own parser.
_MAX_DEPTH: Final = 100
_LIST: Final = "opentelemetry.proto.common.v1.ArrayValue"
_RECORD: Final = "opentelemetry.proto.logs.v1.LogRecord"
_GROUPS: Final = ("opentelemetry.proto.logs.v1.ResourceLogs", "opentelemetry.proto.logs.v1.ScopeLogs")
# The beginning of an object, of a list, or of a further item in one, outside string literals.
_BEGIN: Final = re.compile(rb'(?:[^"{\[,]++|"(?:[^"\\]++|\\.)*+")*+[{\[,]', re.DOTALL)
# An attribute in JSON has one comma for each of its two objects, or fewer.
_COMMAS: Final = 2

# The type of each message field, by the name of the enclosing message and the field's tag.
_inner: Final[dict[str, dict[int, str]]] = {}


class TooMany(ValueError):
    """A request with too many items; the text says of which kind."""


def bound(most: int) -> int:
    """How many fields or objects a request of at most `most` items may have."""
    return max(most * EACH, LEAST)


def json(body: bytes, most: int) -> None:
    """Raises TooMany for JSON with more objects, lists and items in them than `most` items can have."""
    limit = bound(most) * _COMMAS
    # If the count including string literals is within the bound, there is no need to exclude them.
    if body.count(b"{") + body.count(b"[") + body.count(b",") <= limit:
        return
    seen = 0
    found = _BEGIN.match(body)
    while found is not None:
        seen += 1
        if seen > limit:
            raise TooMany(f"more than {limit} objects, lists and items in one request")
        found = _BEGIN.match(body, found.end())


def spans(body: bytes, kind: type[Message], most: int) -> None:
    """Raises TooMany for an ExportTraceServiceRequest with more fields than `most` spans can have.

    Raises Malformed for what has no parts. A field takes two bytes at least, so most bodies need no counting.
    """
    if len(body) > 2 * bound(most):
        _counted(body, kind, most, "", "spans")


def logs(body: bytes, kind: type[Message], most: int) -> None:
    """Raises TooMany for an ExportLogsServiceRequest with more than `most` records, or more fields than those can have.

    Raises Malformed for what has no parts.
    """
    _counted(body, kind, most, _RECORD, "logs")


def _counted(body: bytes, kind: type[Message], most: int, record: str, items: str) -> None:
    message: Any = kind.DESCRIPTOR
    _learn(message)
    try:
        _count(body, message.full_name, most, record, items)
    except IndexError as error:
        raise Malformed(CUT_OFF) from error


def _count(body: bytes, request: str, most: int, record: str, items: str) -> None:
    records = fields = 0
    limit = bound(most)
    # A field takes two bytes at least: a shorter body cannot have too many, so its records need no look inside.
    is_deep = len(body) > 2 * limit
    # Where to continue after a nested message ends, outermost first.
    outer: list[tuple[int, int, dict[int, str]]] = []
    pos, end, inner = 0, len(body), _inner[request]
    lists = _inner.get(_LIST)
    while True:
        if pos >= end:
            if not outer:
                return
            pos, end, inner = outer.pop()
            continue
        fields += 1
        _expect(fields, limit, items)
        if inner is lists and (numbers := NUMBERS.match(body, pos, end)) is not None:
            # Eleven bytes each, which become three times as many: a vector is no more than its bytes.
            pos = numbers.end()
            continue
        try:
            begin, stop, nested = _field(body, pos, end, inner)
            if nested and len(outer) > _MAX_DEPTH:
                raise Malformed("values are nested too deeply")
        except (IndexError, Malformed):
            if not outer:
                raise
            fields += (end - pos) // 2
            _expect(fields, limit, items)
            pos = end
            continue
        if nested == record and record:
            records += 1
            if records > most:
                raise TooMany(f"more than {most} log records in one request (collector.max_spans)")
        if nested and stop > begin and (is_deep or nested in _GROUPS):
            outer.append((stop, end, inner))
            pos, end, inner = begin, stop, _inner[nested]
        else:
            pos = stop


def _expect(fields: int, limit: int, items: str) -> None:
    if fields > limit:
        raise TooMany(f"more than {limit} fields in one request of {items} (from collector.max_spans)")


def _field(body: bytes, pos: int, end: int, inner: dict[int, str]) -> tuple[int, int, str]:
    """Where the value of the field at `pos` begins and ends, and its type if it is a message."""
    tag, at = varint(body, pos)
    if tag & 7 != 2:
        return at, skip_field(body, pos, end), ""
    begin, stop = delimited(body, at, end)
    return begin, stop, inner.get(tag, "")


def _learn(message: Any) -> None:
    if message.full_name in _inner:
        return
    fields: dict[int, str] = {}
    _inner[message.full_name] = fields
    for field in message.fields:
        if field.message_type is not None:
            fields[field.number << 3 | 2] = field.message_type.full_name
            _learn(field.message_type)
