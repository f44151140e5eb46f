"""Parts of messages: OTel's, OpenAI's, Anthropic's, Bedrock's, Gemini's, Vercel's and LangChain's, read into OTel's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Value
from exporters.traces.messages import media
from exporters.traces.messages.placeholders import hides, hides_all
from telltale.conversation import Part, content_of, text

_THOUGHT: Final = re.compile(r"\s*<(think|thinking)>(.*?)</\1>\s*", re.DOTALL)
# Parts that are nothing but what somebody said.
_SAID = ("text", "reasoning", "refusal")
# The Responses API has an id of the item too, which is not the call's.
_IDS = ("call_id", "tool_use_id", "tool_call_id", "toolUseId", "toolCallId", "id", "ref")
_NAMES = ("name", "toolName", "tool_name")
_ARGUMENTS = ("arguments", "args", "input", "parameters")
_RESULTS = ("response", "result", "content", "output")
# What LlamaIndex and pydantic-ai have for `type`.
_KINDS = ("block_type", "part_kind")

Fields = Mapping[str, Value]


def read(value: Value) -> list[Part]:
    """The parts that a message's content is: a text, one part or a list of them; what is hidden is none."""
    if isinstance(value, str):
        return [text(media.without(value))] if value and not hides(value) else []
    if isinstance(value, list):
        return [part for item in value for part in _one(item)]
    return _one(value)


def without_thoughts(found: list[Part]) -> list[Part]:
    """An answer's parts: the reasoning that open models write into its text, `<think>…</think>`, is one of its own."""
    said = content_of(found[0]) if found and found[0]["type"] == "text" else ""
    thought = _THOUGHT.match(said) if "<think" in said[:16] else None
    if thought is None:
        return found
    rest: list[Part] = [{**found[0], "content": said[thought.end() :]}] if thought.end() < len(said) else []
    return [{"type": "reasoning", "content": thought[2].strip()}, *rest, *found[1:]]


def tool_call(name: Value, arguments: Value, identity: Value = None, *, server: bool = False) -> Part:
    """A call of a tool; its arguments are an object where they are one or hold one as JSON, else text."""
    part: Part = {"type": "tool_call", "name": name if isinstance(name, str) else "", "arguments": _object(arguments)}
    return _identified(part, identity, server)


def tool_result(result: Value, identity: Value = None, name: Value = None, *, server: bool = False) -> Part:
    """What a tool answered: any JSON, or text."""
    part: Part = {"type": "tool_call_response", "response": media.without_media(_flat(result))}
    if isinstance(name, str) and name:
        part["name"] = name
    return _identified(part, identity, server)


def called(value: Value) -> Part | None:
    """A call in OpenAI's form `{id, function: {name, arguments}}`, or in LangChain's `{id, name, args}`."""
    if not isinstance(value, dict):
        return None
    function = value.get("function")
    inner = function if isinstance(function, dict) else value
    name = _first(inner, *_NAMES)
    if name is None:
        return None
    identity = _first(value, *_IDS)
    return tool_call(name, _first(inner, *_ARGUMENTS), identity)


def _one(value: Value) -> list[Part]:
    if isinstance(value, str):
        return read(value)
    if not isinstance(value, dict):
        return []
    kind = value.get("type")
    if kind is None:
        kind = _first(value, *_KINDS)
        if kind in _PROMPTS:
            return read(value.get("content"))
        if kind is None and isinstance(value.get("parts"), list):
            # Gemini's whole content in place of its parts.
            return read(value["parts"])
    if isinstance(kind, str):
        # AWS' and Google's SDKs in JavaScript, and pydantic-ai, write the same kinds with a hyphen.
        reader = _TYPED.get(kind.replace("-", "_")) or _TYPED.get(kind.lower())
        found = reader(value) if reader is not None else _other(kind, value)
    else:
        found = _untyped(value)
    if found is None or (found["type"] in _SAID and hides(content_of(found))):
        return []
    if value.get("truncated") is True:
        found["truncated"] = True
    return [found]


def _text(part: Fields) -> Part | None:
    content = _first(part, "content", "text")
    if isinstance(content, dict):
        # The Assistants API has the text beside its annotations; others put whole objects there.
        content = content["value"] if isinstance(content.get("value"), str) else attributes.written(content)
    if part.get("thought") is True:
        return _reasoning(part)
    return text(media.without(content)) if isinstance(content, str) and content else None


def _reasoning(part: Fields) -> Part:
    found = _first(part, "content", "thinking", "text", "reasoning", "summary", "reasoningText", "reasoning_text")
    if isinstance(found, list):
        texts = [_first(item, "text", "content") if isinstance(item, dict) else item for item in found]
        found = "\n".join(item for item in texts if isinstance(item, str))
    if isinstance(found, dict):
        found = _first(found, "text", "content")
    return {"type": "reasoning", "content": found if isinstance(found, str) else ""}


def _refusal(part: Fields) -> Part:
    found = _first(part, "content", "refusal", "text")
    return {"type": "refusal", "content": found if isinstance(found, str) else ""}


def _tool_call(part: Fields) -> Part:
    return tool_call(_first(part, *_NAMES), _first(part, *_ARGUMENTS), _first(part, *_IDS))


def _server_tool_call(part: Fields) -> Part:
    # OTel has the tool's own object inside, others the arguments as those of any tool.
    inner = _first(part, "server_tool_call", "arguments", "input", "action", "queries", "code")
    name = part.get("name") or str(part.get("type")).removesuffix("_call")
    return tool_call(name, inner, _first(part, *_IDS), server=True)


def _tool_result(part: Fields) -> Part:
    found = tool_result(_first(part, *_RESULTS), _first(part, *_IDS), _first(part, *_NAMES))
    if part.get("is_error") is True or part.get("isError") is True or part.get("status") == "error":
        found["is_error"] = True
    return found


def _server_tool_result(part: Fields) -> Part:
    found = _tool_result({"response": part.get("server_tool_call_response"), **part})
    return {**found, "server": True}


def _other(kind: str, part: Fields) -> Part | None:
    if kind.endswith("_tool_result"):
        return _server_tool_result(part)
    if kind.endswith("_call"):
        return _server_tool_call(part)
    content = _first(part, "content", "text")
    found: Part = {"type": kind}
    if isinstance(content, str) and content and not hides(content):
        found["content"] = media.without(content)
    return found


def _untyped(part: Fields) -> Part | None:
    for name, reader in NAMED.items():
        inner = part.get(name)
        if isinstance(inner, dict):
            return reader(inner)
    if any(name in part for name in _MARKS):
        return None
    if "toolName" in part:
        return _tool_result(part) if "result" in part or "output" in part else _tool_call(part)
    if "arguments" in part and "name" in part:
        return _tool_call(part)
    if "call_id" in part and "content" in part:
        return _tool_result(part)
    if isinstance(part.get("reasoning"), str):
        return _reasoning({"content": part["reasoning"]})
    if "text" in part or "content" in part:
        return _text(part)
    rest = {name: inner for name, inner in part.items() if name != "truncated"}
    if not rest or hides_all(rest):
        return None
    return {"type": "json", "content": attributes.written(media.without_media(rest))}


def _guarded(part: Fields) -> Part | None:
    inner = part.get("text")
    return _text(inner) if isinstance(inner, dict) else None


_TYPED: dict[str, Callable[[Fields], Part | None]] = {
    **dict.fromkeys(("text", "input_text", "output_text", "summary_text"), _text),
    **dict.fromkeys(("reasoning", "thinking", "redacted_thinking"), _reasoning),
    "refusal": _refusal,
    **dict.fromkeys(("tool_call", "tool_use", "function_call", "custom_tool_call"), _tool_call),
    **dict.fromkeys(
        ("tool_call_response", "tool_result", "function_call_output", "custom_tool_call_output", "tool_return"),
        _tool_result,
    ),
    **dict.fromkeys(("server_tool_call", "server_tool_use", "mcp_call"), _server_tool_call),
    "server_tool_call_response": _server_tool_result,
    **dict.fromkeys(media.KINDS, media.part),
}
# Of pydantic-ai: what a person or a program asked.
_PROMPTS: Final = ("user-prompt", "system-prompt", "retry-prompt")
# What tells a provider where to cache.
_MARKS: Final = ("cachePoint", "cache_point")
# Bedrock's, Gemini's and Genkit's parts have no type: the one field that they have says what they are.
NAMED: dict[str, Callable[[Fields], Part | None]] = {
    **dict.fromkeys(("toolUse", "functionCall", "function_call", "toolRequest", "tool_call"), _tool_call),
    **dict.fromkeys(
        ("toolResult", "functionResponse", "function_response", "toolResponse", "tool_call_result"), _tool_result
    ),
    **dict.fromkeys(("reasoningContent", "reasoning_content"), _reasoning),
    "guardContent": _guarded,
    **dict.fromkeys(("executableCode", "executable_code"), _server_tool_call),
    **dict.fromkeys(("codeExecutionResult", "code_execution_result"), _server_tool_result),
    **media.NAMED,
}


def _identified(part: Part, identity: Value, server: bool) -> Part:
    if isinstance(identity, list):
        # The run's id and the call's, as the Microsoft Agent Framework writes it.
        identity = identity[-1] if identity else None
    if isinstance(identity, str) and identity:
        part["id"] = identity
    if server:
        part["server"] = True
    return part


def _object(value: Value) -> Value:
    if isinstance(value, str) and hides(value):
        return None
    parsed = attributes.loose(value)
    if isinstance(parsed, dict) and parsed.keys() == {"_raw"}:
        # What a model wrote that is no JSON.
        parsed = value = parsed["_raw"]
    return media.without_media(parsed if isinstance(parsed, dict | list) else value)


def _flat(result: Value) -> Value:
    """A tool's answer without its wrapping: a list of parts of text is that text, Bedrock's `json` is what it holds."""
    if isinstance(result, str):
        if hides(result):
            return None
        parsed = attributes.loose(result)
        return parsed if isinstance(parsed, dict | list) else result
    if isinstance(result, dict) and result.keys() == {"type", "value"}:
        return result["value"]
    if isinstance(result, list) and result:
        items = [_piece(item) for item in result]
        if len(items) == 1:
            return items[0]
        if all(isinstance(item, str) for item in items):
            return "\n".join(str(item) for item in items)
        return items
    return result


def _piece(item: Value) -> Value:
    if isinstance(item, dict):
        if item.get("type") in ("text", "output_text", "input_text", None) and isinstance(item.get("text"), str):
            return item["text"]
        if item.keys() == {"json"}:
            return item["json"]
    return item


def _first(fields: Fields, *names: str) -> Value:
    return next((fields[name] for name in names if fields.get(name) is not None), None)
