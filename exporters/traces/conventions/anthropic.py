"""Anthropic's SDK, which writes spans of its calls itself, without content."""

from __future__ import annotations

from exporters.traces.conventions.convention import Convention, operation_is_inference

CONVENTION = Convention(
    "anthropic",
    operation_is_inference,
    keys={"finish_reasons": ("anthropic.message.stop_reason", "gen_ai.response.finish_reasons")},
)
