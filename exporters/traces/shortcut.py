"""Calls in OTel's own convention straight out of the bytes: no span, no attributes that nobody reads, no content.

Most spans take this way, at a fifth of the cost. It only decides what it is sure of and leaves everything else (another
convention, an error, events, a second name for the same thing) to `normalise`, whose answer is the same: the tests hold
one to the other. Written flat, so that mypyc makes plain C of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from exporters.traces import fields
from exporters.traces.call import Call
from exporters.traces.conventions import MARKS, NAMES
from exporters.traces.conventions.convention import AGGREGATES, INFERENCE, OPERATIONS, OTEL_KEYS
from exporters.traces.conventions.otel import ROUTE
from exporters.traces.spans import Value
from exporters.traces.wire import Malformed, any_value, varint

# What an attribute is for, by its name; 0 is what nobody reads.
_LEAVE: Final = 1
_OPERATION: Final = 2
_PROVIDER: Final = 3
_REQUESTED: Final = 4
_SERVED: Final = 5
_STREAMING: Final = 6
_TTFT: Final = 7
_INPUT: Final = 8
_OUTPUT: Final = 9
_CACHED: Final = 10
_REASONING: Final = 11
_FINISH: Final = 12
_RESPONSE: Final = 13
_CONVERSATION: Final = 14
_AGGREGATE: Final = 15
_MESSAGES: Final = 16
_TENANT: Final = 17
_ROUTE: Final = 18

_FIELDS: Final = {
    "operation": _OPERATION, "provider": _PROVIDER, "model_requested": _REQUESTED, "model_served": _SERVED,
    "streaming": _STREAMING, "ttft_s": _TTFT, "input_tokens": _INPUT, "output_tokens": _OUTPUT,
    "cached_input_tokens": _CACHED, "reasoning_output_tokens": _REASONING, "finish_reasons": _FINISH,
    "response_id": _RESPONSE, "conversation_id": _CONVERSATION, "error_type": _LEAVE,
}  # fmt: skip
_NAMES: Final = {name.encode() for name in NAMES}
_NAME_SIZES: Final = {len(name) for name in _NAMES}
_STRING: Final = 0x0A
_INT: Final = 0x18
_BOOL: Final = 0x10
# Label values repeat without end: each is decoded once, and keeps its hash.
_MOST: Final = 4096
_LONGEST: Final = 128
_words: Final[dict[bytes, str | None]] = {}
_lists: Final[dict[bytes, tuple[str, ...]]] = {}

NO_CALL: Final = Call()


def table(tenant_attributes: Sequence[str]) -> dict[bytes, int]:
    """What each attribute is for, given the names that may name a tenant."""
    found = {key.encode(): _FIELDS[name] for name, keys in OTEL_KEYS.items() for key in keys}
    found[b"gen_ai.aggregated_usage.input_tokens"] = _AGGREGATE
    found[b"gen_ai.output.messages"] = _MESSAGES
    for name in tenant_attributes:
        # One that is read for something else too is left to the long way.
        found[name.encode()] = _LEAVE if name.encode() in found else _TENANT
    for mark, _ in MARKS:
        found[mark.encode()] = _ROUTE if mark == ROUTE else _LEAVE
    return found


def read(body: bytes, pos: int, end: int, table: dict[bytes, int], tenant: str | None) -> Call | None:
    """The call of a span's bytes, NO_CALL when it is none, None when that is not for this way to decide.

    `tenant` is known already, or None: then the span may name one. Raises Malformed, IndexError, UnicodeDecodeError.
    """
    call = Call()
    has_model = has_messages = is_aggregate = is_route = False
    told = start_ns = end_ns = 0
    while pos < end:
        tag = body[pos]
        pos += 1
        if tag == 0x4A:
            size = body[pos]
            pos += 1
            if size >= 0x80:
                size, pos = varint(body, pos - 1)
            stop = pos + size
            if stop > end:
                raise Malformed("a field is longer than its message")
            if size < 4 or body[pos] != 0x0A or body[pos + 1] >= 0x80:
                return None
            at = pos + 2 + body[pos + 1]
            code = table.get(body[pos + 2 : at], 0)
            if code == 0:
                pos = stop
                continue
            if code == _LEAVE or told & (1 << code) or at + 2 > stop or body[at] != 0x12:
                return None
            told |= 1 << code
            length = body[at + 1]
            at += 2
            if length >= 0x80:
                length, at = varint(body, at - 1)
            if at + length != stop or length == 0:
                return None
            pos = stop
            if code == _MESSAGES:
                has_messages = True
            elif code == _INPUT:
                call.input_tokens = _whole(body, at, stop)
            elif code == _OUTPUT:
                call.output_tokens = _whole(body, at, stop)
            elif code == _RESPONSE:
                call.response_id = fields.short(_text(body, at, stop))
            elif code == _REQUESTED:
                has_model = True
                call.model_requested = _word(body, at, stop)
            elif code == _SERVED:
                call.model_served = _word(body, at, stop)
            elif code == _OPERATION:
                word = _word(body, at, stop)
                # Quotes around it, which `_word` takes off, would make it another operation.
                if word is None or len(word) + 2 != length or (word not in INFERENCE and word not in AGGREGATES):
                    return None
                is_aggregate = is_aggregate or word in AGGREGATES
                call.operation = OPERATIONS.get(word, word)
            elif code == _PROVIDER:
                call.provider = _word(body, at, stop)
            elif code == _STREAMING:
                if length == 2 and body[at] == _BOOL:
                    call.streaming = body[at + 1] != 0
                else:
                    call.streaming = fields.truth(any_value(body, at, stop, 0))
            elif code == _TTFT:
                call.ttft_s = fields.number(any_value(body, at, stop, 0))
            elif code == _FINISH:
                call.finish_reasons = _list(body, at, stop)
            elif code == _CONVERSATION:
                call.conversation_id = fields.short(_text(body, at, stop))
            elif code == _CACHED:
                call.cached_input_tokens = _whole(body, at, stop)
            elif code == _REASONING:
                call.reasoning_output_tokens = _whole(body, at, stop)
            elif code == _AGGREGATE:
                is_aggregate = True
            elif code == _ROUTE:
                is_route = True
            elif tenant is None:
                call.tenant = (_word(body, at, stop) or "")[:128]
        elif tag == 0x0A or tag == 0x12 or tag == 0x22 or tag == 0x2A or tag == 0x1A:
            size = body[pos]
            pos += 1
            if size >= 0x80:
                size, pos = varint(body, pos - 1)
            stop = pos + size
            if stop > end:
                raise Malformed("a field is longer than its message")
            if tag == 0x0A:
                call.trace_id = body[pos:stop]
            elif tag == 0x12:
                call.span_id = body[pos:stop]
            elif tag == 0x22:
                call.parent_span_id = body[pos:stop]
            elif tag == 0x2A and size in _NAME_SIZES and body[pos:stop] in _NAMES:
                return None
            pos = stop
        elif tag == 0x39:
            start_ns = _u64(body, pos, end)
            pos += 8
        elif tag == 0x41:
            end_ns = _u64(body, pos, end)
            pos += 8
        elif tag == 0x30:
            pos = varint(body, pos)[1]
        elif tag == 0x85 and pos + 5 <= end and body[pos] == 0x01:
            pos += 5
        elif tag == 0x7A and body[pos] == 0:
            pos += 1
        elif tag == 0x7A and body[pos] == 2 and body[pos + 1] == 0x18 and body[pos + 2] < 2:
            pos += 3
        else:
            # Events, an error, dropped attributes, links, a field of tomorrow.
            return None
    if pos > end:
        raise Malformed("a field is longer than its message")
    if is_aggregate or not (told & (1 << _OPERATION) or (has_model and not is_route)):
        return NO_CALL
    if has_messages and not call.finish_reasons:
        return None
    call.start_unix_s = start_ns / 1e9
    call.duration_s = max(0.0, (end_ns - start_ns) / 1e9)
    if tenant is not None:
        call.tenant = tenant
    return call


def _word(body: bytes, pos: int, end: int) -> str | None:
    raw = body[pos:end]
    known = _words.get(raw)
    if known is not None:
        return known
    word = fields.short(_text(body, pos, end))
    if end - pos <= _LONGEST:
        if len(_words) >= _MOST:
            _words.clear()
        _words[raw] = word
    return word


def _text(body: bytes, pos: int, end: int) -> Value:
    """A value that is most likely a text of less than 128 bytes."""
    if body[pos] == _STRING and pos + 1 < end and body[pos + 1] < 0x80 and body[pos + 1] == end - pos - 2:
        return body[pos + 2 : end].decode()
    return any_value(body, pos, end, 0)


def _list(body: bytes, pos: int, end: int) -> tuple[str, ...]:
    raw = body[pos:end]
    known = _lists.get(raw)
    if known is not None:
        return known
    words = fields.words(any_value(body, pos, end, 0)) or ()
    if end - pos <= _LONGEST:
        if len(_lists) >= _MOST:
            _lists.clear()
        _lists[raw] = words
    return words


def _whole(body: bytes, pos: int, end: int) -> int | None:
    if body[pos] == _INT and pos + 1 < end:
        number, stop = varint(body, pos + 1)
        if stop == end and number < 1 << 62:
            return number
    return fields.whole(any_value(body, pos, end, 0))


def _u64(body: bytes, pos: int, end: int) -> int:
    if pos + 8 > end:
        raise Malformed("a number is cut off")
    # Sums of products, which mypyc computes in registers; not so shifts and unpacked structs.
    low = body[pos] + body[pos + 1] * 0x100 + body[pos + 2] * 0x10000 + body[pos + 3] * 0x1000000
    high = body[pos + 4] + body[pos + 5] * 0x100 + body[pos + 6] * 0x10000 + body[pos + 7] * 0x1000000
    return high * 0x100000000 + low
