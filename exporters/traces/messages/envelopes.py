"""Messages around their parts: of every API, of LangChain's dumps, of the Responses API's items, of flat attributes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Value
from exporters.traces.messages import cut_off, parts
from exporters.traces.messages.joining import beyond
from telltale.conversation import Message, Part

ROLES = {
    "developer": "system", "human": "user", "model": "assistant", "ai": "assistant", "bot": "assistant",
    "chatbot": "assistant", "function": "tool", "HumanMessage": "user", "AIMessage": "assistant",
    "AIMessageChunk": "assistant", "SystemMessage": "system", "ToolMessage": "tool", "FunctionMessage": "tool",
    "UserMessage": "user", "AssistantMessage": "assistant", "FunctionExecutionResultMessage": "tool",
    "tool_execution_result": "tool",
}  # fmt: skip
_OWN_ROLES = ("system", "user", "assistant", "tool")
# Items of OpenAI's Responses API, which stand beside messages and not in them.
_ASSISTANT_ITEMS = ("function_call", "custom_tool_call", "reasoning", "mcp_call")
_RESULT_ITEMS = ("function_call_output", "custom_tool_call_output")
_TEXTS = ("text", "output_text", "input_text")
_NUMBER = re.compile(r"[0-9]{1,6}")
# LlamaIndex, Titan, TGI, Llama and Anthropic's text completions each have a word of their own.
_CONTENTS = (*("content", "blocks", "text", "outputText", "generated_text", "generation", "completion", "contents"),)
FINISH = ("finish_reason", "finishReason", "stop_reason", "stopReason", "done_reason", "completionReason")

Fields = dict[str, Value]


def messages(value: Value, role: str = "user") -> list[Message]:
    """Messages out of a list of them, one of them, or a text, which is one message of that `role`.

    A text is read as JSON once, as attributes have it; what stands inside a message stays what its sender typed.
    """
    return listed(attributes.loose(value), role)


def listed(parsed: Value, role: str = "user") -> list[Message]:
    """As above, of what was read already."""
    if isinstance(parsed, list):
        if parsed and all(_is_pair(item) for item in parsed):
            return [message for pair in parsed if isinstance(pair, list) for message in _of_pair(pair)]
        if parsed and all(isinstance(item, list) for item in parsed):
            # LangChain's batches: of several prompts the first is this call's.
            parsed = parsed[0] if isinstance(parsed[0], list) else []
        return [message for item in parsed for message in of(item, role)]
    return of(parsed, role)


def _is_pair(item: Value) -> bool:
    """Whether it is LangChain's short form of a message, its role and its text."""
    if not isinstance(item, list) or len(item) != 2:
        return False
    role, said = item
    return isinstance(role, str) and isinstance(said, str) and (role in ROLES or role in _OWN_ROLES)


def _of_pair(pair: list[Value]) -> list[Message]:
    return of({"role": pair[0], "content": pair[1]})


def of(value: Value, role: str = "user") -> list[Message]:
    """The messages that one item is: tool results stand in a message of role tool, whatever their sender's role."""
    if isinstance(value, str):
        return _spoken(role, value)
    if not isinstance(value, dict):
        return []
    value = _plain(value)
    if value.get("kind") in ("request", "response") and isinstance(value.get("parts"), list):
        return _of_pydantic(value)
    kind = value.get("type")
    if kind in _RESULT_ITEMS:
        return _split("tool", parts.read([value]), value)
    if "role" not in value and isinstance(kind, str) and (kind in _ASSISTANT_ITEMS or kind.endswith("_call")):
        return _split("assistant", parts.read([value]), value)
    return _split(_role(value, role), _parts(value), value)


def choice(value: Value) -> Message | None:
    """One answer: a message, or the wrapper `{index, finish_reason, message}` with calls beside it or inside."""
    if isinstance(value, str):
        return next(iter(_spoken("assistant", value)), None)
    if not isinstance(value, dict):
        return None
    inner = value.get("message", value.get("delta"))
    if isinstance(inner, str):
        inner = cut_off.read(inner, answers=True, typed=True)
    if isinstance(inner, list | str):
        inner = {"content": inner}
    if not isinstance(inner, dict):
        content = value.get("content")
        # Gemini's candidates hold the message as their content.
        inner = content if isinstance(content, dict) and "parts" in content else value
    inner = _plain(inner)
    found = parts.without_thoughts(_parts(inner))
    if inner is not value:
        found += beyond(found, _calls(_list(value.get("tool_calls"))))
    message: Message = {"role": _role(inner, "assistant"), "parts": found}
    finish = next((value[name] for name in FINISH if isinstance(value.get(name), str)), None)
    if finish is None and inner is not value:
        finish = next((inner[name] for name in FINISH if isinstance(inner.get(name), str)), None)
    if isinstance(finish, str) and finish:
        message["finish_reason"] = finish
    if found and inner.get("truncated") is True:
        message["truncated"] = True
    return message if found or "finish_reason" in message else None


def indexed(values: Mapping[str, Value], prefix: str, infix: str = "") -> list[Value]:
    """Messages out of flat attributes, `<prefix>N.<infix>key`, with their tool calls and parts; to be read by `of`."""
    rows: dict[int, Fields] = {}
    for key, value in values.items():
        if not key.startswith(prefix):
            continue
        number, _, rest = key[len(prefix) :].partition(".")
        if _NUMBER.fullmatch(number) and rest:
            rows.setdefault(int(number), {})[rest.removeprefix(infix)] = value
    return [_unflatten(rows[number]) for number in sorted(rows)]


def _unflatten(row: Fields) -> Fields:
    found: dict[str, dict[int, Fields]] = {"contents": {}, "tool_calls": {}}
    for key in [key for key in row if key.startswith(("contents.", "tool_calls."))]:
        group, number, rest = (*key.split(".", 2), "")[:3]
        if _NUMBER.fullmatch(number):
            name = rest.removeprefix("message_content.").removeprefix("tool_call.").removeprefix("function.")
            found[group].setdefault(int(number), {})[name] = row[key]
    if found["contents"]:
        row["content"] = [_content(found["contents"][number]) for number in sorted(found["contents"])]
    if found["tool_calls"]:
        row["tool_calls"] = [found["tool_calls"][number] for number in sorted(found["tool_calls"])]
    elif "function_call_name" in row or "function_call.name" in row:
        row["function_call"] = {
            "name": row.get("function_call_name", row.get("function_call.name")),
            "arguments": row.get("function_call_arguments_json", row.get("function_call.arguments")),
        }
    content = row.get("content")
    if content is None and isinstance(row.get("user"), str):
        # OpenLLMetry for Ollama, Together, Mistral and Replicate.
        return {**row, "role": "user", "content": row["user"]}
    if isinstance(content, str) and content.startswith("[{"):
        row["content"] = written_parts(content, row.get("role"))
    return row


def _content(part: Fields) -> Value:
    image = next(
        (value for key, value in part.items() if "image" in key and isinstance(value, str) and key != "type"), None
    )
    return {"type": "image", "url": image} if image is not None else dict(part)


def written_parts(content: str, role: Value) -> Value:
    """Parts that a sender of flat attributes wrote as JSON; text where it may be what somebody typed.

    What a user types may look like parts. That is harmless of text and media, which stay with the user, and not of
    tool calls and results, which only a model and a tool make, whatever their sender calls the others.
    """
    whose = _role({"role": role}, "user")
    parsed = cut_off.read(content, typed=True, by=whose)
    if not isinstance(parsed, list) or not all(isinstance(item, dict) and _is_part(item) for item in parsed):
        return content
    read = parts.read(parsed)
    spoken = whose not in ("assistant", "tool")
    return content if spoken and any(str(part["type"]).startswith(("tool_", "json")) for part in read) else parsed


def _is_part(item: Fields) -> bool:
    names = [name for name in item if name != "truncated"]
    return "type" in item or (len(names) == 1 and (names[0] == "text" or names[0] in parts.NAMED))


def _plain(value: Fields) -> Fields:
    """A message out of LangChain's dump `{lc, id, kwargs}` or its `{type, data}`."""
    kwargs = value.get("kwargs")
    if "lc" in value and isinstance(kwargs, dict):
        names = value.get("id")
        kind = names[-1] if isinstance(names, list) and names else value.get("type")
        return {**kwargs, "role": kwargs.get("role") or kind}
    if "_role" in value:
        # Haystack's fields.
        return {name.removeprefix("_"): inner for name, inner in value.items()}
    data = value.get("data")
    if value.keys() == {"type", "data"} and isinstance(data, dict):
        return {**data, "role": data.get("role") or value["type"]}
    return value


def _of_pydantic(value: Fields) -> list[Message]:
    """pydantic-ai's own requests, whose parts say by whom they are, and its responses."""
    if value["kind"] == "response":
        return _split("assistant", _parts(value), value)
    made: list[Message] = []
    for part in _list(value["parts"]):
        kind = part.get("part_kind") if isinstance(part, dict) else None
        found = parts.read([part])
        if found:
            role = "tool" if kind == "tool-return" else "system" if kind == "system-prompt" else "user"
            made.append({"role": role, "parts": found})
    return made


def _spoken(role: str, said: str) -> list[Message]:
    found = parts.read(said)
    if role == "assistant":
        found = parts.without_thoughts(found)
    return [{"role": role, "parts": found}] if found else []


def _role(message: Fields, default: str) -> str:
    role = message.get("role")
    if role is None:
        kind = message.get("type")
        # LangChain4j has them in upper case.
        names = (kind, kind.lower()) if isinstance(kind, str) else ()
        role = next((name for name in names if name in ROLES or name in _OWN_ROLES), None)
    if not isinstance(role, str) or not role:
        return default
    known = ROLES.get(role)
    if known is not None:
        return known
    small = role.lower()
    return ROLES.get(small) or (small if small in _OWN_ROLES else role)


def _parts(message: Fields) -> list[Part]:
    """A message's parts in the order of their making: reasoning, content, refusal, calls."""
    kwargs = message.get("additional_kwargs")
    more: Fields = kwargs if isinstance(kwargs, dict) else {}
    found = [
        part
        for name in ("reasoning_content", "reasoning")
        if isinstance(message.get(name), str) and message[name]
        for part in parts.read({"type": "reasoning", "content": message[name]})
    ]
    if _is_result(message):
        result = parts.tool_result(
            message.get("content", message.get("parts")), _answered(message), message.get("name")
        )
        if message.get("truncated") is True:
            result["truncated"] = True
        return [*found, result]
    content = message.get("parts")
    found += parts.read(content if content is not None else _content_of(message))
    for holder in (message, more):
        refusal = holder.get("refusal")
        if isinstance(refusal, str) and refusal:
            found.append({"type": "refusal", "content": refusal})
    calls = message.get("tool_calls") or more.get("tool_calls") or message.get("toolExecutionRequests")
    if isinstance(calls, str):
        calls = attributes.loose(calls)
    old = message.get("function_call") or more.get("function_call")
    # Some write a call both as a part and beside the parts.
    found += beyond(found, _calls(_list(calls)))
    return found + beyond(found, _calls([old] if isinstance(old, dict) else []))


def _content_of(message: Fields) -> Value:
    """A message's content, under the name that its API has for it."""
    for name in _CONTENTS:
        if name in message:
            return message[name]
    data = message.get("data")
    if isinstance(data, dict):
        return data.get("text")
    # What an error has under this name, nobody said.
    return message.get("message") if "role" in message else None


def _calls(items: list[Value]) -> list[Part]:
    return [call for item in items if (call := parts.called(item)) is not None]


def _is_result(message: Fields) -> bool:
    """Whether the message's whole content is what one tool answered."""
    if _role(message, "") != "tool" or _list(message.get("tool_calls")):
        return False
    content = message.get("parts", message.get("content"))
    if isinstance(content, list):
        return all(isinstance(item, str) or (isinstance(item, dict) and item.get("type") in _TEXTS) for item in content)
    return content is not None


def _answered(message: Fields) -> Value:
    return message.get("tool_call_id") or message.get("id") or message.get("call_id")


def _split(role: str, found: list[Part], message: Fields) -> list[Message]:
    """Tool results in a message of their own, before what else its sender put beside them."""
    if role == "assistant":
        found = parts.without_thoughts(found)
    results = [part for part in found if part["type"] == "tool_call_response" and "server" not in part]
    rest = [part for part in found if not (part["type"] == "tool_call_response" and "server" not in part)]
    made: list[Message] = []
    if results:
        made.append({"role": "tool", "parts": results})
    if rest or (not results and _is_message(message)):
        last: Message = {"role": "assistant" if role == "tool" and rest else role, "parts": rest}
        name = message.get("name")
        if isinstance(name, str) and name and role != "tool" and "role" in message:
            last["name"] = name
        finish = message.get("finish_reason")
        if isinstance(finish, str) and finish:
            last["finish_reason"] = finish
        made.append(last)
    if made and message.get("truncated") is True:
        # Its sender cut what followed.
        made[-1]["truncated"] = True
    return made


def _is_message(message: Fields) -> bool:
    return "finish_reason" in message


def _list(value: Value) -> list[Value]:
    return value if isinstance(value, list) else []
