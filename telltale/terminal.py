"""Text from outside, on a terminal."""

from __future__ import annotations

import re

# What moves a terminal's cursor, names its window, or turns the order of its letters around.
_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    """The text with a mark in place of every character that commands a terminal; lines and tabs stay."""
    return _COMMANDS.sub("\N{REPLACEMENT CHARACTER}", text)
