"""One form of what is removed, and what the forms share: what may stand before digits and between them.

Expressions are RE2 and run over UTF-8. Every candidate costs a call in Python, so an expression itself refuses what
common numbers look like: fractions, times, timestamps, identifiers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

Span = tuple[int, int]
Check = Callable[[bytes, int, int], list[Span]]
"""Maps a text and a candidate's beginning and end (bytes) to the spans to remove.

Compiled by mypyc, a slice of bytes whose end comes before its beginning raises SystemError where Python's is empty:
before a candidate take `data[max(0, start - 1) : start]`.
"""


def whole(_data: bytes, start: int, end: int) -> list[Span]:
    """The candidate as it is."""
    return [(start, end)]


class Shape(NamedTuple):
    """One form of one kind.

    `expression` finds candidates: its first group if it has one, else all of it. `sign` is a simpler expression that
    every match contains, which the first pass uses instead of `expression`: counted repetitions need a state a count.
    """

    kind: str
    expression: str
    check: Check = whole
    sign: str | None = None


# Before digits that stand alone: not in a word, not a fraction's decimals.
ALONE = r"(?:^|[^0-9A-Za-z.]|[^0-9]\.)"
# Before groups of digits: not in a word, and not a later group of a longer number.
FIRST = r"(?:^-?|[^0-9A-Za-z-]|[^0-9]-)"
# Behind digits: no letter, but an underscore may emphasise them.
END = r"(?:\b|_)"
SPACE = r"[ \x{A0}\x{AD}\x{2007}\x{2009}\x{200B}\x{202F}\x{2060}\x{3000}\x{FEFF}]"
DASH = r"\x{2010}-\x{2015}\x{2212}\x{3161}\x{30FC}\-"
# Separators of digit groups, as people and word processors write them.
GAP = rf"(?:{SPACE}|{SPACE}?[.{DASH}]{SPACE}?)"
# The same between digits that a context announces, or that have a check digit.
ANY_GAP = rf"(?:{SPACE}{{1,3}}|{SPACE}?[./_\x{{B7}}:~{DASH}]{{1,2}}{SPACE}?)"
# Between a word and the number that it announces: in the same sentence, or right behind its end.
UP_TO = (
    r"(?:[.?!][ ]{1,2}|(?:[^0-9\n\x01.?!\x{3002}]|\.[^0-9\s\x01]|\.[ ](?-i:[a-z#(])"
    r"|(?i:\bno|\bnr|\bnum|acct)\.){0,24}?)"
)
# For the first pass: without a count, it needs no state a character.
THEN_DIGIT = r"[^0-9\n]*[0-9]"


def digits(found: bytes) -> bytes:
    """Only the ASCII digits."""
    return found.translate(None, _NO_DIGITS)


_NO_DIGITS = bytes(code for code in range(256) if not 48 <= code <= 57)


def trimmed(data: bytes, start: int, end: int) -> Span:
    """From the first to the last digit: for expressions without a group, which RE2 matches twice as fast."""
    found = data[start:end]
    return end - len(found.lstrip(_NO_DIGITS)), start + len(found.rstrip(_NO_DIGITS))


def in_chain(data: bytes, start: int, end: int) -> bool:
    """Whether a hyphen or a dot joins further digits, as in an order number or a version."""
    before, after = data[max(0, start - 2) : start], data[end : end + 2]
    return (before[1:] in _JOINTS and before[:1].isdigit()) or (after[:1] in _JOINTS and after[1:].isdigit())


_JOINTS = (b"-", b".")


def in_row(data: bytes, start: int, end: int) -> bool:
    """Whether another number stands beside it, one space away, as in a table."""
    before, after = data[max(0, start - 2) : start], data[end : end + 2]
    return (before[1:] == b" " and before[:1].isdigit()) or (after[:1] == b" " and after[1:].isdigit())


def is_word(data: bytes, index: int) -> bool:
    """Whether the byte there is an ASCII letter or digit."""
    return data[max(index, 0) : index + 1].isalnum()
