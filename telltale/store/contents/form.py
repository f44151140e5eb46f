"""A conversation as bytes, split by what other calls repeat.

System instructions and tools are the same in all calls of an application (the frame). Turns up to the newest answer
were sent by the call before (the history). The rest is a call's own: the newest turns, the answers, what was retrieved.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, cast

from pydantic_core import PydanticSerializationError, from_json, to_json

from telltale.conversation import Conversation, Message, content_of, texts
from telltale.records import Sample

HASH_BYTES: Final = 16


class Turns(NamedTuple):
    """A history up to one of its answers: `hash` names all of it, and it has `length` messages."""

    hash: bytes
    length: int


class Packed(NamedTuple):
    """A call's content. `frame` is None where there is none; `turns` are the places that a history may go on from."""

    own: bytes
    frame: bytes | None
    frame_hash: bytes
    history: list[bytes]
    turns: list[Turns]


def pack(sample: Sample) -> Packed:
    """The content of a sample; of one without a conversation, its two texts."""
    said = sample.conversation or texts.conversation(sample.prompt, sample.response)
    known = _answered(said.messages)
    newest = said.messages[known:]
    own: dict[str, Any] = {"messages": newest, "choices": said.choices}
    if known and not any(_asks(message) for message in newest):
        # Monitors read prompts without the history.
        own["prompt"] = texts.prompt(said)
    if said.documents:
        own["documents"] = said.documents
    if said.omitted:
        own["omitted"] = said.omitted
    if sample.parameters:
        own["parameters"] = dict(sample.parameters)
    frame = _json({"system": said.system, "tools": said.tools}) if said.system or said.tools else None
    history = [_json(message) for message in said.messages[:known]]
    return Packed(
        _json(own),
        frame,
        _hash(sample.tenant.encode("utf-8", "replace"), frame) if frame is not None else b"",
        history,
        _turns(sample.tenant, said.messages, history),
    )


def piece_of_history(messages: Iterable[bytes]) -> bytes:
    """Messages that follow one another, as one piece."""
    return b"[" + b",".join(messages) + b"]"


def read(line: bytes) -> Any:
    """What a piece or a call's own content holds."""
    try:
        return from_json(line, cache_strings="keys")
    except ValueError:
        # It takes 200 levels. One such value must not hide what is read with it.
        return json.loads(line)


def prompt_and_response(own: Mapping[str, Any]) -> texts.Texts:
    """The texts that monitors compare, of a call's own content."""
    said = Conversation(messages=own["messages"], choices=own["choices"])
    prompt = own.get("prompt")
    return texts.Texts(prompt if isinstance(prompt, str) else texts.prompt(said), texts.response(said))


def conversation(own: Mapping[str, Any], frame: Mapping[str, Any] | None, history: list[Message]) -> Conversation:
    """The whole conversation again."""
    frame = frame or {}
    return Conversation(
        system=frame.get("system", []),
        messages=[*history, *cast(list[Message], own["messages"])],
        choices=own["choices"],
        tools=frame.get("tools", []),
        documents=own.get("documents", []),
        omitted=own.get("omitted", 0),
    )


def _answered(messages: list[Message]) -> int:
    """How many messages there are up to the newest answer: the call before had sent or got them."""
    for place in range(len(messages) - 1, -1, -1):
        if messages[place]["role"] == "assistant":
            return place + 1
    return 0


def _asks(message: Message) -> bool:
    return message["role"] == "user" and any(part["type"] == "text" and content_of(part) for part in message["parts"])


def _turns(tenant: str, messages: list[Message], history: list[bytes]) -> list[Turns]:
    """Every answer in a history, with the hash of all up to it. Of another tenant the same turns have other hashes."""
    found: list[Turns] = []
    if history:
        hashed = hashlib.blake2b(tenant.encode("utf-8", "replace") + b"\0", digest_size=HASH_BYTES)
        for count, line in enumerate(history, 1):
            hashed.update(line)
            hashed.update(b"\n")
            if messages[count - 1]["role"] == "assistant":
                found.append(Turns(hashed.copy().digest(), count))
    return found


def _hash(tenant: bytes, frame: bytes) -> bytes:
    return hashlib.blake2b(frame, digest_size=HASH_BYTES, key=hashlib.blake2b(tenant, digest_size=32).digest()).digest()


def _json(value: Any) -> bytes:
    try:
        return to_json(value)
    except (PydanticSerializationError, UnicodeError, ValueError):
        # Half of a surrogate pair: what it stands for is not known.
        return json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "replace")
