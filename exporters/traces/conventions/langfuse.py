"""Langfuse SDKs 3 to 5: observations with input, output and usage as JSON; some texts in quotes of their own."""

from __future__ import annotations

from datetime import datetime

from exporters.traces.conventions import evidence, finish, model_names, operations, usage
from exporters.traces.conventions.convention import Convention, Found
from exporters.traces.conventions.usage_evidence import known_way
from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Span

_KIND = "langfuse.observation.type"
_MODEL = "langfuse.observation.model.name"
_FIRST = "langfuse.observation.completion_start_time"
# What Langfuse's own wrapper of OpenAI's client writes always; it takes the model's name from responses.
_OF_WRAPPER = frozenset(("temperature", "max_tokens", "top_p", "frequency_penalty", "presence_penalty"))
_NAMES = ("OpenAI-generation", "OpenAI-embedding")
_ANSWERS = ("langfuse.observation.output", "langfuse.observation.usage", "langfuse.observation.completion_start")


def _confirms(span: Span) -> bool:
    """A span or an event says nothing: others write through Langfuse's tracer, or are told to add its mark."""
    return attributes.word(span.attributes, _KIND) not in (None, "span", "event") or _is_generation(span)


def _is_call(span: Span) -> bool:
    if operations.of(span) is None and _is_generation(span):
        return True
    return evidence.is_call(span) and not evidence.is_step(span, _ANSWERS)


def _is_generation(span: Span) -> bool:
    """Whether a `span` has what only generations have: SDKs up to 3.3 kept the kind that an observation began with."""
    a = span.attributes
    return (
        _MODEL in a
        and attributes.word(a, _KIND) in (None, "span")
        and usage.has_counts(attributes.tree(a.get("langfuse.observation.usage_details")))
    )


def _place_model(span: Span, found: Found) -> None:
    a = span.attributes
    parameters = attributes.tree(a.get("langfuse.observation.model.parameters"))
    is_wrapper = parameters.keys() >= _OF_WRAPPER or span.name in _NAMES
    came = any(name.startswith(_ANSWERS) for name in a) and not found.get("failed")
    asked = attributes.word(a, "langfuse.observation.metadata.ls_model_name")
    name = attributes.word(a, _MODEL)
    model_names.place(found, name, asked, name if is_wrapper and came else None)


def _refine(span: Span, found: Found) -> None:
    a = span.attributes
    if span.status == 2 or a.get("langfuse.observation.level") == "ERROR":
        found["failed"] = True
    _place_model(span, found)
    used = usage.of_object(attributes.tree(a.get("langfuse.observation.usage_details")))
    # Without any that can be read there may be OTel's attributes, or the whole response of an API.
    if not usage.has_counts(used) and found["input_tokens"] is None and found["output_tokens"] is None:
        used = usage.of_text(a.get("langfuse.observation.output"))
    if usage.has_counts(used):
        named = (found["model_requested"], found["model_served"])
        found |= usage.tokens(used, hint=known_way(found["provider"], *named))
    if not found["finish_reasons"] and attributes.word(a, "langfuse.observation.metadata.object") == "response":
        # The Responses API has a status instead.
        found["finish_reasons"] = finish.reasons(a.get("langfuse.observation.metadata.status")) or ()
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
        "conversation_id": ("session.id", "langfuse.session.id"),
    },
    refine=_refine,
    confirms=_confirms,
)
