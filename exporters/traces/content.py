"""The words of a call: prompt and answer as text, out of OTel GenAI message lists.

Parts are those of the convention (text, tool_call, tool_call_response); media are left out, only their kind is named.
"""

from __future__ import annotations

import json

from exporters.traces.spans import Value


def last_input(value: Value) -> str:
    """The text of the newest user message, else of all messages."""
    messages = _messages(value)
    mine = [message for message in messages if message.get("role") == "user"]
    return _text([mine[-1]] if mine else messages)


def output(value: Value) -> str:
    """The text of the answer."""
    return _text(_messages(value))


def _messages(value: Value) -> list[dict[str, Value]]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return [{"content": value}]
    found = value if isinstance(value, list) else [value]
    return [message for message in found if isinstance(message, dict)]


def _text(messages: list[dict[str, Value]]) -> str:
    return "\n".join(filter(None, (_message(message) for message in messages)))


def _message(message: dict[str, Value]) -> str:
    content = message.get("parts", message.get("content"))
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(filter(None, (_part(part) for part in parts if isinstance(part, dict))))


def _part(part: dict[str, Value]) -> str:
    kind = part.get("type")
    if kind in ("text", None):
        text = part.get("content", part.get("text"))
        return text if isinstance(text, str) else ""
    if kind == "tool_call":
        return f"[tool call {part.get('name')!s}: {json.dumps(part.get('arguments'), ensure_ascii=False)}]"
    if kind == "tool_call_response":
        answer = part.get("response", part.get("result"))
        return f"[tool answer: {answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)}]"
    if kind == "reasoning":
        return ""
    return f"[{kind!s}]"
