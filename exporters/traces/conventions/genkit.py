"""Google's Genkit: actions with their input and output as JSON; those of the subtype `model` are calls.

The action's name is the model's behind its plug-in's: `googleai/gemini-2.5-flash`.
"""

from __future__ import annotations

from collections.abc import Mapping

from exporters.traces.conventions import finish, model_names
from exporters.traces.conventions.convention import Convention, Found
from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Span, Value


def _refine(span: Span, found: Found) -> None:
    a = span.attributes
    plugin, _, model = (attributes.word(a, "genkit:name") or "").rpartition("/")
    request, response = attributes.tree(a.get("genkit:input")), attributes.tree(a.get("genkit:output"))
    raw = attributes.tree(response.get("raw")) or attributes.tree(response.get("custom"))
    found["provider"] = found["provider"] or plugin or None
    model_names.place(
        found,
        model or None,
        attributes.word(attributes.tree(request.get("config")), "version"),
        attributes.word(raw, "modelVersion", "model"),
    )
    found["response_id"] = found["response_id"] or attributes.word(raw, "responseId", "id")
    _count(found, attributes.tree(response.get("usage")))
    if not found["finish_reasons"]:
        found["finish_reasons"] = finish.reasons(response.get("finishReason")) or ()
    found["failed"] = attributes.word(a, "genkit:state") == "error"


def _count(found: Found, used: Mapping[str, Value]) -> None:
    counted, output = attributes.count(used, "inputTokens"), attributes.count(used, "outputTokens")
    thoughts, total = attributes.count(used, "thoughtsTokens"), attributes.count(used, "totalTokens")
    if output is not None and thoughts and total != (counted or 0) + output:
        # Gemini counts its thoughts apart from what it says.
        output += thoughts
    told = {
        "input_tokens": counted,
        "output_tokens": output,
        "cached_input_tokens": attributes.count(used, "cachedContentTokens"),
        "reasoning_output_tokens": thoughts,
    }
    found |= {name: count for name, count in told.items() if count is not None}


CONVENTION = Convention("genkit", keys={"conversation_id": ("genkit:sessionId",)}, refine=_refine)
