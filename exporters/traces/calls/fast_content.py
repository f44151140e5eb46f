"""What a kept call's span has beside the call, in OTel's own convention, straight from its bytes: its conversation and
the attributes that samples have. The span is not built.

What is in no usual form is left to `normalise.read_conversation`, whose result is the same: the tests compare the two.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from mypy_extensions import i64
from pydantic_core import from_json

from exporters.traces.conventions import particulars
from exporters.traces.core.interning import NameTable
from exporters.traces.decode import attributes
from exporters.traces.decode.protobuf import any_value, delimited, length, skip_field, skip_value, varint
from exporters.traces.decode.spans import Value
from exporters.traces.messages import places
from telltale.conversation import Conversation

CONTENT: Final[tuple[str, ...]] = (*places.MESSAGES, *places.SYSTEM, *places.TOOLS, *places.DOCUMENTS)
_STRING: Final = 0x0A
_BRACKET: Final = 0x5B


class Names:
    """The attributes that are read, by their codes: those of content first."""

    __slots__ = ("names", "table")

    def __init__(self, wanted: Iterable[str] = ()) -> None:
        """`wanted` are those to keep beside the usual ones."""
        self.names = tuple(dict.fromkeys((*CONTENT, *particulars.NAMES, *wanted)))
        self.table = NameTable({name.encode(): code for code, name in enumerate(self.names, 1)})


class Content(NamedTuple):
    """A conversation, and the attributes of `particulars` and those wanted besides."""

    said: Conversation
    others: dict[str, Value]


def read(body: bytes, pos: i64, end: i64, names: Names) -> Content | None:
    """The content of a span in OTel's own convention, None when its conversation is not all in JSON lists.

    Raises Malformed, IndexError, UnicodeDecodeError.
    """
    table = names.table
    others: dict[str, Value] = {}
    values: dict[str, Value] = {}
    while pos < end:
        tag: i64 = body[pos]
        if tag != 0x4A:
            pos = skip_field(body, pos, end)
            continue
        size, at = length(body, pos + 1)
        pos = at + size
        if pos > end or size < 4 or body[at] != 0x0A or body[at + 1] >= 0x80:
            return None
        name_size: i64 = body[at + 1]
        at += 2 + name_size
        if at > pos:
            return None
        code = table.code(body, at - name_size, name_size)
        if code == 0:
            continue
        if at + 2 > pos or body[at] != 0x12:
            return None
        size, at = length(body, at + 1)
        if code > len(CONTENT):
            if at + size != pos:
                return None
            others[names.names[code - 1]] = any_value(body, at, pos, 0)
            continue
        if at + size != pos or size < 2 or body[at] != _STRING:
            return None
        size, at = length(body, at + 1)
        if at + size != pos or size == 0 or body[at] != _BRACKET or size > attributes.LONG:
            return None
        name = CONTENT[code - 1]
        if name in values:
            return None
        try:
            values[name] = from_json(body[at:pos], cache_strings="keys")
        except ValueError:
            # Normalisation knows what else it may be.
            return None
    found = places.of_span(values)
    return Content(found, others) if found.is_asked and found.is_answered else None


def readable(body: bytes, pos: i64, end: i64) -> Conversation:
    """The conversation of a span some of whose texts are no UTF-8, as a limit on bytes leaves them.

    Raises Malformed, IndexError.
    """
    values: dict[str, Value] = {}
    while pos < end:
        tag, start = varint(body, pos)
        if tag & 7 != 2:
            pos = skip_value(body, start, tag)
            continue
        at, pos = delimited(body, start, end)
        if tag == 0x4A:
            name, text = _text(body, at, pos)
            if name in CONTENT and text:
                values[name] = text
    return places.of_span(values)


def _text(body: bytes, pos: i64, end: i64) -> tuple[str, str]:
    """An attribute's name, and its value where that is a text."""
    found = ["", ""]
    while pos < end:
        tag, start = varint(body, pos)
        at, pos = delimited(body, start, end)
        if tag == 0x0A:
            found[0] = body[at:pos].decode(errors="replace")
        elif tag == 0x12 and at < pos and body[at] == _STRING:
            first, last = delimited(body, at + 1, pos)
            # What is left of a character at the end was cut.
            found[1] = body[first:last].decode(errors="replace").rstrip("\ufffd")
    return found[0], found[1]
