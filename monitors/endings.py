"""Whether a text breaks off. Pure.

What ends a text differs by script and form, so a missing full stop says nothing by itself. A text breaks off where it
ends as its language does not, in a form whose lines end otherwise: a list of words, a table, code, a signature, a
title and an emoji end openly. Where a script has no sign for an end (Thai, Khmer, Lao), nothing breaks off.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Final

# Of a long text the end tells; one of this length may have been cut by whoever kept it.
TAIL: Final = 2000
LONGEST: Final = 50_000
LINES: Final = 12
TITLE_WORDS: Final = 4
# Between words, or an expression that goes on.
GOES_ON: Final = frozenset(",、،\uff0c·&@#\\/-\u2013\u2014_=+<^~([{\uff08「『【《〈$")
SENTENCE: Final = re.compile(r"[.!?…](?=\s|[\"'”\u2019)\]*_])|[。\uff01\uff1f｡\uff0e؟\u06d4।॥\u0589።]")
LIST_ITEM: Final = re.compile(r"\s*(?:[-*•‣◦·\u2013]|\(?\d{1,3}[.):]|\(?[A-Za-z][.)])\s+\S")
TABLE_ROW, CODE_LINE = re.compile(r"\s*\|"), re.compile(r"\t| {4}\S")
ADDRESS: Final = re.compile(r"(?:https?://|www\.|[\w.+-]+@)\S+$")
HANGUL, KANA = re.compile("[\uac00-\ud7a3]"), re.compile("[\u3040-\u30ff]")
HAN: Final = re.compile("[\u3400-\u9fff]")
# Sentences end with these whether or not a mark follows; what comes between sentences does so far more seldom.
KOREAN_ENDS: Final = tuple("다요죠까네음함임됨줘야냐")
JAPANESE_ENDS: Final = ("です", "ます", "した", "せん", "さい", "だ", "ない", "ある", "ね", "よ", "か", "ょう")
# Scripts that separate sentences by a space, or not at all.
UNMARKED: Final = re.compile("[\u0e00-\u0eff\u1780-\u17ff\u1000-\u109f\u0f00-\u0fff]")
INVISIBLE: Final = "\u200b\u200c\u200d\u200e\u200f\u2060\ufe0e\ufe0f\ufeff"
SHORT_HAN, HAN_SENTENCE = 12, 40


def breaks_off(text: str) -> bool:
    """Whether the text ends in the middle of something; an empty one does not."""
    end = text[-TAIL:].rstrip().rstrip(INVISIBLE).rstrip()
    if not end or len(text) > LONGEST or not _is_open(end[-1]):
        return False
    *before, last = end.splitlines()
    if not any(map(str.isalnum, last)):
        return False
    if end[-1] in GOES_ON:
        return not ADDRESS.search(last[-200:])
    return not (_is_open_form(before, last) or _ends_as_its_language_does(end, last))


@cache
def _is_open(mark: str) -> bool:
    """Whether nothing ends with this character by itself: a letter, a digit, a comma."""
    return mark in GOES_ON or unicodedata.category(mark)[0] not in "PSC"


def _is_open_form(before: list[str], last: str) -> bool:
    """Whether lines of this text end without a mark, or its last one is of a kind that needs none."""
    if ADDRESS.search(last) or TABLE_ROW.match(last) or CODE_LINE.match(last) or last.lstrip().startswith("#"):
        return True
    is_item = bool(LIST_ITEM.match(last))
    lines = [line.rstrip().rstrip(INVISIBLE) for line in before[-LINES:] if line.strip()]
    if is_item:
        lines = [line for line in lines if LIST_ITEM.match(line)]
    # A colon announces lines and says nothing of how they end.
    ends = [_is_open(line[-1]) for line in lines if line[-1] not in ":\uff1a"]
    if ends and 2 * sum(ends) >= len(ends):
        return True
    if is_item:
        return not ends
    return bool(before) and len(last.split()) <= TITLE_WORDS and not HAN.search(last)


def _ends_as_its_language_does(end: str, last: str) -> bool:
    if last[-1].isdigit() or UNMARKED.search(last[-8:]):
        return True
    if HANGUL.match(last[-1]):
        return last.endswith(KOREAN_ENDS) or _is_label(end)
    if KANA.match(last[-1]):
        return last.endswith(JAPANESE_ENDS) or (len(end) <= SHORT_HAN and not SENTENCE.search(end))
    if HAN.match(last[-1]):
        # Sentences of a chat often end without a mark; one of many sentences does not.
        return not SENTENCE.search(end) and len(end) <= HAN_SENTENCE
    return _is_label(end)


def _is_label(end: str) -> bool:
    """Whether no sentence was begun: a name, a number, a yes."""
    return len(end.split()) <= TITLE_WORDS and not SENTENCE.search(end)
