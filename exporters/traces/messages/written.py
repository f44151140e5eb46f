"""Values as programs write them, JSON or Python's repr, to the end or to where they were cut.

`json` and `ast` read only what is whole; this reads what they refuse, at a hundredth of their speed, and within bounds.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Final, Protocol

from exporters.traces.decode.spans import Value

# Objects, lists, keys and values that are looked at; what follows counts as cut.
MOST_TOKENS: Final = 50_000
MOST_LEVELS: Final = 60
_TOKEN: Final = re.compile(
    r"\s*(?:\"((?:[^\"\\]+|\\.)*+)(\"?)|'((?:[^'\\]+|\\.)*+)('?)|([{}\[\](),:=<>])|([\w.+-]+))", re.DOTALL
)
_HALF: Final = re.compile(r"\\(?:u[0-9A-Fa-f]{0,3}|x[0-9A-Fa-f]?|U[0-9A-Fa-f]{0,7})$")
_LONGEST_HALF: Final = 10
_WORDS: Final[dict[str, Value]] = {"true": True, "True": True, "false": False, "False": False}
_NOTHING: Final = ("null", "None", "NaN", "nan", "Infinity", "-Infinity", "inf", "undefined")
_CLOSING: Final = {"{": "}", "[": "]", "(": ")"}

Fields = dict[str, Value]
# The objects around a place, the outermost first, each with the key that holds it.
Path = list[tuple[str, Fields]]


class NotWritten(ValueError):
    """It is no such value from its beginning on."""


class Marks(Protocol):
    """What is kept of pieces that the cut goes through."""

    def text(self, said: str, key: str, path: Path) -> Value:
        """What to keep of a text under `key`; None for nothing."""

    def item(self, said: str, holder: str, path: Path) -> Value:
        """What to keep of a text in a list under `holder`; None for nothing."""

    def keeps(self, fields: Fields, holder: str, key: str, has_value: bool) -> bool:
        """Whether to keep an object that is cut at `key`, whose value is there in part, or not."""

    def keeps_list(self, holder: str) -> bool:
        """Whether to keep a list under `holder` that is cut."""


class Writing:
    """One text."""

    def __init__(self, text: str, marks: Marks) -> None:
        self._text = text
        self._marks = marks
        self._pos = 0
        self._tokens = 0
        self._is_cut = False
        self._path: Path = []

    def read(self) -> Value:
        """The value, or what is kept of it; None for nothing. Raises NotWritten."""
        head = self._peek()
        if head is not None and head[6] is not None and self._text[head.end() : head.end() + 1] == "=":
            found: Value = self._fields("", "")
        else:
            found = self._value("", 0)
        if not self._is_cut and self._text[self._pos :].strip():
            raise NotWritten
        return found

    def _peek(self) -> re.Match[str] | None:
        return _TOKEN.match(self._text, self._pos)

    def _next(self) -> re.Match[str] | None:
        """The next token; None at the cut."""
        found = _TOKEN.match(self._text, self._pos)
        self._tokens += 1
        if found is None or self._tokens > MOST_TOKENS:
            if found is None and self._text[self._pos :].strip():
                raise NotWritten
            self._is_cut = True
            return None
        self._pos = found.end()
        return found

    def _value(self, holder: str, level: int) -> Value:
        token = self._next()
        if token is None:
            return None
        if level > MOST_LEVELS:
            raise NotWritten
        mark, word = token[5], token[6]
        if mark is None and word is None:
            return self._string(token)
        if word is not None:
            return self._word(word, holder, level)
        if mark == "{":
            return self._fields(holder, "}", level)
        if mark in ("[", "("):
            return self._list(holder, _CLOSING[mark], level)
        if mark == "<":
            return self._named(holder, level)
        raise NotWritten

    def _string(self, token: re.Match[str]) -> str:
        is_single = token[1] is None
        raw = token[3] if is_single else token[1]
        if not (token[4] if is_single else token[2]):
            self._is_cut = True
            half = _HALF.search(raw, max(0, len(raw) - _LONGEST_HALF))
            if half is not None:
                before = raw[: half.start()]
                # An even number of backslashes before it are no escape of its own.
                raw = raw if (len(before) - len(before.rstrip("\\"))) % 2 else before
        found = _unescaped(raw, is_single)
        if self._is_cut and found and "\ud800" <= found[-1] <= "\udbff":
            found = found[:-1]
        return found

    def _word(self, word: str, holder: str, level: int) -> Value:
        after = self._text[self._pos : self._pos + 1]
        if not after:
            # A number may go on.
            self._is_cut = True
            return None
        if after == "(":
            self._pos += 1
            return self._call(word, holder, level)
        if word in "bru" and after in "'\"":
            token = self._next()
            found = self._string(token) if token is not None else ""
            return "[media]" if word == "b" and not self._is_cut else found
        if word in _WORDS:
            return _WORDS[word]
        if word in _NOTHING:
            return None
        try:
            number = float(word)
        except ValueError:
            raise NotWritten from None
        return int(word) if word.lstrip("-").isdigit() and len(word) < 19 else number

    def _named(self, holder: str, level: int) -> Value:
        """A member of an enumeration, `<Role.USER: 'user'>`."""
        for _ in range(2):
            if self._next() is None:
                return None
        found = self._value(holder, level + 1)
        closing = None if self._is_cut else self._next()
        if closing is not None and closing[5] != ">":
            raise NotWritten
        return None if self._is_cut else found

    def _call(self, name: str, holder: str, level: int) -> Value:
        """An object as Python's classes write it, `Name(key=value)`."""
        return self._fields(holder, ")", level, name)

    def _fields(self, holder: str, closing: str, level: int = 0, name: str = "") -> Value:
        """An object. Between braces keys are texts, in an object of Python's names before `=`."""
        fields: Fields = {"role": name} if name.endswith(("Message", "MessageChunk")) else {}
        self._path.append((holder, fields))
        try:
            return self._filled(fields, holder, closing, level)
        finally:
            self._path.pop()

    def _filled(self, fields: Fields, holder: str, closing: str, level: int) -> Value:
        key = ""
        while True:
            token = self._next()
            if token is None:
                break
            if token[5] is not None:
                if token[5] == closing:
                    return fields
                if token[5] == "," and (fields or closing == ")"):
                    continue
                if closing == ")":
                    # Arguments without names tell nothing.
                    self._pos = token.end() - 1
                    self._value("", level + 1)
                    if self._is_cut:
                        break
                    continue
                raise NotWritten
            if token[6] is not None and closing == ")" and self._text[self._pos : self._pos + 1] != "=":
                self._pos = token.start()
                self._value("", level + 1)
                if self._is_cut:
                    break
                continue
            key = token[6] if token[6] is not None else self._string(token)
            separator = None if self._is_cut else self._next()
            if separator is None:
                break
            if separator[5] != (":" if closing == "}" else "="):
                raise NotWritten
            value = self._value(key, level + 1)
            if self._is_cut:
                kept = self._marks.text(value, key, self._path) if isinstance(value, str) else value
                if kept is not None:
                    fields[key] = kept
                return fields if self._marks.keeps(fields, holder, key, kept is not None) else None
            if "role" not in fields or key != "type":
                fields[key] = value
        if not closing and not self._text[self._pos :].strip():
            # Without braces the end is the end.
            self._is_cut = False
            return fields
        return fields if self._marks.keeps(fields, holder, key, False) else None

    def _list(self, holder: str, closing: str, level: int) -> Value:
        found: list[Value] = []
        while True:
            token = self._peek()
            if token is not None and token[5] == closing:
                self._pos = token.end()
                return found
            value = self._value(holder, level + 1)
            if self._is_cut:
                break
            found.append(value)
            value = None
            token = self._next()
            if token is None:
                break
            if token[5] == closing:
                return found
            if token[5] != ",":
                raise NotWritten
        if not self._marks.keeps_list(holder):
            return None
        last = self._marks.item(value, holder, self._path) if isinstance(value, str) else value
        if last is not None:
            found.append(last)
        elif found and isinstance(found[-1], dict):
            found[-1]["truncated"] = True
        return found or None


def _unescaped(raw: str, is_single: bool) -> str:
    if "\\" not in raw:
        return raw
    try:
        if not is_single:
            return str(json.loads(f'"{raw}"', strict=False))
    except ValueError:
        pass
    quote = "'" if is_single else '"'
    try:
        return str(ast.literal_eval(f"{quote}{raw}{quote}"))
    except (ValueError, SyntaxError, MemoryError):
        return raw
