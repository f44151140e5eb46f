"""Transcodes OTLP/JSON to protobuf by the messages' descriptors, so that only protobuf needs decoding.

OTLP's JSON is protobuf's with ids in hexadecimal and enums as numbers (OTLP specification, JSON Protobuf encoding).
Lenient forms are accepted: 64-bit integers as numbers or strings, NaN as a number, `null` for an absent field, enum
names, unknown fields. Anything else is refused, naming the field: with its span or log record, or with all those of its
resource or scope. Bytes that are no UTF-8 stay what they are, so that what is read of them is refused as in protobuf.
"""

from __future__ import annotations

import base64
import codecs
import json
from struct import pack
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from pydantic_core import from_json

from exporters.traces.decode.faults import Faults

ID_FIELDS: Final = ("trace_id", "span_id", "parent_span_id")
# What is refused by itself, and what holds it.
ITEMS: Final = ("spans", "log_records")
GROUPS: Final = ("resource_spans", "scope_spans", "resource_logs", "scope_logs")
# More than protobuf's readers take: each value within another is up to three messages.
MAX_LEVELS: Final = 300
# How texts are written: half of a surrogate pair as "?"; of a body with bytes that are no UTF-8, those as they came.
REPLACE: Final = "replace"
AS_RECEIVED: Final = "telltale.as_received"

_MESSAGE: Final = 0
_STRING: Final = 1
_VARINT: Final = 2
_DOUBLE: Final = 3
_FIXED64: Final = 4
_FIXED32: Final = 5
_BOOL: Final = 6
_ENUM: Final = 7
_BYTES: Final = 8
_ID: Final = 9
_KINDS: Final = {
    FieldDescriptor.TYPE_MESSAGE: _MESSAGE, FieldDescriptor.TYPE_STRING: _STRING, FieldDescriptor.TYPE_INT64: _VARINT,
    FieldDescriptor.TYPE_UINT64: _VARINT, FieldDescriptor.TYPE_INT32: _VARINT, FieldDescriptor.TYPE_UINT32: _VARINT,
    FieldDescriptor.TYPE_DOUBLE: _DOUBLE, FieldDescriptor.TYPE_FIXED64: _FIXED64,
    FieldDescriptor.TYPE_FIXED32: _FIXED32, FieldDescriptor.TYPE_BOOL: _BOOL, FieldDescriptor.TYPE_ENUM: _ENUM,
    FieldDescriptor.TYPE_BYTES: _BYTES,
}  # fmt: skip
_WIRE_TYPES: Final = (2, 2, 0, 1, 1, 5, 0, 0, 2, 2)
_BITS: Final = (1 << 64) - 1


class NotOtlp(ValueError):
    """JSON that is not a valid OTLP message; the text names the field and never includes its value."""


class _Field:
    """How a field is encoded."""

    __slots__ = ("is_list", "is_sized", "kind", "message", "name", "names", "tag")

    def __init__(self, field: Any) -> None:
        self.name: str = field.name
        self.kind = _ID if field.name in ID_FIELDS else _KINDS[field.type]
        self.tag = varint(field.number << 3 | _WIRE_TYPES[self.kind])
        self.is_sized = _WIRE_TYPES[self.kind] == 2
        self.is_list = bool(field.is_repeated)
        self.message: str = field.message_type.full_name if field.message_type else ""
        self.names: dict[str, int] = {one.name: one.number for one in field.enum_type.values} if field.enum_type else {}


# Fields by message name, then by their name in JSON and in the schema.
_messages: Final[dict[str, dict[str, _Field]]] = {}


def encode(body: bytes, kind: type[Message], faults: Faults | None = None) -> bytes:
    """The body as a message of that type in protobuf. Spans and log records that are none go to `faults`, if given.

    So do all those of a resource or scope that is none.

    Raises NotOtlp if it is not such a message, ValueError or RecursionError if it is not JSON.
    """
    message: Any = kind.DESCRIPTOR
    _learn(message)
    errors = REPLACE
    try:
        # Faster than the standard library, which also accepts the lone surrogates that JavaScript leaves in cut text.
        tree = from_json(body, cache_strings="all")
    except ValueError:
        # As UTF-8 (RFC 8259, 8.1), as `bounds` counted it: from bytes, the library would guess other encodings.
        try:
            text = body.decode("utf-8-sig", "surrogatepass")
        except UnicodeDecodeError:
            text, errors = body.decode("utf-8-sig", "surrogateescape"), AS_RECEIVED
        tree = json.loads(text)
    return _message(tree, _messages[message.full_name], message.name, faults, errors, 0)


def _as_received(error: UnicodeError) -> tuple[bytes, int]:
    """The bytes that `surrogateescape` made surrogates of; "?" for others."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    codes = [ord(one) for one in error.object[error.start : error.end]]
    return bytes([code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else 0x3F for code in codes]), error.end


codecs.register_error(AS_RECEIVED, _as_received)


def _learn(message: Any) -> None:
    if message.full_name in _messages:
        return
    fields = _messages[message.full_name] = {}
    for field in message.fields:
        fields[field.json_name] = fields[field.name] = _Field(field)
        if field.message_type is not None:
            _learn(field.message_type)


def _message(
    tree: object, fields: dict[str, _Field], name: str, faults: Faults | None, errors: str, level: int
) -> bytes:
    if not isinstance(tree, dict):
        raise NotOtlp(f"{name} is no object")
    if level > MAX_LEVELS:
        raise NotOtlp("values are nested too deeply")
    parts: list[bytes] = []
    for key, value in tree.items():
        field = fields.get(key)
        if field is None or value is None:
            continue
        if field.is_list and not isinstance(value, list):
            raise NotOtlp(f"{field.name} is no list")
        for item in value if field.is_list else (value,):
            if faults is not None and (field.name in ITEMS or field.name in GROUPS):
                part = _part(item, field, faults, errors, level)
                if part is None:
                    continue
                written = part
            elif field.kind == _MESSAGE:
                written = _message(item, _messages[field.message], field.name, None, errors, level + 1)
            else:
                written = _scalar(item, field, errors)
            parts.append(field.tag)
            if field.is_sized:
                parts.append(varint(len(written)))
            parts.append(written)
    return b"".join(parts)


def _part(item: object, field: _Field, faults: Faults, errors: str, level: int) -> bytes | None:
    """A resource's part, a scope's, a span or a log record; None for one that is none, which goes to `faults`."""
    inner = None if field.name in ITEMS else Faults()
    try:
        written = _message(item, _messages[field.message], field.name, inner, errors, level + 1)
    except NotOtlp as error:
        faults.add(str(error), max(1, _items(item, field)))
        return None
    if inner is not None:
        faults.join(inner)
    return written


def _items(tree: object, field: _Field) -> int:
    """How many spans or log records there are in what this field holds."""
    if field.name in ITEMS:
        return 1
    found = 0
    fields = _messages[field.message]
    for key, value in tree.items() if isinstance(tree, dict) else ():
        part = fields.get(key)
        if part is not None and isinstance(value, list) and (part.name in ITEMS or part.name in GROUPS):
            for item in value:
                found += _items(item, part)
    return found


def _scalar(value: object, field: _Field, errors: str) -> bytes:
    """The encoded value, without its length prefix."""
    kind = field.kind
    if kind == _STRING:
        if not isinstance(value, str):
            raise NotOtlp(f"{field.name} is no text")
        return value.encode("utf-8", errors)
    if kind == _VARINT:
        return varint(_whole(value, field, 64) & _BITS)
    if kind == _DOUBLE:
        return pack("<d", _number(value, field))
    if kind == _BOOL:
        if not isinstance(value, bool):
            raise NotOtlp(f"{field.name} is neither true nor false")
        return b"\1" if value else b"\0"
    if kind == _FIXED64:
        return pack("<Q", _whole(value, field, 64) & _BITS)
    if kind == _ENUM and isinstance(value, str) and value in field.names:
        return varint(field.names[value])
    if kind == _ENUM:
        return varint(_whole(value, field, 32) & _BITS)
    if kind == _FIXED32:
        return pack("<I", _whole(value, field, 32) & 0xFFFFFFFF)
    return _bytes(value, field)


def varint(number: int) -> bytes:
    """A non-negative number, seven bits per byte."""
    if number < 0x80:
        return bytes((number,))
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _whole(value: object, field: _Field, bits: int) -> int:
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError
        number = int(value)
        if isinstance(value, float) and number != value:
            raise ValueError
    except (ValueError, OverflowError):
        raise NotOtlp(f"{field.name} is no whole number") from None
    if not -(1 << (bits - 1)) <= number < 1 << bits:
        raise NotOtlp(f"{field.name} has more than {bits} bits")
    return number


def _number(value: object, field: _Field) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise NotOtlp(f"{field.name} is no number")
    try:
        # Python reads NaN and Infinity as protobuf's JSON writes them.
        return float(value)
    except (ValueError, OverflowError):
        raise NotOtlp(f"{field.name} is no number") from None


def _bytes(value: object, field: _Field) -> bytes:
    if not isinstance(value, str):
        raise NotOtlp(f"{field.name} is no text")
    try:
        if field.kind == _ID:
            return bytes.fromhex(value)
        plain = value.replace("-", "+").replace("_", "/")
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except ValueError:
        raise NotOtlp(f"{field.name} is not in {'hexadecimal' if field.kind == _ID else 'base64'}") from None
