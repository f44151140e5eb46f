"""Token usage as objects: the shapes of providers' APIs, and flat buckets.

OTel's input tokens include cached ones. OpenAI's do too; Anthropic's own and flat buckets do not, and are added up.
"""

from __future__ import annotations

from exporters.traces.conventions.convention import Found
from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Value

DETAILS = ("cached_input_tokens", "cache_write_input_tokens", "reasoning_output_tokens")
_ANTHROPIC_CACHE = ("cache_read_input_tokens", "cache_creation_input_tokens")


def tokens(usage: dict[str, Value], *, flat_is_disjoint: bool = False, is_inclusive: bool = False) -> Found:
    """The token counts of a Call out of a usage object; an empty object gives None for each.

    `is_inclusive`: the cached ones are already part of the input, whatever their names are.
    """
    total_input = attributes.count(usage, "prompt_tokens", "input_tokens", "input")
    cached = attributes.count(
        attributes.tree(usage.get("prompt_tokens_details") or usage.get("input_tokens_details")), "cached_tokens"
    )
    if cached is None:
        cached = attributes.count(
            usage, "cache_read_input_tokens", "input_cached_tokens", "input_cached", "input_cache_read"
        )
    cache_write = attributes.count(
        usage, "cache_creation_input_tokens", "input_cache_creation", "input_cache_write_tokens"
    )
    reasoning = attributes.count(
        attributes.tree(usage.get("completion_tokens_details") or usage.get("output_tokens_details")),
        "reasoning_tokens",
    )
    if total_input is not None and "prompt_tokens" not in usage and not is_inclusive:
        total_input += sum(attributes.count(usage, name) or 0 for name in _disjoint(usage, flat_is_disjoint))
    output = attributes.count(usage, "completion_tokens", "output_tokens", "output")
    if flat_is_disjoint and "output" in usage:
        parts = [name for name in usage if name.startswith("output_") and name not in ("output_tokens",)]
        output = (output or 0) + sum(attributes.count(usage, name) or 0 for name in parts)
        reasoning = attributes.count(usage, "output_reasoning_tokens", "output_reasoning")
    return {
        "input_tokens": total_input,
        "output_tokens": output,
        "cached_input_tokens": cached,
        "cache_write_input_tokens": cache_write,
        "reasoning_output_tokens": reasoning,
    }


def _disjoint(usage: dict[str, Value], flat_is_disjoint: bool) -> list[str]:
    """The counts that input tokens do not include."""
    if flat_is_disjoint and "input" in usage:
        # Langfuse, "Model Usage & Cost Tracking": every type whose name holds `input` is a part of the input.
        return [name for name in usage if "input" in name and name != "input" and not name.endswith("_details")]
    return [name for name in _ANTHROPIC_CACHE if name in usage]
