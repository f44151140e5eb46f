"""The ways of writing the same character: escapes, wide forms, and what stands between characters unseen."""

from __future__ import annotations

import re

import re2

# No store takes an unpaired half of a character; JSON needs quotes, backslashes and control characters escaped.
_ESCAPE = re.compile(r"(?<!\\)\\+u([0-9a-fA-F]{4})(?:\\+u([dD][c-fC-F][0-9a-fA-F]{2}))?")


def readable(text: str) -> str:
    """The text with escapes such as `\\u0040` resolved, and without what no store takes: NUL, lone surrogates."""
    # Searching for one character is fifty times faster than for two.
    if "\\" in text and "\\u" in text:
        text = _ESCAPE.sub(_unescape, text)
    # PostgreSQL's text has no NUL.
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text if text.isascii() else _plain(_storable(text))


def stored(text: str, seen: str) -> str:
    """A text in which nothing was found, as it was written but for what no store takes; `seen` is it made readable."""
    if text == seen or _HALF.search(text):
        return seen
    return _storable(text.replace("\0", "\N{REPLACEMENT CHARACTER}"))


# An escape that may be half a character, at which readers of JSON stop.
_HALF = re.compile(r"\\u[dD][89a-fA-F]")


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
    return match[0] if any(c < " " or c in '"\\' for c in decoded) else decoded


# Digits as Chinese, Japanese and Korean keyboards produce them (U+FF10 to U+FF19), with their separators.
_WIDE_NUMBER = (
    r"[\x{FF0B}\x{FF08}\x{FF10}-\x{FF19}][\x{FF08}\x{FF09}\x{FF0D}-\x{FF19}\x{FF3F}\x{30FC}\x{3000}"
    r" \x{2010}-\x{2015}\x{2212}./_-]{5,}[\x{FF10}-\x{FF19}]"
)
_WIDE_NAME = r"A-Za-z0-9._%+'\x{FF0E}\x{FF10}-\x{FF19}\x{FF21}-\x{FF3A}\x{FF3F}\x{FF41}-\x{FF5A}\x{FF0D}-"
_WIDE_EMAIL = rf"[{_WIDE_NAME}]{{1,64}}[@\x{{FF20}}][{_WIDE_NAME}]{{1,255}}"
_WIDE = re2.compile(f"{_WIDE_NUMBER}|{_WIDE_EMAIL}")
# Unicode's fullwidth forms are ASCII's characters at an offset, in the same order.
_PLAIN = {0xFEE0 + code: chr(code) for code in range(0x21, 0x7F) if chr(code).isalnum() or chr(code) in "+()-@._%/"}
_PLAIN |= {0x30FC: "-", 0x3000: " "}


def _plain(text: str) -> str:
    """Numbers and addresses in fullwidth forms: no secret, but characters that shapes look for, in ASCII."""
    # Fullwidth digits, letters and `@` are between these in UTF-8.
    encoded = text.encode()
    if b"\xef\xbc" not in encoded and b"\xef\xbd" not in encoded:
        return text
    cleaned: str = _WIDE.sub(lambda found: found.group().translate(_PLAIN), text)
    return cleaned


# What nobody sees, and word processors, web pages and those who hide something put between letters or digits.
_UNSEEN = "\xad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe0f\ufeff"
_BETWEEN = re.compile(f"(?<=[0-9A-Za-z@._:-])[{_UNSEEN}]+(?=[0-9A-Za-z@._:-])")
_ANY_UNSEEN = re.compile(f"[{_UNSEEN}]")


def visible(text: str) -> str:
    """The text without invisible characters inside words and numbers."""
    return text if text.isascii() or _ANY_UNSEEN.search(text) is None else _BETWEEN.sub("", text)


# Control characters that hardly ever occur, and neither letters nor RE2's spaces: rules pass over them.
BREAK, SIGN, GONE = "\x01", "\x03", "\x02"
_LETTERS = "nrtfb"
_COLOUR = r"\[[0-9;]{0,32}[A-Za-z]"
_OTHER = rf"\\u001[bB]{_COLOUR}|\\u00(?:[01][0-9a-fA-F]|22|5[cC])|\\(?:x1[bB]|033|e){_COLOUR}|\x1b{_COLOUR}|[\x01-\x03]"
_ANY_OTHER = re.compile(_OTHER)
_HIDING = re.compile(rf"\\[{_LETTERS}]|{_OTHER}")
_PLACE = re.compile(f"[{BREAK}{SIGN}{GONE}]")


def hide(text: str) -> tuple[str, list[str]]:
    """The text with a placeholder for each escape and colour, whose last letter would join the word behind it.

    BREAK stands for one such as `\\n`, SIGN for any other. Also returns what the placeholders stand for, in order.
    """
    # Searching for single characters is ten times as fast as for an expression.
    is_coloured = "\x1b" in text or any(mark in text for mark in (BREAK, SIGN, GONE))
    if "\\" not in text and not is_coloured:
        return text, []
    hidden: list[str] = _HIDING.findall(text)
    if not hidden:
        return text, hidden
    if is_coloured or any(len(written) > 2 for written in hidden):
        text = _ANY_OTHER.sub(SIGN, text)
    for letter in _LETTERS:
        text = text.replace("\\" + letter, BREAK)
    return text, hidden


def show(text: str, hidden: list[str]) -> str:
    """The text with what its placeholders stand for; GONE stands for one that was removed."""
    if not hidden:
        return text
    pieces, last = list[str](), 0
    for place, written in zip(_PLACE.finditer(text), hidden, strict=True):
        pieces += (text[last : place.start()], "" if place.group() == GONE else written)
        last = place.end()
    return "".join((*pieces, text[last:]))
