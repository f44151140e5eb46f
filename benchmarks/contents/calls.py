"""Calls as applications make them, in the order in which they end."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

from benchmarks.contents.texts import Texts, UsedUp
from telltale.conversation import Conversation, Message, Tool, Value, text, texts
from telltale.records import Sample

MODEL = "chat-large"
TURNS = 20
STEPS = 10
FIRST_AT = 1.79e9
BETWEEN_S = 3.0
"""Seconds between two conversations' beginnings; their calls are some seconds apart, so that many go on at a time."""

Maker = Callable[[Texts, random.Random], list[Conversation]]
"""The calls of one conversation."""


class Traffic(NamedTuple):
    """`make` gives the calls of a conversation, `each` how many calls that are."""

    name: str
    make: Maker
    each: int


def calls(traffic: Traffic, source: Texts, number: int, seed: int) -> list[Sample]:
    """So many calls, or fewer if the texts are used up."""
    draw = random.Random(seed)
    found: list[Sample] = []
    for place in range(max(1, number // traffic.each)):
        try:
            said = traffic.make(source, draw)
        except UsedUp:
            break
        found += _samples(said, FIRST_AT + BETWEEN_S * place, draw)
    return sorted(found, key=lambda sample: sample.observed_at)


def _samples(said: list[Conversation], begin: float, draw: random.Random) -> Iterator[Sample]:
    conversation_id, user, app = draw.randbytes(16).hex(), draw.randbytes(16).hex(), f"app-{draw.randrange(8)}"
    ended = begin
    for conversation in said:
        ended += draw.uniform(2, 20)
        prompt, response = texts.of(conversation)
        yield Sample(
            trace_id=draw.randbytes(16).hex(), span_id=draw.randbytes(8).hex(), observed_at=ended, tenant="tenant-1",
            model=MODEL, version=f"{MODEL}-2026-06-01", layer="client", operation="chat", status="ok", prompt=prompt,
            response=response, inclusion_probability=1.0, conversation_id=conversation_id, finish_reason="stop",
            duration_s=draw.random(), ttft_s=draw.random(), input_tokens=draw.randrange(4000),
            output_tokens=draw.randrange(900), app=app, environment="production", user=user,
            parameters={"temperature": 0.7}, conversation=conversation,
        )  # fmt: skip


def one_call(characters: int) -> Maker:
    """A question and its answer."""

    def make(source: Texts, _: random.Random) -> list[Conversation]:
        asked, answered = source.take(characters * 3 // 10), source.take(characters * 7 // 10)
        return [Conversation(messages=[_turn("user", asked)], choices=[_turn("assistant", answered)])]

    return make


def chat(source: Texts, _: random.Random) -> list[Conversation]:
    """Questions and answers, 600 characters both; each call repeats all that came before."""
    system = [text("You are a helpful assistant. Answer briefly.")]
    said: list[Message] = []
    found = []
    for _turn_number in range(TURNS):
        said.append(_turn("user", source.take(150)))
        answer = _turn("assistant", source.take(450))
        found.append(Conversation(system=system, messages=list(said), choices=[answer]))
        said.append(answer)
    return found


def last_of_chat(source: Texts, draw: random.Random) -> list[Conversation]:
    """The same where only the last call was kept."""
    return chat(source, draw)[-1:]


def agent(source: Texts, draw: random.Random) -> list[Conversation]:
    """A task of an agent: each call asks for a tool, whose result of 5 KB the next one has; the last one answers."""
    said = [_turn("user", source.take(300))]
    found = []
    for step in range(STEPS):
        call_id = f"call_{draw.randbytes(12).hex()}"
        asks: Message = {"role": "assistant", "parts": [{
            "type": "tool_call", "id": call_id, "name": "search", "arguments": {"query": source.take(60), "limit": 5},
        }]}  # fmt: skip
        answer = asks if step < STEPS - 1 else _turn("assistant", source.take(600))
        found.append(Conversation(system=[text(_GUIDE)], messages=list(said), choices=[answer], tools=_TOOLS))
        results: list[Value] = [{"title": source.take(60), "score": draw.random(), "text": source.take(920)}
                                for _ in range(5)]  # fmt: skip
        said += [asks, {"role": "tool", "parts": [
            {"type": "tool_call_response", "id": call_id, "response": {"results": results}}
        ]}]  # fmt: skip
    return found


def size(conversation: Conversation) -> int:
    """Bytes of what was said: texts, and what tools take, give and declare as JSON."""
    parts = [part for turn in (*conversation.messages, *conversation.choices) for part in turn["parts"]]
    values = [part.get(key) for part in (*conversation.system, *parts) for key in ("content", "arguments", "response")]
    return sum(len(_written(value).encode()) for value in (*values, *map(dict, conversation.tools)) if value)


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _turn(role: str, said: str) -> Message:
    return {"role": role, "parts": [text(said)]}


_GUIDE = """You answer questions of our customers' engineers about their contracts and machines.
1. Search before you answer, and answer only from what you found.
2. Name the title of each passage that you rely on.
3. When two passages disagree, say so and quote both.
4. Ask for what is missing instead of assuming it.
5. Never repeat personal data from a passage."""
_TOOLS: list[Tool] = [
    {"name": name, "description": what, "schema": {
        "type": "object", "properties": {key: {"type": kind} for key, kind in takes.items()}, "required": [*takes][:1],
    }}
    for name, what, takes in (
        ("search", "Finds passages in handbooks and contracts.", {"query": "string", "limit": "integer"}),
        ("read", "Reads a whole document.", {"title": "string", "page": "integer"}),
        ("order", "Looks an order up.", {"number": "string"}),
    )
]  # fmt: skip

TRAFFIC = (
    Traffic("calls of 1 KB", one_call(1000), 1),
    Traffic("calls of 5 KB", one_call(5000), 1),
    Traffic(f"conversations of {TURNS} turns, all calls", chat, TURNS),
    Traffic(f"conversations of {TURNS} turns, the last call", last_of_chat, 4),
    Traffic(f"agents' loops of {STEPS} calls", agent, STEPS),
)
