"""OTel GenAI conventions, current and older generations, and what unknown senders write in the same way."""

from __future__ import annotations

from typing import Final

from exporters.traces.conventions.convention import AGGREGATES, INFERENCE, Convention, Found, operation_of
from exporters.traces.decode.spans import Span

# A web framework's span of a request has one.
ROUTE: Final = "http.route"
SERVER: Final = 2


def _is_call(span: Span) -> bool:
    a = span.attributes
    operation = operation_of(span)
    if "gen_ai.aggregated_usage.input_tokens" in a or operation in AGGREGATES:
        return False
    # A web framework's span may name the model too, as those of LiteLLM's proxy do.
    return operation in INFERENCE or ("gen_ai.request.model" in a and ROUTE not in a)


def _refine(span: Span, found: Found) -> None:
    if span.kind == SERVER:
        # A server that writes its calls as clients do stands between its clients and a model.
        found["layer"] = "gateway"


CONVENTION = Convention("otel", _is_call, refine=_refine)
