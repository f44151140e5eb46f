"""OpenLIT, which guesses tokens where none were told, and counts the time to the first token from the answer's headers.

Those come with the first token from many a server, after the whole wait; and calls that did not stream have a time too.
No rule tells the right ones, so there is none.
"""

from __future__ import annotations

from exporters.traces.conventions.convention import Convention, Found, operation_is_inference
from exporters.traces.decode import content
from exporters.traces.decode.spans import Span, Value

_REAL = ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_creation.input_tokens")
_NAMES = ("chat", "openai.chat", "openai.embeddings", "embeddings", "anthropic.messages", "cohere.", "mistral.")


def _is_call(span: Span) -> bool:
    # Errors of 1.34 have no attributes at all: only their name tells.
    return operation_is_inference(span) or (not span.attributes and span.status == 2 and span.name.startswith(_NAMES))


def _refine(span: Span, found: Found) -> None:
    if not span.attributes and "embedding" in span.name:
        found["operation"] = "embeddings"
    if found["operation"] == "embeddings" and found["model_served"] == found["model_requested"]:
        # The request's name again, whatever answered.
        found["model_served"] = None
    # On a stream, token details are there exactly when the provider told its usage; else the numbers are guesses.
    if found["streaming"] and not any(name in span.attributes for name in _REAL):
        found["input_tokens"] = found["output_tokens"] = None
        found["reasoning_output_tokens"] = found["cached_input_tokens"] = found["cache_write_input_tokens"] = None


def _words(span: Span) -> tuple[str, str]:
    prompt, answer = content.of_messages(span)
    return prompt or _event(span, "prompt"), answer or _event(span, "completion")


def _event(span: Span, side: str) -> str:
    event = span.event(f"gen_ai.content.{side}")
    held: Value = event.attributes.get(f"gen_ai.{side}") if event else None
    return content.text(held)


CONVENTION = Convention("openlit", _is_call, keys={"ttft_s": ()}, refine=_refine, words=_words)
