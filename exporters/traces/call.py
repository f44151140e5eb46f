"""A model call as one layer saw it, whatever convention it was told in."""

from __future__ import annotations

from telltale.records import Layer, Status


class Call:
    """One model call, normalised from a span.

    Ids are as they came on the wire. `duration_s`, `ttft_s` and `tpot_s` are seconds; token counts follow OTel:
    `input_tokens` includes cached tokens, `output_tokens` includes reasoning tokens. `ttft_s` is set only when the call
    is known to have streamed. None means "not known", never zero. `has_content` is set once a sample could be made of
    one of its spans.

    Written out, not a dataclass: mypyc compiles this constructor, a dataclass's stays Python and costs more than
    reading a span.
    """

    __slots__ = (
        "cached_input_tokens", "convention", "conversation_id", "duration_s", "error_type", "finish_reasons",
        "has_content", "input_tokens", "layer", "model_requested", "model_served", "operation", "output_tokens",
        "parent_span_id", "provider", "reasoning_output_tokens", "response_id", "span_id", "start_unix_s",
        "status", "streaming", "tenant", "tpot_s", "trace_id", "ttft_s",
    )  # fmt: skip

    def __init__(self, trace_id: bytes = b"", span_id: bytes = b"", parent_span_id: bytes = b"") -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.parent_span_id = parent_span_id
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
        self.ttft_s: float | None = None
        self.tpot_s: float | None = None
        self.input_tokens: int | None = None
        self.output_tokens: int | None = None
        self.cached_input_tokens: int | None = None
        self.reasoning_output_tokens: int | None = None
        self.finish_reasons: tuple[str, ...] = ()
        self.response_id: str | None = None
        self.conversation_id: str | None = None
        self.has_content = False

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
        return self.start_unix_s + self.duration_s
