"""Langfuse SDKs 3 to 5: observations with input, output and usage as JSON; some texts in quotes of their own."""

from __future__ import annotations

from datetime import datetime

from exporters.traces.conventions import finish, usage
from exporters.traces.conventions.convention import Convention, Found
from exporters.traces.conventions.usage_evidence import known_way
from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Span

_KIND = "langfuse.observation.type"
_FIRST = "langfuse.observation.completion_start_time"


def _is_call(span: Span) -> bool:
    return span.attributes.get(_KIND) in ("generation", "embedding")


def _refine(span: Span, found: Found) -> None:
    a = span.attributes
    found["operation"] = "embeddings" if a[_KIND] == "embedding" else "chat"
    used = usage.of_object(attributes.tree(a.get("langfuse.observation.usage_details")))
    # Without any that can be read there may be OTel's attributes, or the whole response of an API.
    if not usage.has_counts(used) and found["input_tokens"] is None and found["output_tokens"] is None:
        used = usage.of_text(a.get("langfuse.observation.output"))
    if usage.has_counts(used):
        found |= usage.tokens(used, hint=known_way(found["provider"], found["model_served"]))
    if not found["finish_reasons"] and attributes.word(a, "langfuse.observation.metadata.object") == "response":
        # The Responses API has a status instead.
        found["finish_reasons"] = finish.reasons(a.get("langfuse.observation.metadata.status")) or ()
    failed = span.status == 2 or a.get("langfuse.observation.level") == "ERROR"
    if failed:
        # No model responded, so the name is the requested one.
        found["model_requested"], found["model_served"] = found["model_served"], None
        found["failed"] = True
    first = _moment(attributes.word(a, _FIRST))
    if first is not None:
        found["streaming"] = True
        # The first event of OpenAI's Responses API, whose usage this is, holds no token.
        found["ttft_s"] = None if "output_tokens_details" in used else first - span.start_ns / 1e9


def _moment(text: str | None) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp() if text else None
    except ValueError:
        return None


CONVENTION = Convention(
    "langfuse",
    _is_call,
    keys={
        "operation": (),
        "model_requested": (),
        "model_served": ("langfuse.observation.model.name",),
        "conversation_id": ("session.id", "langfuse.session.id"),
    },
    refine=_refine,
)
