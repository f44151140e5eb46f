"""One conversation, whatever places of a span tell it, how often, and whether they agree."""

from __future__ import annotations

import itertools
import json
import math
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.traces.calls import log_content
from exporters.traces.decode.spans import Event
from exporters.traces.messages import places
from exporters.traces.messages.joining import complete
from telltale.conversation import Conversation, texts


def messages(ask: str) -> str:
    return json.dumps([{"role": "user", "content": ask}])


def answers(said: str) -> str:
    return json.dumps([{"role": "assistant", "content": said}])


ATTRIBUTES: dict[str, dict[str, Any]] = {
    "otel": {"gen_ai.input.messages": messages("Why?"), "gen_ai.output.messages": answers("So.")},
    "langfuse": {"langfuse.observation.input": messages("Why?"), "langfuse.observation.output": answers("So.")},
    "indexed": {
        "gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "Why?",
        "gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.content": "So.",
    },
    "openinference": {
        "llm.input_messages.0.message.role": "user", "llm.input_messages.0.message.content": "Why?",
        "llm.output_messages.0.message.role": "assistant", "llm.output_messages.0.message.content": "So.",
        "input.value": messages("Why?"), "output.value": answers("So."),
    },
    "none": {},
}  # fmt: skip
EVENTS: dict[str, list[Event]] = {
    "older": [Event("gen_ai.user.message", 0, {"content": "How?"}), Event("gen_ai.choice", 0, {"message": "Thus."})],
    "whole": [
        Event(
            places.DETAILS, 0, {"gen_ai.input.messages": messages("How?"), "gen_ai.output.messages": answers("Thus.")}
        )
    ],
    "content": [
        Event("gen_ai.content.prompt", 0, {"gen_ai.prompt": "How?"}),
        Event("gen_ai.content.completion", 0, {"gen_ai.completion": "Thus."}),
    ],
    "none": [],
}
LOGGED = Conversation(
    messages=[{"role": "user", "parts": [{"type": "text", "content": "Who?"}]}],
    choices=[{"role": "assistant", "parts": [{"type": "text", "content": "Me."}]}],
)


@pytest.mark.parametrize(
    ("attributes", "events"),
    [*itertools.product(ATTRIBUTES, itertools.permutations(EVENTS, 2))],
)
def test_places_that_disagree_tell_one_conversation(attributes: str, events: tuple[str, str]) -> None:
    written = [event for name in events for event in EVENTS[name]]
    for reverse in (False, True):
        found = places.of_span(ATTRIBUTES[attributes], written[::-1] if reverse else written)
        said = complete(found, LOGGED)
        assert len(said.messages) == 1
        assert len(said.choices) == 1
        assert texts.of(said) in (("Why?", "So."), ("How?", "Thus."))


@pytest.mark.parametrize("key", ["gen_ai.input.messages", "langfuse.observation.input", "mlflow.spanInputs"])
@pytest.mark.parametrize("asked", ["", "{}", "[]", "null", "[null]", "[[]]", '[{"role": "user"}]', '{"messages": []}'])
def test_a_place_that_tells_nothing_hides_no_other(key: str, asked: str) -> None:
    found = places.of_span({key: asked}, EVENTS["older"])
    assert texts.of(found) == ("How?", "Thus.")


def test_a_thousand_events_take_time_in_proportion() -> None:
    events = [Event(name, 0, {"content": f"{n}"}) for n in range(10_000) for name in places.TURNS]
    events += [Event("gen_ai.choice", 0, {"message": json.dumps({"content": "So."})})] * 10_000
    events += EVENTS["whole"] * 1000
    began = time.process_time()
    found = places.of_span({}, events)
    assert time.process_time() - began < 8
    assert len(found.system) == 10_000
    assert len(found.messages) == 30_000


KEYS = [
    *(key for key, _ in (*places.INPUTS, *places.OTHER_INPUTS, *places.OUTPUTS, *places.OTHER_OUTPUTS)),
    *places.SYSTEM, *places.TOOLS, *places.DOCUMENTS,
    *("gen_ai.prompt.0.content", "gen_ai.prompt.0.role", "gen_ai.prompt.0.tool_calls.0.name", "gen_ai.prompt.x.role"),
    *("gen_ai.completion.0.content", "llm.input_messages.0.message.content", "llm.prompts.0.prompt.text"),
    *("llm.output_messages.0.message.contents.0.message_content.text", "embedding.embeddings.0.embedding.text"),
    *("ai.response.text", "ai.response.toolCalls", "ai.response.files", "ai.response.object", "ai.response.reasoning"),
    *("llm.tools.0.tool.json_schema", "llm.request.functions.0.name"),
]  # fmt: skip
LEAVES = st.sampled_from(
    [None, True, 0, -1, 2**70, math.nan, math.inf, 0.5, "", "x", "\0", "\ud800", b"\xff", "[{", '{"']
)
NAMES = st.sampled_from(
    ["role", "content", "parts", "type", "text", "tool_calls", "function", "messages", "choices", "message", "delta",
     "candidates", "output", "input", "kwargs", "lc", "id", "kind", "part_kind", "args", "body", "data", "event.name"]
)  # fmt: skip
VALUES = st.recursive(
    LEAVES | st.sampled_from(["user", "assistant", "tool", "request", "response", "tool_call", "gen_ai.choice"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=500, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(KEYS), VALUES | VALUES.map(lambda value: json.dumps(value, default=str)), max_size=4
    ),
    st.lists(
        st.builds(
            Event,
            st.sampled_from([*places.TURNS, places.CHOICE, places.DETAILS, "gen_ai.content.prompt", "gen_ai.x"]),
            st.just(0),
            st.dictionaries(NAMES | st.sampled_from(["gen_ai.event.content", "gen_ai.prompt"]), VALUES, max_size=3),
        ),
        max_size=3,
    ),
)
def test_whatever_stands_in_whatever_place_is_read(attributes: dict[str, Any], events: list[Event]) -> None:
    found = places.of_span(attributes, events)
    for message in (*found.messages, *found.choices):
        assert isinstance(message["role"], str)
        assert all(isinstance(part["type"], str) for part in message["parts"])
    assert all(isinstance(part["type"], str) for part in found.system)
    assert all(tool["name"] for tool in found.tools)
    assert all(isinstance(text, str) for text in texts.of(found))
    assert isinstance(log_content.places.follow(found, places.DETAILS, found), Conversation)


@pytest.mark.parametrize("levels", [50, 150, 250, 5_000, 200_000])
@pytest.mark.parametrize("key", ["gen_ai.input.messages", "langfuse.observation.output", "gen_ai.tool.definitions"])
@pytest.mark.parametrize(
    "piece", ["[", '{"content":', '{"messages":[', '{"body":', '{"message":', '{"kwargs":{"content":']
)
def test_what_is_nested_deeply_is_bounded(levels: int, key: str, piece: str) -> None:
    whole = (
        piece * levels + "1" + "".join({"[": "]", "{": "}"}[mark] for mark in reversed(piece * levels) if mark in "[{")
    )
    began = time.process_time()
    for written in (whole, piece * levels):
        texts.of(places.of_span({key: written}))
    assert time.process_time() - began < 5
