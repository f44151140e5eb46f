"""The one form of a conversation: OTel GenAI messages with parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NotRequired, TypedDict

from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Value

Part = dict[str, Value]
"""One part, by its `type`:

`text` and `reasoning` {content}; `refusal` {content}; `tool_call` {id, name, arguments} and `tool_call_response`
{id, name, response, is_error}, with `server: true` where the model's server called the tool; `blob`, `uri` and `file`
{modality, mime_type, size} for media, which are named and never kept; any other type with the text that it had.
A field that nobody sent is absent.
"""


class Message(TypedDict):
    """One turn. `role` is system, user, assistant or tool, else what the sender wrote."""

    role: str
    parts: list[Part]
    name: NotRequired[str]
    finish_reason: NotRequired[str]


class Tool(TypedDict):
    """A tool that the model may call. `schema` is the JSON schema of its arguments."""

    name: str
    description: NotRequired[str]
    schema: NotRequired[Value]


@dataclass(slots=True)
class Conversation:
    """What one call was asked and what it answered.

    `messages` are the turns up to the call, oldest first, without the system instructions; `choices` are the answers,
    alternatives of each other and not turns; `documents` are retrieved passages.
    """

    system: list[Part] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    choices: list[Message] = field(default_factory=list)
    tools: list[Tool] = field(default_factory=list)
    documents: list[Value] = field(default_factory=list)

    @property
    def is_asked(self) -> bool:
        """Whether it says what the model was asked."""
        return bool(self.messages)

    @property
    def is_answered(self) -> bool:
        """Whether an answer has more than the reason why it ended."""
        return any(choice["parts"] for choice in self.choices)


def join(*said: Conversation) -> Conversation:
    """A conversation out of what comes one after the other in the same place."""
    return Conversation(
        new_parts([], [part for one in said for part in one.system]),
        [message for one in said for message in one.messages],
        [choice for one in said for choice in one.choices],
        next((one.tools for one in said if one.tools), []),
        next((one.documents for one in said if one.documents), []),
    )


def complete(*said: Conversation) -> Conversation:
    """A conversation with what each other place tells of it where those before are silent."""
    answered = next((one.choices for one in said if one.is_answered), None)
    return Conversation(
        new_parts([], [part for one in said for part in one.system]),
        next((one.messages for one in said if one.messages), []),
        answered or next((one.choices for one in reversed(said) if one.choices), []),
        next((one.tools for one in said if one.tools), []),
        next((one.documents for one in said if one.documents), []),
    )


def new_parts(known: list[Part], more: list[Part]) -> list[Part]:
    """Of more parts those that are not known yet, each once: some senders repeat in one place what stands in another.

    Takes time in proportion to their number, which a sender chooses.
    """
    if not known and len(more) < 2:
        return more
    seen = {attributes.canonical(part) for part in known}
    found: list[Part] = []
    for part in more:
        key = attributes.canonical(part)
        if key not in seen:
            seen.add(key)
            found.append(part)
    return found


def text(content: str) -> Part:
    """A part of text."""
    return {"type": "text", "content": content}


def content_of(part: Part) -> str:
    """The text that a part has as its content; empty where it has none."""
    found = part.get("content")
    return found if isinstance(found, str) else ""
