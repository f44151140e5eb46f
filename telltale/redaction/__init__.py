"""Removes personal data and secrets from text before it is stored.

Every pattern is RE2, so the time is linear in any text. One pass of a pattern set finds which patterns match at all;
only those are substituted. Matches are verified where a check exists (Luhn, the IBAN's remainder, a date of birth, an
address that parses), so that order numbers and versions are mostly kept.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

from telltale.redaction.checks import Check, always
from telltale.redaction.rules import SHAPES, Shape

# How many characters past a length limit are also searched.
BEYOND = 512

Counts = dict[str, int]


def redact(text: str, extra_rules: Mapping[str, str] | None = None) -> tuple[str, Counts]:
    """The text with `[KIND]` in place of what was found, and how many of each kind were removed.

    `extra_rules` maps a kind to an RE2 expression and runs before the built-in rules. Escapes such as `\\u0040` are
    resolved first, or an escaped address would be missed; NUL and lone surrogates, invalid in any store, are replaced.
    Raises ValueError for an expression that RE2 does not accept.
    """
    [redacted], counts = _redactor(tuple(sorted((extra_rules or {}).items()))).redact(text)
    return redacted, counts


def redact_within(text: str, most: int, extra_rules: Mapping[str, str] | None = None) -> str:
    """At most `most` characters of the redacted text. Whatever the limit cuts in two is recognised before the cut."""
    redacted, _ = redact(text[: most + BEYOND], extra_rules)
    return within(redacted, len(text), most)


def within(redacted: str, size: int, most: int) -> str:
    """At most `most` characters of `redacted`, made from the first `most` + BEYOND characters of a text of that `size`.

    Its last BEYOND characters are dropped if the text went on, because a match cut in two there was not recognised.
    """
    return (redacted[:-BEYOND] if size > most + BEYOND else redacted)[:most]


def pseudonym(key: bytes, name: str) -> str:
    """A stable pseudonym for a name, which cannot be computed without the key."""
    return hmac.new(key, name.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Rule:
    """`check` maps a match and the kind's mark to the replacement, and how many items that removed."""

    kind: str
    pattern: Any
    check: Check


class Redactor:
    """Compiled rules. Build it once: compiling costs milliseconds, redacting a prompt microseconds."""

    def __init__(self, extra_rules: Mapping[str, str] | None = None) -> None:
        """Raises ValueError, naming the kind, for an expression that RE2 does not accept."""
        own = [Shape(kind, text, always) for kind, text in sorted((extra_rules or {}).items())]
        # A custom expression may anchor at a text's beginning or end.
        self._one_by_one = bool(own)
        options = re2.Options()
        options.log_errors = False
        self._set = re2.Set.SearchSet(options)
        self._rules = []
        for shape in (*own, *SHAPES):
            self._rules.append(Rule(shape.kind, _compile(shape.kind, shape.expression, options), shape.check))
            self._set.Add(shape.sign or shape.expression)
        self._set.Compile()

    def redact(self, *texts: str) -> tuple[list[str], Counts]:
        """Like the function `redact`, for several texts: one search covers them all if none has anything to remove."""
        cleaned, counts = [_storable(_resolve_escapes(text)) for text in texts], Counts()
        breaks = _stand_ins(cleaned)
        for stand_in, written in breaks:
            cleaned = [text.replace(written, stand_in) for text in cleaned]
        found = self._look(cleaned)
        if found:
            cleaned = self._remove(found, cleaned, counts)
        for stand_in, written in breaks:
            cleaned = [text.replace(stand_in, written) for text in cleaned]
        return cleaned, counts

    def _remove(self, found: list[int], cleaned: list[str], counts: Counts) -> list[str]:
        last = -1
        # In the rules' order: a card's digits must be removed before a phone pattern can match half of them.
        while due := sorted(index for index in found if index > last):
            for last in due:
                applied = [_apply(self._rules[last], text, counts) for text in cleaned]
                changed = self._one_by_one and [text for text, _ in applied] != cleaned
                cleaned = [text for text, _ in applied]
                if changed or any(joined for _, joined in applied):
                    # A later rule may match now where it did not, such as at a word that began where this match ended.
                    found = self._look(cleaned)
                    break
            else:
                break
        return cleaned

    def _look(self, texts: list[str]) -> list[int]:
        """The indexes of the rules that may find something in any of these texts."""
        if self._one_by_one:
            return list({index for text in texts for index in self._set.Match(text.encode()) or ()})
        # A rule that matches only across the border of two texts finds nothing in either, which is harmless.
        return self._set.Match("\n".join(texts).encode()) or []


@lru_cache(maxsize=8)
def _redactor(extra_rules: tuple[tuple[str, str], ...]) -> Redactor:
    return Redactor(dict(extra_rules))


def _compile(kind: str, expression: str, options: Any) -> Any:
    try:
        compiled = re2.compile(expression, options)
    except re2.error as error:
        raise ValueError(f"redaction.rules.{kind} = {expression!r}: RE2 does not take it: {error}") from error
    if compiled.search(""):
        raise ValueError(f"redaction.rules.{kind} = {expression!r}: matches the empty text")
    return compiled


def _apply(rule: Rule, text: str, counts: Counts) -> tuple[str, bool]:
    """The text without the rule's matches, and whether later rules may match something that was hidden before.

    A mark between two spaces gives no other built-in rule a new match: none of them matches across both.
    """
    mark = f"[{rule.kind.upper()}]"
    joined: list[int] = []

    def replace(match: Any) -> str:
        replaced, removed = rule.check(match, mark)
        if removed:
            counts[rule.kind] = counts.get(rule.kind, 0) + removed
            start, end = match.start(), match.end()
            if replaced != mark or (text[max(0, start - 1) : start] + text[end : end + 1]).strip(_SPACES):
                joined.append(start)
        elif replaced != match.group():
            # It may now match a later rule.
            joined.append(match.start())
        return replaced

    result: str = rule.pattern.sub(replace, text)
    return result, bool(joined)


_WRITTEN = ("\\n", "\\r", "\\t", "\\f", "\\b")
# Neither letters nor RE2's spaces, and hardly ever in a text.
_CONTROLS = "\x01\x02\x03\x04\x05\x06\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17"
# RE2's spaces: rules treat any other space as an ordinary character.
_SPACES = " \t\n\f\r"
# Python calls these not printable, but they separate groups of digits and are harmless in JSON.
_WIDE_SPACES = "\xa0\u2007\u202f\u3000"
_ESCAPE = re.compile(r"(?<!\\)\\+u([0-9a-fA-F]{4})(?:\\+u([dD][c-fC-F][0-9a-fA-F]{2}))?")


def _resolve_escapes(text: str) -> str:
    # Searching for one character is fifty times faster than for two.
    if "\\" in text and "\\u" in text:
        text = _ESCAPE.sub(_unescape, text)
    # PostgreSQL's text has no NUL.
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _stand_ins(texts: list[str]) -> list[tuple[str, str]]:
    """Placeholders for escapes such as `\\n`, whose letter would otherwise join the following word."""
    behind: set[str] = set()
    for text in texts:
        # Searching for a single backslash is ten times as fast as for a pair of characters.
        if "\\" in text:
            behind.update([piece[:1] for piece in text.split("\\")[1:]])
    written = [pair for pair in _WRITTEN if pair[1] in behind] if behind else []
    if not written:
        return []
    free = (mark for mark in _CONTROLS if not any(mark in text for text in texts))
    return list(zip(free, written, strict=False))


def _storable(text: str) -> str:
    # UTF-8 has no lone surrogates.
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return text.encode("utf-8", "replace").decode()
    return text


def _unescape(match: re.Match[str]) -> str:
    units = bytes.fromhex(match[1]) + bytes.fromhex(match[2] or "")
    decoded = units.decode("utf-16-be", "replace")
    # Quotes, backslashes and control characters stay escaped: resolved, they would break the JSON around them.
    return decoded if all((c.isprintable() or c in _WIDE_SPACES) and c not in '"\\' for c in decoded) else match[0]
