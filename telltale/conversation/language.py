"""The language of a text as far as its script tells it: enough to tell Korean traffic from the rest, at no cost."""

from __future__ import annotations

import re
from typing import Final

# A long text is as much in its language at its beginning.
MOST: Final = 400
# Scripts of one language, and scripts of several. Kana before Han: Japanese has both.
_SCRIPTS: Final = (
    ("ko", re.compile(r"[\uac00-\ud7a3\u1100-\u11ff\u3131-\u318e]")),
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("zh", re.compile(r"[\u3400-\u9fff]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("arabic", re.compile(r"[\u0600-\u06ff]")),
    ("cyrillic", re.compile(r"[\u0400-\u04ff]")),
    ("devanagari", re.compile(r"[\u0900-\u097f]")),
)
_LATIN: Final = re.compile(r"[A-Za-z\u00c0-\u024f]")
# English names and code stand in every language's texts: a fifth of the letters is enough for another script.
_SHARE: Final = 0.2


def of(text: str) -> str | None:
    """ISO 639-1 of a language with a script of its own, else the script's name; None for a text without letters."""
    begin = text[:MOST]
    if begin.isascii():
        return "latin" if _LATIN.search(begin) else None
    latin = len(_LATIN.findall(begin))
    counts = {name: len(pattern.findall(begin)) for name, pattern in _SCRIPTS}
    if counts["ja"] and counts["zh"]:
        counts["ja"] += counts.pop("zh")
    name = max(counts, key=lambda name: counts[name])
    if counts[name] and counts[name] >= _SHARE * (latin + sum(counts.values())):
        return name
    return "latin" if latin else None
