"""The fields that a call may have: which attributes OTel's convention writes them to, and how each is read.

One table for everything that goes through all fields: the conventions, the fast path, normalisation and the token
metrics. A new kind of token is a row of it; see `Call.tokens`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from exporters.traces.conventions import finish
from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Value

Unit = Literal["", "s", "tokens"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a Call: the attributes that hold it, in order of preference, and what reads their value.

    `read` returns None for what is absent, empty or impossible. `unit` is empty for what is not a quantity. OTel has no
    attribute for the duration, which is the span's.
    """

    name: str
    keys: tuple[str, ...]
    read: Callable[[Value], Any] = attributes.short
    unit: Unit = ""

    @property
    def token_kind(self) -> str:
        """The label `kind` of `telltale_tokens_total` for these tokens."""
        return self.name.removesuffix("_tokens")


def _tokens(name: str, *keys: str) -> Field:
    # Last the name of OTel's counter of these tokens: some write metrics' names as attributes.
    counter = f"gen_ai.client.inference.{keys[0].removeprefix('gen_ai.')}"
    return Field(name, (*keys, counter), attributes.whole, "tokens")


FIELDS: Final = (
    Field("operation", ("gen_ai.operation.name", "llm.request.type")),
    Field("provider", ("gen_ai.provider.name", "gen_ai.system", "gen_ai.model.provider")),
    Field("model_requested", ("gen_ai.request.model",)),
    Field("model_served", ("gen_ai.response.model",)),
    Field(
        "streaming",
        (
            *("gen_ai.request.stream", "gen_ai.is_streaming", "gen_ai.request.is_stream", "llm.is_streaming"),
            *("gen_ai.response.streaming", "gen_ai.request.streaming"),
        ),
        attributes.truth,
    ),
    Field("duration_s", (), attributes.number, "s"),
    # OTel's attribute, and the names of its metrics, which Vercel and pydantic-ai write as attributes.
    Field(
        "ttft_s",
        (
            *("gen_ai.response.time_to_first_chunk", "gen_ai.client.operation.time_to_first_chunk"),
            "gen_ai.client.inference.time_to_first_chunk",
        ),
        attributes.number,
        "s",
    ),
    Field("finish_reasons", finish.KEYS, finish.reasons),
    Field("response_id", ("gen_ai.response.id",)),
    Field("conversation_id", ("gen_ai.conversation.id", "session.id")),
    Field("error_type", ("error.type",)),
    # Kinds of tokens, in the order of the constants below. OTel's input tokens include those of the cache, its output
    # tokens those of reasoning.
    _tokens(
        "input_tokens",
        *("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "gen_ai.response.input_tokens"),
        *("gen_ai.response.prompt_tokens", "llm.usage.prompt_tokens", "llm.usage.input_tokens"),
        *("gen_ai.usage.inputTokens", "gen_ai.usage.promptTokens", "gen_ai.usage.prompt_token_count"),
    ),
    _tokens(
        "output_tokens",
        *("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "gen_ai.response.output_tokens"),
        *("gen_ai.response.completion_tokens", "llm.usage.completion_tokens", "llm.usage.output_tokens"),
        *("gen_ai.usage.outputTokens", "gen_ai.usage.completionTokens", "gen_ai.usage.candidates_token_count"),
    ),
    _tokens(
        "cached_input_tokens",
        *("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"),
        *("gen_ai.usage.details.cache_read_tokens", "gen_ai.usage.cached_tokens", "gen_ai.usage.input_tokens.cached"),
        *("gen_ai.usage.cached_input_tokens", "gen_ai.usage.input_cached_tokens", "gen_ai.usage.cache_read_tokens"),
        *("gen_ai.usage.input_tokens_details.cached_tokens", "gen_ai.usage.prompt_tokens_details.cached_tokens"),
        *("gen_ai.usage.details.cache_read_input_tokens", "gen_ai.usage.details.cached_content_tokens"),
        *("gen_ai.usage.details.cached_tokens", "llm.usage.cache_read_input_tokens"),
        *("gen_ai.usage.prompt_details.cache_read", "gen_ai.usage.cached_content_token_count"),
    ),
    _tokens(
        "cache_write_input_tokens",
        *("gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation.input_tokens"),
        *("gen_ai.usage.cache_creation_input_tokens", "gen_ai.usage.cache_write_input_tokens"),
        *("gen_ai.usage.details.cache_write_tokens", "gen_ai.usage.input_tokens.cache_write"),
        *("gen_ai.usage.cache_creation_tokens", "gen_ai.usage.cache_write_tokens"),
        *("gen_ai.usage.details.cache_creation_input_tokens", "llm.usage.cache_creation_input_tokens"),
        "gen_ai.usage.prompt_details.cache_write",
    ),
    _tokens(
        "reasoning_output_tokens",
        *("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens", "llm.usage.reasoning_tokens"),
        *("gen_ai.usage.details.reasoning_tokens", "gen_ai.usage.output_tokens.reasoning"),
        *("gen_ai.usage.experimental.reasoning_tokens", "gen_ai.usage.output_tokens_details.reasoning_tokens"),
        *("gen_ai.usage.completion_tokens_details.reasoning_tokens", "gen_ai.usage.output_reasoning_tokens"),
        *("gen_ai.usage.details.thoughts_tokens", "gen_ai.usage.details.thinking_tokens"),
        *("gen_ai.usage.thoughts_tokens", "gen_ai.usage.thinking_tokens", "gen_ai.usage.thoughts_token_count"),
        "gen_ai.usage.completion_details.reasoning",
    ),
    # What its sender says they add up to: evidence of how it counts (see `usage_evidence`), and no kind of its own.
    _tokens(
        "total_tokens",
        *("gen_ai.usage.total_tokens", "llm.usage.total_tokens", "gen_ai.response.total_tokens"),
        *("gen_ai.usage.totalTokens", "gen_ai.usage.total_token_count"),
    ),
)

COUNT_FIELDS: Final = tuple(field for field in FIELDS if field.unit == "tokens")
TOKEN_FIELDS: Final = COUNT_FIELDS[:-1]
# Places in COUNT_FIELDS of those that a rule or a price names; literals, because compiled code has them inline.
INPUT: Final = 0
OUTPUT: Final = 1
CACHED_INPUT: Final = 2
CACHE_WRITE_INPUT: Final = 3
REASONING_OUTPUT: Final = 4
TOTAL: Final = 5
