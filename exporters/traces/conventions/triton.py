"""Triton Inference Server: one InferRequest span a request; what runs inside it are no calls of their own."""

from __future__ import annotations

from exporters.traces.conventions.convention import Convention, Found
from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Span


def _is_call(span: Span) -> bool:
    return span.name == "InferRequest"


def _refine(span: Span, found: Found) -> None:
    model = attributes.word(span.attributes, "triton.model_name")
    version = attributes.count(span.attributes, "triton.model_version")
    found["model_requested"] = model
    if model and version is not None:
        found["model_served"] = f"{model}:{version}"
    found["operation"], found["provider"] = "infer", "triton"


CONVENTION = Convention(
    "triton",
    _is_call,
    keys={"response_id": ("triton.request_id", "triton.trace_request_id")},
    refine=_refine,
    layer="server",
)
