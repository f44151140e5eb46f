"""OTel's instrumentation of botocore: Bedrock's own numbers, whose input does not include what a cache held.

Of Cohere's and Mistral's models, asked by InvokeModel, it guesses the tokens by the length of texts.
"""

from __future__ import annotations

from typing import Final

from exporters.traces.conventions import otel
from exporters.traces.conventions.convention import Convention, Found
from exporters.traces.conventions.usage_evidence import Way
from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Span

_GUESSED: Final = ("cohere.", "mistral.")
# Why a response ended, as Converse says it; by InvokeModel it is as the model's maker says it.
_CONVERSE: Final = frozenset(
    ("end_turn", "tool_use", "max_tokens", "stop_sequence", "guardrail_intervened", "content_filtered")
)


def _refine(span: Span, found: Found) -> None:
    otel.CONVENTION.refine(span, found)
    if _is_guess(span, found):
        found["input_tokens"] = found["output_tokens"] = None
    found["counting"] = Way(cache_apart=True)


def _is_guess(span: Span, found: Found) -> bool:
    model = found["model_requested"] or ""
    if not any(maker in model for maker in _GUESSED):
        return False
    method = attributes.word(span.attributes, "rpc.method")
    if method is not None:
        return not method.startswith("Converse")
    reasons = attributes.texts(span.attributes.get("gen_ai.response.finish_reasons"))
    return reasons is None or not _CONVERSE.issuperset(reasons)


CONVENTION = Convention("botocore", refine=_refine)
