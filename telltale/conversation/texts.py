"""What monitors compare: the prompt and the response of a conversation as text."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from telltale.conversation.message import Conversation, Message, Part, Value, content_of, text


class Texts(NamedTuple):
    """A conversation's prompt and response; empty where there is none."""

    prompt: str
    response: str


def of(conversation: Conversation) -> Texts:
    """Both."""
    return Texts(prompt(conversation), response(conversation))


def conversation(prompt: str, response: str) -> Conversation:
    """The conversation that two texts are: what older versions kept of a call."""
    return Conversation(
        messages=[{"role": "user", "parts": [text(prompt)]}] if prompt else [],
        choices=[{"role": "assistant", "parts": [text(response)]}] if response else [],
    )


def prompt(conversation: Conversation) -> str:
    """The text of the newest user message; without one, that of all turns.

    A message of tool results is none of a user, whatever role its sender gave it, so that the same conversation has
    the same prompt with every API.
    """
    spoken = [turn for turn in conversation.messages if turn["role"] == "user" and _has_text(turn)]
    turns = spoken[-1:] or [turn for turn in conversation.messages if turn["role"] == "user"][-1:]
    return _lines(of_message(turn) for turn in turns or conversation.messages)


def response(conversation: Conversation) -> str:
    """The text of all answers."""
    return _lines(of_message(choice) for choice in conversation.choices)


def of_message(message: Message) -> str:
    """A message's parts as text: tool calls and results written out, media named, reasoning left out."""
    return _lines(of_part(part) for part in message["parts"])


def of_part(part: Part) -> str:
    """One part as text."""
    kind = part["type"]
    if kind in ("text", "refusal", "json"):
        return content_of(part)
    if kind == "reasoning":
        return ""
    if kind == "tool_call":
        return f"[tool call {_written(part.get('name'))}: {_written(part.get('arguments'))}]"
    if kind == "tool_call_response":
        return f"[tool answer: {_written(part.get('response'))}]"
    return content_of(part) or f"[{_written(part.get('modality') or kind)}]"


def _has_text(message: Message) -> bool:
    return any(part["type"] == "text" for part in message["parts"])


def _written(value: Value) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _lines(texts: Iterable[str]) -> str:
    return "\n".join([text for text in texts if text])
