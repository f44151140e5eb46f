"""A model's name is the one that was asked for, unless a response said another: neither is guessed from the other."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.otlp_spans import one

LLM = {"openinference.span.kind": "LLM", "llm.token_count.prompt": 20, "llm.token_count.completion": 5}
REPLY = {"id": "chatcmpl-1", "created": 1, "choices": [], "model": "m-2026"}
ASKED = json.dumps({"model": "m", "temperature": 0.2})
WRAPPED = json.dumps(
    {"temperature": 1, "max_tokens": "Infinity", "top_p": 1, "frequency_penalty": 0, "presence_penalty": 0}
)


@pytest.mark.parametrize(
    ("attributes", "span", "requested", "served"),
    [
        # A framework's own name for the model.
        ({"llm.model_name": "m"}, {"scope": "openinference.instrumentation.agno"}, "m", None),
        ({"llm.model_name": "m", "output.value": '[{"role": "assistant", "content": "hi"}]'}, {}, "m", None),
        ({"llm.model_name": "m", "output.value": "assistant: hi"}, {}, "m", None),
        ({"llm.model_name": "m", "output.value": '[{"id": "__fake_id__", "model": "m"}]'}, {}, "m", None),
        ({"llm.model_name": "m", "llm.invocation_parameters": ASKED}, {}, "m", None),
        ({"embedding.model_name": "m", "openinference.span.kind": "EMBEDDING"}, {}, "m", None),
        # A response said it.
        ({"llm.model_name": "m-2026", "llm.invocation_parameters": ASKED}, {}, "m", "m-2026"),
        ({"llm.model_name": "m", "output.value": json.dumps(REPLY)}, {}, "m", "m-2026"),
        ({"llm.model_name": "m-2026", "output.value": json.dumps(REPLY)}, {}, None, "m-2026"),
        ({"llm.model_name": "m", "output.value": json.dumps({"raw": REPLY})}, {}, "m", "m-2026"),
        ({"llm.response.model_name": "m-2026", "llm.request.model_name": "m"}, {}, "m", "m-2026"),
        # Its parameters are the response's own.
        ({"llm.model_name": "m-2026", "llm.invocation_parameters": json.dumps({**REPLY, "created_at": 1}),
          "output.value": json.dumps(REPLY)}, {}, None, "m-2026"),
        # One instrumentation takes the name from responses, whatever else was dropped.
        ({"llm.model_name": "m-2026"}, {"scope": "openinference.instrumentation.openai"}, None, "m-2026"),
        ({"llm.model_name": "m"}, {"status": 2}, "m", None),
    ],
)  # fmt: skip
def test_openinference(
    attributes: dict[str, Any], span: dict[str, Any], requested: str | None, served: str | None
) -> None:
    found = one({**LLM, **attributes}, **span)
    assert (found.model_requested, found.model_served) == (requested, served)


@pytest.mark.parametrize(
    ("attributes", "requested", "served"),
    [
        # Written by hand, or by a handler that knows what was asked.
        ({"model.name": "m", "output": "hi", "usage_details": '{"input": 3}'}, "m", None),
        ({"model.name": "m-2026", "metadata.ls_model_name": "m", "output": "hi"}, "m", "m-2026"),
        ({"model.name": "m", "metadata.ls_model_name": "m", "output": "hi"}, "m", None),
        # The wrapper of OpenAI's client, once something came.
        ({"model.name": "m-2026", "output": "hi", "model.parameters": WRAPPED}, None, "m-2026"),
        ({"model.name": "m", "model.parameters": WRAPPED, "level": "ERROR"}, "m", None),
        ({"model.name": "m", "model.parameters": WRAPPED}, "m", None),
    ],
)
def test_langfuse(attributes: dict[str, str], requested: str | None, served: str | None) -> None:
    written = {f"langfuse.observation.{name}": text for name, text in attributes.items()}
    found = one({"langfuse.observation.type": "generation", **written}, scope="langfuse-sdk")
    assert (found.model_requested, found.model_served) == (requested, served)


@pytest.mark.parametrize(
    ("inputs", "outputs", "requested", "served"),
    [
        ({"model": "m"}, {"model": "m-2026"}, "m", "m-2026"),
        ({"model": "m"}, {}, "m", None),
        ({}, {}, "m", None),
        ({"modelId": "m"}, {"model_version": "m-2026"}, "m", "m-2026"),
    ],
)
def test_mlflow(inputs: Any, outputs: Any, requested: str | None, served: str | None) -> None:
    about = {"mlflow.spanInputs": json.dumps(inputs), "mlflow.spanOutputs": json.dumps(outputs)}
    found = one({"mlflow.spanType": '"LLM"', "mlflow.llm.model": '"m"', **about})
    assert (found.model_requested, found.model_served) == (requested, served)


def test_vercels_sdk_repeats_the_requests_name_where_a_response_has_none() -> None:
    made = {"ai.operationId": "ai.generateText.doGenerate", "ai.model.id": "m", "ai.usage.inputTokens": 3}
    assert one({**made, "ai.response.model": "m"}, scope="ai").model_served is None
    assert one({**made, "ai.response.model": "m-2026"}, scope="ai").model_served == "m-2026"


def test_a_call_to_which_nobody_responded_was_served_by_none() -> None:
    echo = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.response.model": "m"}
    refused = one(echo, status=2)
    assert (refused.model_requested, refused.model_served) == ("m", None)
    broken = one({**echo, "gen_ai.response.id": "r-1"}, status=2)
    assert (broken.model_requested, broken.model_served) == ("m", "m")
