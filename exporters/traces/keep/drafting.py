"""A copy of a conversation within bounds, whose texts are still to be redacted.

Of a call at most a number of characters is kept. What is left out first, and why:

1. turns, whole ones, the oldest first: the newest tell most of what the answer is about. The newest user turn stays.
2. retrieved documents: the longest texts of a call, and what was used of them stands in the prompt as well.
3. definitions of tools, the same with each call of an application, and system instructions, which say what was wanted.
4. of the newest user turn and of the answers what exceeds it all, each at least half of it.

It takes time in proportion to what is kept, not to what was sent; only a tool's JSON is written out to be measured.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final, cast

from pydantic_core import from_json, to_json

from exporters.traces.decode import attributes
from telltale.conversation import Conversation, Message, Part, Tool, Value
from telltale.redaction import BEYOND, within

# What a part, a message or a tool takes beside its texts, about: its braces and keys.
FIXED: Final = 32
MOST_OF_A_NAME: Final = 256
# As many levels as leave room for the conversation's own, where readers of JSON allow 200.
MOST_LEVELS: Final = 100
_TEXTS: Final = frozenset(("content", "arguments", "response", "description", "schema", ""))
# What no person wrote.
_KNOWN: Final = frozenset(
    (
        *("text", "reasoning", "refusal", "json", "tool_call", "tool_call_response", "blob", "uri", "file"),
        *("image", "audio", "video", "document", "system", "user", "assistant", "tool"),
        *("stop", "length", "tool_calls", "tool_call", "content_filter", "end_turn", "tool_use", "max_tokens"),
    )
)


class Slot:
    """A text, and where it goes once it is redacted: `fields[key]`. Of it `most` characters are kept."""

    __slots__ = ("fields", "is_json", "key", "most", "size", "text")

    def __init__(self, fields: Part, key: str, text: str, most: int, is_json: bool) -> None:
        self.fields = fields
        self.key = key
        self.size = len(text)
        self.most = most
        self.text = text if self.size <= most + BEYOND else text[: most + BEYOND]
        self.is_json = is_json
        if self.size > most:
            # Nothing else must hold what may be megabytes.
            fields[key] = None

    @property
    def is_id(self) -> bool:
        """Whether it only tells things apart, and what is in it does not matter."""
        return self.key == "id" and self.most == MOST_OF_A_NAME

    def name(self, name: str) -> None:
        """Put a name in place of an id."""
        self.fields[self.key] = name

    def put(self, redacted: str) -> None:
        """Put the redacted text, or the JSON that it holds, in its place."""
        if self.size > self.most or len(redacted) > self.most:
            self.fields["truncated"] = True
            self.fields[self.key] = within(redacted, self.size, self.most)
        elif not self.is_json:
            self.fields[self.key] = redacted
        elif redacted is not self.text and redacted != self.text:
            self.fields[self.key] = _parsed(redacted)


class Draft:
    """A conversation in the making: `said` is whole once every slot's text was put in its place."""

    def __init__(self, most_a_text: int, most: int, reasoning: bool) -> None:
        """At most `most_a_text` characters a text and `most` in all, with or without the model's reasoning."""
        self.said = Conversation()
        self.slots: list[Slot] = []
        self._most_a_text = most_a_text
        self._reasoning = reasoning
        self._left = most
        self._is_cut = False
        self._documents: list[Part] = []

    @property
    def characters(self) -> int:
        """How much there is to redact; each text costs as much as a few characters more."""
        return sum([FIXED + len(slot.text) for slot in self.slots])

    def take(self, given: Conversation) -> None:
        """Take of a conversation what is kept."""
        said, most = self.said, self._left
        newest = _newest(given.messages)
        said.choices = self._messages(given.choices)
        spent = most - self._left
        turn = self._message(given.messages[newest]) if newest >= 0 else None
        if self._is_cut:
            turn, said.choices = self._halves(given, newest, most, spent)
        said.system = self._parts(given.system)
        said.tools = [cast("Tool", one) for one in self._each([cast("Part", tool) for tool in given.tools])]
        if given.tools and not said.tools:
            said.tools.append({"name": "", "truncated": True})
        self._documents = self._each([{"": document} for document in given.documents])
        if given.documents and not self._documents:
            said.documents.append({"truncated": True})
        said.messages, said.omitted = self._turns(given.messages, newest, turn)

    def finish(self) -> Conversation:
        """The conversation, after each slot's text was put in its place."""
        said = self.said
        for fields in self._documents:
            document = fields.get("")
            said.documents.append({"content": document, "truncated": True} if "truncated" in fields else document)
        return said

    def _halves(self, given: Conversation, newest: int, most: int, spent: int) -> tuple[Message | None, list[Message]]:
        """Both cut: the answers to what the question leaves, but at least to half, the question to the rest."""
        self._left, self._is_cut = most, False
        turn = self._message(given.messages[newest]) if newest >= 0 else None
        self.slots.clear()
        answers = min(spent, max(most // 2, self._left))
        self._left = answers
        made = self._messages(given.choices)
        self._left += most - answers
        turn = self._message(given.messages[newest]) if newest >= 0 else None
        return turn, made

    def _turns(self, given: list[Message], newest: int, turn: Message | None) -> tuple[list[Message], int]:
        """The turns that there is room for, and how many there were besides; `turn` is the one at `newest`."""
        # The newest first, each with where its slots begin and which turn it is.
        kept: list[tuple[Message, int, int]] = []
        self._is_cut = False
        place = len(given) - 1
        while place >= 0:
            left, start = self._left, len(self.slots)
            found = turn if place == newest else self._message(given[place])
            if self._is_cut:
                self._left = left
                del self.slots[start:]
                break
            if found is not None:
                kept.append((found, start, place))
            place -= 1
        omitted = place + 1
        if omitted:
            begin = min(_stepped(omitted, len(kept)), newest if newest > place else len(given) - 1)
            # Not as a condition of the loop, which mypyc makes no C of.
            has_call = any(message["role"] == "assistant" for message, _, _ in kept)
            while len(kept) > 1:
                oldest, start, at = kept[-1]
                # What a tool answered says little without its call.
                if at >= begin and not (has_call and oldest["role"] == "tool"):
                    break
                del self.slots[start:]
                kept.pop()
                omitted = at + 1
            if newest <= place and turn is not None:
                omitted -= 1
                kept.append((turn, 0, newest))
        return [message for message, _, _ in reversed(kept)], omitted

    def _messages(self, given: list[Message]) -> list[Message]:
        """Alternatives that there is room for. The last one says that others were left out."""
        made: list[Message] = []
        for message in given:
            if self._left < FIXED and made:
                self._is_cut = True
                made[-1]["truncated"] = True
                break
            one = self._message(message)
            if one is not None:
                made.append(one)
        return made

    def _message(self, given: Message) -> Message | None:
        """A turn or an answer; None for one that there is no room for, or that is nothing but reasoning."""
        if self._left < FIXED:
            self._is_cut = True
            return None
        role, parts = given["role"], given["parts"]
        made: Message
        if len(given) == 2 and role in _KNOWN:
            self._left -= FIXED
            made = {"role": role, "parts": self._parts(parts)}
        else:
            made = cast("Message", self._fields({k: v for k, v in cast("Part", given).items() if k != "parts"}))
            made["parts"] = self._parts(parts)
        return made if made["parts"] or not parts or "finish_reason" in given else None

    def _parts(self, given: list[Part]) -> list[Part]:
        given = given if self._reasoning else [part for part in given if part.get("type") != "reasoning"]
        return self._each(given) or [{"type": "text", "content": "", "truncated": True} for _ in given[:1]]

    def _each(self, given: list[Part]) -> list[Part]:
        """Those that there is room for. The last one says that others were left out."""
        made: list[Part] = []
        for fields in given:
            if self._left < FIXED:
                self._is_cut = True
                if made:
                    made[-1]["truncated"] = True
                break
            content = fields.get("content")
            if len(fields) == 2 and isinstance(content, str) and fields.get("type") == "text":
                # Most.
                self._left -= FIXED
                part: Part = {"type": "text", "content": content}
                self._add(part, "content", content, False)
                made.append(part)
            else:
                made.append(self._fields(fields))
        return made

    def _fields(self, given: Mapping[str, Value]) -> Part:
        made: Part = {}
        self._left -= FIXED
        for key, value in given.items():
            made[key] = value
            if isinstance(value, str):
                if value not in _KNOWN:
                    self._add(made, key, value, False)
            elif isinstance(value, bytes):
                made[key] = "[media]"
            elif value is not None and not isinstance(value, bool) and key != "size":
                # Numbers too: a tool may answer with a card's.
                text, is_plain = _written(value)
                if not is_plain:
                    made[key] = _parsed(text)
                self._add(made, key, text, True)
        return made

    def _add(self, made: Part, key: str, text: str, is_json: bool) -> None:
        most = self._most_a_text if key in _TEXTS or is_json else MOST_OF_A_NAME
        size = len(text)
        if is_json and MOST_LEVELS < size <= most and _may_be_deep(text) and attributes.is_deep(made[key], MOST_LEVELS):
            made[key], is_json = text, False
        if min(size, most) > self._left:
            self._is_cut = True
            most = self._left
        slot = Slot(made, key, text, most, is_json)
        self._left -= min(size, most)
        self.slots.append(slot)


def _may_be_deep(text: str) -> bool:
    return text.count("{") + text.count("[") > MOST_LEVELS


def _stepped(omitted: int, kept: int) -> int:
    """With which turn to begin where so many must be left out: a multiple of a quarter of those that are kept, or less.

    So the next calls of a conversation begin with the same turn as this one, and what they repeat is stored once.
    """
    step = 1 << max(0, (kept // 4).bit_length() - 1)
    return -(-omitted // step) * step


def _newest(turns: list[Message]) -> int:
    """Where the newest user's turn stands that has text, else the newest of any kind; -1 where there are no turns."""
    for place in range(len(turns) - 1, -1, -1):
        turn = turns[place]
        if turn["role"] == "user" and any(part["type"] == "text" for part in turn["parts"]):
            return place
    for place in range(len(turns) - 1, -1, -1):
        if turns[place]["role"] == "user":
            return place
    return len(turns) - 1


def _written(value: Value) -> tuple[str, bool]:
    """A value as JSON that can be read back, and whether that is the same value."""
    try:
        text = to_json(value, inf_nan_mode="strings").decode()
    except ValueError:
        # A lone surrogate, or bytes: redaction resolves the escape that the one is written as, and replaces it.
        return json.dumps(value, default=str), False
    if "\\u0000" in text:
        return _NUL.sub(r"\1\\ufffd", text), False
    return text, "NaN" not in text and "Infinity" not in text


# No store's text has it.
_NUL: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def _parsed(text: str) -> Value:
    """What a redacted text of JSON holds; the text itself where it is no JSON any more."""
    try:
        parsed: Value = from_json(text, allow_inf_nan=False, cache_strings="keys")
    except ValueError:
        return text
    return parsed
