"""Rows of every format keep to TRL's documented types, whatever was said, and are the same bytes each time.

The types are written from TRL 1.16, "Dataset formats and types", tool calling included: nothing that it does not name
may stand in a row, beside the ids that chat templates of `transformers` take.
"""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from annotated_types import MinLen
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from support.conversations import conversations, talks

from feedback.data_sets import snapshot
from feedback.data_sets.spec import FORMATS, ExportRefused, Format, Spec
from telltale.conversation import Conversation, text
from telltale.records import Feedback, Sample
from telltale.store import Store, feedback, samples

START = 1_700_000_000.0


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Called(Strict):
    name: Annotated[str, MinLen(1)]
    arguments: dict[str, Any]


class ToolCall(Strict):
    type: Literal["function"]
    function: Called
    id: str | None = None


class Plain(Strict):
    role: Literal["system", "user"]
    content: str


class Assistant(Strict):
    role: Literal["assistant"]
    content: str
    tool_calls: Annotated[list[ToolCall], MinLen(1)] = Field(default=[])


class Answer(Strict):
    role: Literal["tool"]
    content: str
    name: str | None = None
    tool_call_id: str | None = None


Turn = Annotated[Plain | Assistant | Answer, Field(discriminator="role")]
Turns = Annotated[list[Turn], MinLen(1)]


class Function(Strict):
    name: str
    parameters: dict[str, Any]
    description: str | None = None


class Tool(Strict):
    type: Literal["function"]
    function: Function


class WithTools(Strict):
    tools: Annotated[list[Tool], MinLen(1)] = Field(default=[])


class LanguageModeling(WithTools):
    messages: Turns


class PromptOnly(WithTools):
    prompt: Turns


class UnpairedPreference(PromptOnly):
    completion: Annotated[list[Assistant], MinLen(1)]
    label: bool


class Preference(PromptOnly):
    chosen: Annotated[list[Assistant], MinLen(1)]
    rejected: Annotated[list[Assistant], MinLen(1)]


class ImplicitPreference(WithTools):
    chosen: Turns
    rejected: Turns


class Everything(BaseModel):
    model_config = ConfigDict(strict=True)

    prompt: str
    response: str
    system: list[dict[str, Any]]
    messages: list[dict[str, Any]]
    choices: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    documents: list[Any]
    omitted: int
    feedback: list[dict[str, Any]]


TYPES: dict[Format, TypeAdapter[Any]] = {
    "sft": TypeAdapter(LanguageModeling),
    "kto": TypeAdapter(UnpairedPreference),
    "dpo": TypeAdapter(Preference),
    "reward": TypeAdapter(ImplicitPreference),
    "prompts": TypeAdapter(PromptOnly),
    "jsonl": TypeAdapter(Everything),
}


def no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def rows(path: Path) -> list[Any]:
    return [json.loads(line, parse_constant=no_constant) for line in path.read_text("utf-8").split("\n")[:-1]]


def say(store: Store, model: str, said: list[Conversation]) -> None:
    """Calls of a model, one a second, each with a vote and every third with a better answer too."""
    traces = [f"{int(model.rpartition('-')[2]):016x}{number:016x}" for number in range(len(said))]
    calls = [
        Sample(
            *(trace, "00f067aa0ba902b7", START + number, "shop", model, "1", "client", "chat", "ok", "", "", 1.0),
            conversation=one,
        )
        for number, (trace, one) in enumerate(zip(traces, said, strict=True))
    ]
    votes = [
        Feedback(START, "shop", trace, None, kind, "helpful", value, "user", f"{trace} {kind}", comment, "person")
        for number, trace in enumerate(traces)
        for kind, value, comment in (("thumb", float(number % 2), None), ("correction", None, "better"))
        if kind == "thumb" or number % 3 == 0
    ]  # type: ignore[arg-type]  # kinds

    def store_all(connection: Any) -> None:
        samples.save(connection, calls, START)
        for vote in votes:
            feedback.append(connection, vote, "0" * 64)

    store.write(store_all)


@pytest.fixture
def numbers() -> Any:
    return count(1)


@given(said=st.lists(conversations | talks, max_size=6))
@example(
    said=[Conversation(messages=[{"role": "user", "parts": [text("\ud800 \0")]}], documents=[float("nan"), 10**30])]
)
@hypothesis_settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_row_is_of_its_type(store: Store, numbers: Any, tmp_path: Path, said: list[Conversation]) -> None:
    model = f"model-{next(numbers)}"
    say(store, model, said)
    for format in FORMATS:
        first, second = tmp_path / f"{model}-{format}.jsonl", tmp_path / f"{model}-{format}-again.jsonl"
        with store.read() as connection:
            spec = Spec(format, model, "shop", samples.last_id(connection), feedback.last_id(connection))
            try:
                manifest = snapshot.write(connection, spec, snapshot.output(first), snapshot.About())
            except ExportRefused:
                continue
            snapshot.write(connection, spec, snapshot.output(second), snapshot.About())
        assert first.read_bytes() == second.read_bytes()
        found = rows(first)
        assert manifest["rows"] == len(found) == len(rows(tmp_path / f"{first.name}.refs.jsonl"))
        for row in found:
            TYPES[format].validate_python(row)
        if format == "prompts":
            # A template cannot ask for an answer to a system message.
            assert all(row["prompt"][-1]["role"] in ("user", "assistant", "tool") for row in found)


@pytest.mark.parametrize(
    "row",
    [
        {"messages": []},
        {"messages": [{"role": "user", "content": None}]},
        {"messages": [{"role": "user", "content": "hi", "tool_calls": []}]},
        {"messages": [{"role": "narrator", "content": "hi"}]},
        {"messages": [{"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f"}}]}]},
        {"messages": [{"role": "user", "content": "hi"}], "tools": []},
        {"messages": [{"role": "user", "content": "hi"}], "label": True},
    ],
)
def test_the_types_refuse_other_rows(row: Any) -> None:
    with pytest.raises(ValidationError):
        TYPES["sft"].validate_python(row)
