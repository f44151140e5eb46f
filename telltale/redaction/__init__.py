"""Removes personal data and secrets from text before it is stored.

Every pattern is RE2, so the time is linear in any text. One pass of a pattern set over the text's bytes finds which
patterns match at all; only those look for their candidates. Candidates are verified where a check exists (Luhn, the
IBAN's remainder, a date of birth, an address that parses), so that order numbers and versions are mostly kept.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

from telltale.redaction.json_marks import quoted
from telltale.redaction.rules import SHAPES
from telltale.redaction.shape import Check, Shape, in_row
from telltale.redaction.writing import BREAK, GONE, SIGN, hide, readable, show, stored, visible

# How many characters past a length limit are also searched.
BEYOND = 512
# How often the rules look at what they have left; more passes would let a hostile text cost more than its length.
PASSES = 3

Counts = dict[str, int]


def redact(text: str, extra_rules: Mapping[str, str] | None = None) -> tuple[str, Counts]:
    """The text with `[KIND]` in place of what was found, and how many of each kind were removed.

    `extra_rules` maps a kind to an RE2 expression and runs before the built-in rules. Escapes such as `\\u0040` are
    resolved first, or an escaped address would be missed; where nothing is found they stay as they were written. NUL
    and lone surrogates, invalid in any store, are replaced.
    JSON stays valid: a number in it becomes a string. Raises ValueError for an expression that RE2 does not accept.
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


def is_version(name: str) -> bool:
    """Whether a name is a version of four numbers, which looks like an address."""
    return _VERSION.fullmatch(name) is not None


_VERSION = re.compile(r"v?\d{1,5}(?:\.\d{1,5}){3}", re.ASCII)


def pseudonym(key: bytes, name: str) -> str:
    """A stable pseudonym for a name, which cannot be computed without the key."""
    return hmac.digest(key, name.encode("utf-8", "surrogatepass"), "sha256").hex()


@dataclass(frozen=True, slots=True)
class Rule:
    """`check` says which parts of the pattern's match, or of its group of that number, are removed."""

    kind: str
    pattern: Any
    check: Check
    group: int
    mark: bytes
    marks: re.Pattern[bytes]


class Redactor:
    """Compiled rules. Build it once: compiling costs milliseconds, redacting a prompt microseconds."""

    def __init__(self, extra_rules: Mapping[str, str] | None = None) -> None:
        """Raises ValueError, naming the kind, for an expression that RE2 does not accept."""
        own = [Shape(kind, text) for kind, text in sorted((extra_rules or {}).items())]
        # A custom expression may anchor at a text's beginning or end.
        self._one_by_one = bool(own)
        options = re2.Options()
        options.log_errors = False
        options.max_mem = _MEMORY
        self._set = re2.Set.SearchSet(options)
        self._rules = []
        kinds = "|".join(sorted({re.escape(shape.kind.upper()) for shape in (*own, *SHAPES)}))
        marks = re.compile(rf"\[(?:{kinds})\]?".encode())
        for number, shape in enumerate((*own, *SHAPES)):
            pattern = _compile(shape.kind, shape.expression, options)
            # A custom expression removes all that it matches, whatever its groups are for.
            group = 1 if pattern.groups and number >= len(own) else 0
            mark = f"[{shape.kind.upper()}]".encode()
            self._rules.append(Rule(shape.kind, pattern, shape.check, group, mark, marks))
            self._set.Add(shape.sign or shape.expression)
        self._set.Compile()

    def redact(self, *texts: str) -> tuple[list[str], Counts]:
        """Like the function `redact`, for several texts: one search covers them all if none has anything to remove."""
        originals, counts = [readable(text) for text in texts], Counts()
        hidden = [hide(visible(text)) for text in originals]
        given = encoded = [text.encode() for text, _ in hidden]
        # Without what was removed, a rule may find what stood in a word with it, or in a row.
        for _ in range(PASSES):
            found = self._look(encoded)
            if not found:
                break
            before = encoded
            encoded = self._remove(found, encoded, counts)
            if encoded == before:
                break
        written = [stored(text, seen) for text, seen in zip(texts, originals, strict=True)]
        if not counts:
            return written, counts
        marks = {rule.mark for rule in self._rules if rule.kind in counts}
        quoted_texts = [quoted(data, marks).decode("utf-8", "replace") for data in encoded]
        shown = [show(text, places) for text, (_, places) in zip(quoted_texts, hidden, strict=True)]
        # Where nothing was removed nothing changes, whatever was found in others.
        unchanged = [before == after for before, after in zip(given, encoded, strict=True)]
        return [kept if same else text for text, kept, same in zip(shown, written, unchanged, strict=True)], counts

    def _remove(self, found: list[int], texts: list[bytes], counts: Counts) -> list[bytes]:
        """The texts without what the rules find."""
        last = -1
        # In the rules' order: a card's digits must be removed before a phone pattern can match half of them.
        while due := sorted(index for index in found if index > last):
            for last in due:
                applied = [_apply(self._rules[last], text, counts) for text in texts]
                changed = self._one_by_one and [text for text, _ in applied] != texts
                texts = [text for text, _ in applied]
                joined = any(joined for _, joined in applied)
                if changed or joined:
                    # A later rule may match now where it did not, such as at a word that began where this match ended.
                    found = self._look(texts)
                    break
            else:
                break
        return texts

    def _look(self, texts: list[bytes]) -> list[int]:
        """The indexes of the rules that may find something in any of these texts."""
        if self._one_by_one:
            return list({index for text in texts for index in self._set.Match(text) or ()})
        # A rule that matches only across the border of two texts finds nothing in either, which is harmless.
        return self._set.Match(b"\n".join(texts)) or []


# For the set's states, bytes: with fewer it builds them again and again on varied text.
_MEMORY = 64 << 20


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


# RE2's spaces: rules treat any other space as an ordinary character.
_SPACES = b" \t\n\f\r"


def _is_joined(data: bytes, start: int, end: int) -> bool:
    """Whether anything but a space stands right beside it, or another number as in a row of a table."""
    beside = data[max(0, start - 1) : start] + data[end : end + 1]
    return beside.strip(_SPACES) != b"" or in_row(data, start, end)


def _is_done(rule: Rule, found: bytes) -> bool:
    """Whether nothing but marks and signs is in it: what there was has been removed."""
    rest = rule.marks.sub(b"", found)
    return rest != found and not any(chr(code).isalnum() for code in rest)


# What is left of a removed span: that the placeholders in it are gone.
_REMOVED = bytes.maketrans((BREAK + SIGN).encode(), (GONE + GONE).encode())
_NO_PLACES = bytes(code for code in range(256) if chr(code) not in BREAK + SIGN + GONE)


def _apply(rule: Rule, data: bytes, counts: Counts) -> tuple[bytes, bool]:
    """The text without what the rule finds, and whether later rules may match something that was hidden before.

    A mark between two spaces gives no other built-in rule a new match: none of them matches across both, unless a
    number stood beside it as in a row of a table.
    """
    pieces: list[bytes] = []
    last, joined = 0, False
    for match in rule.pattern.finditer(data):
        for start, end in rule.check(data, *match.span(rule.group)):
            if b"[" in data[start:end] and _is_done(rule, data[start:end]):
                continue
            pieces += (data[last:start], rule.mark, data[start:end].translate(_REMOVED, _NO_PLACES))
            last = end
            joined = joined or _is_joined(data, start, end)
    if not pieces:
        return data, False
    counts[rule.kind] = counts.get(rule.kind, 0) + len(pieces) // 3
    return b"".join((*pieces, data[last:])), joined
