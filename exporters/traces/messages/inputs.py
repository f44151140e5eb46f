"""What is no conversation: texts that are completed or embedded, several at once, or their tokens."""

from __future__ import annotations

from exporters.traces.decode.spans import Value
from exporters.traces.messages import parts
from telltale.conversation import Message, Part


def read(value: Value) -> list[Message]:
    """One message of a user with the texts of a list, and with how many tokens stand there in place of texts.

    Empty for what is no such list: a conversation, or a vector, which is no input.
    """
    if not isinstance(value, list) or not value or isinstance(value[0], dict):
        return []
    if all(isinstance(item, str) for item in value):
        found = [part for item in value for part in parts.read(item)]
    elif _are_tokens(value):
        found = _tokens(len(value))
    elif all(_are_tokens(item) for item in value):
        found = _tokens(sum([len(item) for item in value if isinstance(item, list)]))
    else:
        return []
    return [{"role": "user", "parts": found}] if found else []


def _are_tokens(value: Value) -> bool:
    return isinstance(value, list) and bool(value) and all(type(item) is int for item in value)


def _tokens(number: int) -> list[Part]:
    return [{"type": "tokens", "size": number}]
