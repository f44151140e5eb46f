"""Token usage as objects: the shapes of providers' APIs, of SDKs and of flat buckets.

OTel's input tokens include cached ones and its output tokens those of reasoning. So do OpenAI's; Anthropic and
Bedrock count a cache's tokens apart, Gemini its thoughts, and flat buckets everything. What a total or a
contradiction proves of an object comes before what its shape says (see `usage_evidence`).
"""

from __future__ import annotations

import re
from typing import Final

from exporters.traces.conventions.convention import Found
from exporters.traces.conventions.usage_evidence import INCLUSIVE, UNKNOWN, Counts, Way, settled
from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Value

Usage = dict[str, Value]

DETAILS: Final = ("cached_input_tokens", "cache_write_input_tokens", "reasoning_output_tokens")
NOTHING: Final[Found] = dict.fromkeys(("input_tokens", "output_tokens", *DETAILS, "total_tokens"))

# Where a response's body has its usage.
_PLACES: Final[tuple[tuple[str, ...], ...]] = (
    *(("usage",), ("usageMetadata",), ("usage_metadata",), ("usage_info",), ("meta",), ("token_usage",)),
    *(("tokenUsage",), ("response", "usage"), ("response", "usageMetadata"), ("response", "usage_metadata")),
    *(("result", "usage"), ("llm_output", "token_usage"), ("response_metadata", "token_usage")),
    *(("message", "usage"), ("metadata", "usage")),
)
_NAMED: Final = re.compile(r"(?i)usage|tokens")
LONGEST_BODY: Final = 64 << 10
_MOST_EVENTS: Final = 5
# Objects within usage that hold the counts; Cohere's billed ones come first, as OTel has it.
_INNER: Final = ("billed_units", "billedUnits", "tokens")

_INPUT: Final = ("prompt_tokens", "promptTokens", "input_tokens", "inputTokens", "promptTokenCount")
_MORE_INPUT: Final = (*("prompt_token_count", "inputTokenCount", "input_token_count", "prompt_eval_count", "input"),)
_OUTPUT: Final = (
    *("completion_tokens", "completionTokens", "output_tokens", "outputTokens", "candidatesTokenCount"),
    *("candidates_token_count", "responseTokenCount", "response_token_count", "outputTokenCount"),
    *("output_token_count", "generatedTokenCount", "generated_token_count", "eval_count", "output"),
)
_TOTAL: Final = ("total_tokens", "totalTokens", "totalTokenCount", "total_token_count", "total")
_CACHED: Final = (
    *("cache_read_input_tokens", "cacheReadInputTokens", "cacheReadInputTokenCount", "cachedContentTokenCount"),
    *("cached_content_token_count", "cachedInputTokens", "cached_input_tokens", "cacheReadTokens"),
    *("cache_read_tokens", "cachedTokens", "cached_tokens", "prompt_cache_hit_tokens", "num_cached_tokens"),
    *("input_cached_tokens", "input_cached", "input_cache_read", "input_cache_read_tokens", "cached_input"),
    *("cache_read_input", "cached_prompt_text_tokens"),
)
_WRITTEN: Final = (
    *("cache_creation_input_tokens", "cacheCreationInputTokens", "cache_write_input_tokens", "cacheWriteInputTokens"),
    *("cacheWriteInputTokenCount", "cacheWriteTokens", "cache_write_tokens", "cacheCreationTokens"),
    *("cache_creation_tokens", "input_cache_creation", "input_cache_creation_tokens", "input_cache_write"),
    *("input_cache_write_tokens", "cache_creation_input"),
)
# One count by each time to live.
_WRITTEN_BY_TIME: Final = (
    *("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens", "input_cache_creation_5m", "input_cache_creation_1h"),
)
_REASONING: Final = (
    *("reasoning_tokens", "reasoningTokens", "thoughtsTokenCount", "thoughts_token_count", "thinking_tokens"),
    *("output_reasoning_tokens", "output_reasoning"),
)
# Perplexity's, whose output has neither these nor its reasoning, and whose total is the sum of two numbers.
_CITED: Final = "citation_tokens"
_OF_TOOLS: Final = ("toolUsePromptTokenCount", "tool_use_prompt_token_count")
_INPUT_DETAILS: Final = (
    *("prompt_tokens_details", "promptTokensDetails", "input_tokens_details", "inputTokensDetails"),
    *("input_token_details", "inputTokenDetails", "prompt_token_details"),
)
_OUTPUT_DETAILS: Final = (
    *("completion_tokens_details", "completionTokensDetails", "output_tokens_details", "outputTokensDetails"),
    *("output_token_details", "outputTokenDetails", "completion_token_details"),
)
# Gemini's names; Anthropic's and Bedrock's, whose input does not include what they name.
_GEMINI: Final = frozenset((*_INPUT[4:], "prompt_token_count", "thoughtsTokenCount", "thoughts_token_count"))
_APART: Final = frozenset((*_CACHED[:3], "cacheReadTokens", *_WRITTEN[:6], "cache_creation"))
_BY_OPENAI: Final = ("prompt_tokens", "promptTokens", *_INPUT_DETAILS)


def tokens(usage: Usage, *, hint: Way = INCLUSIVE, is_inclusive: bool = False) -> Found:
    """The token counts of a Call out of a usage object, as OTel counts; an object without any gives None for each.

    `hint` says what the object's total may hold that it does not name (see `usage_evidence.known_way`).
    `is_inclusive`: the cached ones are already part of the input, whatever their names are.
    """
    for name in _INNER:
        inner = attributes.tree(usage.get(name))
        if attributes.count(inner, *_INPUT, *_OUTPUT) is not None:
            return tokens({**_beside(usage), **inner}, hint=hint, is_inclusive=is_inclusive)
    is_flat = "input" in usage or "output" in usage
    read = _read(usage)
    more_input, more_output = _flat_parts(usage, read) if is_flat else (0, attributes.count(usage, _CITED) or 0)
    way = _way(usage, hint, is_flat, is_inclusive)
    if way.reasoning_apart and read.output < 0 <= read.reasoning:
        # A response that ended with its thoughts.
        read = read._replace(output=0)
    known = settled(
        read._replace(
            written=read.written if not more_input else max(read.written, 0) + more_input,
            reasoning=read.reasoning if not more_output else max(read.reasoning, 0) + more_output,
        ),
        way,
    )
    return {
        "input_tokens": _known(known.input),
        "output_tokens": _known(known.output),
        # Details alone belong to numbers that stand elsewhere.
        "cached_input_tokens": _known(read.cached if known.input >= 0 or read.input < 0 else UNKNOWN),
        "cache_write_input_tokens": _known(read.written if known.input >= 0 or read.input < 0 else UNKNOWN),
        "reasoning_output_tokens": _known(
            read.reasoning if read.output < 0 or (more_output and known.output >= 0) else known.reasoning
        ),
        "total_tokens": None,
    }


def of_object(told: Usage) -> Usage:
    """The usage object that an object is or has in it."""
    return told if has_counts(told) else of_body(told) or told


def of_body(body: Usage) -> Usage:
    """The usage object in a response's body, whichever API's; an empty one if there is none."""
    for place in _PLACES:
        found = body
        for name in place:
            found = attributes.tree(found.get(name))
        if has_counts(found):
            return found
    return {}


def of_text(body: Value) -> Usage:
    """The same of a body as text, if that is short: a longer one is content, and costs more to read than it tells."""
    if not isinstance(body, str) or len(body) > LONGEST_BODY or not _NAMED.search(body):
        return {}
    parsed = attributes.loose(body)
    # Of a stream that was kept as its events the last ones have it.
    last = parsed[-_MOST_EVENTS:] if isinstance(parsed, list) else [parsed]
    return next((found for event in reversed(last) if isinstance(event, dict) and (found := of_body(event))), {})


def has_counts(usage: Usage) -> bool:
    """Whether an object tells how many tokens went in or came out."""
    held = (usage, *(attributes.tree(usage.get(name)) for name in _INNER if name in usage))
    return any(attributes.count(inner, *_INPUT, *_MORE_INPUT, *_OUTPUT) is not None for inner in held)


def complete(found: Found, counted: Found) -> None:
    """Take from a usage object's counts what a span's attributes do not tell: all of them, or the details."""
    if found["input_tokens"] is None and found["output_tokens"] is None:
        found |= counted
        return
    for name in DETAILS:
        found[name] = counted[name] if found[name] is None else found[name]


def _read(usage: Usage) -> Counts:
    """The numbers as they stand in the object."""
    of_input, of_output = _details(usage, _INPUT_DETAILS), _details(usage, _OUTPUT_DETAILS)
    whole = attributes.count(usage, *_INPUT, *_MORE_INPUT)
    of_tools = attributes.count(usage, *_OF_TOOLS)
    if whole is not None and of_tools is not None:
        whole += of_tools
    return Counts(
        _number(whole),
        _number(attributes.count(usage, *_OUTPUT)),
        _number(_first(attributes.count(of_input, *_CACHED, "cache_read"), attributes.count(usage, *_CACHED))),
        _number(_first(_written(usage), _written(of_input))),
        _number(_first(attributes.count(of_output, *_REASONING, "reasoning"), attributes.count(usage, *_REASONING))),
        _number(attributes.count(usage, *_TOTAL)),
    )


def _written(usage: Usage) -> int | None:
    """Tokens written into a cache; where only their kinds are told, the sum of those."""
    found = attributes.count(usage, *_WRITTEN)
    if found is None and not isinstance(usage.get("cache_creation"), dict):
        found = attributes.count(usage, "cache_creation", "cache_write")
    by_time = {**usage, **attributes.tree(usage.get("cache_creation"))}
    parts = [count for name in _WRITTEN_BY_TIME if (count := attributes.count(by_time, name)) is not None]
    if parts and not found:
        return sum(parts)
    return found


def _way(usage: Usage, hint: Way, is_flat: bool, is_inclusive: bool) -> Way:
    """How an object of this shape counts, where nothing else tells."""
    way = Way(hides_input=hint.hides_input, hides_output=hint.hides_output)
    if is_inclusive:
        return way
    if is_flat:
        return way._replace(cache_apart=True, reasoning_apart=True)
    if _GEMINI & usage.keys():
        return Way(reasoning_apart=True, hides_output=True)
    if _CITED in usage:
        return Way(reasoning_apart=True, has_total=False)
    if _APART & usage.keys() and not any(name in usage for name in _BY_OPENAI):
        return Way(cache_apart=True, hides_input=True)
    # xAI's, in OpenAI's shape.
    return way._replace(reasoning_apart=hint.reasoning_apart and "prompt_tokens" in usage)


def _flat_parts(usage: Usage, read: Counts) -> tuple[int, int]:
    """What flat buckets have besides: for Langfuse each whose name has `input` or `output` is a part of it."""
    named = max(read.cached, 0) + max(read.written, 0)
    return (
        max(_sum(usage, "input", _INPUT) - named, 0),
        max(_sum(usage, "output", _OUTPUT) - max(read.reasoning, 0), 0),
    )


def _sum(usage: Usage, side: str, wholes: tuple[str, ...]) -> int:
    told = (side, *wholes, *_WRITTEN_BY_TIME) if attributes.count(usage, *_WRITTEN) else (side, *wholes)
    names = (name for name in usage if side in name and name not in told and not name.endswith("_details"))
    return sum(attributes.count(usage, name) or 0 for name in names)


def _details(usage: Usage, names: tuple[str, ...]) -> Usage:
    return next((found for name in names if name in usage and (found := attributes.tree(usage[name]))), {})


def _beside(usage: Usage) -> Usage:
    return {name: value for name, value in usage.items() if name not in _INNER and not isinstance(value, dict)}


def _first(one: int | None, other: int | None) -> int | None:
    return other if one is None else one


def _number(count: int | None) -> int:
    return UNKNOWN if count is None else count


def _known(count: int) -> int | None:
    return None if count < 0 else count
