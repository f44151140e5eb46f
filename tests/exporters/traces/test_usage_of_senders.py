"""How senders are known to count, what each writes besides, and which of their numbers are guesses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from exporters.traces.calls import normalise
from exporters.traces.calls.call import Call
from exporters.traces.decode.spans import Event, Span

S = 1_000_000_000
CONTEXT = normalise.Context(None, (), {})
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
CLAUDE = {**CHAT, "gen_ai.system": "aws.bedrock", "gen_ai.request.model": "anthropic.claude-sonnet-4-5-v1:0"}
BOTOCORE = "opentelemetry.instrumentation.botocore.bedrock-runtime"
MLFLOW = {"mlflow.spanType": '"LLM"', "mlflow.spanInputs": '{"model": "gemini-2.5-flash", "contents": "How deep?"}'}
GEMINI = {"prompt_token_count": 12, "candidates_token_count": 40, "thoughts_token_count": 300, "total_token_count": 352}
OPENAI = {"prompt_tokens": 90, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 64}}


def call(attributes: dict[str, Any], scope: str = "app", **values: Any) -> Call:
    made = Span(b"t" * 16, b"s" * 8, b"", "call", 3, 10 * S, 12 * S, 0, "", scope, attributes, {}, **values)
    found = normalise.call(made, CONTEXT)
    assert found is not None
    return found


def used(found: Call) -> tuple[int | None, ...]:
    return (
        found.input_tokens, found.output_tokens, found.cached_input_tokens, found.cache_write_input_tokens,
        found.reasoning_output_tokens,
    )  # fmt: skip


def gen_ai(**counts: int) -> dict[str, Any]:
    return {f"gen_ai.usage.{name.replace('__', '.')}": count for name, count in counts.items()}


def openinference(**counts: int) -> dict[str, Any]:
    about = {"openinference.span.kind": "LLM", "llm.model_name": "m"}
    return {**about, **{f"llm.token_count.{name.replace('__', '.')}": count for name, count in counts.items()}}


@pytest.mark.parametrize(
    ("attributes", "scope", "known"),
    [
        # OTel's instrumentation of botocore and OpenLLMetry's of Bedrock write Bedrock's numbers, contradiction or not;
        # OpenLLMetry's total is its own sum.
        ({**CLAUDE, **gen_ai(input_tokens=900, output_tokens=50, cache_read__input_tokens=400,
                             cache_creation__input_tokens=20)}, BOTOCORE, (1320, 50, 400, 20, None)),
        ({**CLAUDE, **gen_ai(input_tokens=3, output_tokens=50, cache_read__input_tokens=400)}, BOTOCORE,
         (403, 50, 400, None, None)),
        ({**CLAUDE, **gen_ai(input_tokens=900, output_tokens=50, total_tokens=950, cache_read__input_tokens=400)},
         "opentelemetry.instrumentation.bedrock", (1300, 50, 400, None, None)),
        # Strands says each number twice, and the provider's total.
        ({**CHAT, **gen_ai(input_tokens=900, prompt_tokens=900, output_tokens=50, completion_tokens=50,
                           total_tokens=1370, cache_read_input_tokens=400, cache_write_input_tokens=20)},
         "strands.telemetry.tracer", (1320, 50, 400, 20, None)),
        # OpenInference's: Bedrock's numbers or added up, by the total.
        (openinference(prompt=900, completion=50, total=1350, prompt_details__cache_read=400), "openinference",
         (1300, 50, 400, None, None)),
        (openinference(prompt=1300, completion=50, total=1350, prompt_details__cache_read=400), "openinference",
         (1300, 50, 400, None, None)),
        (openinference(prompt=8, completion=90, total=138, completion_details__reasoning=40), "openinference",
         (8, 130, None, None, 40)),
        # Gemini's thoughts in the total alone.
        ({**CHAT, "gen_ai.provider.name": "gcp.gen_ai", **gen_ai(input_tokens=70, output_tokens=9, total_tokens=100)},
         "opentelemetry.instrumentation.google_generativeai", (70, 30, None, None, 21)),
        ({**CHAT, "gen_ai.system": "OpenAI", "llm.usage.total_tokens": 30,
          **gen_ai(prompt_tokens=20, completion_tokens=10)}, "opentelemetry.instrumentation.openai.v1",
         (20, 10, None, None, None)),
        # OpenLIT's total has a metric's name.
        ({**CHAT, "gen_ai.client.token.usage": 1350, **gen_ai(input_tokens=900, output_tokens=50),
          "gen_ai.usage.cache_read.input_tokens": 400}, "openlit", (1300, 50, 400, None, None)),
        # Vercel's AI SDK, up to 5 with Anthropic's and Bedrock's own numbers.
        ({"ai.operationId": "ai.generateText.doGenerate", "ai.model.provider": "anthropic.messages",
          "ai.usage.inputTokens": 900, "ai.usage.outputTokens": 50, "ai.usage.totalTokens": 950,
          "ai.usage.cachedInputTokens": 400, "ai.response.providerMetadata": json.dumps({"anthropic": {"usage": {
              "input_tokens": 900, "output_tokens": 50, "cache_read_input_tokens": 400,
              "cache_creation_input_tokens": 20}}})}, "ai", (1320, 50, 400, 20, None)),
        ({"ai.operationId": "ai.generateText.doGenerate", "ai.model.provider": "anthropic.messages",
          "ai.usage.promptTokens": 900, "ai.usage.completionTokens": 50, "ai.response.providerMetadata": json.dumps(
              {"anthropic": {"cacheCreationInputTokens": 20, "cacheReadInputTokens": 400}})}, "ai",
         (1320, 50, 400, 20, None)),
        ({"ai.operationId": "ai.generateText.doGenerate", "ai.model.provider": "amazon-bedrock",
          "ai.usage.inputTokens": 900, "ai.usage.outputTokens": 50, "ai.usage.totalTokens": 950,
          "ai.usage.cachedInputTokens": 400, "ai.response.providerMetadata": json.dumps({"bedrock": {"usage": {
              "cacheWriteInputTokens": 20}}})}, "ai", (1320, 50, 400, 20, None)),
        ({"ai.operationId": "ai.generateText.doGenerate", "ai.model.provider": "anthropic.messages",
          "ai.usage.inputTokens": 1320, "ai.usage.outputTokens": 50, "ai.usage.inputTokenDetails.cacheReadTokens": 400,
          "ai.usage.inputTokenDetails.cacheWriteTokens": 20}, "ai", (1320, 50, 400, 20, None)),
        ({"ai.operationId": "ai.generateText.doGenerate", "ai.model.provider": "google.generative-ai",
          "ai.usage.inputTokens": 12, "ai.usage.outputTokens": 400, "ai.usage.reasoningTokens": 300,
          "ai.usage.totalTokens": 712}, "ai", (12, 700, None, None, 300)),
        # What it writes of the provider's own account: Gemini's thoughts, OpenAI's details, OpenRouter's.
        ({"ai.operationId": "ai.generateText.doGenerate", "ai.model.provider": "google.generative-ai",
          "ai.usage.promptTokens": 12, "ai.usage.completionTokens": 400, "ai.response.providerMetadata": json.dumps(
              {"google": {"groundingMetadata": None, "usageMetadata": {
                  "promptTokenCount": 12, "candidatesTokenCount": 400, "thoughtsTokenCount": 300,
                  "totalTokenCount": 712}}})}, "ai", (12, 700, None, None, 300)),
        ({"ai.operationId": "ai.streamText.doStream", "ai.model.provider": "openai.chat", "ai.usage.promptTokens": 90,
          "ai.usage.completionTokens": 20, "ai.response.providerMetadata": json.dumps(
              {"openai": {"reasoningTokens": 8, "cachedPromptTokens": 64}})}, "ai", (90, 20, 64, None, 8)),
        ({"ai.operationId": "ai.generateText.doGenerate", "ai.model.provider": "openrouter.chat",
          "ai.usage.inputTokens": 90, "ai.usage.outputTokens": 20, "ai.response.providerMetadata": json.dumps(
              {"openrouter": {"usage": {"promptTokens": 90, "completionTokens": 20, "promptTokensDetails":
                                        {"cachedTokens": 64}, "completionTokensDetails": {"reasoningTokens": 8}}}})},
         "ai", (90, 20, 64, None, 8)),
        ({**CHAT, **gen_ai(input_tokens=1320, output_tokens=50), "ai.response.providerMetadata": json.dumps(
            {"anthropic": {"usage": {"input_tokens": 900, "output_tokens": 50, "cache_read_input_tokens": 400,
                                     "cache_creation_input_tokens": 20}}})}, "ai", (1320, 50, 400, 20, None)),
        # Details under names of their own.
        ({**CHAT, **gen_ai(prompt_tokens=90, completion_tokens=20, prompt_details__cache_read=64,
                           completion_details__reasoning=8)}, "app", (90, 20, 64, None, 8)),
        ({**openinference(prompt=90, completion=20, prompt_details__cache_input=64, reasoning_tokens=8)},
         "openinference", (90, 20, 64, None, 8)),
        ({**CHAT, **gen_ai(prompt_token_count=12, candidates_token_count=40, thoughts_token_count=300,
                           total_token_count=352, cached_content_token_count=4)}, "app", (12, 340, 4, None, 300)),
        ({"langsmith.span.kind": "llm", **gen_ai(input_tokens=90, output_tokens=20, total_tokens=110),
          "gen_ai.usage.input_token_details": '{"cache_read": 64, "audio": 0}',
          "gen_ai.usage.output_token_details": '{"reasoning": 8}'}, "langsmith", (90, 20, 64, None, 8)),
        # Whole objects: Langfuse's buckets or OTel's attributes beside them, bodies of responses.
        ({"langfuse.observation.type": "generation", "langfuse.observation.usage_details": "{{bad}}",
          **gen_ai(input_tokens=50, output_tokens=75)}, "langfuse-sdk", (50, 75, None, None, None)),
        ({"langfuse.observation.type": "generation", "langfuse.observation.usage_details": "{}",
          "langfuse.observation.output": json.dumps({"usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 9,
                                                                       "candidatesTokenCount": 4}})},
         "langfuse-sdk", (5, 4, None, None, None)),
        ({"langfuse.observation.type": "generation",
          "langfuse.observation.usage_details": json.dumps({"usage": OPENAI})}, "langfuse-sdk",
         (90, 20, 64, None, None)),
        # An answer that happens to be a number.
        ({**MLFLOW, "mlflow.spanOutputs": json.dumps({"output": 42})}, "mlflow", (None,) * 5),
        ({**MLFLOW, "mlflow.spanOutputs": json.dumps({"candidates": [], "usage_metadata": GEMINI})}, "mlflow",
         (12, 340, None, None, 300)),
        ({**MLFLOW, "mlflow.chat.tokenUsage": json.dumps({"input_tokens": 12, "output_tokens": 40,
                                                         "total_tokens": 352})}, "mlflow", (12, 340, None, None, 300)),
        ({**openinference(), "output.value": json.dumps({"id": "chatcmpl-1", "usage": OPENAI})}, "openinference",
         (90, 20, 64, None, None)),
        ({**CHAT, "gen_ai.usage.raw": json.dumps({"input_tokens": 3, "output_tokens": 50,
                                                  "cache_read_input_tokens": 400})}, "pydantic-ai",
         (403, 50, 400, None, None)),
        ({**CHAT, "request_data": '{"model": "m"}', "response_data": json.dumps({"usage": OPENAI})}, "logfire.openai",
         (90, 20, 64, None, None)),
        ({"langsmith.span.kind": "llm", "langsmith.metadata.usage_metadata": json.dumps(
            {"input_tokens": 90, "output_tokens": 20, "total_tokens": 110, "input_token_details": {"cache_read": 64},
             "output_token_details": {"reasoning": 8}})}, "langsmith", (90, 20, 64, None, 8)),
    ],
)  # fmt: skip
def test_each_sender_counts_in_its_own_way(
    attributes: dict[str, Any], scope: str, known: tuple[int | None, ...]
) -> None:
    assert used(call(attributes, scope)) == known


@pytest.mark.parametrize(
    ("model", "values", "is_guess"),
    [
        ("cohere.command-r-v1:0", {"gen_ai.response.finish_reasons": ["length"]}, True),
        ("cohere.command-r-plus-v1:0", {"gen_ai.response.finish_reasons": ["COMPLETE"]}, True),
        ("mistral.mistral-7b-instruct-v0:2", {"gen_ai.response.finish_reasons": ["stop"]}, True),
        ("eu.mistral.pixtral-large-2502-v1:0", {}, True),
        ("mistral.mistral-7b-instruct-v0:2", {"rpc.method": "InvokeModelWithResponseStream"}, True),
        ("cohere.command-r-v1:0", {"rpc.method": "Converse"}, False),
        ("mistral.mistral-large-2402-v1:0", {"gen_ai.response.finish_reasons": ["end_turn"]}, False),
        ("meta.llama3-8b-instruct-v1:0", {"gen_ai.response.finish_reasons": ["stop"]}, False),
        ("amazon.titan-text-lite-v1", {"rpc.method": "InvokeModel"}, False),
    ],
)
def test_what_botocores_instrumentation_guesses_is_absent(model: str, values: dict[str, Any], is_guess: bool) -> None:
    told = {**CHAT, "gen_ai.request.model": model, **gen_ai(input_tokens=3, output_tokens=7), **values}
    found = call(told, BOTOCORE)
    assert used(found)[:2] == ((None, None) if is_guess else (3, 7))
    assert (found.convention, found.status) == ("botocore", "ok")


@pytest.mark.parametrize("scope", ["app", "openlit", "litellm", "pydantic-ai", "opentelemetry.instrumentation.groq"])
def test_zeros_of_an_answer_that_nobody_read_are_absent(scope: str) -> None:
    zeros = gen_ai(input_tokens=0, output_tokens=0, total_tokens=0)
    assert used(call({**CHAT, **zeros}, scope)) == (None,) * 5
    assert used(call({**CHAT, **zeros, "gen_ai.request.stream": True}, scope)) == (None,) * 5


def test_a_response_of_no_tokens_is_one_that_its_sender_counted() -> None:
    assert used(call({**CHAT, **gen_ai(input_tokens=9, output_tokens=0)}))[:2] == (9, 0)


def test_tokens_of_an_embedding_need_no_output() -> None:
    told = {**CHAT, "gen_ai.operation.name": "embeddings", **gen_ai(input_tokens=9, total_tokens=9)}
    assert used(call(told))[:2] == (9, None)


# What LiteLLM adds to tokens that it counted itself, and what a provider sends.
COUNTED_HERE = {
    "completion_tokens": 3, "prompt_tokens": 16, "total_tokens": 19, "prompt_tokens_details": {"cached_tokens": 0},
    "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0,
    "completion_tokens_details": {"accepted_prediction_tokens": None, "reasoning_tokens": 0, "text_tokens": 3},
}  # fmt: skip
COUNTED_THERE = {
    "completion_tokens": 3, "prompt_tokens": 16, "total_tokens": 19,
    "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 0},
    "completion_tokens_details": {"accepted_prediction_tokens": 0, "reasoning_tokens": 0},
}  # fmt: skip


@pytest.mark.parametrize(
    ("usage", "stream", "known"),
    [
        (COUNTED_HERE, "True", (None, None)),
        # Servers such as vLLM send no details.
        ({"completion_tokens": 3, "prompt_tokens": 16, "total_tokens": 19}, "True", (16, 3)),
        ({**COUNTED_HERE, "prompt_tokens_details": None}, "True", (16, 3)),
        ({name: count for name, count in COUNTED_HERE.items() if "cache" not in name}, "True", (16, 3)),
        (COUNTED_THERE, "True", (16, 3)),
        (COUNTED_HERE, "False", (16, 3)),
        (None, "True", (16, 3)),
    ],
)
def test_what_litellm_counted_itself_of_a_stream_is_absent(
    usage: object, stream: str, known: tuple[object, ...]
) -> None:
    told = {
        **CHAT, **gen_ai(input_tokens=16, output_tokens=3, total_tokens=19), "llm.is_streaming": stream,
        "litellm.model_group": "alias", "gen_ai.response.finish_reasons": '["stop"]',
    }  # fmt: skip
    if usage is not None:
        told["metadata.usage_object"] = str(usage)
    found = call(told, "litellm")
    assert (found.input_tokens, found.output_tokens) == known


def test_a_failed_call_has_no_zeros() -> None:
    event = Event("exception", 11 * S, {"exception.type": "Timeout"})
    found = call({**CHAT, **gen_ai(input_tokens=7, output_tokens=0)}, events=(event,))
    assert (found.status, found.input_tokens, found.output_tokens) == ("error", 7, None)
