"""Messages that their sender's limit cut: what stood before the cut is read, and never their braces."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporters.traces.decode.spans import Event
from exporters.traces.messages import bodies, cut_off, places
from telltale.conversation import Conversation, Message, Part, texts

ASK = 'Say "hi" to {Kim} \\ 김\U0001f600 [now]'
MESSAGES: dict[str, list[dict[str, Any]]] = {
    "otel": [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {"role": "user", "parts": [{"type": "text", "content": ASK}, {"type": "text", "content": "Please."}]},
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "hm"},
                {"type": "text", "content": "I look."},
                {"type": "tool_call", "id": "c1", "name": "find", "arguments": {"who": "Kim", "n": 1234}},
            ],
            "finish_reason": "tool_call",
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "found her"}]},
        {"role": "user", "parts": [{"type": "text", "content": "Thanks."}]},
    ],
    "keys in order": [
        {"parts": [{"content": ASK, "type": "text"}], "role": "user"},
        {"parts": [{"content": "hm", "type": "reasoning"}, {"content": "Yes.", "type": "text"}], "role": "assistant"},
    ],
    "openai": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": ASK}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"who": "Kim"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "found her"},
        {"role": "assistant", "content": "There she is."},
        {"content": "Thanks.", "role": "user"},
    ],
    "gemini": [
        {"role": "user", "parts": [{"text": ASK}]},
        {"role": "model", "parts": [{"text": "hm", "thought": True}, {"text": "Yes."}]},
        {"role": "model", "parts": [{"functionCall": {"name": "find", "args": {"who": "Kim"}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "find", "response": {"found": 1}}}]},
        {"parts": [{"text": "Thanks."}], "role": "user"},
    ],
    "bedrock": [
        {"role": "user", "content": [{"text": ASK}]},
        {"role": "assistant", "content": [{"reasoningContent": {"reasoningText": {"text": "hm"}}}, {"text": "Yes."}]},
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c1", "name": "find", "input": {"who": "Kim"}}}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "c1", "content": [{"text": "found"}]}}]},
    ],
    "anthropic": [
        {"role": "user", "content": ASK},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "x"},
                {"type": "text", "text": "Yes."},
                {"type": "tool_use", "id": "c1", "name": "find", "input": {"who": "Kim"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "found"}]},
                {"type": "text", "text": "Thanks."},
            ],
        },
    ],
    "langchain": [
        {"lc": 1, "type": "constructor", "id": ["langchain", "SystemMessage"], "kwargs": {"content": "Be brief."}},
        {"lc": 1, "type": "constructor", "id": ["langchain", "HumanMessage"], "kwargs": {"content": ASK}},
        {"content": "Yes.", "additional_kwargs": {}, "type": "ai"},
    ],
    "pictures": [
        {"content": "aGVsbG8h", "mime_type": "image/png", "type": "blob", "role": "user"},
        {"role": "user", "content": [{"content": "aGVsbG8h", "modality": "image", "type": "blob"}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVsbG8h"}}]},
    ],
    "responses": [
        {"role": "user", "content": ASK},
        {"id": "r", "summary": [{"text": "hm", "type": "summary_text"}], "type": "reasoning"},
        {"type": "function_call", "name": "find", "arguments": "{}", "call_id": "c1"},
        {"type": "function_call_output", "call_id": "c1", "output": "found"},
    ],
}
MARKS = ["", "...", "…", "... (truncated)", "…[truncated]", "...[truncated 1234 chars]", "<truncated>"]


def plain(part: Part) -> Part:
    return {key: value for key, value in part.items() if key != "truncated"}


def is_begun(mine: list[Message], true: list[Message]) -> bool:
    """Whether turns are the first of the true ones: the last may lack parts, or the end of a text."""
    for place, (one, whole) in enumerate(zip(mine, true, strict=False)):
        if one["role"] != whole["role"] or len(one["parts"]) > len(whole["parts"]):
            return False
        is_last = place == len(mine) - 1
        if not is_last and one != whole:
            return False
        for at, (part, whole_part) in enumerate(zip(one["parts"], whole["parts"], strict=False)):
            is_last_part = is_last and at == len(one["parts"]) - 1
            if plain(part) != whole_part and not (is_last_part and is_piece(part, whole_part)):
                return False
    return len(mine) <= len(true)


def is_piece(part: Part, whole: Part) -> bool:
    key = "response" if part["type"] == "tool_call_response" else "content"
    said, true = part.get(key), whole.get(key)
    return (
        part.get("truncated") is True
        and part["type"] == whole["type"]
        and isinstance(said, str)
        and isinstance(true, str)
        and true.startswith(said)
    )


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from(sorted(MESSAGES)),
    st.floats(0, 1),
    st.booleans(),
    st.sampled_from(MARKS),
    st.sampled_from([None, (",", ":")]),
)
def test_messages_cut_anywhere_are_the_first_turns_or_nothing(
    name: str, where: float, escaped: bool, mark: str, separators: Any
) -> None:
    written = json.dumps(MESSAGES[name], ensure_ascii=escaped, separators=separators)
    check(name, written[: int(where * len(written))], mark)


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_cut_at_each_character(name: str) -> None:
    for written in (json.dumps(MESSAGES[name]), repr(MESSAGES[name])):
        for end in range(len(written)):
            check(name, written[:end], "")


def check(name: str, cut: str, mark: str) -> None:
    true = places.of_span({"gen_ai.input.messages": json.dumps(MESSAGES[name])})
    for key in ("gen_ai.input.messages", "ai.prompt.messages", "langfuse.observation.input"):
        if key == "langfuse.observation.input" and len(cut) < 4:
            # Two brackets may be what somebody typed.
            continue
        found = places.of_span({key: cut + mark if cut else ""})
        assert is_begun([*as_turn(found)], [*as_turn(true)]), (key, cut, found)
        assert '{"' not in texts.prompt(found).removeprefix(ASK)


def as_turn(said: Conversation) -> list[Message]:
    system: list[Message] = [{"role": "system", "parts": said.system}] if said.system else []
    turns: list[Message] = [{"role": turn["role"], "parts": turn["parts"]} for turn in said.messages if turn["parts"]]
    return system + turns


ANSWERS: dict[str, Any] = {
    "otel": [{"role": "assistant", "parts": [{"type": "text", "content": "Yes, here."}], "finish_reason": "stop"}],
    "chat": {"id": "x", "choices": [{"index": 0, "message": {"content": "Yes, here.", "role": "assistant"}}]},
    "anthropic": {
        "id": "x",
        "content": [{"type": "thinking", "thinking": "hm"}, {"text": "Yes, here.", "type": "text"}],
    },
    "responses": {
        "id": "x",
        "output": [
            {"id": "r", "summary": [{"text": "hm", "type": "summary_text"}], "type": "reasoning"},
            {
                "id": "m",
                "content": [{"annotations": [], "text": "Yes, here.", "type": "output_text"}],
                "role": "assistant",
                "type": "message",
            },
        ],
    },
    "converse": {"output": {"message": {"role": "assistant", "content": [{"text": "Yes, here."}]}}},
    "gemini": {"candidates": [{"content": {"parts": [{"text": "hm", "thought": True}, {"text": "Yes, here."}]}}]},
    "titan": {"results": [{"tokenCount": 4, "outputText": "Yes, here."}]},
    "completion": {"completion": "Yes, here."},
    "a state": {"messages": [{"role": "user", "content": ASK}, {"role": "assistant", "content": "Yes, here."}]},
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_cut_at_each_character(name: str) -> None:
    written = json.dumps(ANSWERS[name])
    for key in ("langfuse.observation.output", "output.value", "gen_ai.output.messages"):
        if key == "gen_ai.output.messages" and name != "otel":
            continue
        best = ""
        for end in range(4, len(written) + 1):
            said = texts.response(places.of_span({key: written[:end]}))
            assert "Yes, here.".startswith(said), (written[:end], said)
            best = max(best, said, key=len)
        assert best == "Yes, here."


CUT = '[{"role": "user", "content": "Why is the sky'


@pytest.mark.parametrize(
    ("attributes", "events"),
    [
        ({"gen_ai.input.messages": CUT}, []),
        ({"ai.prompt.messages": CUT}, []),
        ({"ai.prompt": '{"messages": ' + CUT}, []),
        ({"langfuse.observation.input": CUT}, []),
        ({"langfuse.observation.input": '{"tools": [], "messages": ' + CUT}, []),
        ({"mlflow.spanInputs": '{"model": "m", "messages": ' + CUT}, []),
        ({"gcp.vertex.agent.llm_request": '{"contents": [{"role": "user", "parts": [{"text": "Why is the sky'}, []),
        ({"genkit:input": '{"messages": [{"role": "user", "content": [{"text": "Why is the sky'}, []),
        ({"lk.chat_ctx": '{"items": [{"id": "1", "type": "message", "role": "user", "content": ["Why is the sky'}, []),
        ({"events": '[{"event.name": "gen_ai.user.message", "role": "user", "content": "Why is the sky'}, []),
        ({"input.value": '{"messages": ' + CUT}, []),
        ({"input.value": '{"model": "m", "prompt": "Why is the sky'}, []),
        ({"request_data": '{"model": "m", "messages": ' + CUT}, []),
        ({"gen_ai.prompt": CUT}, []),
        ({"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": '[{"type": "text", "text": "Why is the sky'}, []),
        ({}, [Event("gen_ai.user.message", 0, {"content": '[{"text": "Why is the sky'})]),
        (
            {},
            [Event("gen_ai.user.message", 0, {"gen_ai.event.content": '{"role": "user", "content": "Why is the sky'})],
        ),
        ({}, [Event(places.DETAILS, 0, {"gen_ai.input.messages": CUT})]),
        ({}, [Event("gen_ai.content.prompt", 0, {"gen_ai.prompt": CUT})]),
    ],
)
def test_cut_messages_are_read_wherever_they_stand(attributes: dict[str, Any], events: list[Event]) -> None:
    found = places.of_span(attributes, events)
    [turn] = found.messages
    assert turn["role"] == "user"
    assert turn["parts"] == [{"type": "text", "content": "Why is the sky", "truncated": True}]


@pytest.mark.parametrize(
    "typed",
    [
        "[hello] there",
        "[1, 2",
        "{foo: 1}",
        '{"a": 1} what is it?',
        "{",
        "[x for x in y]",
        '["a", "b"',
        "{{name}}, hi",
        '{"colour": "red", "si',
        "(see above) and [below",
        "[INST] Hi [/INST]",
        '"quoted',
        "role='x",
        "print(role='user')",
    ],
)
def test_what_somebody_typed_stays_a_text(typed: str) -> None:
    for key in ("langfuse.observation.input", "input.value", "gen_ai.prompt"):
        assert texts.prompt(places.of_span({key: typed})) == typed
    messages = [{"role": "user", "content": typed}, {"role": "user", "parts": [{"type": "text", "content": CUT}]}]
    found = places.of_span({"gen_ai.input.messages": json.dumps(messages)})
    assert [part["content"] for turn in found.messages for part in turn["parts"]] == [typed, CUT]


REPRS = {
    "langchain": "[HumanMessage(content='Hi', additional_kwargs={}, response_metadata={}), AIMessage(content='Yo')]",
    "google": "[Content(parts=[Part(text='Hi')], role='user'), Content(parts=[Part(thought=True, text='hm'), "
    "Part(text='Yo')], role='model')]",
    "llama_index": "[ChatMessage(role=<MessageRole.USER: 'user'>, blocks=[TextBlock(block_type='text', text='Hi')]), "
    "ChatMessage(role=<MessageRole.ASSISTANT: 'assistant'>, blocks=[TextBlock(block_type='text', text='Yo')])]",
    "python": "[{'role': 'user', 'content': 'Hi'}, {'role': 'assistant', 'content': 'Yo', 'at': datetime(2026, 1)}]",
}


@pytest.mark.parametrize("name", REPRS)
def test_messages_written_as_python_has_them(name: str) -> None:
    found = places.of_span({"input.value": REPRS[name]})
    said = [(turn["role"], texts.of_message(turn)) for turn in found.messages]
    assert said == [("user", "Hi"), ("assistant", "Yo")]


def test_a_long_python_list_is_read() -> None:
    turns = [{"role": "user" if n % 2 == 0 else "assistant", "content": f"It's {n} " * 40} for n in range(300)]
    found = places.of_span({"gen_ai.input.messages": repr(turns)})
    assert [texts.of_message(turn) for turn in found.messages] == [turn["content"] for turn in turns]


JUNK = st.text(st.sampled_from("[]{}(),:=\"'\\abu0d8 \n<>"), max_size=60)


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(
        ['[{"role": "user", ', '[{"', "[{'role': '", '{"messages": [', "Content(parts=[", "", '{"text": "']
    ),
    JUNK,
)
@example('[{"role": "user", ', '"content": "\\ud83d')
@example("Content(parts=[", "(((((")
def test_whatever_comes_is_read_or_left_out(head: str, junk: str) -> None:
    for answers in (False, True):
        for typed in (False, True):
            cut_off.read(head + junk, answers=answers, typed=typed)
    places.of_span({"gen_ai.input.messages": head + junk, "gen_ai.output.messages": head + junk})
    bodies.tools(head + junk)


@pytest.mark.parametrize(
    "written",
    [
        '[{"role": "user", "content": "' + "\\" * 1_000_001,
        '[{"role": "user", "content": "' + "a\\n" * 500_000,
        '[{"role": "user", "content": ' + "[" * 500_000,
        '[{"role": "user", "content": [' + "{}," * 400_000,
        '[{"role": "user", "content": [' + '{"a":' * 200_000,
        "[{'role': 'user', 'content': [" + "f(" * 300_000,
        '[{"role": ' + " " * 1_000_000,
        '[{"role": "user", "content": "x' + "." * 1_000_000,
        '[{"role": "user", "content": "x' + "truncated" * 100_000,
    ],
    ids=range(9),
)
def test_it_takes_bounded_time(written: str) -> None:
    began = time.process_time()
    for answers in (False, True):
        cut_off.read(written, answers=answers)
    assert time.process_time() - began < 4
