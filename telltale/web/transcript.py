"""A conversation as pages show it: its turns as text, so many and so long as a page can bear."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from telltale.conversation import Conversation, texts

MOST_TURNS: Final = 20
MOST_BESIDE: Final = 5
MOST_TOOLS: Final = 30
MOST_IN_NAME: Final = 100
MOST_CHARACTERS: Final = 4_000
_NAMES: Final = {"system": "System instructions", "user": "User", "assistant": "Model", "tool": "Tool"}


class Turn(NamedTuple):
    """Who speaks, what is shown of it, and how many more characters there are."""

    speaker: str
    text: str
    more: int


class Transcript(NamedTuple):
    """`turns` begin with the system instructions. `hidden` turns are kept and not shown, `omitted` ones were not kept.

    `is_more` says whether there is anything beside one question and one answer.
    """

    turns: list[Turn]
    hidden: int
    omitted: int
    tools: list[str]
    is_more: bool


def transcript(
    said: Conversation, most_turns: int = MOST_TURNS, most_characters: int = MOST_CHARACTERS, *, answers: bool = True
) -> Transcript:
    """The newest turns up to the `answers`, with the system instructions and the names of the tools."""
    newest = said.messages[-most_turns:]
    spoken = [
        *_system(said),
        *((_speaker(one["role"]), texts.of_message(one)) for one in newest),
        *_retrieved(said),
        *(_answers(said) if answers else ()),
    ]
    turns = [Turn(who, text[:most_characters], max(0, len(text) - most_characters)) for who, text in spoken]
    return Transcript(
        turns=[turn for turn in turns if turn.text],
        hidden=len(said.messages) - len(newest),
        omitted=said.omitted,
        tools=[tool["name"][:MOST_IN_NAME] for tool in said.tools[:MOST_TOOLS] if tool["name"]],
        is_more=len(said.messages) > 1 or len(said.choices) > 1 or bool(said.system or said.tools or said.documents),
    )


def _system(said: Conversation) -> Iterator[tuple[str, str]]:
    yield _NAMES["system"], texts.of_message({"role": "system", "parts": said.system})


def _retrieved(said: Conversation) -> Iterator[tuple[str, str]]:
    for document in said.documents[:MOST_BESIDE]:
        written = document if isinstance(document, str) else json.dumps(document, ensure_ascii=False, default=str)
        yield "Retrieved", written


def _answers(said: Conversation) -> Iterator[tuple[str, str]]:
    for number, choice in enumerate(islice(said.choices, MOST_BESIDE), 1):
        yield "Response" if number == 1 else f"Response, alternative {number}", texts.of_message(choice)


def _speaker(role: str) -> str:
    return _NAMES.get(role, role) or "Unnamed"
