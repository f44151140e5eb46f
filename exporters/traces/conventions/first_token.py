"""The time to the first token, under the names and in the units that senders have for it, where a token came at all.

Every reader passes through here: what a convention found is taken back when the first event held no token.
"""

from __future__ import annotations

from typing import Final

from exporters.traces.conventions import operations
from exporters.traces.conventions.convention import Found, since_start
from exporters.traces.conventions.fields import FIELDS
from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Span

# Of the names in FIELDS, those of OTel's metrics: who writes them reports them of streams alone, and has no flag for
# these. Beside OTel's attribute the span must say that it streamed.
_METRICS: Final = next(field.keys[1:] for field in FIELDS if field.name == "ttft_s")
# Seconds of one unit of other names. Senders that only stream: LiveKit, Claude Code, Vercel, Pipecat, Copilot.
_OF_STREAMS: Final = {
    "lk.response.ttft": 1.0, "ttft_ms": 1e-3, "ai.response.msToFirstChunk": 1e-3, "metrics.ttfb": 1.0,
    "copilot_chat.time_to_first_token": 1e-3,
}  # fmt: skip
# These are of streams where the span says that it is one.
_OTHERS: Final = {
    "gen_ai.response.time_to_first_token": 1.0,
    "gen_ai.server.time_to_first_token": 1.0,
    "gen_ai.client.time_to_first_token": 1.0,
    "gen_ai.time_to_first_token": 1.0,
    "gen_ai.response.time_to_first_token_ms": 1e-3,
    "time_to_first_token_ms": 1e-3,
}
# Events of it; several wrote them by hand.
_EVENTS: Final[tuple[str, ...]] = (
    *("First Token Stream Event", "first_token", "gen_ai.first_token", "gen_ai.content.first_token", "llm.first_token"),
)
_SERVERS: Final = "gen_ai.server.time_to_first_token"
_PROVIDERS: Final[tuple[str, ...]] = ("ai.model.provider", "gen_ai.provider.name", "gen_ai.system")
# What a span of a call in OTel's convention hardly ever has; then it takes a closer look.
NAMES: Final[tuple[str, ...]] = (*_OF_STREAMS, *_OTHERS, _PROVIDERS[0])
API_TYPE: Final = "openai.api.type"
# OpenLIT takes the response's headers for the first token.
_WRONG: Final = frozenset(("openlit",))
# pydantic-ai takes the first part of a message, whatever events came before it. Servers time their own tokens.
_BY_PARTS: Final[tuple[str, ...]] = ("pydantic-ai", "pydantic_ai")
# Strands writes milliseconds under OTel's name for seconds, of streams alone.
_IN_MILLISECONDS: Final = "strands"
# What a response says that it is, where a sender keeps it.
_OBJECTS: Final[tuple[str, ...]] = ("langfuse.observation.metadata.object",)
_SPANS: Final = ("responses", "response", "openai.response")
_OPERATIONS: Final = ("responses", "aresponses", "response")
# Behind a provider's name.
RESPONSES: Final = ".responses"


def refine(span: Span, found: Found, convention: str) -> None:
    """Complete `ttft_s` and `streaming`, and take back a time that is none to a first token."""
    if convention in _WRONG or (found["ttft_s"] is None and not _add(span, found)):
        return
    if found["streaming"] is None and any(name in span.attributes for name in _METRICS):
        found["streaming"] = True
    times_tokens = found.get("native_ttft") or span.scope.startswith(_BY_PARTS)
    if not times_tokens and is_of_responses_api(span, found):
        # Its first event, `response.created`, comes before the model has begun.
        found["ttft_s"] = None


def _add(span: Span, found: Found) -> bool:
    a = span.attributes
    for name, unit in (*_OF_STREAMS.items(), *_OTHERS.items()):
        number = attributes.number(a.get(name)) if name in a else None
        if number is None:
            continue
        is_strands = name == _SERVERS and span.scope.startswith(_IN_MILLISECONDS)
        found["ttft_s"] = number * (1e-3 if is_strands else unit)
        if (is_strands or name in _OF_STREAMS) and found["streaming"] is None:
            found["streaming"] = True
        return True
    first = since_start(span, *_EVENTS) if span.events else None
    if first is not None:
        found["streaming"], found["ttft_s"] = True, first
    return first is not None


def is_of_responses_api(span: Span, found: Found) -> bool:
    """Whether a call is one of OpenAI's Responses API, by its response's id or whatever else says so."""
    a = span.attributes
    if is_response_id(found["response_id"]) or attributes.word(a, API_TYPE) == "responses":
        return True
    if attributes.word(a, *_OBJECTS) == "response" or attributes.word(a, operations.OPERATION) in _OPERATIONS:
        return True
    provider = attributes.word(a, *_PROVIDERS)
    if provider is not None and provider.endswith(RESPONSES):
        return True
    return found["response_id"] is None and span.name.partition(" ")[0].lower() in _SPANS


def is_response_id(response_id: str | None) -> bool:
    """Whether an id is one of the Responses API's."""
    return response_id is not None and response_id.startswith(("resp_", "resp-"))
