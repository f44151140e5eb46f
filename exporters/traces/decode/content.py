"""A call's content: prompt and response as text, out of messages in many forms.

Messages and parts may be OTel's, OpenAI's, Anthropic's, LangChain's dumps or flat attributes. Media are left out; only
their kind is named.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Span, Value

Message = dict[str, Value]

_DATA_URI = re.compile(
    r'data:(?:[\w.+-]+\\*/[\w.+-]+)?(?:;[\w.+-]+=[\w.+"-]+)*;base64,(?:[A-Za-z0-9+/=_-]|\\+[nr/]|%[0-9A-F]{2}|\r?\n)+',
    re.ASCII | re.IGNORECASE,
)
# What is no text in a tool's arguments and results. Hashes and ids are shorter, coordinates fewer.
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{256,}={0,2}")
_MEDIA = ("image", "input_image", "image_url", "audio", "input_audio", "file", "document", "video", "blob")
_MOST_NUMBERS = 16
_NUMBER = re.compile(r"[0-9]{1,6}")
_TEXTS = ("text", "input_text", "output_text", None)
_QUIET = ("reasoning", "thinking", "redacted_thinking")


class Content(NamedTuple):
    """A call's prompt and response; empty where there is none."""

    prompt: str
    response: str


def of_messages(span: Span) -> Content:
    """The content of OTel's messages."""
    a = span.attributes
    return Content(prompt(a.get("gen_ai.input.messages")), response(a.get("gen_ai.output.messages")))


def prompt(value: Value) -> str:
    """The text of the newest user message, else of all messages."""
    messages = _messages(value)
    mine = [message for message in messages if _role(message) in ("user", "human")]
    return _text([mine[-1]] if mine else messages)


def response(value: Value) -> str:
    """The text of all messages."""
    return _text(_messages(value))


def prompt_of_body(value: Value) -> str:
    """The prompt in a request's body: messages, input or prompt; or in plain messages or text."""
    parsed = attributes.loose(value)
    if isinstance(parsed, dict):
        for name in ("messages", "input", "prompt", "contents"):
            if parsed.get(name):
                return prompt_of_body(parsed[name])
        return prompt(parsed) if "content" in parsed else text(value) if "args" not in parsed else ""
    if isinstance(parsed, list) and parsed and isinstance(parsed[0], list):
        parsed = parsed[0]
    if isinstance(parsed, list) and parsed and isinstance(parsed[0], str):
        return text("\n".join(item for item in parsed if isinstance(item, str)))
    return prompt(parsed)


def response_of_body(value: Value) -> str:
    """The response in a response's body: choices, generations, output, a message, or text."""
    parsed = attributes.loose(value)
    if isinstance(parsed, dict):
        for name in ("choices", "output", "generations", "message"):
            inner = parsed.get(name)
            if isinstance(inner, list):
                return _lines([response_of_body(item) for item in inner])
            if inner:
                return response_of_body(inner)
        if parsed.get("type") == "function_call":
            return tool_call(str(parsed.get("name")), parsed.get("arguments"))
        return response(parsed) or text(parsed.get("text"))
    if isinstance(parsed, list):
        return _lines([response_of_body(item) for item in parsed])
    return text(parsed)


def indexed(values: Mapping[str, Value], prefix: str, infix: str = "") -> list[Value]:
    """Messages out of flat attributes, `<prefix>N.<infix>key`, with their tool calls and parts."""
    rows: dict[int, Message] = {}
    for key, value in values.items():
        if not key.startswith(prefix):
            continue
        number, _, rest = key[len(prefix) :].partition(".")
        if _NUMBER.fullmatch(number) and rest:
            rows.setdefault(int(number), {})[rest.removeprefix(infix)] = value
    return [_unflatten(rows[number]) for number in sorted(rows)]


def text(value: Value) -> str:
    """A value that is text, without media."""
    if not isinstance(value, str):
        return ""
    # One character is found fifty times faster than a longer text.
    return _DATA_URI.sub("[media]", value) if ";" in value and ";base64," in value.lower() else value


def tool_call(name: str, arguments: Value) -> str:
    """A tool call as text."""
    return f"[tool call {name}: {_written(arguments)}]"


def _written(value: Value) -> str:
    parsed = attributes.loose(value)
    plain = _without_media(parsed)
    # As it came, where there was nothing to leave out.
    plain = value if plain == parsed else plain
    return text(plain) if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False, default=str)


def _without_media(value: Value) -> Value:
    """A value with the kind of media, and of vectors, in their place."""
    if isinstance(value, str):
        return "[media]" if len(value) > 256 and _BASE64.fullmatch(value) else text(value)
    if isinstance(value, dict):
        kind = value.get("type")
        if kind in _MEDIA:
            return f"[{kind}]"
        return {name: _without_media(inner) for name, inner in value.items()}
    if isinstance(value, list):
        if len(value) > _MOST_NUMBERS and all(isinstance(item, int | float) for item in value):
            return "[vector]"
        return [_without_media(item) for item in value]
    return value


def _unflatten(row: Message) -> Message:
    parts: dict[str, Message] = {}
    calls: dict[str, Message] = {}
    for key in [key for key in row if key.startswith(("contents.", "tool_calls."))]:
        group, number, rest = (*key.split(".", 2), "")[:3]
        fields = (parts if group == "contents" else calls).setdefault(number, {})
        fields[rest.removeprefix("message_content.").removeprefix("tool_call.").removeprefix("function.")] = row[key]
    if parts:
        row["content"] = [{"type": "image"} if any("image" in key for key in part) else part for part in parts.values()]
    if calls:
        row["tool_calls"] = [{"function": call} for call in calls.values()]
    return row


def _messages(value: Value) -> list[Message]:
    parsed = attributes.loose(value)
    if isinstance(parsed, str):
        return [{"content": parsed}]
    found = parsed if isinstance(parsed, list) else [parsed]
    return [message for message in found if isinstance(message, dict)]


def _role(message: Message) -> Value:
    if "lc" in message:
        kind = message.get("id")
        return "user" if isinstance(kind, list) and kind and kind[-1] == "HumanMessage" else None
    return message.get("role") or message.get("type")


def _text(messages: list[Message]) -> str:
    return _lines([_message(message) for message in messages])


def _lines(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else "\n".join([text for text in texts if text])


def _message(message: Message) -> str:
    kwargs = message.get("kwargs")
    if "lc" in message and isinstance(kwargs, dict):
        message = kwargs
    content = message.get("parts", message.get("content"))
    if isinstance(content, str):
        content = attributes.loose(content) if content.startswith(('[{"type"', '[{"text"')) else content
    if isinstance(content, str):
        written = text(content)
    else:
        parts = content if isinstance(content, list) else [content]
        written = _lines([_part(part) for part in parts])
    calls = message.get("tool_calls")
    if not isinstance(calls, list):
        return written
    return _lines([written, *(_called(item) for item in calls if isinstance(item, dict))])


def _called(item: Message) -> str:
    function = item.get("function")
    function = function if isinstance(function, dict) else item
    return tool_call(str(function.get("name")), function.get("arguments", function.get("args")))


def _part(part: Value) -> str:
    if isinstance(part, str):
        return text(part)
    if not isinstance(part, dict):
        return ""
    kind = part.get("type")
    if kind in _TEXTS:
        return text(part.get("content", part.get("text")))
    if kind in ("tool_call", "tool-call", "tool_use", "function_call"):
        name = part.get("name") or part.get("toolName")
        return tool_call(str(name), part.get("arguments", part.get("input", part.get("args"))))
    if kind in ("tool_call_response", "tool-result", "tool_result", "function_call_output"):
        result = part.get("response", part.get("result", part.get("content", part.get("output"))))
        return f"[tool answer: {_written(result)}]"
    return "" if kind in _QUIET else f"[{str(kind)[:32]}]"
