"""The ways of writing the same character, and how what was written stays valid: escapes, wide forms, JSON's quotes."""

from __future__ import annotations

import re

import re2

_WRITTEN = ("\\n", "\\r", "\\t", "\\f", "\\b")
# Neither letters nor RE2's spaces, and hardly ever in a text.
_CONTROLS = "\x01\x02\x03\x04\x05\x06\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17"
# Python calls these not printable, but they separate groups of digits and are harmless in JSON.
_WIDE_SPACES = "\xa0\u2007\u202f\u3000"
_ESCAPE = re.compile(r"(?<!\\)\\+u([0-9a-fA-F]{4})(?:\\+u([dD][c-fC-F][0-9a-fA-F]{2}))?")


def readable(text: str) -> str:
    """The text with escapes such as `\\u0040` resolved, and without what no store takes: NUL, lone surrogates."""
    # Searching for one character is fifty times faster than for two.
    if "\\" in text and "\\u" in text:
        text = _ESCAPE.sub(_unescape, text)
    # PostgreSQL's text has no NUL.
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text if text.isascii() else _plain(_storable(text))


def _storable(text: str) -> str:
    # UTF-8 has no lone surrogates.
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


# Digits as Chinese, Japanese and Korean keyboards produce them (U+FF10 to U+FF19), with their separators.
_WIDE_NUMBER = (
    r"[\x{FF0B}\x{FF08}\x{FF10}-\x{FF19}][\x{FF08}\x{FF09}\x{FF0D}\x{FF0E}\x{FF10}-\x{FF19}\x{30FC}\x{3000}"
    r" \x{2010}-\x{2015}\x{2212}-]{5,}[\x{FF10}-\x{FF19}]"
)
_WIDE_NAME = r"A-Za-z0-9._%+'\x{FF0E}\x{FF10}-\x{FF19}\x{FF21}-\x{FF3A}\x{FF3F}\x{FF41}-\x{FF5A}\x{FF0D}-"
_WIDE_EMAIL = rf"[{_WIDE_NAME}]{{1,64}}[@\x{{FF20}}][{_WIDE_NAME}]{{1,255}}"
_WIDE = re2.compile(f"{_WIDE_NUMBER}|{_WIDE_EMAIL}")
# Unicode's fullwidth forms are ASCII's characters at an offset, in the same order.
_PLAIN = {0xFEE0 + code: chr(code) for code in range(0x21, 0x7F) if chr(code).isalnum() or chr(code) in "+()-@._%"}
_PLAIN |= {0x30FC: "-", 0x3000: " "}


def _plain(text: str) -> str:
    """Numbers and addresses in fullwidth forms: no secret, but characters that shapes look for, in ASCII."""
    # Fullwidth digits, letters and `@` are between these in UTF-8.
    encoded = text.encode()
    if b"\xef\xbc" not in encoded and b"\xef\xbd" not in encoded:
        return text
    cleaned: str = _WIDE.sub(lambda found: found.group().translate(_PLAIN), text)
    return cleaned


def stand_ins(texts: list[str]) -> list[tuple[str, str]]:
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
