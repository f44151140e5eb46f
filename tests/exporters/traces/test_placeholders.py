"""What senders write in place of content that they hide is no content, wherever it stands."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.traces.decode.spans import Event
from exporters.traces.messages import places
from exporters.traces.messages.placeholders import hides
from telltale.conversation import texts

HIDDEN = [
    *("<no content captured>", "[no content]", "[content disabled]", "<disabled>", "[data collection disabled]"),
    *("[REDACTED len=12]", "content_redacted", "%%REDACTED%%", "[SENSITIVE]", "<private>", "[object Object]"),
    *("__REDACTED__", "[REDACTED]", "<redacted>", "***", "[Filtered]", "REDACTED", "<<REDACTED>>", "{{REDACTED}}"),
    *("[Scrubbed due to 'password']", "<fully masked due to failed mask function>", "redacted-by-litellm", "<elided>"),
    *("[EMAIL_REDACTED]", "***MASKED***", "[content redacted]", "(redacted)", "<not serializable>", '"__REDACTED__"'),
    *("<REDACTED>", "[REDACTED CREDIT CARD]", "[redacted: 123 chars]", " [REDACTED]\n", "<prompt-redacted>", "██████"),
]
SAID = [
    *("It is disabled.", "private", "[no, content with it]", "object Object", "%% of it", "no content"),
    *("My password is [REDACTED]", "[REDACTED] and [REDACTED]", "**Filtered coffee**", "**", "(It was filtered by us)"),
    *(
        "*hides behind a mask*",
        '<input type="hidden">',
        "filtered",
        "hidden",
        "[filtered, sorted]",
        "[EMAIL]",
        "[PHONE]",
    ),
    *("Is it redacted?", "[removed items](https://example.com)", "- filtered", "[media]"),
]


@pytest.mark.parametrize("text", HIDDEN)
def test_placeholders(text: str) -> None:
    assert hides(text)


@pytest.mark.parametrize("text", SAID)
def test_texts_that_are_more(text: str) -> None:
    assert not hides(text)


@given(st.sampled_from(HIDDEN), st.text(st.characters(categories=["L"]), min_size=8, max_size=40))
def test_a_text_that_holds_one_is_none(hidden: str, said: str) -> None:
    assert not hides(f"Tell me about {said}: {hidden}")
    assert not hides(f"{hidden}, {said} wrote?")


@pytest.mark.parametrize("piece", ["a_", "[", "<<", "redacted ", "** ", "_", "a b ", "'", "not "])
def test_a_look_takes_no_time(piece: str) -> None:
    began = time.process_time()
    for head in ("", "[", "<", "{{", "__", "(content"):
        hides((head + piece * 96)[:96])
    assert time.process_time() - began < 0.5


def spans(hidden: str) -> dict[str, tuple[dict[str, Any], list[Event]]]:
    """A hidden question and a hidden answer, in each place that senders have for them."""
    asked = [{"role": "user", "content": hidden}]
    parts = [{"role": "user", "parts": [{"type": "text", "content": hidden}]}]
    answer = [{"role": "assistant", "parts": [{"type": "text", "content": hidden}], "finish_reason": "stop"}]
    body = {"choices": [{"message": {"role": "assistant", "content": hidden}, "finish_reason": "stop"}]}
    gemini = {"contents": [{"role": "user", "parts": [{"text": hidden}]}], "config": {"system_instruction": hidden}}
    return {
        "whole attributes": ({"gen_ai.input.messages": hidden, "gen_ai.output.messages": hidden}, []),
        "otel": (
            {
                "gen_ai.input.messages": json.dumps(parts),
                "gen_ai.output.messages": json.dumps(answer),
                "gen_ai.system_instructions": json.dumps([{"type": "text", "content": hidden}]),
            },
            [],
        ),
        "openinference": (
            {
                "input.value": hidden,
                "output.value": hidden,
                "llm.input_messages.0.message.role": "user",
                "llm.input_messages.0.message.content": hidden,
                "llm.output_messages.0.message.role": "assistant",
                "llm.output_messages.0.message.contents.0.message_content.type": "text",
                "llm.output_messages.0.message.contents.0.message_content.text": hidden,
                "llm.prompts.0.prompt.text": hidden,
                "embedding.embeddings.0.embedding.text": hidden,
                "llm.tools.0.tool.json_schema": hidden,
            },
            [],
        ),
        "indexed": (
            {
                "gen_ai.prompt.0.role": "user",
                "gen_ai.prompt.0.content": hidden,
                "gen_ai.completion.0.role": "assistant",
                "gen_ai.completion.0.content": hidden,
            },
            [],
        ),
        "langfuse": ({"langfuse.observation.input": hidden, "langfuse.observation.output": hidden}, []),
        "langfuse, each text": (
            {
                "langfuse.observation.input": json.dumps({"question": hidden, "top": [hidden]}),
                "langfuse.observation.output": json.dumps({"answer": hidden}),
            },
            [],
        ),
        "bodies": ({"mlflow.spanInputs": json.dumps({"messages": asked}), "mlflow.spanOutputs": json.dumps(body)}, []),
        "gemini": ({"gcp.vertex.agent.llm_request": json.dumps(gemini), "gcp.vertex.agent.llm_response": hidden}, []),
        "vercel": ({"ai.prompt.messages": json.dumps(asked), "ai.response.text": hidden, "ai.values": [hidden]}, []),
        "claude code": ({"user_prompt": hidden, "response.model_output": hidden, "new_context": hidden}, []),
        "events": (
            {},
            [
                Event("gen_ai.user.message", 0, {"content": hidden}),
                Event("gen_ai.choice", 0, {"message": json.dumps({"content": hidden}), "finish_reason": "stop"}),
                Event("gen_ai.content.prompt", 0, {"gen_ai.prompt": hidden}),
                Event("gen_ai.content.completion", 0, {"gen_ai.completion": hidden}),
            ],
        ),
    }


@pytest.mark.parametrize("name", spans(""))
@pytest.mark.parametrize("hidden", ["__REDACTED__", "[REDACTED]", "***", "<fully masked due to failed mask function>"])
def test_hidden_content_is_absent(name: str, hidden: str) -> None:
    attributes, events = spans(hidden)[name]
    found = places.of_span(attributes, events)
    assert not found.is_asked
    assert not found.is_answered
    assert found.system == []
    assert found.tools == []
    # Said, the same places tell it.
    attributes, events = spans("Why?")[name]
    found = places.of_span(attributes, events)
    if name != "langfuse, each text":
        assert texts.prompt(found) == "Why?"


def test_what_is_hidden_in_one_place_is_read_in_another() -> None:
    found = places.of_span(
        {
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.content": "__REDACTED__",
            "input.value": json.dumps({"messages": [{"role": "user", "content": "Why?"}]}),
        }
    )
    assert texts.prompt(found) == "Why?"


def test_a_call_and_its_result_stay_where_only_their_content_is_hidden() -> None:
    turns = [
        {"role": "user", "content": "Why?"},
        {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "find", "arguments": "[REDACTED]"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "[REDACTED]"},
    ]
    found = places.of_span({"gen_ai.input.messages": json.dumps(turns)})
    assert [turn["parts"][0]["type"] for turn in found.messages] == ["text", "tool_call", "tool_call_response"]
    assert found.messages[1]["parts"][0]["arguments"] is None
    assert found.messages[2]["parts"][0]["response"] is None
