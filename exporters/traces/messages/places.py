"""Where a conversation stands in a span or a log record: attributes, in order of how much they tell, then events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Event, Value
from exporters.traces.messages import bodies, cut_off, envelopes, inputs, parts
from exporters.traces.messages.joining import complete, join, new_parts
from telltale.conversation import Conversation, Message

Attributes = Mapping[str, Value]

DETAILS: Final = "gen_ai.client.inference.operation.details"
CHOICE: Final = "gen_ai.choice"
MESSAGES: Final[tuple[str, ...]] = ("gen_ai.input.messages", "gen_ai.output.messages")
# Of the older events, one for each message.
TURNS: Final = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}


def _plain(value: Value) -> Conversation:
    """Messages, or a text, that a person or a program may have typed: what a text holds is not looked into."""
    parsed = cut_off.read(value)
    if isinstance(parsed, dict) and not any(name in parsed for name in _OF_MESSAGES):
        return bodies.request(parsed)
    return bodies.lifted(Conversation(messages=envelopes.listed(parsed)))


_OF_MESSAGES: Final = ("role", "parts", "content", "type", "kwargs")


def _typed(value: Value) -> Conversation:
    return Conversation(messages=inputs.read([value]))


def _texts(value: Value) -> Conversation:
    found = value if isinstance(value, list) else attributes.loose(value)
    return Conversation(messages=inputs.read(found if isinstance(found, list) else [found]))


def _quoted(value: Value) -> Conversation:
    """Values that Vercel's AI SDK embeds, each as JSON."""
    found = value if isinstance(value, list) else [value]
    return Conversation(messages=inputs.read([attributes.loose(item) for item in found]))


def _chat_context(value: Value) -> Conversation:
    """LiveKit's `{items: [{type: message, role, content: [text]}]}`."""
    context = cut_off.read(value)
    return _plain(context.get("items", context.get("messages"))) if isinstance(context, dict) else Conversation()


def _answer(value: Value) -> list[Message]:
    return bodies.response(value)


def _output(value: Value) -> list[Message]:
    """Messages of an answer, each an alternative."""
    parsed = cut_off.read(value, answers=True)
    if isinstance(parsed, dict) and not any(name in parsed for name in _OF_MESSAGES):
        return bodies.response(parsed)
    items = parsed if isinstance(parsed, list) else [parsed]
    return [message for item in items if (message := envelopes.choice(item)) is not None]


def _wrapped_input(value: Value) -> Conversation:
    return bodies.request(_unwrapped(value))


def _wrapped_output(value: Value) -> list[Message]:
    return bodies.response(_unwrapped(value))


def _unwrapped(value: Value) -> Value:
    """What LangWatch's `{type, value}` holds."""
    held = cut_off.read(value)
    return held["value"] if isinstance(held, dict) and held.keys() == {"type", "value"} else held


def _said(value: Value) -> list[Message]:
    found = parts.read(value) if isinstance(value, str) else []
    return [{"role": "assistant", "parts": found}] if found else []


SYSTEM: Final[tuple[str, ...]] = ("gen_ai.system_instructions", "lk.instructions")
TOOLS: Final[tuple[str, ...]] = (
    "gen_ai.tool.definitions",
    "ai.prompt.tools",
    "gen_ai.request.tools",
    "mlflow.chat.tools",
    "tools",
)
_INDEXED_TOOLS: Final = (("llm.tools.", "tool."), ("llm.request.functions.", ""))
DOCUMENTS: Final[tuple[str, ...]] = ("gen_ai.retrieval.documents",)


def of_span(a: Attributes, events: Iterable[Event] = ()) -> Conversation:
    """The conversation of a span: of its attributes, where they are silent of its events, then of what else it has."""
    found = _beside(_asked(a), a)
    found.choices = _answered(_answers(a))
    if not (found.is_asked and found.is_answered):
        found = complete(found, of_events(events))
    if not found.is_asked:
        found = complete(found, _asked_otherwise(a))
    if not found.is_answered:
        found.choices = _answered(_other_answers(a)) or found.choices
    return found


def of_record(name: str, values: Attributes, body: Value) -> Conversation:
    """What one log record or span event tells of a conversation; its body may be JSON, an object, or nothing."""
    if name == DETAILS:
        event = values if any(key in values for key in MESSAGES) else _tree(body, name) or values
        found = _plain(event.get("gen_ai.input.messages"))
        found.choices = _output(event.get("gen_ai.output.messages"))
        return _beside(found, event)
    event = dict(_tree(values.get("gen_ai.event.content"), name) or _tree(body, name) or values)
    if name == CHOICE:
        answer = envelopes.choice(event)
        return Conversation(choices=[answer] if answer else [])
    role = TURNS.get(name)
    if role is None:
        return Conversation()
    event.setdefault("role", role)
    if isinstance(event.get("content"), str):
        event["content"] = envelopes.written_parts(str(event["content"]), event["role"])
    return bodies.lifted(Conversation(messages=envelopes.of(event, role)))


def _tree(value: Value, name: str) -> dict[str, Value]:
    found = cut_off.read(value, answers=name == CHOICE)
    return found if isinstance(found, dict) else {}


def of_events(events: Iterable[Event]) -> Conversation:
    """The conversation in a span's events, one message each, or all in one."""
    turns: list[Conversation] = []
    wholes: list[Conversation] = []
    for event in events:
        side = event.name.removeprefix("gen_ai.content.")
        if side == "prompt":
            wholes.append(bodies.request(event.attributes.get("gen_ai.prompt")))
        elif side == "completion":
            wholes.append(Conversation(choices=bodies.response(event.attributes.get("gen_ai.completion"))))
        elif event.name.startswith("gen_ai."):
            said = of_record(event.name, event.attributes, None)
            (wholes if event.name == DETAILS else turns).append(said)
    return complete(_with_answer(join(*turns)), *wholes)


def _with_answer(found: Conversation) -> Conversation:
    """An assistant's message after all others is the answer, where no event is one: Koog's has the same name."""
    if not found.choices and len(found.messages) > 1 and found.messages[-1]["role"] == "assistant":
        found.choices = [found.messages.pop()]
    return found


def follow(known: Conversation, name: str, more: Conversation) -> Conversation:
    """A conversation with what a record of that name tells of it: one that holds all of it says no new turns."""
    return complete(known, more) if name == DETAILS else join(known, more)


def _asked(a: Attributes) -> Conversation:
    """The first place that holds turns."""
    for key, read in INPUTS:
        if key in a and (found := read(a[key])).messages:
            return found
    return Conversation()


def _asked_otherwise(a: Attributes) -> Conversation:
    for prefix, infix in (("gen_ai.prompt.", ""), ("llm.input_messages.", "message.")):
        rows = envelopes.indexed(a, prefix, infix)
        turns = [turn for row in rows for turn in envelopes.of(row)]
        if turns:
            return bodies.lifted(Conversation(messages=turns))
    if "llm.prompts.0.content" in a:
        turns = [turn for row in envelopes.indexed(a, "llm.prompts.") for turn in envelopes.of(row)]
        if turns:
            return bodies.lifted(Conversation(messages=turns))
    for prefix, name in _INDEXED_TEXTS:
        # As with tools below: most have none.
        rows = envelopes.indexed(a, prefix) if f"{prefix}0.{name}" in a else []
        asked = inputs.read([row[name] for row in rows if isinstance(row, dict) and isinstance(row.get(name), str)])
        if asked:
            return Conversation(messages=asked)
    for key, read in OTHER_INPUTS:
        if key in a and (found := read(a[key])).messages:
            return found
    return Conversation()


def _answered(places: Iterable[list[Message]]) -> list[Message]:
    """The first place that holds more than the reason why an answer ended; failing that, one that holds this."""
    ended: list[Message] = []
    for found in places:
        if any(message["parts"] for message in found):
            return found
        ended = ended or found
    return ended


def _answers(a: Attributes) -> Iterator[list[Message]]:
    for key, read in OUTPUTS:
        if key in a:
            yield read(a[key])
    yield _vercel(a)
    yield _livekit(a)
    yield _sentry(a)


def _other_answers(a: Attributes) -> Iterator[list[Message]]:
    for prefix, infix in _INDEXED_OUTPUTS:
        rows = envelopes.indexed(a, prefix, infix)
        if rows:
            yield [message for row in rows if (message := envelopes.choice(row)) is not None]
    for key, read in OTHER_OUTPUTS:
        if key in a:
            yield read(a[key])


_INDEXED_TEXTS: Final = (("llm.prompts.", "prompt.text"), ("embedding.embeddings.", "embedding.text"))
_INDEXED_OUTPUTS = (
    *(("gen_ai.completion.", ""), ("llm.output_messages.", "message."), ("llm.choices.", "completion.")),
    ("llm.completions.", ""),
)


def _logged(value: Value) -> Iterator[tuple[str, dict[str, Value]]]:
    """Logfire's list of the older events, as JSON."""
    parsed = cut_off.read(value)
    for event in parsed if isinstance(parsed, list) else []:
        if isinstance(event, dict):
            yield str(event.get("event.name")), event


def _logged_input(value: Value) -> Conversation:
    found = join(*[of_record(name, event, None) for name, event in _logged(value)])
    return Conversation(found.system, found.messages)


def _logged_output(value: Value) -> list[Message]:
    return [
        choice for name, event in _logged(value) if name == CHOICE for choice in of_record(name, event, None).choices
    ]


def _vercel(a: Attributes) -> list[Message]:
    """Vercel's AI SDK has an answer's parts in attributes of their own."""
    found = (
        parts.read([{"type": "reasoning", "content": a["ai.response.reasoning"]}])
        if a.get("ai.response.reasoning")
        else []
    )
    for name in ("ai.response.text", "ai.response.object", "ai.result.text", "ai.result.object"):
        if name in a and (said := parts.read(a[name])):
            found += said
            break
    files = cut_off.read(a.get("ai.response.files"))
    calls = cut_off.read(a.get("ai.response.toolCalls") or a.get("ai.result.toolCalls"))
    found += parts.read(
        [{"type": "file", **file} for file in files if isinstance(file, dict)] if isinstance(files, list) else []
    )
    found += [call for item in (calls if isinstance(calls, list) else []) if (call := parts.called(item)) is not None]
    return [{"role": "assistant", "parts": found}] if found else []


def _livekit(a: Attributes) -> list[Message]:
    """LiveKit has an answer's text and its calls of tools apart, of which each may be JSON of its own."""
    calls = cut_off.read(a.get("lk.response.function_calls"))
    items = [attributes.loose(call) for call in calls] if isinstance(calls, list) else []
    found = parts.read(a.get("lk.response.text")) + [call for item in items if (call := parts.called(item)) is not None]
    return [{"role": "assistant", "parts": found}] if found else []


def _sentry(a: Attributes) -> list[Message]:
    """Sentry's instrumentations have an answer's text, or a list of texts, and its calls of tools apart."""
    said = attributes.loose(a.get("gen_ai.response.text"))
    calls = cut_off.read(a.get("gen_ai.response.tool_calls"))
    found = parts.read(said if isinstance(said, str | list) else a.get("gen_ai.response.text"))
    found += [call for item in (calls if isinstance(calls, list) else []) if (call := parts.called(item)) is not None]
    return [{"role": "assistant", "parts": found}] if found else []


def _beside(found: Conversation, a: Attributes) -> Conversation:
    """With what stands beside the messages: instructions, tools, retrieved passages."""
    for key in SYSTEM:
        if key in a:
            # Some senders repeat in it what the messages begin with.
            found.system = found.system + new_parts(found.system, bodies.system(a[key]))
    for key in TOOLS:
        if not found.tools and key in a:
            found.tools = bodies.tools(a[key])
    for prefix, infix in _INDEXED_TOOLS:
        # Most have none, and to find those of a number takes a look at every attribute.
        if not found.tools and any(f"{prefix}0.{infix}{key}" in a for key in ("json_schema", "name")):
            rows = envelopes.indexed(a, prefix, infix)
            found.tools = bodies.tools([row.get("json_schema", row) for row in rows if isinstance(row, dict)])
    for key in DOCUMENTS:
        if not found.documents and key in a:
            found.documents = bodies.documents(a[key])
    return found


# By attribute, the first that holds something wins. Senders write the same conversation under several of them.
INPUTS: Final[Sequence[tuple[str, Callable[[Value], Conversation]]]] = (
    ("gen_ai.input.messages", _plain),
    ("langfuse.observation.input", bodies.request),
    ("ai.prompt.messages", _plain),
    ("ai.prompt", bodies.request),
    ("mlflow.spanInputs", bodies.request),
    ("gcp.vertex.agent.llm_request", bodies.request),
    ("genkit:input", bodies.request),
    ("flue.turn.input", bodies.request),
    ("lk.chat_ctx", _chat_context),
    ("events", _logged_input),
)
# What a sender wrote in a form of its own beside them, or instead.
OTHER_INPUTS: Final[Sequence[tuple[str, Callable[[Value], Conversation]]]] = (
    ("gen_ai.prompt", bodies.request),
    ("llm.prompts", _texts),
    ("gen_ai.prompt.content", _typed),
    ("gen_ai.prompt_json", bodies.request),
    ("gen_ai.request.messages", bodies.request),
    ("request_data", bodies.request),
    ("lmnr.span.input", bodies.request),
    ("langwatch.input", _wrapped_input),
    ("pydantic_ai.all_messages", _plain),
    ("input.value", bodies.request),
    ("braintrust.input_json", bodies.request),
    ("user_prompt", _typed),
    ("inputs", _typed),
    ("ai.value", _quoted),
    ("ai.values", _quoted),
    ("new_context", _typed),
    ("lk.user_input", _typed),
    # Of Pipecat, and of many by hand.
    ("input", bodies.request),
)
OUTPUTS: Final[Sequence[tuple[str, Callable[[Value], list[Message]]]]] = (
    ("gen_ai.output.messages", _output),
    ("langfuse.observation.output", _answer),
    ("mlflow.spanOutputs", _answer),
    ("gcp.vertex.agent.llm_response", _answer),
    ("genkit:output", _answer),
    ("flue.turn.output", _answer),
    ("events", _logged_output),
)
OTHER_OUTPUTS: Final[Sequence[tuple[str, Callable[[Value], list[Message]]]]] = (
    ("gen_ai.completion", _answer),
    ("gen_ai.completion.content", _said),
    ("gen_ai.completion_json", _answer),
    ("response_data", _answer),
    ("lmnr.span.output", _answer),
    ("langwatch.output", _wrapped_output),
    ("output.value", _answer),
    ("braintrust.output_json", _answer),
    ("response.model_output", _said),
    ("output", _answer),
)
