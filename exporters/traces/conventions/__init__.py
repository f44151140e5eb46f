"""The conventions in which senders write model calls into spans, and which of them a span is written in."""

from __future__ import annotations

from functools import lru_cache

from exporters.traces.conventions import (
    adk,
    anthropic,
    botocore,
    claude_code,
    dynamo,
    genkit,
    langfuse,
    langsmith,
    litellm,
    mlflow,
    openinference,
    openlit,
    openllmetry,
    otel,
    pydantic,
    tgi,
    triton,
    vercel,
    vllm,
)
from exporters.traces.conventions.convention import Convention
from exporters.traces.conventions.fields import FIELDS
from exporters.traces.decode.spans import Span

# After every attribute of a span's own convention and of OTel's.
_OTHERS_RANK = 100
# Instrumentations with a scope of their own, by its prefix; the first that matches.
_SCOPES = (
    ("litellm", litellm.CONVENTION),
    ("openlit", openlit.CONVENTION),
    ("com.anthropic.sdk", anthropic.CONVENTION),
    ("langfuse-sdk", langfuse.CONVENTION),
    ("pydantic-ai", pydantic.CONVENTION),
    ("pydantic_ai", pydantic.CONVENTION),
    ("logfire", pydantic.CONVENTION),
    ("vllm", vllm.CONVENTION),
    ("sglang", vllm.SGLANG),
    ("gcp.vertex.agent", adk.CONVENTION),
    ("opentelemetry.instrumentation.genai.", otel.CONVENTION),
    ("opentelemetry.instrumentation.openai_v2", otel.CONVENTION),
    ("opentelemetry.instrumentation.openai", openllmetry.CONVENTION),
    ("opentelemetry.instrumentation.anthropic", openllmetry.CONVENTION),
    ("opentelemetry.instrumentation.bedrock", openllmetry.CONVENTION),
    ("opentelemetry.instrumentation.botocore", botocore.CONVENTION),
)
# OpenLLMetry's other packages: their spans have marks, but for those that lost the oldest of their attributes.
_WITH_MARKS = tuple(
    f"opentelemetry.instrumentation.{name}"
    for name in (
        *("cohere", "google_generativeai", "groq", "langchain", "llamaindex", "mistralai", "ollama"),
        *("replicate", "sagemaker", "together", "transformers", "vertexai", "watsonx", "writer"),
    )
)
# Attributes that only one of them writes, or that need a closer look; the first that is there.
MARKS = (
    ("litellm.call_id", litellm.CONVENTION),
    ("openinference.span.kind", openinference.CONVENTION),
    ("langfuse.observation.type", langfuse.CONVENTION),
    ("ai.operationId", vercel.CONVENTION),
    ("langsmith.span.kind", langsmith.CONVENTION),
    ("mlflow.spanType", mlflow.CONVENTION),
    ("logfire.span_type", pydantic.CONVENTION),
    ("telemetry.sdk.name", openlit.CONVENTION),
    ("traceloop.span.kind", openllmetry.CONVENTION),
    ("gen_ai.is_streaming", openllmetry.CONVENTION),
    ("llm.request.type", openllmetry.CONVENTION),
    ("gcp.vertex.agent.llm_request", adk.CONVENTION),
    ("genkit:metadata:subtype", genkit.CONVENTION),
    ("span.type", claude_code.CONVENTION),
    ("lmnr.span.type", otel.CONVENTION),
    ("langwatch.span.type", otel.CONVENTION),
    ("fi.span.kind", otel.CONVENTION),
    ("ag2.span.type", otel.CONVENTION),
    ("gen_ai.span.kind", otel.CONVENTION),
    ("gen_ai.latency.e2e", vllm.SGLANG),
    ("total_time", tgi.CONVENTION),
)
# Their names of models, where nothing says more.
_OF_MODELS = (
    ("llm.model_name", openinference.CONVENTION),
    ("langfuse.observation.model.name", langfuse.CONVENTION),
    ("ai.model.id", vercel.CONVENTION),
    ("llm.request.model", openllmetry.CONVENTION),
)
_TELLING = (*MARKS, *_OF_MODELS)
NAMES = {
    "llm_request": vllm.CONVENTION,
    "InferRequest": triton.CONVENTION,
    "http-request": dynamo.CONVENTION,
}


def of(span: Span) -> Convention:
    """The convention that a span is written in; OTel's own unless its scope, its name or a mark is another's.

    A scope may be lent: other instrumentations write through Langfuse's tracer, in their own convention.
    """
    found = _by_scope(span.scope)
    if found is not None and found.confirms(span):
        return found
    found = NAMES.get(span.name)
    if found is not None and found.confirms(span):
        return found
    for mark, convention in _TELLING:
        if mark in span.attributes and convention.confirms(span):
            return convention
    if span.dropped_attributes and span.scope.startswith(_WITH_MARKS):
        return openllmetry.CONVENTION
    return vercel.CONVENTION if span.scope == "ai" else otel.CONVENTION


def is_plain(scope: str) -> bool:
    """Whether this scope's spans are OTel's own, unless a mark or a name says otherwise."""
    return scope != "ai" and _by_scope(scope) in (None, otel.CONVENTION)


def _share() -> None:
    """Let every convention read what others write into attributes of their own, where its own are absent."""
    shared = [
        (key, (known.name, _OTHERS_RANK, known.read))
        for other in (openinference, vercel, anthropic, langsmith, litellm, mlflow, langfuse)
        for known in FIELDS
        for key in other.CONVENTION.keys.get(known.name, ())
        if "." in key and known.name != "operation"
    ]
    for convention in (*dict(_SCOPES).values(), *dict(MARKS).values(), *NAMES.values()):
        for key, entry in shared:
            if entry[0] not in convention.ignored:
                convention.table.setdefault(key, entry)


@lru_cache(maxsize=1024)
def _by_scope(scope: str) -> Convention | None:
    return next((convention for prefix, convention in _SCOPES if scope.startswith(prefix)), None)


_share()
