"""Messages that a sender's limit cut, or that it wrote as Python's repr: what can be read of them.

SDKs cut attributes at a length (OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT), others at 64 KiB or with a mark such as
`...(truncated)`. What the cut goes through is left out, unless it is a text of which is known who said it and that it
is no reasoning: the role, or the kind, may have stood behind the cut. What is kept of it has `truncated: true`.
"""

from __future__ import annotations

import re
from typing import Final

from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Value
from exporters.traces.messages.written import Marks, NotWritten, Writing

# What messages and bodies begin with.
_KEYS: Final = (
    *("role", "content", "parts", "type", "text", "id", "name", "index", "finish_reason", "finishReason", "message"),
    *("messages", "model", "modelId", "contents", "choices", "candidates", "output", "outputs", "input", "inputs"),
    *("system", "prompt", "config", "kwargs", "args", "lc", "generations", "function", "object", "created", "usage"),
    *("tool_calls", "functionCall", "toolUse", "refusal", "additional_kwargs", "tools", "max_tokens", "temperature"),
    *("system_instruction", "instructions", "anthropic_version", "items", "stream", "kind", "event", "response"),
    *("chat_history", "tool_choice", "stop_reason", "stopReason", "completion", "inputText", "results", "blocks"),
)
_LOOKS: Final = re.compile(r"\s*[\[{(][\[{(\s]*(?:([\"'])([A-Za-z_]*)(\1?)|$)")
_OBJECTS: Final = re.compile(
    r"\s*\[?\s*(?:\w*Message\w*|Content|Part|GenerateContentResponse|ChatResponse|ModelResponse|ChatCompletion)\(\w+="
    r"|(?:role|parts|content|candidates|choices)=[\['\"<]"
)
_MARK: Final = re.compile(
    r"\s*(?:(?:\.{3}|…)?\s*[\[(<{]+[^\[\]{}()<>\"\\]{0,40}truncated[^\[\]{}\"\\]{0,60}[\])>}]*"
    r"|(?:\.{3}|…)\s*(?:truncated[^\[\]{}\"\\]{0,60})?)\s*$",
    re.IGNORECASE,
)
_LONGEST_MARK: Final = 128
# What programs write of nothing.
_NOTHING: Final = ("null", "None", "undefined")


def read(value: Value, *, answers: bool = False, typed: bool = False, by: str | None = None) -> Value:
    """What `attributes.loose` reads and, of what was cut, as much as there is; None where nothing can be read of it.

    A text that is no JSON stays. `answers` are what a model said, in messages that need not say so. What may have been
    `typed`, by a person or a program, is taken for messages only where it begins like them. `by` is the role of whose
    message these are the parts.
    """
    found = attributes.loose(value)
    if not isinstance(found, str) or found is not value:
        return found
    if found in _NOTHING:
        return None
    is_of_objects = _OBJECTS.match(found) is not None
    if found[:1] not in ("[", "{", "(") and not is_of_objects:
        return found
    bare = _without_mark(found)
    looks = _LOOKS.match(bare)
    if looks is None:
        return _of_objects(found, bare, _Marks(answers, by)) if is_of_objects else found if bare else None
    key, closed = looks[2], looks[3]
    is_known = bool(key) and (key in _KEYS if closed else any(name.startswith(key) for name in _KEYS))
    if typed and not is_known:
        return found
    try:
        return Writing(bare, _Marks(answers, by)).read()
    except NotWritten:
        # What is no JSON from its beginning on is a text; where messages begin so, nothing can be read of them.
        return None if is_known else found


def _of_objects(text: str, bare: str, marks: Marks) -> Value:
    try:
        made = Writing(bare, marks).read()
    except NotWritten:
        return text
    first = made[0] if isinstance(made, list) and made else made
    return made if isinstance(first, dict) else text


def _without_mark(text: str) -> str:
    start = max(0, len(text) - _LONGEST_MARK)
    mark = _MARK.search(text, start)
    return text if mark is None else text[: mark.start()]


_TEXTS: Final = frozenset(("text", "input_text", "output_text"))
_RESULTS: Final = frozenset(("tool_result", "tool_call_response", "function_call_output"))
_RESPONSES: Final = ("content", "response", "result", "output")
_MESSAGES: Final = frozenset(("message", "human", "ai", "system", "tool", "user", "assistant"))
_PARTS: Final = ("content", "parts", "blocks")
_SAID: Final = (*_PARTS, "text", "message", "tool_calls", "function_call", "refusal", "kwargs", "output")
# Of those who do not reason.
_OTHERS: Final = frozenset(("user", "human", "system", "developer", "tool", "function"))
# What holds messages, or answers, though more of it is missing.
_HOLDERS: Final = (
    *("messages", "input", "contents", "prompt", "inputs", "choices", "candidates", "output", "generations"),
    *("message", "outputs", "config", "kwargs", "items", "tools", "system", "system_instruction", "instructions"),
    *("function_declarations", "toolConfig", "response", "results", "completions", "body", "completion", "inputText"),
)
# Texts that stand in a request or a response itself, by who says them.
_BY: Final = {
    "prompt": "user", "inputText": "user", "input": "user", "inputs": "user", "contents": "user",
    "system": "system", "instructions": "system", "system_instruction": "system", "system_prompt": "system",
    "systemPrompt": "system", "completion": "assistant", "generation": "assistant", "outputText": "assistant",
    "output": "assistant", "response": "assistant",
}  # fmt: skip

Fields = dict[str, Value]


class _Marks(Marks):
    """Which pieces of messages are kept."""

    def __init__(self, answers: bool, by: str | None) -> None:
        self._answers = answers
        self._by = by

    def text(self, said: str, key: str, path: list[tuple[str, Fields]]) -> Value:
        """The text that the cut goes through, or None."""
        holder, fields = path[-1] if path else ("", {})
        kind, role = fields.get("type"), self._role(path)
        if any(one.get("type") in ("reasoning", "thinking") for _, one in path) or fields.get("thought") is True:
            return None
        if "role" in fields or kind in _MESSAGES:
            is_message = key in ("content", "text") and (role is not None or self._answers)
            return _part(said) if is_message else None
        if isinstance(kind, str):
            if (kind in _TEXTS and key in ("text", "content")) or (kind in _RESULTS and key in _RESPONSES):
                fields["truncated"] = True
                return said
            return None
        if holder in _PARTS or (self._by is not None and not holder and len(path) == 1):
            if key != "text" or not (role in _OTHERS or (holder != "parts" and (role or self._answers))):
                return None
            fields["truncated"] = True
            return said
        if len(path) <= 2 and _BY.get(key) not in (None, "user" if self._answers else "assistant"):
            return _part(said) if _BY[key] == "system" else [{"role": _BY[key], "content": _part(said)}]
        if not self._answers or key not in ("content", "text") or holder == "messages":
            return None
        fields["truncated"] = True
        return said if key == "text" else _part(said)

    def item(self, said: str, holder: str, path: list[tuple[str, Fields]]) -> Value:
        """The text in a list that the cut goes through, or None."""
        return _part(said)[0] if holder in _PARTS and self._role(path) is not None else None

    def keeps(self, fields: Fields, holder: str, key: str, has_value: bool) -> bool:
        """Whether an object is kept that is cut at `key`, with what it has by then."""
        kind = fields.get("type")
        if "role" in fields or (kind in _MESSAGES and kind != "message") or "lc" in fields:
            fields["truncated"] = True
            return any(fields.get(name) for name in _SAID)
        if isinstance(kind, str) and kind != "message":
            if kind in _RESULTS and has_value:
                fields["truncated"] = True
            return "truncated" in fields or (kind in _TEXTS and ("text" in fields or "content" in fields))
        if self._answers and any(name in fields for name in _PARTS):
            return True
        return "truncated" in fields or any(name in fields for name in _HOLDERS)

    def keeps_list(self, holder: str) -> bool:
        # An agent's state: the newest of its messages would be the answer.
        return not (self._answers and holder == "messages")

    def _role(self, path: list[tuple[str, Fields]]) -> str | None:
        for _, fields in reversed(path):
            role = fields.get("role")
            if role is None and fields.get("type") in _MESSAGES and fields["type"] != "message":
                role = fields["type"]
            if isinstance(role, str):
                return role.lower()
        return self._by


def _part(said: str) -> list[Value]:
    return [{"type": "text", "text": said, "truncated": True}]
