"""Hugging Face TGI's router: durations as Rust writes them ('1.2345s', '312.4µs'), numbers as text, no model."""

from __future__ import annotations

import re

from exporters.traces.conventions.convention import Convention, Found
from exporters.traces.decode.spans import Span, Value

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|ms|µs|us|ns)")
# What the router times beside the whole.
_TIMES = ("validation_time", "queue_time", "inference_time", "time_per_token")
_UNITS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "us": 1e-6, "ns": 1e-9}


def duration(value: Value) -> float | None:
    """Seconds of a Rust Duration's debug text."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    return float(match[1]) * _UNITS[match[2]] if match else None


def _is_call(span: Span) -> bool:
    a = span.attributes
    return duration(a.get("total_time")) is not None and any(name in a for name in _TIMES)


def _refine(span: Span, found: Found) -> None:
    found["operation"] = "chat" if span.name.startswith("chat") else "text_completion"
    found["duration_s"] = duration(span.attributes.get("total_time"))
    found["streaming"] = True if "stream" in span.name else None
    found["tpot_s"] = duration(span.attributes.get("time_per_token"))
    found["provider"] = "tgi"


CONVENTION = Convention(
    "tgi",
    _is_call,
    keys={"input_tokens": ("prompt_tokens",), "output_tokens": ("generated_tokens",)},
    refine=_refine,
    layer="server",
    confirms=_is_call,
)
