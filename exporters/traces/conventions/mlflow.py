"""MLflow's OTLP export: every attribute is JSON; model and streaming are in the inputs."""

from __future__ import annotations

from exporters.traces.conventions import evidence, finish, first_token, model_names, usage
from exporters.traces.conventions.convention import Convention, Found, since_start
from exporters.traces.conventions.usage_evidence import known_way
from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Span

_ANSWERS = ("mlflow.spanOutputs", "mlflow.chat.tokenUsage")


def _is_call(span: Span) -> bool:
    return evidence.is_call(span) and not evidence.is_step(span, _ANSWERS)


def _refine(span: Span, found: Found) -> None:
    a = span.attributes
    request, response = attributes.tree(a.get("mlflow.spanInputs")), attributes.tree(a.get("mlflow.spanOutputs"))
    model_names.place(
        found,
        attributes.word(a, "mlflow.llm.model"),
        attributes.word(request, "model", "modelId"),
        attributes.word(response, "model", "modelVersion", "model_version"),
    )
    found["response_id"] = found["response_id"] or attributes.word(response, "id")
    found["streaming"] = attributes.flag(request, "stream") or (False if request else None)
    used = usage.of_object(attributes.tree(a.get("mlflow.chat.tokenUsage")))
    hint = known_way(found["provider"], found["model_requested"], found["model_served"])
    if usage.has_counts(used):
        # MLflow names the buckets as Anthropic does, and counts as OTel does.
        found |= usage.tokens(used, hint=hint, is_inclusive=True)
    else:
        usage.complete(found, usage.tokens(usage.of_body(response), hint=hint))
    choices = response.get("choices")
    if isinstance(choices, list) and not found["finish_reasons"]:
        reasons = [attributes.word(choice, "finish_reason") for choice in choices if isinstance(choice, dict)]
        found["finish_reasons"] = finish.reasons([reason for reason in reasons if reason]) or ()
    if not found["finish_reasons"] and first_token.is_response_id(found["response_id"]):
        # The Responses API has a status instead.
        found["finish_reasons"] = finish.reasons(response.get("status")) or ()
    first = since_start(span, "mlflow.chunk.item.0")
    if first is not None:
        found["streaming"], found["ttft_s"] = True, first


CONVENTION = Convention(
    "mlflow",
    _is_call,
    keys={"provider": ("mlflow.llm.provider",)},
    refine=_refine,
)
