"""A model call as one layer saw it, whatever convention its span was written in."""

from __future__ import annotations

from typing import Final, Literal

from librt.vecs import vec
from mypy_extensions import i64, mypyc_attr

from exporters.traces.calls.owners import SpanKey
from exporters.traces.conventions.fields import (
    CACHE_WRITE_INPUT,
    CACHED_INPUT,
    COUNT_FIELDS,
    INPUT,
    OUTPUT,
    REASONING_OUTPUT,
)
from exporters.traces.core.interning import id_bytes, span_word, trace_words
from exporters.traces.decode.otlp_protobuf import Group
from telltale.records import NO_TENANT as NO_TENANT
from telltale.records import Layer, Status

Cache = Literal["", "gateway"]

MAX_TOKENS: Final = 1 << 53
# No call lasts longer; a clock that was set does. One such time would stay in a histogram's sum for good.
MAX_SECONDS: Final = 86_400.0
# How far a span has come: its request is not durable yet, or was refused; it is to be counted; it was.
REFUSED: Final = -1
INGESTED: Final = 0
ACCEPTED: Final = 1
COUNTED: Final = 2
_UNKNOWN: Final = vec[i64]([-1] * len(COUNT_FIELDS))


@mypyc_attr(acyclic=True)
class Call:
    """One model call, normalised from a span. None means "not known", never zero.

    `duration_s`, `ttft_s` and `tpot_s` are seconds; token counts follow OTel: `input_tokens` includes tokens read from
    a cache (`cached_input_tokens`) and written into one (`cache_write_input_tokens`), `output_tokens` includes
    reasoning tokens. `ttft_s` is set only when the call is known to have streamed, `tpot_s` only for servers. A span
    that covers only the stream gives a call with `stream_s`, how long it took, and `request_hash`, which finds the
    wait before it (see `stream_waits`); its start is its end. `cache` says whose cache the whole response came out of:
    nothing was bought, and its tokens are none that a provider counted.

    Written out, not a dataclass: mypyc compiles this constructor, a dataclass's stays Python. Some machine words stand
    here, outside `core`, because every span has them:

    - ids (`trace_high`, `trace_low`, `span`, `parent`; 0: no parent). As `bytes` they would be copied out of the
      request for each span; the properties make them when they are asked for.
    - `key_mark`, a hash of the tenant whose key it came under, 0 for a sender without one (see `owners`).
    - `label_fingerprint`, the same for calls with the same labels, 0 where it was not computed. It is never shown.
    - `token_counts`, in the order of COUNT_FIELDS, -1 for "not known": one array, so that a new kind is a row of that
      table. The last is what their sender says they add up to, until it was compared with them. It costs 20 ns, five
      plain optionals 55, of 1,000 that a span does, compiled. Only the path of every span reads it (`fast_path`,
      `normalise.finalise`, `CallMetrics`); others read `tokens()` or the properties.
    - `number` and `stage`, which of all spans of calls it is (-1: none yet) and how far it has come (see below);
      `has_relatives` says whether other spans may be of the same call, and `stands_for` is the number of the span whose
      other place this is, in another trace, or -1 (see `families`).
    """

    __slots__ = (
        "cache", "convention", "conversation_id", "duration_s", "error_type", "finish_reasons", "has_relatives",
        "irregular_ids", "key_mark", "label_fingerprint", "layer", "model_requested", "model_served", "number",
        "operation", "parent", "provider", "request_hash", "response_id", "span", "stage", "stands_for", "start_unix_s",
        "status", "stream_s", "streaming", "tenant", "token_counts", "tpot_s", "trace_high", "trace_low", "ttft_s",
    )  # fmt: skip

    def __init__(self) -> None:
        self.trace_high: i64 = 0
        self.trace_low: i64 = 0
        self.span: i64 = 0
        self.parent: i64 = 0
        # Ids whose length is not the specification's, as they came.
        self.irregular_ids: tuple[bytes, bytes, bytes] | None = None
        self.convention = "otel"
        self.cache: Cache = ""
        self.tenant = ""
        self.key_mark: i64 = 0
        self.layer: Layer = "client"
        self.operation = "chat"
        self.status: Status = "ok"
        self.start_unix_s = 0.0
        self.duration_s: float | None = None
        self.provider: str | None = None
        self.model_requested: str | None = None
        self.model_served: str | None = None
        self.error_type: str | None = None
        self.streaming: bool | None = None
        self.ttft_s: float | None = None
        self.tpot_s: float | None = None
        self.token_counts: vec[i64] = _UNKNOWN[:]
        self.finish_reasons: tuple[str, ...] = ()
        self.response_id: str | None = None
        self.conversation_id: str | None = None
        self.label_fingerprint: i64 = 0
        self.request_hash: int | None = None
        self.stream_s: float | None = None
        self.number: i64 = -1
        self.stage: i64 = INGESTED
        self.has_relatives = False
        self.stands_for: i64 = -1

    def set_ids(self, trace_id: bytes, span_id: bytes, parent_span_id: bytes) -> None:
        """Set the ids from the bytes that a span has for them."""
        self.trace_high, self.trace_low = trace_words(trace_id)
        self.span = span_word(span_id)
        self.parent = 0
        if parent_span_id:
            self.parent = span_word(parent_span_id)
        is_regular = len(trace_id) == 16 and len(span_id) == 8 and len(parent_span_id) in (0, 8)
        self.irregular_ids = None if is_regular else (trace_id, span_id, parent_span_id)

    @property
    def trace_id(self) -> bytes:
        """As on the wire: 16 bytes."""
        if self.irregular_ids is not None:
            return self.irregular_ids[0]
        return id_bytes(self.trace_high) + id_bytes(self.trace_low)

    @property
    def span_id(self) -> bytes:
        """As on the wire: 8 bytes."""
        return id_bytes(self.span) if self.irregular_ids is None else self.irregular_ids[1]

    @property
    def parent_span_id(self) -> bytes:
        """As on the wire: 8 bytes, or none."""
        if self.irregular_ids is not None:
            return self.irregular_ids[2]
        return id_bytes(self.parent) if self.parent != 0 else b""

    @property
    def span_key(self) -> SpanKey:
        """Its span, and whose it is."""
        return SpanKey(self.tenant, self.key_mark != 0, self.trace_id, self.span_id)

    def tokens(self, kind: i64) -> int | None:
        """How many tokens of a kind, which is a place in COUNT_FIELDS."""
        count = self.token_counts[kind]
        return int(count) if count >= 0 else None

    def set_tokens(self, kind: i64, count: int | None) -> None:
        """A count that cannot be true is not known."""
        self.token_counts[kind] = token_count(count)

    @property
    def has_usage(self) -> bool:
        """Whether the number of input or of output tokens is known."""
        return self.token_counts[INPUT] >= 0 or self.token_counts[OUTPUT] >= 0

    @property
    def input_tokens(self) -> int | None:
        return self.tokens(INPUT)

    @property
    def output_tokens(self) -> int | None:
        return self.tokens(OUTPUT)

    @property
    def cached_input_tokens(self) -> int | None:
        return self.tokens(CACHED_INPUT)

    @property
    def cache_write_input_tokens(self) -> int | None:
        return self.tokens(CACHE_WRITE_INPUT)

    @property
    def reasoning_output_tokens(self) -> int | None:
        return self.tokens(REASONING_OUTPUT)

    @property
    def model(self) -> str | None:
        """The name that clients ask for, else the served one: what monitors, alerts and tickets use."""
        return self.model_requested or self.model_served

    @property
    def version(self) -> str | None:
        """The served model's own id, which moves when a new version is rolled out under the same name."""
        return self.model_served or self.model_requested

    @property
    def end_unix_s(self) -> float:
        duration = self.duration_s
        return self.start_unix_s if duration is None else self.start_unix_s + duration


@mypyc_attr(acyclic=True)
class CallRef:
    """A call, and which span of a group holds its content."""

    __slots__ = ("call", "group", "index")

    def __init__(self, call: Call, group: Group, index: i64) -> None:
        self.call = call
        self.group = group
        self.index = index


def copy_of(call: Call) -> Call:
    """A call as an object of its own, that nobody has numbered or counted yet; its labels may change."""
    made = Call()
    made.trace_high, made.trace_low = call.trace_high, call.trace_low
    made.span, made.parent = call.span, call.parent
    made.irregular_ids, made.convention = call.irregular_ids, call.convention
    made.tenant, made.key_mark, made.layer, made.operation = call.tenant, call.key_mark, call.layer, call.operation
    made.status, made.start_unix_s, made.duration_s = call.status, call.start_unix_s, call.duration_s
    made.provider, made.error_type, made.streaming = call.provider, call.error_type, call.streaming
    made.model_requested, made.model_served = call.model_requested, call.model_served
    made.ttft_s, made.tpot_s, made.token_counts = call.ttft_s, call.tpot_s, call.token_counts[:]
    made.finish_reasons, made.response_id = call.finish_reasons, call.response_id
    made.cache = call.cache
    made.conversation_id, made.request_hash, made.stream_s = call.conversation_id, call.request_hash, call.stream_s
    return made


def token_count(count: int | None) -> i64:
    """A count as `token_counts` has it: -1 for one that is not known or cannot be true."""
    if count is None or not 0 <= count <= MAX_TOKENS:
        return -1
    return count


def seconds(number: float | None) -> float | None:
    """A time that can be true; None for any other."""
    return number if number is not None and 0.0 <= number <= MAX_SECONDS else None
