"""Names of providers: what senders call them, and OTel's well-known values of `gen_ai.provider.name`.

Source: open-telemetry/semantic-conventions-genai, registry of attributes; its own older values (`az.ai.openai`) are
among the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

# In lower case, with `_` for white space and hyphens.
_OTHER_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "openai": ("open_ai", "openai_chat", "openai_responses", "text_completion_openai", "chatopenai", "openai_api"),
    "azure.ai.openai": (
        *("az.ai.openai", "azure", "azure_openai", "azure.openai", "azureopenai", "azure_open_ai"),
        *("azurechatopenai", "azure_text", "azure_openai_responses"),
    ),
    "azure.ai.inference": ("az.ai.inference", "azure_ai", "azure_ai_inference", "azure_ai_foundry", "azure_foundry"),
    "aws.bedrock": (
        *("aws", "amazon", "aws_bedrock", "amazon_bedrock", "bedrock", "bedrock_converse", "aws_bedrock_runtime"),
        *("awsbedrock", "amazonbedrock", "bedrock_runtime", "chatbedrock", "chatbedrockconverse"),
    ),
    "gcp.gemini": (
        *("gemini", "google_gemini", "google_gla", "googleai", "google_ai", "google_ai_studio", "google_aistudio"),
        *("google_generativeai", "google_generative_ai", "google.generative_ai", "generativelanguage"),
    ),
    "gcp.vertex_ai": (
        *("vertex_ai", "vertexai", "vertex", "google_vertex", "google_vertexai", "google_vertex_ai", "google.vertex"),
        *("gcp_vertex_ai", "gcp.vertexai", "vertex_ai_beta", "vertex.anthropic", "google.vertex.anthropic"),
    ),
    # Where nobody knows which of the two.
    "gcp.gen_ai": ("google", "google_genai", "google_gen_ai", "genai", "gcp"),
    "anthropic": ("claude", "chatanthropic"),
    "cohere": ("cohere_chat", "chatcohere"),
    "deepseek": ("deep_seek",),
    "groq": ("chatgroq",),
    "ibm.watsonx.ai": ("watsonx", "watsonx.ai", "watsonx_ai", "ibm_watsonx", "ibm_watsonx_ai", "ibm.watsonx_ai", "ibm"),
    "mistral_ai": ("mistral", "mistralai", "mistral.ai", "chatmistralai"),
    "moonshot_ai": ("moonshot", "moonshotai", "moonshot.ai"),
    "perplexity": ("perplexityai", "perplexity_ai"),
    "x_ai": ("xai", "x.ai", "grok"),
    # Providers that OTel has no word for.
    "together_ai": ("together", "togetherai", "together.ai"),
    "fireworks_ai": ("fireworks", "fireworksai", "fireworks.ai"),
    "huggingface": ("hugging_face", "hf"),
    "ollama": ("ollama_chat", "chatollama"),
    "vllm": ("hosted_vllm",),
    "openrouter": ("open_router",),
}  # fmt: skip
_KNOWN: Final[Mapping[str, str]] = {
    **{name: name for name in _OTHER_NAMES},
    **{other: name for name, others in _OTHER_NAMES.items() for other in others},
}
# Frameworks and conventions that write themselves where the provider belongs: nobody knows whom they asked.
_NOBODY: Final = frozenset(
    (
        *("langchain", "langgraph", "llamaindex", "llama_index", "crewai", "autogen", "agno", "smolagents", "haystack"),
        *("semantic_kernel", "semantickernel", "spring_ai", "strands_agents", "strands", "gcp.vertex.agent"),
        *("microsoft.agent_framework", "pydantic_ai", "genkit", "livekit", "_other", "other", "unknown", "custom"),
        *("undefined", "none", "null"),
    )
)


# APIs of providers, which some write behind the name: `openai.chat`, `google.vertex.chat`.
_APIS: Final = frozenset(
    (
        *("chat", "responses", "completion", "completions", "messages", "embedding", "embeddings", "image", "text"),
        *("text_embedding", "reranking", "speech", "transcription", "generate_content"),
    )
)


@lru_cache(maxsize=1024)
def normal(name: str) -> str | None:
    """A provider by OTel's name for it; one that is not known in lower case; None for what names no provider.

    The same for every spelling of a name, and for its own result.
    """
    text = "_".join(name.lower().split())
    while True:
        key = text.replace("-", "_")
        if key in _NOBODY:
            return None
        if key in _KNOWN:
            return _KNOWN[key]
        provider, _, api = key.rpartition(".")
        if not provider or api not in _APIS:
            return text or None
        text = text[: len(provider)]
