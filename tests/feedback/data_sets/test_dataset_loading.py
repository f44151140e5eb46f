"""Data sets as a trainer loads them: with `datasets`, every row comes back as it was written."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from feedback.data_sets.spec import Format
from feedback.export import main
from telltale.conversation import Conversation, Part, Tool, text
from telltale.records import Feedback, Sample
from telltale.settings import Settings
from telltale.store import Store, feedback, samples

START = 1_700_000_000.0
Load = Callable[..., list[dict[str, Any]]]
Export = Callable[[list[Conversation], Format], Path]


def agent(tool: str, arguments: Any, schema: Any, *answer: Part) -> Conversation:
    call: Part = {"type": "tool_call", "id": f"call-{tool}", "name": tool, "arguments": arguments}
    known: Tool = {"name": tool, "description": f"The tool {tool}.", "schema": schema}
    return Conversation(
        system=[text("Use tools.")],
        messages=[
            {"role": "user", "parts": [text("Weather?")]},
            {"role": "assistant", "parts": [call]},
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": f"call-{tool}", "response": {"sky": 1}}]},
        ],
        choices=[{"role": "assistant", "parts": list(answer) or [text("Clear.")]}],
        tools=[known],
    )


def chat(question: str, answer: str) -> Conversation:
    return Conversation(
        messages=[{"role": "user", "parts": [text(question)]}],
        choices=[{"role": "assistant", "parts": [text(answer)]}],
    )


CITY = {"type": "object", "properties": {"city": {"type": "string", "enum": ["Busan"]}}, "required": ["city"]}
PLACE = {"type": "object", "properties": {"at": {"type": "object", "properties": {"lat": {"type": "number"}}}}}
AGAIN: Part = {"type": "tool_call", "name": "place", "arguments": {"at": [{"lat": "north"}], "n": None}}
MIXED = [
    chat("hi", "hello"),
    agent("weather", {"city": "Busan"}, CITY),
    agent("place", {"at": {"lat": 35.1}, "n": 1}, PLACE),
    agent("place", {"at": {"lat": "35.1"}}, PLACE, AGAIN),
    agent("nothing", None, None),
    agent("large", {"n": 10**30, "small": -(2**63), "id": 2**63 - 1}, {"type": "object", "maximum": 10**30}),
]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Load:
    """`load(path, **options)`: the rows of a file, without the columns that are empty in them."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    datasets.disable_progress_bars()

    def rows(path: Path, **options: Any) -> list[dict[str, Any]]:
        loaded = datasets.load_dataset(
            "json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"), **options
        )
        return [{name: value for name, value in row.items() if value is not None} for row in loaded]

    return rows


@pytest.fixture
def export(store: Store, tmp_path: Path) -> Export:
    """`export(conversations, format)`: the file of a data set of calls with votes, for `kto` good and bad in turn."""

    def write(said: list[Conversation], format: Format) -> Path:
        traces = [f"{number + 1:032x}" for number in range(len(said))]
        calls = [
            Sample(
                *(trace, "00f067aa0ba902b7", START + number, "shop", "chat", "1", "client", "chat", "ok", "", "", 1.0),
                conversation=one,
            )
            for number, (trace, one) in enumerate(zip(traces, said, strict=True))
        ]

        def store_all(connection: Any) -> None:
            samples.save(connection, calls, START)
            for number, trace in enumerate(traces):
                value = float(format == "sft" or number % 2)
                vote = Feedback(START, "shop", trace, None, "thumb", "helpful", value, "user", trace)
                if format in ("dpo", "reward"):
                    vote = replace(vote, kind="correction", value=None, comment=f"better {number}")
                feedback.append(connection, vote, "0" * 64)

        store.write(store_all)
        output = tmp_path / f"{format}.jsonl"
        assert main(Settings(data_dir=tmp_path), model="chat", format=format, output=output) == 0
        return output

    return write


def written(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]


def types(path: Path) -> Any:
    import datasets

    return datasets.Features.from_dict(json.loads(path.with_name(path.name + ".manifest.json").read_text())["features"])


@pytest.mark.parametrize("format", ["kto", "sft", "dpo", "reward", "prompts"])
def test_rows_with_tools_of_every_kind_load_as_they_are(export: Export, load: Load, format: Format) -> None:
    path = export(MIXED, format)
    rows = written(path)

    assert len(rows) == len(MIXED)
    assert ["tools" in row for row in rows] == [bool(said.tools) for said in MIXED]
    assert load(path) == rows
    assert load(path, features=types(path)) == rows


def test_a_tool_that_first_comes_late_in_a_long_file_loads(export: Export, load: Load) -> None:
    path = export([*(chat(f"{number} {'x' * 3_000}", "hello") for number in range(60)), *MIXED], "sft")

    # 10 MB by default.
    assert load(path, features=types(path), chunksize=100_000) == written(path)
    # Without being told: what the file first shows of tools is enough.
    assert load(path, chunksize=100_000) == written(path)


def test_answers_that_are_dates_stay_text(export: Export, load: Load) -> None:
    path = export([chat(f"When is {number}?", f"2026-11-{number:02} 10:00:00") for number in range(1, 4)], "kto")

    rows = load(path, features=types(path))
    assert [row["completion"][0]["content"] for row in rows] == [
        f"2026-11-0{number} 10:00:00" for number in range(1, 4)
    ]
    assert rows == written(path)
