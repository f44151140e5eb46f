"""NVIDIA Dynamo's frontend: http-request spans with times in milliseconds."""

from __future__ import annotations

from exporters.traces.conventions.convention import Convention, Found
from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Span

_PATHS = {"/v1/chat/completions": "chat", "/v1/completions": "text_completion", "/v1/embeddings": "embeddings"}


def _is_call(span: Span) -> bool:
    return span.name == "http-request" and attributes.word(span.attributes, "uri") in _PATHS


def _refine(span: Span, found: Found) -> None:
    a = span.attributes
    found["operation"] = _PATHS[str(attributes.word(a, "uri"))]
    found["provider"] = "dynamo"
    first, gap = attributes.number(a.get("ttft_ms")), attributes.number(a.get("avg_itl_ms"))
    found["ttft_s"], found["native_ttft"] = None if first is None else first / 1000, True
    found["tpot_s"] = None if gap is None else gap / 1000
    outcome = attributes.word(a, "request.outcome")
    if outcome and any(word in outcome for word in ("cancel", "disconnect", "abort")):
        found["aborted"] = True
    elif outcome and outcome not in ("success", "ok", "completed"):
        found["failed"] = True


CONVENTION = Convention(
    "dynamo",
    _is_call,
    keys={
        "model_requested": ("model",),
        "input_tokens": ("input_tokens",),
        "output_tokens": ("output_tokens",),
        "response_id": ("request_id", "x_request_id"),
    },
    refine=_refine,
    layer="server",
)
