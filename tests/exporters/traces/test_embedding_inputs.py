"""What was embedded is the prompt; of tokens is told how many they are, and vectors are never kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from exporters.traces.messages import places
from telltale.conversation import Part, texts

TEXTS = ["sunny day", "rainy night"]
TOKENS: Part = {"type": "tokens", "size": 5}
INPUTS: dict[str, dict[str, Any]] = {
    "openai": {"input.value": json.dumps({"model": "m", "input": TEXTS})},
    "a list": {"langfuse.observation.input": json.dumps(TEXTS)},
    "a python list": {"langfuse.observation.input": str(TEXTS)},
    "structured": {"langfuse.observation.input": TEXTS},
    "litellm": {"mlflow.spanInputs": json.dumps({"model": "m", "input": TEXTS, "encoding_format": "float"})},
    "cohere": {"input.value": json.dumps({"model": "m", "texts": TEXTS, "input_type": "search_document"})},
    "cohere 2": {
        "input.value": json.dumps({"inputs": [{"content": [{"type": "text", "text": text}]} for text in TEXTS]})
    },
    "gemini": {"input.value": json.dumps({"model": "m", "contents": TEXTS})},
    "openinference": {f"embedding.embeddings.{n}.embedding.text": text for n, text in enumerate(TEXTS)},
    "vercel": {"ai.values": [json.dumps(text) for text in TEXTS]},
    "otel": {
        "gen_ai.input.messages": json.dumps(
            [{"role": "user", "parts": [{"type": "text", "content": text} for text in TEXTS]}]
        )
    },
    "completions": {f"llm.prompts.{n}.prompt.text": text for n, text in enumerate(TEXTS)},
}


@pytest.mark.parametrize("name", INPUTS)
def test_texts_are_the_prompt(name: str) -> None:
    found = places.of_span({**INPUTS[name], "embedding.embeddings.0.embedding.vector": [0.1] * 40})
    prompt = texts.prompt(found)
    # One message with all texts, but where its API has a message for each.
    assert prompt == ("rainy night" if name == "cohere 2" else "sunny day\nrainy night")


ONE: dict[str, dict[str, Any]] = {
    "vercel": {"ai.value": '"sunny day"'},
    "titan": {"input.value": '{"inputText": "sunny day", "dimensions": 256}'},
    "titan in its wrapping": {"mlflow.spanInputs": json.dumps({"modelId": "m", "body": '{"inputText": "sunny day"}'})},
    "vertex": {"input.value": '{"instances": [{"content": "sunny day"}]}'},
    "langchain": {"input.value": '{"text": "sunny day"}'},
    "text": {"input.value": "sunny day"},
    "ollama": {"input.value": '{"model": "m", "prompt": "sunny day"}'},
}


@pytest.mark.parametrize("name", ONE)
def test_one_text(name: str) -> None:
    assert texts.prompt(places.of_span(ONE[name])) == "sunny day"


@pytest.mark.parametrize("tokens", [[1, 2, 3, 4, 5], [[1, 2, 3], [4, 5]]])
def test_tokens_are_named(tokens: list[Any]) -> None:
    for written in (json.dumps(tokens), json.dumps({"model": "m", "input": tokens}), tokens):
        found = places.of_span({"langfuse.observation.input": written})
        assert found.messages == [{"role": "user", "parts": [TOKENS]}]
        assert texts.prompt(found) == "[tokens]"


VECTOR = [0.25] * 300


@pytest.mark.parametrize(
    "reply",
    [
        {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": VECTOR}]},
        {"data": [{"embedding": "AACAPg=="}]},
        {"embeddings": [VECTOR]},
        {"embedding": VECTOR, "inputTextTokenCount": 3},
        {"embeddings": {"float": [VECTOR]}},
        {"predictions": [{"embeddings": {"values": VECTOR}}]},
        {"found": {"vector": VECTOR}},
        [VECTOR],
        VECTOR,
    ],
)
def test_vectors_are_never_kept(reply: Any) -> None:
    for key in ("langfuse.observation.output", "output.value", "mlflow.spanOutputs", "gen_ai.output.messages"):
        found = places.of_span({key: json.dumps(reply)})
        assert "0.25" not in str(found.choices)
        assert "AACAPg" not in str(found.choices)
    for key in ("langfuse.observation.input", "input.value", "gen_ai.input.messages"):
        found = places.of_span({key: json.dumps(reply)})
        assert "0.25" not in str(found.messages)
