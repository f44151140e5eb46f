"""What a convention is: which spans are calls, which attributes have what, and what its senders get wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from exporters.traces.conventions import evidence, operations, providers
from exporters.traces.conventions.fields import FIELDS, Field
from exporters.traces.decode.spans import Span, Value

Found = dict[str, Any]
"""Values for a Call by the names of FIELDS, and what only some conventions know: `aborted`, `failed`, `layer`,
`native_ttft`, `stream_s`, `tpot_s`, `counting` (a `usage_evidence.Way`, where it is not OTel's)."""

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

    `is_call` says which of its spans are calls, where more tells it than `evidence`. `keys` names the attributes of
    fields, the first that is not empty wins; after them come OTel's own, for no mark hides what else a span has.
    `ignored` are fields that its senders get wrong, whatever attributes they have. `refine` corrects what the
    attributes alone get wrong. `is_stream_wait` says whether a span that is no call is the wait before a stream.
    `confirms` says whether a span with this convention's scope, mark or name is really written in it.
    """

    name: str
    is_call: Callable[[Span], bool] = evidence.is_call
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    refine: Callable[[Span, Found], None] = _nothing
    is_stream_wait: Callable[[Span], bool] = _never
    confirms: Callable[[Span], bool] = _always
    layer: str = "client"
    operation: str = "chat"
    ignored: frozenset[str] = frozenset()
    table: dict[str, tuple[str, int, Callable[[Value], Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.keys.keys() <= _FIELDS.keys(), f"{self.name} names a field that no call has"
        for known in FIELDS:
            for rank, key in enumerate(self.keys.get(known.name, ())):
                assert key not in self.table, f"{self.name}: {key} is read twice"
                self.table[key] = (known.name, rank, known.read)
        for known in FIELDS:
            if known.name not in self.ignored:
                for rank, key in enumerate(known.keys, len(self.keys.get(known.name, ()))):
                    self.table.setdefault(key, (known.name, rank, known.read))

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
        found["operation"] = operations.of(span) or found["operation"] or self.operation
        found["layer"] = self.layer
        self.refine(span, found)
        if span.status == evidence.ERROR:
            _drop_echo(found)
        found["provider"] = providers.normal(found["provider"]) if found["provider"] else None
        return found


def since_start(span: Span, *events: str) -> float | None:
    """Seconds from the span's start to the first of these events; None when events were dropped: it may be gone."""
    if span.dropped_events:
        return None
    times = [found.time_ns for name in events if (found := span.event(name))]
    return (min(times) - span.start_ns) / 1e9 if times else None


def _drop_echo(found: Found) -> None:
    """Of a call to which nobody responded the served model is the requested one's name again."""
    answered = found["response_id"] or found["finish_reasons"] or found["output_tokens"]
    if not answered and found["model_requested"] in (None, found["model_served"]):
        found["model_requested"], found["model_served"] = found["model_requested"] or found["model_served"], None
