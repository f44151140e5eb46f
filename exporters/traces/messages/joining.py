"""Joins what several places tell of one conversation."""

from __future__ import annotations

from exporters.traces.decode import attributes
from telltale.conversation import Conversation, Part


def join(*said: Conversation) -> Conversation:
    """A conversation out of what comes one after the other in the same place."""
    return Conversation(
        new_parts([], [part for one in said for part in one.system]),
        [message for one in said for message in one.messages],
        [choice for one in said for choice in one.choices],
        next((one.tools for one in said if one.tools), []),
        next((one.documents for one in said if one.documents), []),
    )


def complete(*said: Conversation) -> Conversation:
    """A conversation with what each other place tells of it where those before are silent."""
    answered = next((one.choices for one in said if one.is_answered), None)
    return Conversation(
        new_parts([], [part for one in said for part in one.system]),
        next((one.messages for one in said if one.messages), []),
        answered or next((one.choices for one in reversed(said) if one.choices), []),
        next((one.tools for one in said if one.tools), []),
        next((one.documents for one in said if one.documents), []),
    )


def beyond(known: list[Part], more: list[Part]) -> list[Part]:
    """Of more parts those that are not known yet, as often as they come: a tool may be called twice alike."""
    if not (known and more):
        return more
    seen = {attributes.canonical(part) for part in known}
    return [part for part in more if attributes.canonical(part) not in seen]


def new_parts(known: list[Part], more: list[Part]) -> list[Part]:
    """Of more parts those that are not known yet, each once: some senders repeat in one place what stands in another.

    Takes time in proportion to their number, which a sender chooses.
    """
    if len(more) < 2 and not (known and more):
        return more
    seen = {attributes.canonical(part) for part in known}
    found: list[Part] = []
    for part in more:
        key = attributes.canonical(part)
        if key not in seen:
            seen.add(key)
            found.append(part)
    return found
