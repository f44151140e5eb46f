"""Whole requests and responses of providers' APIs, as some senders write them into one attribute."""

from __future__ import annotations

from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Value
from exporters.traces.messages import chunks, cut_off, envelopes, inputs, media, parts
from exporters.traces.messages.joining import new_parts
from exporters.traces.messages.placeholders import hides, hides_all
from telltale.conversation import Conversation, Message, Part, Tool, text

Fields = dict[str, Value]

_TURNS = (
    *("messages", "input", "contents", "prompt", "inputs", "input_messages"),
    # Titan, embeddings of Cohere and LangChain, Vertex.
    *("inputText", "texts", "instances", "prompts", "text"),
)
_SYSTEM = (
    *("system", "systemPrompt", "system_prompt", "instructions", "system_instruction", "systemInstruction"),
    *("system_instructions", "preamble"),
)
# Of a chat whose newest message stands by itself: Cohere's first API, Gemini's.
_HISTORIES = ("chat_history", "history")
# What holds the whole request or response.
_WRAPPERS = ("body", "request", "response", "llm_request", "llm_response")
_TOOLS = ("tools", "functions", "tool_definitions")
_DOCUMENTS = ("documents", "context", "retrieved_documents")
# Where a request lies inside what a sender wrote down.
_INNER = ("config", "kwargs", "generate_content_config", "toolConfig", "tool_config")
_ANSWERS = (
    *("choices", "candidates", "output", "generations", "message", "outputs", "combined_chunk_content", "replies"),
    # Titan, AI21, Anthropic's text completions, Llama, Vertex.
    *("results", "completions", "completion", "generation", "predictions"),
)


def request(value: Value) -> Conversation:
    """The conversation in a request's body, in plain messages or in text."""
    parsed = cut_off.read(value, typed=True)
    found = Conversation()
    if not isinstance(parsed, dict):
        found.messages = _turns(parsed)
        return lifted(found)
    body = _arguments(parsed)
    inner = [body, *(held for name in _INNER if isinstance(held := body.get(name), dict))]
    turns = next((body[name] for name in _TURNS if body.get(name)), None)
    if turns is None and isinstance(body.get("message"), str):
        earlier = next((held for name in _HISTORIES if isinstance(held := body.get(name), list)), [])
        turns = [*earlier, {"role": "user", "content": body["message"]}]
    if turns is None and any(name in body for name in ("role", "content", "parts")):
        turns = [body]
    if isinstance(turns, dict) and any(name in turns for name in _TURNS):
        return request(turns)
    if turns is None and not any(name in body for name in _SYSTEM):
        for name in _WRAPPERS:
            wrapped = attributes.tree(body.get(name))
            if wrapped:
                return request(wrapped)
        # A body of no API that we know is kept whole, as text; one that names a model holds parameters alone.
        if not any(name in body for name in ("model", "modelId", *_TURNS)):
            found.messages = [{"role": "user", "parts": made}] if (made := _written(body)) else []
        return found
    found.messages = _turns(turns)
    if not found.messages and isinstance(turns, dict) and (made := _written(turns)):
        found.messages = [{"role": "user", "parts": made}]
    for fields in inner:
        found.system += system(next((fields[name] for name in _SYSTEM if fields.get(name)), None))
        found.tools += tools(next((fields[name] for name in _TOOLS if fields.get(name)), None))
    found.documents = documents(next((body[name] for name in _DOCUMENTS if isinstance(body.get(name), list)), None))
    return lifted(found)


def response(value: Value) -> list[Message]:
    """The answers in a response's body, in plain messages or in text: alternatives of each other."""
    parsed = cut_off.read(value, answers=True, typed=True)
    if isinstance(parsed, list):
        whole = chunks.whole(parsed)
        return _choices(parsed) if whole is None else response(whole)
    if not isinstance(parsed, dict):
        return _some(envelopes.choice(parsed if isinstance(parsed, str) else None))
    if _is_vectors(parsed) or _is_error(parsed):
        return []
    for name in _ANSWERS:
        inner = parsed.get(name)
        if isinstance(inner, list) and inner:
            return _choices(inner)
        if isinstance(inner, dict) and inner:
            made = response(inner) if any(key in inner for key in _ANSWERS) else _some(envelopes.choice(inner))
            return _finished(made, parsed)
        if isinstance(inner, str) and inner:
            return _finished(_some(envelopes.choice(inner)), parsed)
    turns = parsed.get("messages")
    if isinstance(turns, list) and turns:
        # A state that an agent returns: its newest message is the answer.
        return _some(envelopes.choice(turns[-1]))
    if any(name in parsed for name in _MESSAGE):
        return _some(envelopes.choice(parsed))
    for name in _WRAPPERS:
        inner = parsed.get(name)
        if isinstance(inner, dict | str) and inner:
            return response(inner)
    found = _written(parsed)
    return [{"role": "assistant", "parts": found}] if found else []


def _written(body: Fields) -> list[Part]:
    """A body of no API that we know, as text."""
    return [text(attributes.written(media.without_media(body)))] if body and not hides_all(body) else []


def _arguments(body: Fields) -> Fields:
    """A body out of a function's arguments, `{args, kwargs}`."""
    if "args" not in body or any(name in body for name in _TURNS):
        return body
    args, kwargs = body["args"], body.get("kwargs")
    named = kwargs if isinstance(kwargs, dict) else {}
    if named or not isinstance(args, list):
        return named
    return {"input": args[0]} if len(args) == 1 else body if args else {}


def _is_error(body: Fields) -> bool:
    """Whether it is a reply that a provider had no answer."""
    return body.get("type") == "error" or (bool(body.get("error")) and not any(body.get(name) for name in _ANSWERS))


def _is_vectors(body: Fields) -> bool:
    """Whether it is a reply with embeddings, which are never kept."""
    data = body.get("data")
    if isinstance(data, list):
        return any(isinstance(item, dict) and "embedding" in item for item in data)
    return "embedding" in body or "embeddings" in body


_MESSAGE = (
    *("content", "parts", "text", "blocks", "outputText", "generated_text"),
    *("tool_calls", "function_call", "kwargs", "refusal", "functionCall", "toolName", "name", "toolExecutionRequests"),
)


def system(value: Value) -> list[Part]:
    """System instructions: parts, a text, or a message around them."""
    parsed = cut_off.read(value, typed=True)
    if isinstance(parsed, dict):
        inner = parsed.get("parts", parsed.get("content"))
        return parts.read(inner if inner is not None else parsed)
    if isinstance(parsed, list):
        return [part for item in parsed for part in system(item)]
    return parts.read(parsed if isinstance(parsed, str) else None)


def tools(value: Value) -> list[Tool]:
    """Definitions of tools in OTel's, OpenAI's, Anthropic's, Bedrock's, Gemini's or Vercel's form."""
    parsed = cut_off.read(value)
    if isinstance(parsed, dict):
        inner = next(
            (parsed[name] for name in ("tools", "function_declarations", "functionDeclarations") if name in parsed),
            None,
        )
        if inner is not None:
            return tools(inner)
        made = _tool(parsed)
        return [made] if made else []
    if not isinstance(parsed, list):
        return []
    return [tool for item in parsed for tool in tools(item)]


def documents(value: Value) -> list[Value]:
    """Retrieved passages as their sender wrote them, without media and vectors."""
    parsed = attributes.loose(value)
    if not isinstance(parsed, list):
        return []
    return [media.without_media(item) for item in parsed if not hides_all(item)]


def lifted(found: Conversation) -> Conversation:
    """System messages as system instructions, once, where a sender repeats them in both places."""
    turns: list[Message] = []
    system: list[Part] = []
    for message in found.messages:
        if message["role"] == "system" and not turns:
            system += message["parts"]
        else:
            turns.append(message)
    found.system = found.system + new_parts(found.system, system)
    found.messages = turns
    return found


def _turns(value: Value) -> list[Message]:
    if isinstance(value, list) and value and isinstance(value[0], str) and all(isinstance(item, str) for item in value):
        # LlamaIndex and others write each message as Python has it.
        read: list[Value] = [cut_off.read(item, typed=True) for item in value]
        if all(isinstance(item, dict) for item in read):
            return envelopes.listed(read)
    asked = inputs.read(value)
    return asked if asked else envelopes.messages(value)


def _choices(items: list[Value]) -> list[Message]:
    if items and all(isinstance(item, list) for item in items):
        # LangChain's generations: a list of answers for each prompt, of which a call has one.
        items = items[0] if isinstance(items[0], list) else []
    if any(_is_item(item) for item in items):
        return _merged(items)
    if items and all(_is_part(item) for item in items):
        return [{"role": "assistant", "parts": parts.read(items)}]
    return [choice for item in items for choice in _some(envelopes.choice(item))]


def _is_item(item: Value) -> bool:
    """Whether it is an item of the Responses API: all of them together are one answer."""
    if not isinstance(item, dict) or not isinstance(item.get("type"), str):
        return False
    kind = str(item["type"])
    return (kind == "message" and "content" in item) or (
        "role" not in item and (kind.endswith("_call") or kind == "reasoning") and kind != "tool_call"
    )


def _is_part(item: Value) -> bool:
    """Whether it is a part, not a message around parts."""
    return (
        isinstance(item, dict)
        and not any(name in item for name in ("role", "message", "parts", "kwargs"))
        and ("type" in item or "toolName" in item)
    )


def _merged(items: list[Value]) -> list[Message]:
    found: list[Part] = []
    for item in items:
        for message in envelopes.of(item, "assistant"):
            found += message["parts"]
    return [{"role": "assistant", "parts": found}] if found else []


def _some(choice: Message | None) -> list[Message]:
    return [] if choice is None else [choice]


def _finished(made: list[Message], body: Fields) -> list[Message]:
    """With the reason that stands beside the message."""
    for message in made:
        for name in envelopes.FINISH:
            reason = body.get(name)
            if isinstance(reason, str) and reason and "finish_reason" not in message:
                message["finish_reason"] = reason
    return made


def _tool(definition: Fields) -> Tool | None:
    for wrapper in ("function", "toolSpec"):
        inner = definition.get(wrapper)
        if isinstance(inner, dict):
            definition = inner
    name = definition.get("name") or definition.get("type")
    if not isinstance(name, str) or not name:
        return None
    made: Tool = {"name": name}
    description = definition.get("description")
    if isinstance(description, str) and description and not hides(description):
        made["description"] = description
    schema = next((definition[key] for key in _SCHEMAS if definition.get(key) is not None), None)
    if isinstance(schema, dict) and schema.keys() == {"json"}:
        schema = schema["json"]
    if schema is not None and not hides_all(schema):
        made["schema"] = media.without_media(attributes.loose(schema))
    if definition.get("truncated") is True:
        made["truncated"] = True
    return made


_SCHEMAS = ("parameters", "input_schema", "inputSchema", "parametersJsonSchema", "parameters_json_schema", "schema")
