"""The types of a conversation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NotRequired, TypedDict

Value = str | bool | int | float | bytes | list["Value"] | dict[str, "Value"] | None

Part = dict[str, Value]
"""One part, by its `type`:

`text` and `reasoning` {content}; `refusal` {content}; `tool_call` {id, name, arguments} and `tool_call_response`
{id, name, response, is_error}, with `server: true` where the model's server called the tool; `blob`, `uri` and `file`
{modality, mime_type, size} for media, which are named and never kept; `tokens` {size}, how many stood there in place of
a text; any other type with the text that it had.
A field that nobody sent is absent. `truncated: true` says that it was longer than what is kept, or what came, of it.
"""


class Message(TypedDict):
    """One turn. `role` is system, user, assistant or tool, else what the sender wrote.

    `truncated` says that its role, name or reason was longer, that alternatives behind it were left out, or that its
    sender cut it, or what followed.
    """

    role: str
    parts: list[Part]
    name: NotRequired[str]
    finish_reason: NotRequired[str]
    truncated: NotRequired[bool]


class Tool(TypedDict):
    """A tool that the model may call. `schema` is the JSON schema of its arguments.

    `truncated` says that it was longer, or that others behind it were left out; where all were, one has no name.
    """

    name: str
    description: NotRequired[str]
    schema: NotRequired[Value]
    truncated: NotRequired[bool]


@dataclass(slots=True)
class Conversation:
    """What one call was asked and what it answered.

    `messages` are the turns up to the call, oldest first, without the system instructions; `choices` are the answers,
    alternatives of each other and not turns; `documents` are retrieved passages. `omitted` is the number of oldest
    turns that were left out because all of them were too long.
    """

    system: list[Part] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    choices: list[Message] = field(default_factory=list)
    tools: list[Tool] = field(default_factory=list)
    documents: list[Value] = field(default_factory=list)
    omitted: int = 0

    @property
    def is_asked(self) -> bool:
        """Whether it says what the model was asked."""
        return bool(self.messages)

    @property
    def is_answered(self) -> bool:
        """Whether an answer has more than the reason why it ended."""
        return any(choice["parts"] for choice in self.choices)


def text(content: str) -> Part:
    """A part of text."""
    return {"type": "text", "content": content}


def content_of(part: Part) -> str:
    """The text that a part has as its content; empty where it has none."""
    found = part.get("content")
    return found if isinstance(found, str) else ""
