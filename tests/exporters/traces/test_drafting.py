"""What is kept of a conversation within bounds, and what is left out first."""

from __future__ import annotations

import gc
import json
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import from_json, to_json

from exporters.traces.keep.drafting import MOST_LEVELS, Draft
from telltale.conversation import Conversation, Message, Part, Value, text

SIZE = 1000


def kept(said: Conversation, most_a_text: int = 1 << 16, most: int = 1 << 18, reasoning: bool = False) -> Conversation:
    draft = Draft(most_a_text, most, reasoning)
    draft.take(said)
    for slot in draft.slots:
        slot.put(slot.text)
    return draft.finish()


def turn(role: str, content: str) -> Message:
    return {"role": role, "parts": [text(content)]}


def call(arguments: Value) -> Part:
    return {"type": "tool_call", "id": "call_1", "name": "f", "arguments": arguments}


def chat(turns: int, size: int = SIZE) -> Conversation:
    return Conversation(
        system=[text("S" * size)],
        messages=[turn("assistant" if n % 2 else "user", f"{n:04} " + "x" * size) for n in range(turns)],
        choices=[turn("assistant", "A" * size)],
        tools=[{"name": "f", "description": "D" * size, "schema": {"type": "object"}}],
        documents=[{"id": "d", "content": "P" * size}],
    )


def characters(said: Conversation) -> int:
    everything = (said.system, said.messages, said.choices, said.tools, said.documents)
    return len(to_json(everything).decode())


def test_what_is_within_bounds_stays_as_it_is() -> None:
    assert kept(chat(5)) == chat(5)


def test_the_oldest_turns_go_first_and_are_counted() -> None:
    said = kept(chat(101), most=20 * SIZE)
    assert said.omitted == 101 - len(said.messages) > 50
    assert said.messages == chat(101).messages[said.omitted :]
    assert (said.system, said.choices, said.tools, said.documents) == (
        *(chat(1).system, chat(1).choices, chat(1).tools, chat(1).documents),
    )


def test_calls_of_a_long_conversation_begin_with_the_same_turn() -> None:
    """What they repeat is stored once only if it begins alike."""
    lengths = range(61, 161, 2)
    found = [kept(chat(length), most=44 * SIZE) for length in lengths]
    begins = [said.omitted for said in found]
    for length, said in zip(lengths, found, strict=True):
        assert said.messages == chat(length).messages[said.omitted :]
        assert len(said.messages) > 25
    assert begins == sorted(begins)
    assert len(set(begins)) <= len(begins) / 3


@pytest.mark.parametrize(
    ("most", "left"),
    [
        (5 * SIZE, {"documents", "tools", "system"}),
        (4 * SIZE, {"tools", "system"}),
        (3 * SIZE, {"system"}),
        (2 * SIZE + 200, set()),
    ],
)
def test_then_documents_then_tools_then_instructions(most: int, left: set[str]) -> None:
    said, whole = kept(chat(9), most=most + 300), chat(9)
    assert said.messages[-1] == whole.messages[-1]
    assert (said.choices, said.omitted) == (whole.choices, 8)
    intact = {name for name in ("documents", "tools", "system") if getattr(said, name) == getattr(whole, name)}
    assert intact == left
    assert all("truncated" in to_json(getattr(said, name)).decode() for name in {"documents", "system"} - left)


def test_the_question_stays_where_a_loop_of_tools_follows_it() -> None:
    loop = [turn("user", "Where?"), *(turn("assistant", "a" * SIZE), turn("tool", "t" * SIZE))[:] * 20]
    said = kept(Conversation(messages=loop, choices=[turn("assistant", "There.")]), most=6 * SIZE)
    assert said.messages[0] == loop[0]
    assert said.messages[1]["role"] == "assistant", "a tool's answer without its call"
    assert said.omitted == len(loop) - len(said.messages) > 20


def test_answers_of_tools_whose_calls_nobody_sent_are_turns_like_others() -> None:
    said = kept(Conversation(messages=[turn("user", "?"), *[turn("tool", "t" * SIZE)] * 20]), most=5 * SIZE)
    assert [message["role"] for message in said.messages] == ["user", *["tool"] * 4]
    assert said.omitted == 16


@pytest.mark.parametrize(("question", "answer"), [(50, 1), (1, 50), (50, 50), (9, 9)])
def test_a_question_and_an_answer_share_what_there_is(question: int, answer: int) -> None:
    said = kept(
        Conversation(
            messages=[turn("user", "before"), {"role": "user", "parts": [text("q" * SIZE)] * question}],
            choices=[{"role": "assistant", "parts": [text("a" * SIZE)] * answer}],
        ),
        most=20 * SIZE,
    )
    asked, answered = (
        sum(len(str(part["content"])) for part in one[-1]["parts"]) for one in (said.messages, said.choices)
    )
    assert asked + answered <= 20 * SIZE
    assert asked >= min(question, 9) * SIZE - 400
    assert answered >= min(answer, 9) * SIZE - 400
    assert question + answer < 20 or (asked + answered > 19 * SIZE - 400 and said.omitted == 1)


@pytest.mark.parametrize(
    "part", [text("x" * 99), call({"q": "x" * 99}), call("x" * 99), {"type": "refusal", "content": "x" * 99}]
)
def test_a_part_that_is_cut_says_so(part: Part) -> None:
    [made] = kept(Conversation(messages=[{"role": "user", "parts": [part]}]), most_a_text=50).messages[0]["parts"]
    assert made["truncated"] is True
    key = "content" if "content" in part else "arguments"
    assert isinstance(made[key], str)
    assert len(str(made[key])) == 50
    assert "truncated" not in part


@pytest.mark.parametrize("kind", ["text", "refusal", "widget", "arguments"])
def test_a_draft_that_waits_holds_no_more_than_is_kept(kind: str) -> None:
    tracemalloc.start()
    try:
        draft = Draft(1 << 16, 1 << 18, reasoning=False)
        long = "x" * (10 << 20)
        part = call(long) if kind == "arguments" else {"type": kind, "content": long}
        draft.take(Conversation(messages=[{"role": "user", "parts": [part]}]))
        del long, part
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 1 << 20


def test_reasoning_is_left_out_unless_it_is_asked_for() -> None:
    thought: Part = {"type": "reasoning", "content": "Hm."}
    said = Conversation(
        messages=[turn("user", "?"), {"role": "assistant", "parts": [thought]}],
        choices=[{"role": "assistant", "parts": [thought, text("Yes.")], "finish_reason": "stop"}],
    )
    without = kept(said)
    assert [len(message["parts"]) for message in (*without.messages, *without.choices)] == [1, 1]
    assert kept(said, reasoning=True) == said


def test_json_that_no_reader_takes_is_kept_as_text() -> None:
    deep: Value = "bottom"
    for _ in range(MOST_LEVELS + 50):
        deep = [deep]
    for value in (deep, {"a": float("nan")}, {"a": "\ud800"}, {"a": "\0"}, {"a": b"\xff"}, [float("inf")]):
        [made] = kept(Conversation(choices=[{"role": "assistant", "parts": [call(value)]}])).choices[0]["parts"]
        assert from_json(to_json(made), allow_inf_nan=False) == made or value == {"a": "\ud800"}
    assert json.loads(
        str(kept(Conversation(choices=[{"role": "a", "parts": [call(deep)]}])).choices[0]["parts"][0]["arguments"])
    )


@pytest.mark.parametrize(
    "said",
    [chat(2000, 5000), chat(60_000, 20), Conversation(messages=[{"role": "user", "parts": [text("x")] * 300_000}])],
)
def test_it_takes_time_for_what_is_kept_not_for_what_was_sent(said: Conversation) -> None:
    draft = Draft(1 << 16, 1 << 18, False)
    # What the tests before it left is not its own time.
    gc.collect()
    begin = time.process_time()
    draft.take(said)
    assert time.process_time() - begin < 0.5
    assert draft.characters < 1 << 19
    assert len(draft.slots) < 10_000


TEXTS = st.text(max_size=40) | st.sampled_from(["\ud800", "a\0b", "x" * 300, '{"a": 1}', "[", "user", "text"])
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | TEXTS | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
PARTS = (
    st.builds(text, TEXTS)
    | st.builds(call, JSON)
    | st.fixed_dictionaries(
        {"type": TEXTS | st.just("tool_call_response")},
        optional={"response": JSON, "id": TEXTS, "is_error": st.booleans()},
    )
    | st.fixed_dictionaries({"type": st.sampled_from(["reasoning", "refusal", "json"]), "content": TEXTS})
)
MESSAGES = st.fixed_dictionaries(
    {"role": TEXTS | st.sampled_from(["user", "assistant", "tool"]), "parts": st.lists(PARTS, max_size=4)},
    optional={"name": TEXTS, "finish_reason": TEXTS},
)
CONVERSATIONS: st.SearchStrategy[Any] = st.builds(
    Conversation,
    system=st.lists(PARTS, max_size=3), messages=st.lists(MESSAGES, max_size=8), choices=st.lists(MESSAGES, max_size=3),
    tools=st.lists(st.fixed_dictionaries({"name": TEXTS}, optional={"description": TEXTS, "schema": JSON}), max_size=3),
    documents=st.lists(JSON, max_size=3),
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(CONVERSATIONS, st.integers(1, 400), st.integers(1024, 3000), st.booleans())
def test_whatever_it_holds_it_is_bounded_and_storable(
    said: Conversation, most_a_text: int, most: int, reasoning: bool
) -> None:
    before = repr(said)
    draft = Draft(most_a_text, most, reasoning)
    draft.take(said)
    for slot in draft.slots:
        slot.put(slot.text.encode("utf-8", "replace").decode())
    made = draft.finish()
    everything = [made.system, made.messages, made.choices, made.tools, made.documents]
    assert from_json(to_json(everything), allow_inf_nan=False) is not None
    # Texts and their braces, escapes, and a mark for each group that nothing fitted of.
    assert len(draft.slots) <= most // 16 + 1
    assert sum(min(slot.size, slot.most) for slot in draft.slots) <= most
    thoughts = [message for message in said.messages if all(part["type"] == "reasoning" for part in message["parts"])]
    assert 0 <= len(said.messages) - len(made.messages) - made.omitted <= len(thoughts)
    assert repr(said) == before, "others may hold it"


@pytest.mark.parametrize("most", range(224, 1700, 7))
def test_what_is_left_out_is_said(most: int) -> None:
    """Whatever there is no room for: a data set leaves such a call out, and would else say that it had no tools."""
    called: Message = {"role": "assistant", "parts": [call({"q": 1})]}
    answered: Message = {
        "role": "tool",
        "parts": [{"type": "tool_call_response", "id": "call_1", "response": "x" * 90}],
    }
    odd: Message = {"role": "narrator", "name": "n" * 40, "parts": [text("and so on")]}
    beside: dict[str, Any] = {
        "system": [text("S" * 100)],
        "tools": [{"name": "f"}, {"name": "g", "description": "D" * 50}],
        "documents": ["d" * 50, {"id": "d"}],
        "choices": [{"role": "assistant", "parts": [text("a" * 100)], "finish_reason": "stop"}, turn("assistant", "b")],
    }
    asked: list[list[Message]] = [
        [turn("user", "q" * 100)],
        [odd],
        [turn("user", "q" * 100), called, answered],
        [turn("user", "first"), odd, turn("assistant", "A"), turn("user", "q" * 100), called, answered],
    ]
    for messages in asked:
        for left in ([], ["system"], ["tools"], ["system", "tools"], ["documents"], ["tools", "documents"]):
            held = {name: value for name, value in beside.items() if name == "choices" or name in left}
            given = Conversation(messages=messages, **held)
            made = kept(given, most=most)
            assert made == given or made.omitted or '"truncated":true' in to_json(made).decode(), (given, made)
