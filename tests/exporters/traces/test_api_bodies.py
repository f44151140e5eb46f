"""Requests and responses of providers' APIs and of frameworks, as senders write them down whole."""

from __future__ import annotations

import json
from typing import Any

import pytest

from exporters.traces.messages import bodies, places
from telltale.conversation import Conversation, Part, texts

ASK, SYSTEM = "Is it clear in Busan?", "Be brief."
CALL: Part = {"type": "tool_call", "name": "weather", "arguments": {"city": "Busan"}, "id": "c1"}
RESULT: Part = {"type": "tool_call_response", "response": {"sky": "clear"}, "name": "weather", "id": "c1"}
USER = {"role": "user", "content": ASK}
REQUESTS: dict[str, Any] = {
    "converse": {
        "modelId": "m",
        "messages": [{"role": "user", "content": [{"text": ASK}, {"cachePoint": {"type": "default"}}]}],
        "system": [{"text": SYSTEM}, {"cachePoint": {"type": "default"}}],
    },
    "invoke anthropic": {
        "modelId": "m",
        "body": json.dumps({"anthropic_version": "bedrock-2023-05-31", "system": SYSTEM, "messages": [USER]}),
    },
    "invoke nova": {
        "modelId": "m",
        "body": {"system": [{"text": SYSTEM}], "messages": [{"role": "user", "content": [{"text": ASK}]}]},
    },
    "invoke titan": {"inputText": ASK, "textGenerationConfig": {"maxTokenCount": 10}},
    "invoke llama": {"prompt": ASK, "max_gen_len": 10},
    "gemini": {
        "model": "m",
        "contents": [{"role": "user", "parts": [{"text": ASK}]}],
        "config": {"system_instruction": SYSTEM},
    },
    "gemini, just text": {
        "model": "m",
        "contents": ASK,
        "config": {"system_instruction": {"parts": [{"text": SYSTEM}]}},
    },
    "gemini's REST": {"contents": [{"parts": [{"text": ASK}]}], "systemInstruction": {"parts": [{"text": SYSTEM}]}},
    "gemini chat": {
        "message": ASK,
        "history": [{"role": "user", "parts": [{"text": "Hi"}]}, {"role": "model", "parts": [{"text": "Hello"}]}],
    },
    "cohere 1": {
        "message": ASK,
        "preamble": SYSTEM,
        "chat_history": [{"role": "USER", "message": "Hi"}, {"role": "CHATBOT", "message": "Hello"}],
    },
    "cohere 2": {"model": "m", "messages": [{"role": "system", "content": SYSTEM}, USER]},
    "genkit": {
        "messages": [{"role": "system", "content": [{"text": SYSTEM}]}, {"role": "user", "content": [{"text": ASK}]}],
        "config": {"temperature": 1},
        "tools": [],
    },
    "livekit": {
        "items": [
            {"id": "1", "type": "message", "role": "system", "content": [SYSTEM]},
            {"id": "2", "type": "agent_handoff", "new_agent_id": "x"},
            {"id": "3", "type": "message", "role": "user", "content": [ASK], "interrupted": False},
        ]
    },
    "flue": {"systemPrompt": SYSTEM, "messages": [USER]},
    "llama_index": {"messages": [{"role": "user", "blocks": [{"block_type": "text", "text": ASK}]}]},
    "llama_index as text": {
        "messages": [
            f"ChatMessage(role=<MessageRole.SYSTEM: 'system'>, kwargs={{}}, blocks=[TextBlock(text='{SYSTEM}')])",
            f"ChatMessage(role=<MessageRole.USER: 'user'>, kwargs={{}}, blocks=[TextBlock(text='{ASK}')])",
        ]
    },
    "pydantic": {
        "messages": [
            {
                "kind": "request",
                "parts": [
                    {"content": SYSTEM, "part_kind": "system-prompt"},
                    {"content": ASK, "part_kind": "user-prompt"},
                ],
            }
        ]
    },
    "autogen": {
        "messages": [
            {"content": SYSTEM, "type": "SystemMessage"},
            {"content": ASK, "source": "user", "type": "UserMessage"},
        ]
    },
    "responses": {
        "model": "m",
        "instructions": SYSTEM,
        "input": [{"role": "user", "content": [{"type": "input_text", "text": ASK}]}],
    },
    "responses, just text": {"model": "m", "instructions": SYSTEM, "input": ASK, "text": {"format": {"type": "text"}}},
    "a function's arguments": {"args": [], "kwargs": {"model": "m", "messages": [USER]}},
    "a function's one argument": {"args": [ASK], "kwargs": {}},
    "langchain": [
        [
            {"lc": 1, "type": "constructor", "id": ["x", "SystemMessage"], "kwargs": {"content": SYSTEM}},
            {"lc": 1, "type": "constructor", "id": ["x", "HumanMessage"], "kwargs": {"content": ASK}},
        ]
    ],
    "gemini as text": f"parts=[Part(video_metadata=None, thought=None, text='{ASK}')] role='user'",
    "spring": [ASK],
}
WITHOUT_SYSTEM = ("invoke titan", "invoke llama", "gemini chat", "llama_index", "gemini as text", "spring")


@pytest.mark.parametrize("name", REQUESTS)
def test_requests(name: str) -> None:
    request = REQUESTS[name]
    key = "lk.chat_ctx" if name == "livekit" else "langfuse.observation.input"
    for written in (request, json.dumps(request) if not isinstance(request, str) else request):
        found = places.of_span({key: written})
        assert texts.prompt(found) == ASK
        assert found.messages[-1]["role"] == "user"
        earlier = [(turn["role"], texts.of_message(turn)) for turn in found.messages[:-1]]
        assert earlier == (
            [("user", "Hi"), ("assistant", "Hello")]
            if "chat_history" in str(request) or "history" in str(request)
            else []
        )
        is_silent = name in WITHOUT_SYSTEM or name.startswith("a function")
        assert found.system == ([] if is_silent else [{"type": "text", "content": SYSTEM}])


THOUGHT = {"text": "hm", "thought": True}
RESPONSES: dict[str, tuple[Any, str | None]] = {
    "converse": (
        {
            "output": {
                "message": {
                    "role": "assistant",
                    "content": [{"reasoningContent": {"reasoningText": {"text": "hm"}}}, {"text": "Clear."}],
                }
            },
            "stopReason": "end_turn",
        },
        "end_turn",
    ),
    "invoke anthropic": (
        {"body": json.dumps({"content": [{"type": "text", "text": "Clear."}], "stop_reason": "end_turn"})},
        "end_turn",
    ),
    "titan": (
        {"inputTextTokenCount": 4, "results": [{"outputText": "Clear.", "completionReason": "FINISH"}]},
        "FINISH",
    ),
    "llama": ({"generation": "Clear.", "stop_reason": "stop"}, "stop"),
    "mistral": ({"outputs": [{"text": "Clear.", "stop_reason": "stop"}]}, "stop"),
    "cohere generate": ({"generations": [{"id": "1", "text": "Clear.", "finish_reason": "COMPLETE"}]}, "COMPLETE"),
    "cohere 1": (
        {"text": "Clear.", "finish_reason": "COMPLETE", "chat_history": [{"role": "USER", "message": ASK}]},
        "COMPLETE",
    ),
    "cohere 2": (
        {
            "message": {
                "role": "assistant",
                "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Clear."}],
            },
            "finish_reason": "COMPLETE",
        },
        "COMPLETE",
    ),
    "ai21": ({"completions": [{"data": {"text": "Clear."}, "finishReason": {"reason": "endoftext"}}]}, None),
    "anthropic completions": ({"completion": "Clear.", "stop_reason": "stop_sequence"}, "stop_sequence"),
    "ollama generate": ({"response": "Clear.", "done": True}, None),
    "tgi": ([{"generated_text": "Clear."}], None),
    "vertex": ({"predictions": [{"content": "Clear."}]}, None),
    "gemini": (
        {
            "candidates": [
                {"content": {"role": "model", "parts": [THOUGHT, {"text": "Clear."}]}, "finishReason": "STOP"}
            ]
        },
        "STOP",
    ),
    "adk": (
        {
            "content": {"role": "model", "parts": [THOUGHT, {"text": "Clear."}]},
            "finish_reason": "STOP",
            "partial": False,
        },
        "STOP",
    ),
    "genkit": (
        {"message": {"role": "model", "content": [{"reasoning": "hm"}, {"text": "Clear."}]}, "finishReason": "stop"},
        "stop",
    ),
    "genkit's older": (
        {
            "candidates": [
                {"index": 0, "finishReason": "stop", "message": {"role": "model", "content": [{"text": "Clear."}]}}
            ]
        },
        "stop",
    ),
    "llama_index": (
        {
            "message": {"role": "assistant", "blocks": [{"block_type": "text", "text": "Clear."}]},
            "raw": {"choices": []},
        },
        None,
    ),
    "responses in a list": (
        [
            {
                "id": "x",
                "output": [
                    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Clear."}]}
                ],
            }
        ],
        None,
    ),
    "chunks": (
        [
            {"choices": [{"index": 0, "delta": {"role": "assistant", "reasoning_content": "hm"}}]},
            {"choices": [{"index": 0, "delta": {"content": "Cle"}}]},
            {"choices": [{"index": 0, "delta": {"content": "ar."}, "finish_reason": "stop"}]},
            {"choices": [], "usage": {"prompt_tokens": 1}},
        ],
        "stop",
    ),
    "gemini's chunks": (
        [
            {"candidates": [{"content": {"role": "model", "parts": [THOUGHT]}}]},
            {"candidates": [{"content": {"role": "model", "parts": [{"text": "Cle"}]}}]},
            {"candidates": [{"content": {"role": "model", "parts": [{"text": "ar."}]}, "finishReason": "STOP"}]},
        ],
        "STOP",
    ),
    "events of responses": (
        [
            {"type": "response.created", "response": {"output": []}},
            {
                "type": "response.completed",
                "response": {"output": [{"type": "message", "content": [{"type": "output_text", "text": "Clear."}]}]},
            },
        ],
        None,
    ),
    "pydantic": (
        {
            "kind": "response",
            "parts": [{"content": "hm", "part_kind": "thinking"}, {"content": "Clear.", "part_kind": "text"}],
        },
        None,
    ),
    "google as text": ("Content(parts=[Part(thought=True, text='hm'), Part(text='Clear.')], role='model')", None),
}


@pytest.mark.parametrize("name", RESPONSES)
def test_responses(name: str) -> None:
    reply, reason = RESPONSES[name]
    for written in (reply, json.dumps(reply) if not isinstance(reply, str) else reply):
        [choice] = places.of_span({"langfuse.observation.output": written}).choices
        assert choice["role"] == "assistant"
        assert [part for part in choice["parts"] if part["type"] != "reasoning"] == [
            {"type": "text", "content": "Clear."}
        ]
        assert choice.get("finish_reason") == reason
        assert texts.of_message(choice) == "Clear."


CALLS: dict[str, Any] = {
    "genkit": {
        "message": {
            "role": "model",
            "content": [{"toolRequest": {"name": "weather", "ref": "c1", "input": {"city": "Busan"}}}],
        }
    },
    "cohere 1": {"text": "", "tool_calls": [{"id": "c1", "name": "weather", "parameters": {"city": "Busan"}}]},
    "chunks": [
        {
            "choices": [
                {
                    "index": 0,
                    "delta": {
                        "tool_calls": [{"index": 0, "id": "c1", "function": {"name": "weather", "arguments": ""}}]
                    },
                }
            ]
        },
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": '{"city":'}}]}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": ' "Busan"}'}}]}}]},
    ],
    "pydantic": {
        "kind": "response",
        "parts": [
            {"tool_name": "weather", "args": '{"city": "Busan"}', "tool_call_id": "c1", "part_kind": "tool-call"}
        ],
    },
    "autogen": {
        "content": [{"id": "c1", "name": "weather", "arguments": '{"city": "Busan"}'}],
        "type": "AssistantMessage",
    },
    "haystack": {
        "role": "assistant",
        "content": [{"tool_call": {"id": "c1", "tool_name": "weather", "arguments": {"city": "Busan"}}}],
    },
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_of_tools(name: str) -> None:
    [choice] = bodies.response(CALLS[name])
    assert choice["parts"] == [CALL]


RESULTS: dict[str, Any] = {
    "genkit": {
        "role": "tool",
        "content": [{"toolResponse": {"name": "weather", "ref": "c1", "output": {"sky": "clear"}}}],
    },
    "pydantic": {
        "kind": "request",
        "parts": [
            {"tool_name": "weather", "content": {"sky": "clear"}, "tool_call_id": "c1", "part_kind": "tool-return"}
        ],
    },
    "autogen": {
        "content": [{"content": '{"sky": "clear"}', "call_id": "c1", "name": "weather"}],
        "type": "FunctionExecutionResultMessage",
    },
}


@pytest.mark.parametrize("name", RESULTS)
def test_results_of_tools_are_no_question(name: str) -> None:
    found = bodies.request([USER, RESULTS[name]])
    assert found.messages[1:] == [{"role": "tool", "parts": [RESULT]}]
    assert texts.prompt(found) == ASK


@pytest.mark.parametrize("reply", [{"error": {"message": "no"}}, {"type": "error", "message": "no"}, {"error": "no"}])
def test_an_error_is_no_answer(reply: dict[str, Any]) -> None:
    assert bodies.response(reply) == []


def test_pieces_of_a_long_stream_take_time_in_proportion() -> None:
    chunks = [{"candidates": [{"content": {"parts": [{"text": "0123456789"}]}}]} for _ in range(50_000)]
    [choice] = bodies.response(chunks)
    assert len(texts.response(Conversation(choices=[choice]))) == 500_000


def test_all_prompts_of_claude_code_are_texts() -> None:
    attributes = {"user_prompt": ASK, "response.model_output": "Clear."}
    assert texts.of(places.of_span(attributes)) == (ASK, "Clear.")
    assert texts.of(places.of_span({**attributes, "user_prompt": "<REDACTED>"})) == ("", "Clear.")


CHAT = json.dumps([{"role": "system", "content": SYSTEM}, {"role": "user", "content": ASK}])
ANSWER = json.dumps([{"role": "assistant", "content": "Clear."}])
PLACES: dict[str, dict[str, Any]] = {
    "langfuse": {"langfuse.observation.input": CHAT, "langfuse.observation.output": ANSWER},
    "mlflow": {"mlflow.spanInputs": json.dumps({"messages": json.loads(CHAT)}), "mlflow.spanOutputs": ANSWER},
    "braintrust": {"braintrust.input_json": CHAT, "braintrust.output_json": ANSWER},
    "pipecat": {"input": CHAT, "output": "Clear."},
    "openrouter": {
        "gen_ai.prompt": json.dumps({"messages": json.loads(CHAT)}),
        "gen_ai.completion": json.dumps({"completion": "Clear.", "reasoning": "hm"}),
    },
    "langsmith": {
        "gen_ai.prompt": json.dumps({"messages": [json.loads(CHAT)]}),
        "gen_ai.completion": json.dumps({"generations": [[{"text": "Clear.", "type": "ChatGeneration"}]]}),
    },
    "vercel 3": {"ai.prompt.messages": CHAT, "ai.result.text": "Clear."},
    "livekit": {
        "lk.chat_ctx": json.dumps({"items": [{"type": "message", **turn} for turn in json.loads(CHAT)]}),
        "lk.response.text": "Clear.",
    },
    "pairs": {"input.value": json.dumps({"messages": [["system", SYSTEM], ["human", ASK]]}), "output.value": "Clear."},
    "bodies in place of messages": {
        "gen_ai.input.messages": json.dumps({"messages": json.loads(CHAT)}),
        "gen_ai.output.messages": json.dumps({"choices": [{"message": {"content": "Clear."}}]}),
    },
    "openllmetry for ollama": {
        "gen_ai.prompt.0.role": "system",
        "gen_ai.prompt.0.content": SYSTEM,
        "gen_ai.prompt.1.user": ASK,
        "gen_ai.completion.0.content": "Clear.",
    },
    "logfire": {
        "request_data": json.dumps({"model": "m", "messages": json.loads(CHAT)}),
        "response_data": json.dumps({"combined_chunk_content": "Clear.", "chunk_count": 2}),
    },
}


@pytest.mark.parametrize("name", PLACES)
def test_places(name: str) -> None:
    found = places.of_span(PLACES[name])
    assert found.system == [{"type": "text", "content": SYSTEM}]
    assert [(turn["role"], texts.of_message(turn)) for turn in found.messages] == [("user", ASK)]
    assert [texts.of_message(choice) for choice in found.choices] == ["Clear."]


def test_livekits_calls_stand_beside_its_text() -> None:
    call = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city": "Busan"}'}
    for calls in ([json.dumps(call)], json.dumps([call])):
        [choice] = places.of_span({"lk.response.text": "I look.", "lk.response.function_calls": calls}).choices
        assert choice["parts"] == [{"type": "text", "content": "I look."}, CALL]


@pytest.mark.parametrize("wrap", [lambda content: content, lambda content: [content]])
def test_geminis_content_in_place_of_a_text(wrap: Any) -> None:
    """As OTel's instrumentation of Google's SDK logs what it is given."""
    said = places.of_record("gen_ai.user.message", {}, {"content": wrap({"parts": [{"text": ASK}], "role": "user"})})
    assert said.messages == [{"role": "user", "parts": [{"type": "text", "content": ASK}]}]


def test_inputs_of_nobodys_are_kept_as_they_are() -> None:
    asked = {"question": ASK, "vector": [0.5] * 40}
    assert texts.prompt(bodies.request({"input": asked})) == json.dumps({"question": ASK, "vector": "[vector]"})
    assert texts.prompt(bodies.request({"prompts": [ASK]})) == ASK
