"""Redaction of a whole conversation: every text that a sender wrote in it, and nothing of its structure."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from telltale.conversation.message import Conversation, Message, Part, Value

Redact = Callable[[list[str]], list[str]]

# Whatever else stands where a role or a type does, a sender wrote.
_ROLES: Final = frozenset(("system", "user", "assistant", "tool"))
_KINDS: Final = frozenset(
    ("text", "reasoning", "refusal", "json", "tool_call", "tool_call_response", "blob", "uri", "file")
)


def redacted(conversation: Conversation, redact: Redact) -> Conversation:
    """The conversation with each of its texts replaced; the one that is given stays as it is.

    `redact` is called once, with all texts, and returns as many in the same order: contents, names, ids and, as JSON
    text, what is not text, such as the arguments of tool calls. What it returns for those is read as JSON again and,
    where it is none, stays text. A value whose text comes back unchanged stays the very same. Roles, and the types of
    parts, are given only where they are none that `Message` and `Part` name. Raises ValueError where `redact` returns
    more or fewer texts than it was given.
    """
    texts = _Texts()
    result = replace(
        conversation,
        system=texts.of_parts(conversation.system),
        messages=texts.of_messages(conversation.messages),
        choices=texts.of_messages(conversation.choices),
        tools=[texts.of_fields(tool) for tool in conversation.tools],
        documents=texts.of_list(conversation.documents),
    )
    return result if texts.put(redact(texts.found)) else conversation


class _Texts:
    """The texts found so far and, for each, the copy that holds it and under which key or index."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._holders: list[Any] = []
        self._keys: list[Any] = []

    def of_messages(self, messages: list[Message]) -> list[Message]:
        return [self._of_message(message) for message in messages]

    def of_parts(self, parts: list[Part]) -> list[Part]:
        return [self._of_part(part) for part in parts]

    def of_list(self, values: list[Value]) -> list[Value]:
        copied = values.copy()
        for index, value in enumerate(values):
            self._add(copied, index, value)
        return copied

    def of_fields(self, fields: Any) -> Any:
        """A copy of an object, each of whose fields a sender wrote."""
        copied = fields.copy()
        for key, value in fields.items():
            self._add(copied, key, value)
        return copied

    def put(self, texts: list[str]) -> bool:
        """Puts the redacted texts in place of those found; returns whether any differs."""
        differs = False
        for before, after, holder, key in zip(self.found, texts, self._holders, self._keys, strict=True):
            if after != before:
                differs = True
                holder[key] = after if isinstance(holder[key], str) else _parsed(after)
        return differs

    def _of_message(self, message: Message) -> Message:
        copied = message.copy()
        copied["parts"] = self.of_parts(message["parts"])
        if message["role"] not in _ROLES:
            self._add(copied, "role", message["role"])
        if len(message) > 2:
            for key in ("name", "finish_reason"):
                if key in message:
                    self._add(copied, key, message[key])
        return copied

    def _of_part(self, part: Part) -> Part:
        if part["type"] not in _KINDS:
            copied: Part = self.of_fields(part)
            return copied
        copied = part.copy()
        for key, value in part.items():
            if key != "type":
                self._add(copied, key, value)
        return copied

    def _add(self, holder: Any, key: Any, value: Value) -> None:
        if value is None or isinstance(value, bool):
            return
        self.found.append(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
        self._holders.append(holder)
        self._keys.append(key)


def _parsed(text: str) -> Value:
    try:
        value: Value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value
