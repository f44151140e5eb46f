"""Google's Agent Development Kit: OTel's attributes, and the request and the response as Gemini's API has them.

Its first releases name no operation; of those a span is a call that holds a response, or the request for one.
"""

from __future__ import annotations

from exporters.traces.conventions import evidence, finish, model_names, operations, usage
from exporters.traces.conventions.convention import Convention, Found
from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Span

_REQUEST, _RESPONSE = "gcp.vertex.agent.llm_request", "gcp.vertex.agent.llm_response"


def _is_call(span: Span) -> bool:
    if operations.named(span.attributes) is not None or "gen_ai.request.model" not in span.attributes:
        return evidence.is_call(span)
    # Of a tool it writes `{}` into both.
    return evidence.is_call(span) or any(attributes.tree(span.attributes.get(key)) for key in (_REQUEST, _RESPONSE))


def _refine(span: Span, found: Found) -> None:
    a = span.attributes
    request, response = attributes.tree(a.get(_REQUEST)), attributes.tree(a.get(_RESPONSE))
    served = attributes.word(response, "model_version", "modelVersion")
    model_names.place(found, None, attributes.word(request, "model"), served)
    counted = usage.tokens(attributes.tree(response.get("usage_metadata") or response.get("usageMetadata")))
    for name, count in counted.items():
        if found.get(name) is None:
            found[name] = count
    if not found["finish_reasons"]:
        found["finish_reasons"] = finish.reasons(response.get("finish_reason") or response.get("finishReason")) or ()
    found["response_id"] = found["response_id"] or attributes.word(response, "response_id", "responseId")


CONVENTION = Convention(
    "adk", _is_call, keys={"conversation_id": ("gen_ai.conversation.id", "gcp.vertex.agent.session_id")}, refine=_refine
)
