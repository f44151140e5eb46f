"""Which spans are calls of a model: the one rule, for every convention that has no sign of its own.

1. A known operation under OTel's name decides. One that is no call makes none, whatever the span repeats of a call. One
   that is a call makes one; but where a mark says that the span is another thing, only with a response's own marks.
2. Without it, a mark of another convention decides.
3. Without either, a model's name, whoever's attribute it is, is no evidence: baggage carries it onto spans of web
   frameworks, HTTP clients, queues and databases. A response is (tokens, its id, the model that served it, why it
   ended), or messages, or a client's request to a named provider, where the span is not one of a transport or a store.
"""

from __future__ import annotations

from typing import Final

from exporters.traces.conventions import operations
from exporters.traces.conventions.fields import FIELDS
from exporters.traces.conventions.operations import CALLS, Attributes
from exporters.traces.decode.spans import Span

CLIENT: Final = 3
ERROR: Final = 2
# What agents of pydantic-ai and others add up over their calls.
SUMS: Final[tuple[str, ...]] = ("gen_ai.aggregated_usage.input_tokens", "gen_ai.aggregated_usage.output_tokens")
# What only a response tells.
_OF_RESPONSES: Final = ("model_served", "finish_reasons", "response_id", "ttft_s")
ANSWERS: Final[tuple[str, ...]] = tuple(
    key for field in FIELDS if field.name in _OF_RESPONSES or field.unit == "tokens" for key in field.keys
)
MODELS: Final[tuple[str, ...]] = ("gen_ai.request.model", "gen_ai.response.model")
# The same of others, whose spans need not have a mark.
OTHER_MODELS: Final[tuple[str, ...]] = (
    *("llm.model_name", "ai.model.id", "langfuse.observation.model.name", "llm.request.model"),
)
_OTHER_ANSWERS: Final[tuple[str, ...]] = (
    *("llm.token_count.prompt", "llm.token_count.completion", "ai.usage.promptTokens", "ai.usage.completionTokens"),
    *("ai.usage.inputTokens", "ai.usage.outputTokens", "ai.usage.tokens", "langfuse.observation.usage_details"),
)
PROVIDERS: Final[tuple[str, ...]] = next(field.keys for field in FIELDS if field.name == "provider")
MESSAGES: Final[tuple[str, ...]] = ("gen_ai.input.messages", "gen_ai.output.messages")
# A message between programs, which may be a request to a model or from somebody who wants one.
TRANSPORT: Final[tuple[str, ...]] = (
    *("http.route", "http.method", "http.request.method", "http.url", "http.target", "url.full", "rpc.system"),
    *("rpc.system.name", "rpc.service", "rpc.method", "faas.trigger", "graphql.operation.name"),
)
# What is never a request to a model.
STORES: Final[tuple[str, ...]] = (
    *("db.system", "db.system.name", "db.statement", "db.query.text", "db.operation", "db.operation.name", "db.name"),
    *("db.namespace", "messaging.system", "messaging.operation", "messaging.operation.name"),
    *("messaging.operation.type", "messaging.destination", "messaging.destination.name"),
)
# No model responds sooner.
_NO_TIME_NS: Final = 10_000_000


def is_call(span: Span) -> bool:
    """Whether a span is a call of a model."""
    a = span.attributes
    if has(a, SUMS):
        return False
    named = operations.named(a)
    if named is not None and named not in CALLS:
        return False
    marked = operations.marked(span)
    if named is not None:
        return has(a, ANSWERS) or (not has(a, STORES) and (marked is None or marked in CALLS))
    if marked is not None:
        return marked in CALLS
    if has(a, OTHER_MODELS) and (has(a, _OTHER_ANSWERS) or has(a, ANSWERS)):
        return True
    return has(a, MODELS) and _is_evident(span)


def _is_evident(span: Span) -> bool:
    a = span.attributes
    if has(a, ANSWERS):
        return True
    if has(a, TRANSPORT) or has(a, STORES):
        return False
    return has(a, MESSAGES) or (span.kind == CLIENT and has(a, PROVIDERS))


def has(a: Attributes, names: tuple[str, ...]) -> bool:
    """Whether one of these attributes is there."""
    for name in names:  # noqa: SIM110 - mypyc makes plain C of the loop
        if name in a:
            return True
    return False


def is_step(span: Span, answers: tuple[str, ...]) -> bool:
    """Whether a span of a call's kind is a framework's step before a call: nothing came, and it took no time.

    `answers` are what attributes begin with in which the span's convention tells of a response.
    """
    if span.status == ERROR or span.events or span.end_ns - span.start_ns >= _NO_TIME_NS:
        return False
    return not has(span.attributes, ANSWERS) and not any(name.startswith(answers) for name in span.attributes)
