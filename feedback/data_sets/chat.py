"""A conversation as chat messages, in the form that trainers read.

The form is Hugging Face TRL's (1.16), "Dataset formats and types", conversational with tool calling: messages `{role,
content}` of the roles system, user, assistant and tool; an assistant's `tool_calls` are `[{type: "function", function:
{name, arguments}}]` with the arguments as an object, and a tool's message has the tool's `name`; tools are
`{type: "function", function: {name, description, parameters}}`. `id` and `tool_call_id` are those of the chat templates
of `transformers`, where the trace has them. A key without a value is absent: templates ask whether it is there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, cast

from telltale.conversation import Conversation, Message, Part, Tool, Value, texts

ChatMessage = dict[str, Any]
Reason = Literal["failed", "cut", "no_question", "no_answer", "role", "tool_call"]
"""Why a call is no row of a training set.

`failed`: it ended in an error. `cut`: turns or a part were too long to be kept whole. `no_question`: no turn says what
the model was asked, or a system message is the last. `no_answer`: no choice has text or a tool call. `role`: a turn's
role is none that chat templates know. `tool_call`: a call names no tool, or its arguments are no object.
"""

ROLES = ("system", "user", "assistant", "tool")


class Unfit(Exception):
    """This conversation is no row of a training set."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class Chat(NamedTuple):
    """What the model was asked, what it answered, and the tools that it had."""

    prompt: list[ChatMessage]
    completion: list[ChatMessage]
    tools: list[dict[str, Any]]


def asked(conversation: Conversation) -> list[ChatMessage]:
    """The system message and the turns up to the answer. Raises Unfit where they are no prompt."""
    return _asked(conversation).messages


def answered(conversation: Conversation) -> Chat:
    """The prompt and the first answer that has content. Raises Unfit where one of them is missing.

    Of several choices, nobody knows which one a person saw; a client that shows one shows the first. What the model's
    server did with its own tools on the way to the answer belongs to the prompt, for the model did not write it.
    """
    turns = _asked(conversation)
    asked_until = len(turns.messages)
    for choice in conversation.choices:
        turns.add({**choice, "role": "assistant"})
        if len(turns.messages) > asked_until:
            _refuse_cut(choice["parts"])
            break
    said, start = turns.messages, asked_until
    for place in range(asked_until, len(said)):
        if said[place]["role"] == "tool":
            start = place + 1
    if start == len(said):
        raise Unfit("no_answer")
    return Chat(said[:start], said[start:], tools(conversation))


def tools(conversation: Conversation) -> list[dict[str, Any]]:
    """The tools that the model might call."""
    return [{"type": "function", "function": _function(tool)} for tool in conversation.tools]


def _function(tool: Tool) -> dict[str, Any]:
    schema = tool.get("schema")
    described = {"description": tool["description"]} if "description" in tool else {}
    nothing = {"type": "object", "properties": {}}
    return {"name": tool["name"], **described, "parameters": schema if isinstance(schema, dict) else nothing}


def _asked(conversation: Conversation) -> _Turns:
    if conversation.omitted:
        raise Unfit("cut")
    # Also the last one, where there was no room for others.
    _refuse_cut([cast("Part", tool) for tool in conversation.tools])
    turns = _Turns()
    system: Message = {"role": "system", "parts": conversation.system}
    for message in (system, *conversation.messages):
        _refuse_cut([cast("Part", message), *message["parts"]])
        turns.add(message)
    if not turns.messages or turns.messages[-1]["role"] == "system":
        raise Unfit("no_question")
    return turns


def _refuse_cut(parts: Iterable[Part]) -> None:
    if any(part.get("truncated") for part in parts):
        raise Unfit("cut")


class _Turns:
    """Chat messages, made of messages whose parts may be of several: a tool's answer is a message of its own."""

    def __init__(self) -> None:
        self.messages: list[ChatMessage] = []
        # (id, name) of calls that no tool has answered yet, in their order.
        self._pending: list[tuple[Value, str]] = []

    def add(self, message: Message) -> None:
        """Adds what a message says, if it says anything."""
        role = message["role"]
        if role not in ROLES:
            raise Unfit("role")
        said: list[str] = []
        calls: list[Part] = []
        for part in message["parts"]:
            if part["type"] == "tool_call":
                calls.append(part)
            elif part["type"] == "tool_call_response":
                self._say(role, said, calls, message.get("name"))
                self._answer(part)
                said, calls = [], []
            elif spoken := texts.of_part(part):
                said.append(spoken)
        self._say(role, said, calls, message.get("name"))

    def _say(self, role: str, said: list[str], calls: list[Part], name: str | None) -> None:
        content = "\n".join(said)
        if said and (role != "assistant" or not calls):
            named = {"name": name} if role == "tool" and name else {}
            self.messages.append({"role": role, **named, "content": content})
            content = ""
        if calls:
            # Only a model calls tools, whatever role the sender gave it.
            self.messages.append({"role": "assistant", "content": content, "tool_calls": [*map(self._call, calls)]})

    def _call(self, part: Part) -> dict[str, Any]:
        name, arguments = part.get("name"), part.get("arguments")
        # A tool without parameters is called without arguments.
        arguments = {} if arguments in (None, "") else arguments
        if not isinstance(name, str) or not name or not isinstance(arguments, dict):
            raise Unfit("tool_call")
        self._pending.append((part.get("id"), name))
        identified = {"id": part["id"]} if "id" in part else {}
        return {"type": "function", **identified, "function": {"name": name, "arguments": arguments}}

    def _answer(self, part: Part) -> None:
        response = part.get("response", "")
        content = response if isinstance(response, str) else json.dumps(response, ensure_ascii=False, default=str)
        name = self._called(part) or part.get("name")
        named = {"name": name} if name else {}
        identified = {"tool_call_id": part["id"]} if "id" in part else {}
        self.messages.append({"role": "tool", **named, **identified, "content": content})

    def _called(self, part: Part) -> str | None:
        """The name of the tool that this answers: of the call with its id; without one, of the oldest call."""
        identity = part.get("id")
        for place, (call, name) in enumerate(self._pending):
            if identity is None or call == identity:
                del self._pending[place]
                return name
        return None
