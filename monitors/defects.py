"""What is wrong with a text whatever it says: JSON and code that do not end, loops, noise. Pure."""

from __future__ import annotations

import json
import re
from typing import Final

# What begins so is meant as JSON; `[1] Smith`, `[link](...)` and `{name}` are not.
JSON: Final = re.compile(r"""\s*(?:\{\s*(?:["'}]|[A-Za-z_]\w*\s*:)|\[\s*(?:["'{\[\]]|-?\d[\d.eE+-]*\s*,))""")
JSON_FENCE: Final = re.compile(r"\s*(?:```|~~~)(?:json|JSON)\s*\n")
FENCE: Final = re.compile(r"^ {0,3}(`{3,}|~{3,})([^\n]*)$", re.MULTILINE)

NOISE: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd\ufffe\uffff\ud800-\udfff]"
    # UTF-8 that was read as Windows-1252.
    "|\u00e2\u20ac[\u2122\u0153\u009d\u201c\u201d\u00a6]|\u00c3[\u00a9\u00a8\u00a4\u00b6\u00bc\u00b1\u00a7\u00b3]"
    # Longer than words: bytes in base64, hexadecimal.
    "|[A-Za-z0-9+/=_]{200}"
)

# A loop: a piece at least four times in a row, over at least so many characters. Rules and rows of dots are longer.
LOOPS, LOOP, RULE = 4, 60, 200
PIECE: Final = 16
LONGEST_PIECE: Final = 400
MOST: Final = 8000
GRAM: Final = 12
LEAST_DISTINCT: Final = 0.4


def is_json(text: str) -> bool:
    """Whether the whole text is meant to be read by a program as JSON."""
    return bool(JSON.match(text) or JSON_FENCE.match(text))


def is_broken_json(text: str) -> bool:
    """Whether it is meant as JSON and is none; several values after each other are."""
    if not is_json(text):
        return False
    if fence := JSON_FENCE.match(text):
        text = re.split(r"^\s*(?:```|~~~)", text[fence.end() :], maxsplit=1, flags=re.MULTILINE)[0]
    rest, decoder = text.strip(), json.JSONDecoder()
    try:
        while rest:
            _, end = decoder.raw_decode(rest)
            rest = rest[end:].lstrip()
    except (ValueError, RecursionError):
        return True
    return False


def has_open_fence(text: str) -> bool:
    """Whether a block of code that was begun does not end (CommonMark 0.31, section 4.5)."""
    if "```" not in text and "~~~" not in text:
        return False
    opened = ""
    for fence in FENCE.finditer(text):
        marks, info = fence[1], fence[2].strip()
        if not opened:
            # ```code``` within a line is no block.
            opened = marks if "`" not in info or marks[0] == "~" else ""
        elif marks.startswith(opened) and not info:
            opened = ""
    return bool(opened)


def loops(text: str) -> bool:
    """Whether it says the same thing again and again: at its end, or in most of what is looked at of it."""
    end = text.rstrip()
    if len(end) < LOOP:
        return False
    return _ends_in_loop(end[-MOST:]) or _is_mostly_repeated(end[:MOST])


def _ends_in_loop(end: str) -> bool:
    before = end.rfind(end[-PIECE:], max(0, len(end) - PIECE - LONGEST_PIECE), len(end) - 1)
    if before < 0:
        return False
    period = len(end) - PIECE - before
    run = period
    while run < len(end) and end[-run - 1] == end[-run - 1 + period]:
        run += 1
    is_said = any(map(str.isalnum, end[-period:]))
    return run >= max(LOOPS * period, LOOP if is_said else RULE)


def _is_mostly_repeated(text: str) -> bool:
    """Whether a piece of it comes often, and most of it is said more than once."""
    probes = (text[len(text) * place // 4 :][: 2 * PIECE] for place in (1, 2, 3))
    if not any(text.count(probe) > LOOPS for probe in probes if any(map(str.isalnum, probe))):
        return False
    grams = [text[place : place + GRAM] for place in range(0, len(text) - GRAM + 1)]
    return len(set(grams)) < LEAST_DISTINCT * len(grams)


def is_noise(text: str) -> bool:
    """Whether there are bytes in it that are no text: control characters, replacement characters, wrong encodings."""
    return NOISE.search(text) is not None
