"""A provider has one name, OTel's, however a sender spells it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.otlp_spans import one

from exporters.traces.conventions import providers

OTEL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
WELL_KNOWN = (
    *("anthropic", "aws.bedrock", "azure.ai.inference", "azure.ai.openai", "cohere", "deepseek", "gcp.gemini"),
    *("gcp.gen_ai", "gcp.vertex_ai", "groq", "ibm.watsonx.ai", "mistral_ai", "moonshot_ai", "openai", "perplexity"),
    "x_ai",
)
SPELLINGS = {
    "OpenAI": "openai", "openai.chat": "openai", "openai.responses": "openai", "Open AI": "openai",
    "az.ai.openai": "azure.ai.openai", "AzureOpenAI": "azure.ai.openai", "azure-openai.chat": "azure.ai.openai",
    "azure": "azure.ai.openai", "az.ai.inference": "azure.ai.inference", "azure_ai": "azure.ai.inference",
    "azure.openai": "azure.ai.openai", "vertex.anthropic.messages": "gcp.vertex_ai",
    "AWS": "aws.bedrock", "aws_bedrock": "aws.bedrock", "Amazon Bedrock": "aws.bedrock", "bedrock": "aws.bedrock",
    "Google": "gcp.gen_ai", "google_genai": "gcp.gen_ai", "gemini": "gcp.gemini", "googleai": "gcp.gemini",
    "google.generative-ai": "gcp.gemini", "google-gla": "gcp.gemini", "vertex_ai": "gcp.vertex_ai",
    "VertexAI": "gcp.vertex_ai", "google-vertex": "gcp.vertex_ai", "google.vertex.chat": "gcp.vertex_ai",
    "google_vertexai": "gcp.vertex_ai", "Anthropic": "anthropic", "anthropic.messages": "anthropic",
    "MistralAI": "mistral_ai", "mistral": "mistral_ai", "mistral.chat": "mistral_ai", "xai": "x_ai", "xai.chat": "x_ai",
    "Cohere": "cohere", "cohere_chat": "cohere", "watsonx": "ibm.watsonx.ai", "Groq": "groq",
    "Together AI": "together_ai", "My Own": "my_own", "own-cloud.chat": "own-cloud", "aws.sagemaker": "aws.sagemaker",
}  # fmt: skip


@pytest.mark.parametrize("name", WELL_KNOWN)
def test_otels_names_are_their_own(name: str) -> None:
    assert providers.normal(name) == name


@pytest.mark.parametrize(("name", "provider"), SPELLINGS.items())
def test_each_spelling_is_the_same_provider_on_both_ways(name: str, provider: str) -> None:
    for key in ("gen_ai.system", "gen_ai.provider.name"):
        assert one({**OTEL, key: name}).provider == provider
    assert one({"openinference.span.kind": "LLM", "llm.provider": name}).provider == provider
    assert (
        one({"ai.operationId": "ai.generateText.doGenerate", "ai.model.provider": name}, scope="ai").provider
        == provider
    )


@pytest.mark.parametrize("name", ["langchain", "strands-agents", "gcp.vertex.agent", "_OTHER", "unknown", "Langchain"])
def test_a_framework_is_no_provider(name: str) -> None:
    assert one({**OTEL, "gen_ai.system": name}).provider is None


@given(st.sampled_from([*SPELLINGS, *WELL_KNOWN]) | st.text(max_size=30), st.sampled_from([str.upper, str.title, str]))
def test_a_name_is_normal_once_for_all_spellings(name: str, spelt: type[str]) -> None:
    found = providers.normal(spelt(name))
    assert found is None or providers.normal(found) == found
    if name.isascii():
        assert found == providers.normal(name)
