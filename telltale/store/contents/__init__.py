"""What calls said, stored compactly: see README.md, "Contents".

`form` splits a conversation into what is its own and what other calls repeat, `pieces` stores what is repeated once,
and `blocks` compresses many of either together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from sqlalchemy import Connection

from telltale.conversation import Conversation, Message
from telltale.records import Sample
from telltale.store.contents import blocks, form, pieces
from telltale.store.contents.blocks import BlockWriter
from telltale.store.contents.pieces import PieceWriter


class Places(NamedTuple):
    """Where the content of a sample is: its own, its frame (system instructions and tools), its history."""

    content_id: int | None
    frame_id: int | None
    history_id: int | None


class Said(NamedTuple):
    """What a call's content tells; `conversation` is None where it was not asked for.

    `answers` counts the answers that were recorded, empty ones too: without any, nobody knows what was answered.
    """

    prompt: str
    response: str
    conversation: Conversation | None
    parameters: Mapping[str, float] = MappingProxyType({})
    answers: int = 0


claim = blocks.claim


def save(connection: Connection, samples: Sequence[Sample]) -> list[Places]:
    """Store the contents of samples. Returns where, in their order."""
    blocks.claim(connection)
    packed = [form.pack(sample) for sample in samples]
    writer = BlockWriter(connection)
    shared = PieceWriter(connection, writer, packed)
    places = [Places(writer.add(one.own), shared.frame(one), shared.history(one)) for one in packed]
    shared.close()
    writer.close()
    return places


def load(connection: Connection, places: Sequence[Places], whole: bool) -> list[Said | None]:
    """The contents at these places, in their order; None where there is none."""
    own = blocks.read(connection, (place.content_id for place in places if place.content_id is not None))
    frames: dict[int, bytes] = {}
    histories: dict[int, list[Message]] = {}
    if whole:
        frames = blocks.read(connection, (place.frame_id for place in places if place.frame_id is not None))
        histories = pieces.histories(connection, (one.history_id for one in places if one.history_id is not None))
    found: list[Said | None] = []
    for place in places:
        line = own.get(place.content_id) if place.content_id is not None else None
        if line is None:
            found.append(None)
            continue
        content = form.read(line)
        prompt, response = form.prompt_and_response(content)
        said = None
        if whole:
            frame = frames.get(place.frame_id) if place.frame_id is not None else None
            history = histories.get(place.history_id, []) if place.history_id is not None else []
            said = form.conversation(content, None if frame is None else form.read(frame), history)
        found.append(Said(prompt, response, said, content.get("parameters", {}), len(content["choices"])))
    return found


def remove(connection: Connection, places: Iterable[Places]) -> None:
    """Delete the contents of samples that are gone, and what they alone had of others."""
    blocks.claim(connection)
    gone = list(places)
    dead = {place.content_id for place in gone if place.content_id is not None}
    used = [content_id for place in gone for content_id in (place.frame_id, place.history_id)]
    blocks.remove(connection, dead | pieces.release(connection, used))
