"""Whatever a conversation holds, its redaction sees it, and leaves its structure as it is."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.conversations import SECRET, conversations

from telltale.conversation import Conversation, Message, Part, text
from telltale.conversation.redacting import redacted
from telltale.redaction import Redactor

CARD = "4111 1111 1111 1111"
REDACTOR = Redactor()


def by_rules(texts: list[str]) -> list[str]:
    return REDACTOR.redact(*texts)[0]


def without_secret(texts: list[str]) -> list[str]:
    return [one.replace(SECRET, "[GONE]") for one in texts]


def strings(value: Any) -> list[str]:
    """Every string anywhere in a value, keys too."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [found for pair in value.items() for item in pair for found in strings(item)]
    return [found for item in value for found in strings(item)] if isinstance(value, list) else []


@given(conversations)
def test_redaction_sees_every_text(conversation: Conversation) -> None:
    before = asdict(conversation)
    cleaned = asdict(redacted(conversation, without_secret))
    assert asdict(conversation) == before
    # Nothing else than the secret changes: of objects, keys that it made the same are one.
    assert not any(SECRET in found for found in strings(cleaned))
    assert set(strings(cleaned)) <= {found.replace(SECRET, "[GONE]") for found in strings(before)}


@given(conversations)
def test_structure_stays(conversation: Conversation) -> None:
    def structure(of: Conversation) -> Any:
        turns = [(known(turn["role"]), shape(turn["parts"])) for turn in (*of.messages, *of.choices)]
        return turns, shape(of.system), [sorted(tool) for tool in of.tools], len(of.documents), of.omitted

    def shape(parts: list[Part]) -> list[Any]:
        return [(known(str(part["type"])), sorted(part)) for part in parts]

    def known(name: str) -> str:
        return name.replace(SECRET, "[GONE]")

    assert structure(redacted(conversation, without_secret)) == structure(conversation)


@given(conversations)
def test_what_nobody_changes_is_the_very_same(conversation: Conversation) -> None:
    assert redacted(conversation, lambda texts: texts) is conversation


@given(conversations)
def test_our_rules_take_every_text(conversation: Conversation) -> None:
    """Half surrogates too: what comes out can be written in UTF-8."""
    cleaned = asdict(redacted(conversation, by_rules))
    assert json.loads(json.dumps(cleaned, ensure_ascii=False).encode()) == cleaned


@given(conversations, st.integers(0, 5))
def test_json_cut_in_two_stays_text(conversation: Conversation, length: int) -> None:
    cleaned = redacted(conversation, lambda texts: [one[:length] for one in texts])
    assert len(cleaned.messages) == len(conversation.messages)


def call(arguments: Any) -> Conversation:
    return Conversation(choices=[{"role": "assistant", "parts": [{"type": "tool_call", "arguments": arguments}]}])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"card": CARD}, {"card": "[CARD]"}),
        ({"card": int(CARD.replace(" ", "")), "n": 1}, {"card": "[CARD]", "n": 1}),
        ({"inner": json.dumps({"mail": "kim@example.com"})}, {"inner": '{"mail": "[EMAIL]"}'}),
        ({"kim@example.com": [1, None, True]}, {"[EMAIL]": [1, None, True]}),
        (int(CARD.replace(" ", "")), "[CARD]"),
        ("no JSON: kim@example.com", "no JSON: [EMAIL]"),
        ({"city": "Busan"}, {"city": "Busan"}),
        (None, None),
    ],
)
def test_arguments_stay_json(arguments: Any, expected: Any) -> None:
    [answer] = redacted(call(arguments), by_rules).choices
    assert answer["parts"][0]["arguments"] == expected


def test_every_place_is_redacted() -> None:
    mail = "kim@example.com"
    part: Part = {"type": "text", "content": mail}
    other: Part = {"type": mail, "content": mail}
    media: Part = {"type": "uri", "modality": mail, "mime_type": mail}
    turn: Message = {"role": mail, "parts": [part, other, media], "name": mail, "finish_reason": mail}
    result: Part = {"type": "tool_call_response", "id": mail, "name": mail, "response": [mail]}
    conversation = Conversation(
        system=[part],
        messages=[turn, {"role": "tool", "parts": [result]}],
        choices=[turn],
        tools=[{"name": mail, "description": mail, "schema": {"properties": {mail: {"default": mail}}}}],
        documents=[mail, {"content": mail}],
    )
    assert mail not in json.dumps(asdict(redacted(conversation, by_rules)))


def test_all_texts_are_given_at_once() -> None:
    asked: list[list[str]] = []

    def redact(texts: list[str]) -> list[str]:
        asked.append(texts)
        return texts

    turn: Message = {"role": "user", "parts": [text("a"), {"type": "tool_call", "name": "f", "arguments": {"n": 1}}]}
    redacted(Conversation(system=[text("be kind")], messages=[turn]), redact)
    assert asked == [["be kind", "a", "f", '{"n": 1}']]


def test_as_many_texts_come_back() -> None:
    with pytest.raises(ValueError, match="shorter"):
        redacted(Conversation(system=[text("a")]), lambda _: [])
