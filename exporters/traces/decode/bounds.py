"""How much a request holds, counted before it is read: two bytes of a body may become hundreds in memory.

Spans need none of this on the wire, for they are never read all at once. Plain typed functions, as in `wire`.
"""

from __future__ import annotations

import re
from typing import Any, Final

from google.protobuf.message import Message

from exporters.traces.decode.protobuf import CUT_OFF, TOO_LONG, Malformed, skip_field, varint

# For each item that a request may have. An attribute takes four fields on the wire and two objects in JSON, so this is
# 16 or 30 attributes for every one of `collector.max_spans` items, and thousands for each of the 512 that SDKs send.
EACH: Final = 64
# Where few items are allowed, one may still be a long conversation.
LEAST: Final = 64_000
# Protobuf's own parser ends at 100.
_MAX_DEPTH: Final = 100
_RECORD: Final = "opentelemetry.proto.logs.v1.LogRecord"
_GROUPS: Final = ("opentelemetry.proto.logs.v1.ResourceLogs", "opentelemetry.proto.logs.v1.ScopeLogs")
# An object's or list's beginning that stands in no text.
_BEGIN: Final = re.compile(rb'(?:[^"{\[]++|"(?:[^"\\]++|\\.)*+")*+[{\[]', re.DOTALL)

# Which message a field holds, by the name of the message that it stands in and its tag.
_inner: Final[dict[str, dict[int, str]]] = {}


class TooMany(ValueError):
    """More than a request may hold; the text says of what."""


def json(body: bytes, most: int) -> None:
    """Raises TooMany for JSON with more objects and lists than `most` items can have."""
    bound = max(most * EACH, LEAST)
    # Where it is not passed with all that stands in texts, there is no need to tell them apart.
    if body.count(b"{") + body.count(b"[") <= bound:
        return
    seen = 0
    found = _BEGIN.match(body)
    while found is not None:
        seen += 1
        if seen > bound:
            raise TooMany(f"more than {bound} objects and lists in one request (from collector.max_spans)")
        found = _BEGIN.match(body, found.end())


def logs(body: bytes, kind: type[Message], most: int) -> None:
    """Raises TooMany for an ExportLogsServiceRequest with more than `most` records or than they can hold.

    Raises Malformed for what cannot be counted.
    """
    message: Any = kind.DESCRIPTOR
    _learn(message)
    try:
        _count(body, message.full_name, most)
    except IndexError as error:
        raise Malformed(CUT_OFF) from error


def _count(body: bytes, request: str, most: int) -> None:
    records = fields = 0
    bound = max(most * EACH, LEAST)
    # A field takes two bytes: what is in the records of a shorter body cannot be too much.
    is_deep = len(body) > 2 * bound
    # Where to go on when a message ends, outermost first.
    outer: list[tuple[int, int, dict[int, str]]] = []
    pos, end, inner = 0, len(body), _inner[request]
    while True:
        if pos >= end:
            if not outer:
                return
            pos, end, inner = outer.pop()
            continue
        fields += 1
        if fields > bound:
            raise TooMany(f"more than {bound} fields in one request of logs (from collector.max_spans)")
        tag, at = varint(body, pos)
        if tag & 7 != 2:
            pos = skip_field(body, pos, end)
            continue
        size, at = varint(body, at)
        pos = at + size
        if pos > end:
            raise Malformed(TOO_LONG)
        held = inner.get(tag)
        if held is None:
            continue
        if held == _RECORD:
            records += 1
            if records > most:
                raise TooMany(f"more than {most} log records in one request (collector.max_spans)")
        if size and (is_deep or held in _GROUPS):
            if len(outer) > _MAX_DEPTH:
                raise Malformed("values are nested too deeply")
            outer.append((pos, end, inner))
            pos, end, inner = at, pos, _inner[held]


def _learn(message: Any) -> None:
    if message.full_name in _inner:
        return
    fields: dict[int, str] = {}
    _inner[message.full_name] = fields
    for field in message.fields:
        if field.message_type is not None:
            fields[field.number << 3 | 2] = field.message_type.full_name
            _learn(field.message_type)
