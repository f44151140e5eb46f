"""Why a response ended: where senders write it, one spelling for each reason, and which reasons are break-offs.

A reason stays its provider's own word (`end_turn` is not `stop`), spelled one way: `tool-calls`, `STOP`,
`FinishReason.STOP`, `FINISH_REASON_STOP`, `endTurn` become `tool_calls`, `stop`, `end_turn`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Event, Value

# The provider's own word before a translated one.
KEYS: Final[tuple[str, ...]] = (
    "anthropic.message.stop_reason",
    "ai.response.finishReason",
    "langfuse.observation.metadata.finish_reason",
    "gen_ai.response.finish_reasons",
    "gen_ai.response.finish_reason",
    "gen_ai.response.stop_reason",
    "gen_ai.completion.0.finish_reason",
    "gen_ai.finish_reasons",
    "gen_ai.finish_reason",
    "llm.finish_reason",
    "llm.response.finish_reason",
    "llm.response.finish_reasons",
    "llm.response.stop_reason",
    "llm.completions.0.finish_reason",
    "finish_reason",
    "finish_reasons",
    "stop_reason",
)
CHOICE: Final = "gen_ai.choice"
DETAILS: Final = "gen_ai.client.inference.operation.details"
OUTPUT: Final = "gen_ai.output.messages"
# Whole responses of providers' APIs or frameworks. Where a bare text may stand, a model may have written what it is.
BODIES: Final[tuple[str, ...]] = (
    *("mlflow.spanOutputs", "genkit:output", "gcp.vertex.agent.llm_response", "response_data"),
)

# A response that was broken off, by its client or by its server: it is `aborted`. Where they come from:
_BROKEN_OFF: Final = frozenset(
    (
        # OTel GenAI and most SDKs, for whatever ended a stream early; vLLM and SGLang when their client left.
        *("error", "abort", "aborted", "cancel", "cancelled", "canceled", "interrupted"),
        # The Responses API's status of a response that did not get to its end; TensorRT-LLM's, watsonx's.
        *("failed", "in_progress", "queued", "not_finished", "expired", "timed_out", "time_limit", "timeout"),
        # Cohere's, DeepSeek's, and gateways'.
        *("user_cancel", "insufficient_system_resource", "client_disconnect", "client_disconnected", "disconnected"),
        *(
            "interrupt",
            "stopped_by_user",
            "user_stopped",
            "user_stop",
            "killed",
            "preempted",
            "shutdown",
            "broken_pipe",
        ),
        *("stream_closed", "stream_interrupted", "premature_close", "incomplete_stream", "connection_lost"),
        *("client_closed", "client_closed_request", "client_gone", "terminated", "network_error", "server_error"),
        # Elsewhere than in the Responses API, see `outcome.is_limit`.
        "incomplete",
    )
)
_WORDS: Final = frozenset(
    ("abort", "aborted", "cancel", "cancelled", "canceled", "error", "failed", "failure", "interrupted", "disconnected")
)
# Cohere's for a filter and for too long a prompt: the response is all there is.
_ENDED: Final = frozenset(("error_toxic", "error_limit", "no_error"))
# How nearly all responses end, which need no closer look.
_USUAL: Final = frozenset(
    (
        *("stop", "length", "tool_calls", "tool_call", "end_turn", "tool_use", "max_tokens", "stop_sequence"),
        *("eos_token", "content_filter", "completed", "complete", "function_call"),
    )
)
# Google's ADK, whose words are those of Gemini's API.
_TRANSLATOR: Final = "gcp.vertex.agent"
_GEMINI: Final = ("gemini", "vertex", "gcp", "google")
# What is no reason.
_UNKNOWN: Final = frozenset(("", "none", "null", "unknown", "unspecified", "undefined"))

_REPR: Final = re.compile(r"<([\w.]{1,80}): [^<>]{0,80}>")
# Lists as Java, Python and .NET write them.
_LISTED: Final = re.compile(
    r"[\[({]?\s*['\"]?[\w.-]{1,64}['\"]?(?:\s*,\s*['\"]?[\w.-]{1,64}['\"]?){0,8}\s*,?\s*[\])}]?"
)
_NAME: Final = re.compile(r"[A-Za-z]+(?:[_.-][A-Za-z]+)*")
_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_LONGEST: Final = 64
_IN_TEXT: Final = re.compile(
    r'"(?:finish_reason|finishReason|stop_reason|stopReason|done_reason)"\s*:\s*"([A-Za-z_-]{1,64})"'
)
# Of the response's message, at whose end the reason stands.
_TAIL: Final = 400


def reasons(value: Value) -> tuple[str, ...] | None:
    """The reasons that an attribute holds, a list, a JSON list or a single one; None where it tells none."""
    if isinstance(value, str):
        value = _listed(value)
    if isinstance(value, dict):
        value = value.get("unified") or value.get("type") or value.get("reason")
    found = attributes.texts(value)
    if found is None:
        return None
    return tuple([word for text in found if (word := spelled(text)) not in _UNKNOWN]) or None


def _listed(text: str) -> Value:
    """What a text holds: a list or an object, as JSON or otherwise, or itself."""
    parsed = attributes.loose(text)
    if not isinstance(parsed, str) or not _LISTED.fullmatch(parsed):
        return parsed
    words = [word for part in parsed.strip("[](){} ").split(",") if (word := part.strip(" '\""))]
    return [*words]


@lru_cache(maxsize=1024)
def spelled(reason: str) -> str:
    """A reason as labels may show it, in snake case without the name of its enumeration; other texts as they are."""
    # Before anything is changed in it: a secret would not be recognised in lower case.
    reason = attributes.label(reason)
    match = _REPR.fullmatch(reason)
    name = match[1] if match else reason
    if len(name) > _LONGEST or not _NAME.fullmatch(name):
        return reason
    word = _HUMP.sub("_", name.rpartition(".")[2]).lower().replace("-", "_")
    return word.removeprefix("finish_reason_").removeprefix("reason_")


def are_broken_off(found: tuple[str, ...]) -> bool:
    """Whether one of these reasons, spelled as above, says that its response was broken off."""
    for reason in found:  # noqa: SIM110 - mypyc makes plain C of the loop
        if reason not in _USUAL and _is_broken_off(reason):
            return True
    return False


@lru_cache(maxsize=1024)
def _is_broken_off(reason: str) -> bool:
    if reason in _ENDED or not _NAME.fullmatch(reason):
        return False
    return reason in _BROKEN_OFF or not _WORDS.isdisjoint(reason.split("_"))


def is_translated(scope: str) -> bool:
    """Whether a sender says other providers' reasons in Gemini's words: its `stop` may have been `tool_calls`."""
    return scope == _TRANSLATOR


def untranslated(scope: str, provider: str | None, found: tuple[str, ...]) -> tuple[str, ...]:
    """These reasons without those that a translation made ambiguous."""
    if not is_translated(scope) or provider is None or any(name in provider for name in _GEMINI):
        return found
    return tuple([reason for reason in found if reason != "stop"])


def in_text(text: Value) -> tuple[str, ...]:
    """The first reason in the JSON of a response."""
    match = _IN_TEXT.search(text) if isinstance(text, str) and text[:1] in ("{", "[") else None
    return reasons(match[1]) or () if match else ()


def of_span(found: Mapping[str, Value], events: Iterable[Event] = ()) -> tuple[str, ...]:
    """The reason that stands only in a span's messages or bodies, which are not decoded for it, or in its events."""
    reason = _of_messages(found.get(OUTPUT))
    for name in BODIES:
        if not reason and name in found:
            reason = in_text(found[name])
    for event in events:
        if reason:
            break
        told = event.attributes
        if event.name == CHOICE:
            body = attributes.tree(told.get("gen_ai.event.content")) or told
            reason = reasons(body.get("finish_reason")) or ()
        elif event.name == DETAILS:
            reason = reasons(told.get("gen_ai.response.finish_reasons")) or _of_messages(told.get(OUTPUT))
    return reason


def _of_messages(output: Value) -> tuple[str, ...]:
    if isinstance(output, list):
        last = output[-1] if output else None
        return reasons(last.get("finish_reason")) or () if isinstance(last, dict) else ()
    last = _IN_TEXT.findall(output[-_TAIL:])[-1:] if isinstance(output, str) else []
    return reasons(last[0]) or () if last else ()
