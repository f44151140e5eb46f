"""Whether an answer is a refusal: the model says of itself, at the beginning, that it does not do what was asked.

An apology is no refusal, nor is "I can't" inside a story: what counts is a first person who declines, in the opening of
the text and not within quotation marks. Whether an answer follows tells a partial refusal from a full one. The phrases
are in `refusal_phrases.py`, by language; what is in no such phrase is not seen.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, Literal

import re2

from monitors.refusal_phrases import ANSWERS, DECLINES, LETTERS, NO_REFUSAL, OWN_SCRIPT, REDIRECTIONS

Kind = Literal["none", "partial", "full"]

# A refusal begins with what it is; what follows it is looked at a little further. In characters.
OPENING: Final = 300
HEAD: Final = 900
# What a redirection ("here are some alternatives") says of itself is near.
NEAR: Final = 80
# Bytes that the states of one pattern may take.
MOST_MEMORY: Final = 1 << 25
MARKUP: Final = " \t\r\n*#>_~-"
# Apostrophes and quotation marks as keyboards, word processors and models write them.
_MARKS: Final = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201b\u02bc\u00b4`\u2032\uff07", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u300c\u300d\u300e\u300f\uff02", '"')
    | {"\u200b": None, "\ufeff": None}
)


def _compiled(patterns: Iterable[str]) -> re2.Pattern[bytes]:
    """All patterns as one; a space stands for any white space."""
    options = re2.Options()
    options.max_mem = MOST_MEMORY
    joined = "|".join(patterns).replace(" ?", r"\s*").replace(" ", r"\s+")
    return re2.compile(joined.encode(), options)


# One for each language: all in one would have more states than there is room for.
_DECLINES: Final = {language: _compiled(patterns) for language, patterns in DECLINES.items()}
_OF_LATIN: Final = tuple(_DECLINES[language] for language in DECLINES if language not in OWN_SCRIPT)
_ANSWERS: Final = _compiled(ANSWERS)
_LETTERS: Final = _compiled(LETTERS)
_NO_REFUSAL: Final = _compiled(NO_REFUSAL)
_REDIRECTIONS: Final = _compiled(REDIRECTIONS)


# Two monitors ask it of the same answers of a window.
@lru_cache(maxsize=1024)
def kind(text: str) -> Kind:
    """Whether the text refuses, in full or in part: then it declines first and goes on with some answer.

    Of a text of any length only the first 900 characters are looked at. Defined for every text.
    """
    head = text[:HEAD].lstrip(MARKUP)
    opening = _plain(head[:OPENING])
    end = _declined(opening)
    if end is None or _LETTERS.match(opening):
        return "none"
    rest = opening[end:] + _plain(head[OPENING:])
    answers = _ANSWERS.finditer(rest)
    is_answered = any(not _REDIRECTIONS.search(rest[answer.start() : answer.end() + NEAR]) for answer in answers)
    return "partial" if is_answered else "full"


def is_refusal(text: str) -> bool:
    """Whether the text refuses in full."""
    return kind(text) == "full"


def _declined(opening: bytes) -> int | None:
    """Where the first words end that decline anything outside of quotation marks; None where there are none."""
    for pattern in _OF_LATIN if opening.isascii() else _DECLINES.values():
        for found in pattern.finditer(opening):
            if not _is_quoted(opening, found.start()) and not _NO_REFUSAL.match(opening, found.end()):
                return int(found.end())
    return None


def _plain(text: str) -> bytes:
    """In lower case, with plain marks and full-width letters made plain (NFKC); what has no encoding becomes "?"."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.translate(_MARKS))
    return text.lower().encode("utf-8", "replace")


def _is_quoted(text: bytes, place: int) -> bool:
    """Whether a quotation is open at that place."""
    return text.count(b'"', 0, place) % 2 == 1
