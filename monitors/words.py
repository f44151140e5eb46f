"""What a text is compared by: words, and pieces of words where words are not what spaces divide.

Korean words carry their particles with them, so one new word has a dozen forms: pairs of syllables are common to all.
Chinese and Japanese have no spaces (pairs of characters), nor have Thai, Lao, Khmer and Burmese, whose letters say less
each (three of them).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

# Of a very long text the beginning is compared: what a text costs is bounded.
MOST_CHARACTERS: Final = 50_000
# A whole run is kept beside its pieces, to be shown: not where it is a whole clause.
LONGEST_RUN: Final = 12
RUN: Final = " "
"""What a whole run begins with among the pieces; no word or piece has it, and it sorts before all of them."""

_OF_TWO: Final = "\u3005\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\U00020000-\U0003ffff"
_OF_THREE: Final = "\u0e00-\u0e4e\u0e80-\u0ece\u1000-\u1049\u1780-\u17d3"
# Vowel signs and accents belong to their word, though they are no letters.
_SIGNS: Final = "\u0300-\u036f\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff"
_ASCII: Final = bytes(ord(c) if (c := chr(code)).isascii() and c.isalnum() else ord(" ") for code in range(256)).lower()
_RUNS: Final = re.compile(
    rf"([{_OF_TWO}]+)|([{_OF_THREE}]+)|([^\W_{_OF_TWO}{_OF_THREE}](?:[^\W_{_OF_TWO}{_OF_THREE}]|[{_SIGNS}])*)"
)
_PIECE: Final = re.compile(rf"[{_OF_TWO}]{{2}}|[{_OF_THREE}]{{3}}")
_HANGUL: Final = re.compile("[\uac00-\ud7a3]")


def of(text: str) -> set[str]:
    """The words and pieces of a text, each once, and the whole Korean runs that pieces come from, marked by `RUN`."""
    text = text[:MOST_CHARACTERS].lower()
    if text.isascii():
        return set(text.encode().translate(_ASCII).decode().split())
    found: set[str] = set()
    for two, three, word in _RUNS.findall(unicodedata.normalize("NFKC", text)):
        if word:
            found.add(word)
        elif two:
            found.update(map("".join, pairwise(two)) if len(two) > 1 else two)
            if len(two) <= LONGEST_RUN and two[0] >= "\uac00":
                found.add(RUN + two)
        else:
            found.update(map("".join, zip(three, three[1:], three[2:], strict=False)) if len(three) > 2 else [three])
    return found


def is_piece(word: str) -> bool:
    """Whether it is a piece of a run, not a word."""
    return _PIECE.fullmatch(word) is not None


def joined(piece: str, others: Mapping[str, float]) -> str:
    """The longest run that pieces make which overlap and changed alike; `others` are they, with the size of change."""
    found = piece
    for _ in range(LONGEST_RUN - len(piece)):
        after = [other for other in others if is_piece(other) and found.endswith(other[:-1]) and other not in found]
        before = [other for other in others if is_piece(other) and found.startswith(other[1:]) and other not in found]
        if after:
            found += max(after, key=others.__getitem__)[-1]
        elif before:
            found = max(before, key=others.__getitem__)[0] + found
        else:
            break
    return found


def readable(piece: str, runs: Sequence[str], counts: Sequence[float]) -> str:
    """The run that contains these syllables most often; themselves where none is known."""
    if not _HANGUL.search(piece):
        return piece
    containing = [(count, run) for run, count in zip(runs, counts, strict=True) if piece in run and count]
    return max(containing)[1].removeprefix(RUN) if containing else piece


def whole(names: Sequence[str]) -> list[str]:
    """Names without their marks, each once, without single letters and what another one contains."""
    bare = dict.fromkeys(name.strip() for name in names)
    told = [name for name in bare if len(name) > 1 or not name.isascii()]
    # A short word of Latin letters may be part of any other; a piece of a run is that run's.
    return [one for one in told if one.isascii() or not any(one != other and one in other for other in told)]
