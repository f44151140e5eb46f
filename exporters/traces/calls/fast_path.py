"""Calls in OTel's own convention straight from a span's bytes, without building the span or unused attributes.

Most spans take this path, at a fifth of the cost; their content is read separately, once the call is kept. It decides
only what it is sure of and leaves everything else (another convention, an error, events, a second name for the same
thing) to `normalise`, whose result is the same: the tests compare the two. Written flat, so that mypyc compiles it to
plain C.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from librt.strings import read_f64_le, read_i64_le
from mypy_extensions import i64

from exporters.traces.calls import outcome
from exporters.traces.calls.call import MAX_SECONDS, Call, token_count
from exporters.traces.conventions import (
    MARKS,
    NAMES,
    evidence,
    finish,
    first_token,
    gateway_cache,
    operations,
    otel,
    providers,
)
from exporters.traces.conventions.evidence import CLIENT
from exporters.traces.conventions.fields import COUNT_FIELDS, FIELDS
from exporters.traces.conventions.otel import SERVER
from exporters.traces.core.interning import Interned, InternTable, NameTable
from exporters.traces.decode import attributes
from exporters.traces.decode.protobuf import TOO_LONG, Malformed, any_value, length
from exporters.traces.decode.spans import Value

# What the fast path does with an attribute, by its name; 0 is for those that nobody reads. Kinds of tokens have the
# codes from _TOKENS on, in the order of TOKEN_FIELDS. A field without its own code here needs full decoding.
_LEAVE: Final = 1
_OPERATION: Final = 2
_PROVIDER: Final = 3
_REQUESTED: Final = 4
_SERVED: Final = 5
_STREAMING: Final = 6
_TTFT: Final = 7
_FINISH: Final = 8
_RESPONSE: Final = 9
_CONVERSATION: Final = 10
_MESSAGES: Final = 11
_ASKED: Final = 12
_TENANT: Final = 13
_API_TYPE: Final = 14
# Of these one is as good as several, and nobody reads their values here. Of a call _LOOK takes full decoding: how it
# ended, when its first token came, what others write. Spans of HTTP, of which there are many more, have some of it too.
_TRANSPORT: Final = 15
_STORE: Final = 16
_SUM: Final = 17
_LOOK: Final = 18
_TOKENS: Final = 19

_CODES: Final = {
    "operation": _OPERATION, "provider": _PROVIDER, "model_requested": _REQUESTED, "model_served": _SERVED,
    "streaming": _STREAMING, "ttft_s": _TTFT, "finish_reasons": _FINISH, "response_id": _RESPONSE,
    "conversation_id": _CONVERSATION,
    **{field.name: _TOKENS + kind for kind, field in enumerate(COUNT_FIELDS)},
}  # fmt: skip
# One bit per code marks attributes already seen.
assert _TOKENS + len(COUNT_FIELDS) < 63
# Bits of what `evidence` asks for.
_ANSWERED: Final[i64] = i64(
    (1 << _SERVED) | (1 << _TTFT) | (1 << _FINISH) | (1 << _RESPONSE) | ((1 << len(COUNT_FIELDS)) - 1) << _TOKENS
)
_MODELS: Final[i64] = i64((1 << _REQUESTED) | (1 << _SERVED))
_IN_MESSAGES: Final[i64] = i64((1 << _MESSAGES) | (1 << _ASKED))
# Makes the fingerprint of a gateway's labels another than its clients'.
_GATEWAY_MARK: Final = 0x5DEECE66D
# Names of spans that other conventions have.
_NAMES: Final = {name.encode() for name in NAMES}
_SHORTEST_NAME: Final[i64] = i64(min(map(len, _NAMES)))
_LONGEST_NAME: Final[i64] = i64(max(map(len, _NAMES)))
_OTHERS: Final = {name: same for name, same in operations.NAMES.items() if same in operations.OTHERS}
_STRING: Final = 0x0A
_INT: Final = 0x18
_BOOL: Final = 0x10
_DOUBLE: Final = 0x21
_QUOTE: Final = 0x22
# Label values repeat all the time: each is decoded once, and its hash is kept.
_LONGEST: Final = 128
_texts: Final = InternTable()
_providers: Final = InternTable()
_lists: Final = InternTable()

NO_CALL: Final = ""


def attribute_table(tenant_attributes: Sequence[str]) -> NameTable:
    """The code of each attribute, given the names of those that may name a tenant."""
    codes = {key.encode(): _CODES.get(field.name, _LEAVE) for field in FIELDS for key in field.keys}
    # What others write into attributes of their own.
    others = (key for key in otel.CONVENTION.table if key.encode() not in codes)
    codes |= {name.encode(): _LOOK for name in (*others, *outcome.NAMES, *first_token.NAMES, *finish.BODIES)}
    codes[b"gen_ai.output.messages"] = _MESSAGES
    codes[b"gen_ai.input.messages"] = _ASKED
    codes[first_token.API_TYPE.encode()] = _API_TYPE
    for code, names in ((_SUM, evidence.SUMS), (_TRANSPORT, evidence.TRANSPORT), (_STORE, evidence.STORES)):
        codes |= {name.encode(): code for name in names}
    for name in tenant_attributes:
        # A name that is also read for something else is left to full decoding.
        codes[name.encode()] = _LEAVE if name.encode() in codes else _TENANT
    for mark in gateway_cache.MARKS:
        codes[mark.encode()] = _LEAVE
    for mark in (*(mark for mark, _ in MARKS), *evidence.OTHER_MODELS):
        codes[mark.encode()] = _LEAVE
    return NameTable(codes)


def read(body: bytes, pos: i64, end: i64, table: NameTable, tenant: str | None) -> Call | str | None:
    """The call of a span's bytes; what it does instead, NO_CALL if nothing known; None when it is left to `normalise`.

    `table` is an `attribute_table`. `tenant` is known already, or None: then the span may name one. Raises Malformed,
    IndexError, UnicodeDecodeError.
    """
    call = Call()
    counts = call.token_counts
    is_responses = False
    other: str | None = None
    kind: i64 = 0
    seen: i64 = 0
    start_ns: i64 = 0
    end_ns: i64 = 0
    fingerprint: i64 = 0
    ids_seen: i64 = 0
    while pos < end:
        tag: i64 = body[pos]
        pos += 1
        if tag == 0x4A:
            size: i64 = body[pos]
            pos += 1
            if size >= 0x80:
                size, pos = length(body, pos - 1)
            stop = pos + size
            if stop > end:
                raise Malformed(TOO_LONG)
            if size < 4 or body[pos] != 0x0A or body[pos + 1] >= 0x80:
                return None
            name_size: i64 = body[pos + 1]
            at = pos + 2 + name_size
            if at > stop:
                return None
            code = table.code(body, pos + 2, name_size)
            if code == 0:
                pos = stop
                continue
            if _TRANSPORT <= code <= _LOOK:
                seen |= 1 << code
                pos = stop
                continue
            if code == _LEAVE or seen & (1 << code) or at + 2 > stop or body[at] != 0x12:
                return None
            seen |= 1 << code
            value_size: i64 = body[at + 1]
            at += 2
            if value_size >= 0x80:
                value_size, at = length(body, at - 1)
            if at + value_size != stop or value_size == 0:
                return None
            pos = stop
            if code >= _TOKENS:
                counts[code - _TOKENS] = _count(body, at, stop)
            elif code == _RESPONSE:
                call.response_id = _id(body, at, stop)
            elif code == _REQUESTED:
                interned = _interned(body, at, stop)
                call.model_requested = interned.text
                fingerprint = _mix(fingerprint, interned)
            elif code == _SERVED:
                interned = _interned(body, at, stop)
                call.model_served = interned.text
                fingerprint = _mix(fingerprint, interned)
            elif code == _OPERATION:
                interned = _interned(body, at, stop)
                name = interned.text
                fingerprint = _mix(fingerprint, interned)
                # In quotes, which `_interned` removes, it would be another operation.
                if name is None or i64(len(name)) + 2 != value_size:
                    return None
                if name in operations.CALLS:
                    call.operation = name
                else:
                    other = _OTHERS.get(name)
                    if other is None:
                        return None
            elif code == _PROVIDER:
                interned = _provider(body, at, stop)
                call.provider = interned.text
                is_responses = len(interned.texts) > 0
                fingerprint = _mix(fingerprint, interned)
            elif code == _STREAMING:
                if value_size == 2 and body[at] == _BOOL:
                    call.streaming = body[at + 1] != 0
                else:
                    call.streaming = attributes.truth(any_value(body, at, stop, 0))
            elif code == _TTFT:
                call.ttft_s = _number(body, at, stop)
            elif code == _FINISH:
                call.finish_reasons = _list(body, at, stop)
            elif code == _CONVERSATION:
                call.conversation_id = _id(body, at, stop)
            elif code == _TENANT and tenant is None:
                interned = _interned(body, at, stop)
                call.tenant = (interned.text or "")[:128]
                fingerprint = _mix(fingerprint, interned)
        elif tag == 0x0A or tag == 0x12 or tag == 0x22 or tag == 0x2A or tag == 0x1A:
            size = body[pos]
            pos += 1
            if size >= 0x80:
                size, pos = length(body, pos - 1)
            stop = pos + size
            if stop > end:
                raise Malformed(TOO_LONG)
            if tag == 0x0A:
                if size != 16:
                    return None
                call.trace_high, call.trace_low = read_i64_le(body, pos), read_i64_le(body, pos + 8)
                ids_seen |= 1
            elif tag == 0x12:
                if size != 8:
                    return None
                call.span = read_i64_le(body, pos)
                ids_seen |= 2
            elif tag == 0x22:
                if size != 8 and size != 0:
                    return None
                call.parent = 0
                if size == 8:
                    call.parent = read_i64_le(body, pos)
            elif tag == 0x2A and _SHORTEST_NAME <= size <= _LONGEST_NAME and body[pos:stop] in _NAMES:
                return None
            pos = stop
        elif tag == 0x39:
            start_ns = _u64(body, pos, end)
            pos += 8
        elif tag == 0x41:
            end_ns = _u64(body, pos, end)
            pos += 8
        elif tag == 0x30 and body[pos] < 0x80:
            kind = body[pos]
            pos += 1
        elif tag == 0x85 and pos + 5 <= end and body[pos] == 0x01:
            pos += 5
        elif tag == 0x7A and body[pos] == 0:
            pos += 1
        elif tag == 0x7A and body[pos] == 2 and body[pos + 1] == 0x18 and body[pos + 2] < 2:
            pos += 3
        else:
            # Events, an error, dropped attributes, links, a field that is newer than this.
            return None
    if pos > end:
        raise Malformed(TOO_LONG)
    if other is not None:
        return other
    if seen & (1 << _SUM) or not _is_call(seen, kind):
        return NO_CALL
    if seen & (1 << _LOOK) or (seen & (1 << _MESSAGES) and not call.finish_reasons) or ids_seen != 3:
        return None
    if call.ttft_s is not None and (is_responses or seen & (1 << _API_TYPE) or not _tells_stream(call)):
        # Whether its first event held a token takes a closer look.
        return None
    if start_ns < 0 or end_ns < 0:
        # Beyond the year 2262: unsigned, for numbers without an end.
        return None
    if start_ns == 0:
        call.start_unix_s = float(end_ns) / 1e9
    else:
        call.start_unix_s = float(start_ns) / 1e9
        duration_s = float(end_ns - start_ns) / 1e9
        if 0.0 <= duration_s <= MAX_SECONDS:
            call.duration_s = duration_s
    if tenant is not None:
        call.tenant = tenant
    if kind == SERVER:
        call.layer = "gateway"
        fingerprint ^= _GATEWAY_MARK
    call.label_fingerprint = fingerprint
    return call


def _tells_stream(call: Call) -> bool:
    """Whether a call is known to have streamed, and of which API it is."""
    response = call.response_id
    return call.streaming is not None and response is not None and not first_token.is_response_id(response)


def _is_call(seen: i64, kind: i64) -> bool:
    """As in `evidence.is_call`, of a span without marks, whose operation is a call's or none."""
    if seen & (1 << _OPERATION):
        return bool(seen & _ANSWERED) or not seen & (1 << _STORE)
    if not seen & _MODELS:
        return False
    if seen & _ANSWERED:
        return True
    if seen & ((1 << _TRANSPORT) | (1 << _STORE)):
        return False
    return bool(seen & _IN_MESSAGES) or (kind == CLIENT and bool(seen & (1 << _PROVIDER)))


def _interned(body: bytes, pos: i64, end: i64) -> Interned:
    """A label's value."""
    size = end - pos
    if size > _LONGEST:
        return Interned(b"", _label(body, pos, end), ())
    known = _texts.find(body, pos, size)
    if known is None:
        known = Interned(body[pos:end], _label(body, pos, end), ())
        _texts.put(known)
    return known


def _provider(body: bytes, pos: i64, end: i64) -> Interned:
    """A provider by OTel's name; with texts where its name says that it is the Responses API."""
    size = end - pos
    known = _providers.find(body, pos, size) if size <= _LONGEST else None
    if known is None:
        name = attributes.short(_text(body, pos, end))
        texts: tuple[str, ...] = (name,) if name is not None and name.endswith(first_token.RESPONSES) else ()
        name = None if name is None else providers.normal(name)
        known = Interned(body[pos:end], None if name is None else attributes.label(name), texts)
        if size <= _LONGEST:
            _providers.put(known)
    return known


def _label(body: bytes, pos: i64, end: i64) -> str | None:
    name = attributes.short(_text(body, pos, end))
    return None if name is None else attributes.label(name)


def _mix(fingerprint: i64, label: Interned) -> i64:
    return ((fingerprint & 0xFFFFFFFFFFFF) << 10) ^ label.hash


def _id(body: bytes, pos: i64, end: i64) -> str | None:
    """A short text that hardly ever repeats."""
    size = end - pos
    if 8 < size < 128 and body[pos] == _STRING and body[pos + 1] == size - 2 and body[pos + 2] != _QUOTE:
        text = body[pos + 2 : end].decode()
        if "\0" not in text:
            return text
    return attributes.short(_text(body, pos, end))


def _number(body: bytes, pos: i64, end: i64) -> float | None:
    if body[pos] == _DOUBLE and end - pos == 9:
        number = read_f64_le(body, pos + 1)
        return number if 0.0 <= number < math.inf else None
    return attributes.number(any_value(body, pos, end, 0))


def _text(body: bytes, pos: i64, end: i64) -> Value:
    """A value that is most likely a text of fewer than 128 bytes."""
    if body[pos] == _STRING and pos + 1 < end and body[pos + 1] < 0x80 and body[pos + 1] == end - pos - 2:
        return body[pos + 2 : end].decode()
    return any_value(body, pos, end, 0)


def _list(body: bytes, pos: i64, end: i64) -> tuple[str, ...]:
    """Finish reasons."""
    size = end - pos
    if size > _LONGEST:
        return finish.reasons(any_value(body, pos, end, 0)) or ()
    known = _lists.find(body, pos, size)
    if known is None:
        known = Interned(body[pos:end], None, finish.reasons(any_value(body, pos, end, 0)) or ())
        _lists.put(known)
    return known.texts


def _count(body: bytes, pos: i64, end: i64) -> i64:
    if body[pos] == _INT and pos + 1 < end:
        number: i64 = 0
        shift: i64 = 0
        at = pos + 1
        while at < end and shift < 35:
            byte: i64 = body[at]
            at += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                if at == end:
                    return number
                break
            shift += 7
    return token_count(attributes.whole(any_value(body, pos, end, 0)))


def _u64(body: bytes, pos: i64, end: i64) -> i64:
    if pos + 8 > end:
        raise Malformed("a number is cut off")
    return read_i64_le(body, pos)
