"""The conversation of a span in OTel's own convention straight from its bytes, without building the span.

What is in no usual form is left to `normalise.read_conversation`, whose result is the same: the tests compare the two.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64
from pydantic_core import from_json

from exporters.traces.core.interning import NameTable
from exporters.traces.decode import attributes
from exporters.traces.decode.protobuf import length, skip_field
from exporters.traces.decode.spans import Value
from exporters.traces.messages import places
from telltale.conversation import Conversation

_NAMES: Final = (*places.MESSAGES, *places.SYSTEM, *places.TOOLS, *places.DOCUMENTS)
_KEYS: Final = NameTable({name.encode(): code for code, name in enumerate(_NAMES, 1)})
_STRING: Final = 0x0A
_BRACKET: Final = 0x5B


def read_conversation(body: bytes, pos: i64, end: i64) -> Conversation | None:
    """The conversation of a span in OTel's own convention, None when what it says is not all in JSON lists.

    Raises Malformed, IndexError.
    """
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
        code = _KEYS.code(body, at - name_size, name_size)
        if code == 0:
            continue
        if at + 2 > pos or body[at] != 0x12:
            return None
        size, at = length(body, at + 1)
        if at + size != pos or size < 2 or body[at] != _STRING:
            return None
        size, at = length(body, at + 1)
        if at + size != pos or size == 0 or body[at] != _BRACKET or size > attributes.LONG:
            return None
        name = _NAMES[code - 1]
        if name in values:
            return None
        try:
            values[name] = from_json(body[at:pos], cache_strings="keys")
        except ValueError:
            # Normalisation knows what else it may be.
            return None
    found = places.of_span(values)
    return found if found.is_asked and found.is_answered else None
