"""A model call as one layer saw it, whatever convention it was told in."""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64, mypyc_attr

from exporters.traces.core.interning import id_bytes, span_word, trace_words
from exporters.traces.decode.protobuf import Group
from telltale.records import NO_TENANT as NO_TENANT
from telltale.records import Layer, Status

MOST_TOKENS: Final = 1 << 53
# No call lasts longer; a clock that was set does. One such time would be in a histogram's sum for good.
MOST_S: Final = 86_400.0


@mypyc_attr(acyclic=True)
class Call:
    """One model call, normalised from a span.

    `duration_s`, `ttft_s` and `tpot_s` are seconds; token counts follow OTel: `input_tokens` includes tokens read from
    a cache (`cached_input_tokens`) and written into one (`cache_write_input_tokens`), `output_tokens` includes
    reasoning tokens. `ttft_s` is set only when the call is known to have streamed. None means "not known", never zero.
    `labels_hash` is the same for calls with the same labels, or 0 where nobody worked it out. A call of which only the
    stream was told has in `streamed_s` how long that took, in `asked` what finds its wait (see `waits`), and its end as
    its start.

    Ids and numbers are kept as machine words, because an object for each would cost more than reading a span; the path
    of every call reads these: `trace_high`, `trace_low`, `span` and `parent` (0: none), and `ttft`, `tpot`, `given`,
    `output`, `cached`, `written`, `reasoned` and `duration_s`, which are less than 0 where they are not known. Written
    out, not a dataclass: mypyc compiles this constructor, a dataclass's stays Python.
    """

    __slots__ = (
        "asked", "cached", "convention", "conversation_id", "duration_s", "error_type", "finish_reasons", "given",
        "labels_hash", "layer", "model_requested", "model_served", "odd_ids", "operation", "output", "parent",
        "provider", "reasoned", "response_id", "span", "start_unix_s", "status", "streamed_s", "streaming", "tenant",
        "tpot", "trace_high", "trace_low", "ttft", "written",
    )  # fmt: skip

    def __init__(self) -> None:
        self.trace_high: i64 = 0
        self.trace_low: i64 = 0
        self.span: i64 = 0
        self.parent: i64 = 0
        # Ids that are not as long as the specification has them, as they came.
        self.odd_ids: tuple[bytes, bytes, bytes] | None = None
        self.convention = "otel"
        self.tenant = ""
        self.layer: Layer = "client"
        self.operation = "chat"
        self.status: Status = "ok"
        self.start_unix_s = 0.0
        self.duration_s = 0.0
        self.provider: str | None = None
        self.model_requested: str | None = None
        self.model_served: str | None = None
        self.error_type: str | None = None
        self.streaming: bool | None = None
        self.ttft = -1.0
        self.tpot = -1.0
        self.given: i64 = -1
        self.output: i64 = -1
        self.cached: i64 = -1
        self.written: i64 = -1
        self.reasoned: i64 = -1
        self.finish_reasons: tuple[str, ...] = ()
        self.response_id: str | None = None
        self.conversation_id: str | None = None
        self.labels_hash: i64 = 0
        self.asked = 0
        self.streamed_s = -1.0

    def name(self, trace_id: bytes, span_id: bytes, parent_span_id: bytes) -> None:
        """Set the ids, as they are on the wire."""
        self.trace_high, self.trace_low = trace_words(trace_id)
        self.span = span_word(span_id)
        self.parent = 0
        if parent_span_id:
            self.parent = span_word(parent_span_id)
        usual = len(trace_id) == 16 and len(span_id) == 8 and len(parent_span_id) in (0, 8)
        self.odd_ids = None if usual else (trace_id, span_id, parent_span_id)

    @property
    def trace_id(self) -> bytes:
        """As on the wire: 16 bytes."""
        if self.odd_ids is not None:
            return self.odd_ids[0]
        return id_bytes(self.trace_high) + id_bytes(self.trace_low)

    @property
    def span_id(self) -> bytes:
        """As on the wire: 8 bytes."""
        return id_bytes(self.span) if self.odd_ids is None else self.odd_ids[1]

    @property
    def parent_span_id(self) -> bytes:
        """As on the wire: 8 bytes, or none."""
        if self.odd_ids is not None:
            return self.odd_ids[2]
        return id_bytes(self.parent) if self.parent != 0 else b""

    @property
    def ttft_s(self) -> float | None:
        return self.ttft if self.ttft >= 0.0 else None

    @property
    def tpot_s(self) -> float | None:
        return self.tpot if self.tpot >= 0.0 else None

    @property
    def input_tokens(self) -> int | None:
        return int(self.given) if self.given >= 0 else None

    @property
    def output_tokens(self) -> int | None:
        return int(self.output) if self.output >= 0 else None

    @property
    def cached_input_tokens(self) -> int | None:
        return int(self.cached) if self.cached >= 0 else None

    @property
    def cache_write_input_tokens(self) -> int | None:
        return int(self.written) if self.written >= 0 else None

    @property
    def reasoning_output_tokens(self) -> int | None:
        return int(self.reasoned) if self.reasoned >= 0 else None

    @property
    def model(self) -> str | None:
        """What clients ask for, else what served it: the name that monitors, alerts and tickets use."""
        return self.model_requested or self.model_served

    @property
    def version(self) -> str | None:
        """The served model's own id, which moves when a new version is rolled out under the same name."""
        return self.model_served or self.model_requested

    @property
    def end_unix_s(self) -> float:
        return self.start_unix_s + max(0.0, self.duration_s)


@mypyc_attr(acyclic=True)
class CallRef:
    """A call, and which span of a group holds its content."""

    __slots__ = ("call", "group", "index")

    def __init__(self, call: Call, group: Group, index: i64) -> None:
        self.call = call
        self.group = group
        self.index = index


def tokens(number: int | None) -> i64:
    """A count as a call keeps it: -1 where it is not known or cannot be true."""
    if number is None or number > MOST_TOKENS:
        return -1
    return number


def seconds(number: float | None) -> float:
    """A time as a call keeps it: less than 0 where it is not known or cannot be true."""
    return -1.0 if number is None else possible(number)


def possible(number: float) -> float:
    """A time that can be true; less than 0 for any other."""
    return number if 0.0 <= number <= MOST_S else -1.0
