"""What a convention is: which spans are calls, which attributes have what, and what its senders get wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from exporters.traces.conventions.fields import FIELDS, Field
from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Span, Value

Found = dict[str, Any]
"""Values for a Call by the names of FIELDS, and what only some conventions know: `aborted`, `failed`, `layer`,
`native_ttft`, `stream_s`, `tpot_s`, `counting` (a `usage_evidence.Way`, where it is not OTel's)."""

INFERENCE: Final = frozenset(("chat", "text_completion", "generate_content", "embeddings"))
# Spans that stand for several calls, or for none.
AGGREGATES: Final = frozenset(
    (
        *("invoke_agent", "execute_tool", "invoke_workflow", "create_agent", "chain", "agent_step", "execute_task"),
        *("plan", "retrieval", "fetch_response"),
    )
)
# Other names of the same operations (LiteLLM's functions, OpenLLMetry's request types, span kinds).
OPERATIONS: Final = {
    "completion": "chat", "acompletion": "chat", "responses": "chat", "aresponses": "chat", "llm": "chat",
    "anthropic_messages": "chat", "aanthropic_messages": "chat",
    "agenerate_content": "generate_content", "generate_content_stream": "generate_content",
    "agenerate_content_stream": "generate_content",
    "text_completion": "text_completion", "atext_completion": "text_completion", "completions": "text_completion",
    "embedding": "embeddings", "aembedding": "embeddings", "embed": "embeddings",
}  # fmt: skip

_FIELDS: Final[Mapping[str, Field]] = {field.name: field for field in FIELDS}
_BLANK: Final[Found] = {**dict.fromkeys(_FIELDS), "finish_reasons": ()}


@dataclass(frozen=True, slots=True)
class Context:
    """What normalisation needs beside the span: the sender's own tenant and the settings' mappings."""

    tenant: str | None
    tenant_attributes: Sequence[str]
    service_models: Mapping[str, str]


def _nothing(_span: Span, _found: Found) -> None:
    return


def _never(_span: Span) -> bool:
    return False


def _always(_span: Span) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Convention:
    """One way of writing calls into spans.

    `keys` names the attributes of fields, the first that is not empty wins; other fields are read as OTel has them.
    `refine` corrects what the attributes alone get wrong. `is_stream_wait` says whether a span that is no call is the
    wait before a stream. `confirms` says whether a span with this convention's mark or name is really written in it,
    where others use the same one.
    """

    name: str
    is_call: Callable[[Span], bool]
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    refine: Callable[[Span, Found], None] = _nothing
    is_stream_wait: Callable[[Span], bool] = _never
    confirms: Callable[[Span], bool] = _always
    layer: str = "client"
    operation: str = "chat"
    table: dict[str, tuple[str, int, Callable[[Value], Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.keys.keys() <= _FIELDS.keys(), f"{self.name} names a field that no call has"
        for known in FIELDS:
            for rank, key in enumerate(self.keys.get(known.name, known.keys)):
                assert key not in self.table, f"{self.name}: {key} is read twice"
                self.table[key] = (known.name, rank, known.read)

    def read(self, span: Span) -> Found:
        """Values for a Call, in one pass over the attributes: most are of no use here."""
        found = _BLANK.copy()
        ranks: dict[str, int] = {}
        table = self.table
        for key, value in span.attributes.items():
            entry = table.get(key)
            if entry is None:
                continue
            name, rank, reader = entry
            if name in ranks and ranks[name] < rank:
                continue
            read = reader(value)
            if read is not None:
                found[name] = read
                ranks[name] = rank
        operation = found["operation"]
        found["operation"] = OPERATIONS.get(operation, operation) if operation else self.operation
        found["layer"] = self.layer
        self.refine(span, found)
        return found


def operation_of(span: Span) -> str | None:
    """The span's operation by OTel's name, if it is a text."""
    name = span.attributes.get("gen_ai.operation.name")
    return name if isinstance(name, str) else None


def operation_is_inference(span: Span) -> bool:
    """Whether the span's operation is a call of a model, by OTel's name or another known one."""
    name = operation_of(span) or attributes.word(span.attributes, "llm.request.type")
    return name in INFERENCE or name in OPERATIONS


def since_start(span: Span, *events: str) -> float | None:
    """Seconds from the span's start to the first of these events; None when events were dropped: it may be gone."""
    if span.dropped_events:
        return None
    times = [found.time_ns for name in events if (found := span.event(name))]
    return (min(times) - span.start_ns) / 1e9 if times else None
