"""Verifies a pattern's matches: by a check digit, a date of birth, an address that parses.

A check maps a match and the kind's mark to the replacement, and how many items that removed.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

Check = Callable[[Any, str], tuple[str, int]]


def always(_match: Any, mark: str) -> tuple[str, int]:
    return mark, 1


def plain(match: Any, _mark: str) -> tuple[str, int]:
    """Not a secret, but characters that other shapes look for: the same in ASCII."""
    found: str = match.group()
    return found.translate(_PLAIN), 0


# Unicode's fullwidth forms are ASCII's characters at an offset, in the same order.
_PLAIN = {0xFEE0 + ord(c): c for c in "0123456789+()-@"} | {0x30FC: "-", 0x3000: " "}


def has_digit(match: Any, mark: str) -> tuple[str, int]:
    # Random keys contain a digit; `sk-learn-documentation` does not.
    found = match.group()
    secret = "://" in found or "PRIVATE KEY" in found or any(c.isdigit() for c in found)
    return (mark, 1) if secret else (found, 0)


def behind(match: Any, mark: str) -> tuple[str, int]:
    """Remove the value after a name and keep the name: it is no secret, and JSON needs it."""
    return match.group(1) + mark, 1


def given(match: Any, mark: str) -> tuple[str, int]:
    """Remove the value after the name of a secret, unless it is a call of a function."""
    value = match.group()[len(match.group(1)) :]
    is_call = match.string[match.end() : match.end() + 1] == "(" and _FUNCTION.fullmatch(value) is not None
    return behind(match, mark) if not is_call and any(c.isdigit() for c in value) else (match.group(), 0)


# A single word may be a password followed by a remark.
_FUNCTION = re.compile(r"[A-Za-z_]\w*[._]\w[\w.]*", re.ASCII)


def given_key(match: Any, mark: str) -> tuple[str, int]:
    """Like `given`, for random keys: they have several digits, which names of variables hardly ever do."""
    is_name = sum(_is_digit(c) for c in match.group()[len(match.group(1)) :]) < 2
    return (match.group(), 0) if is_name else given(match, mark)


def apart(match: Any, mark: str) -> tuple[str, int]:
    """A number by itself, not part of a longer one or of a decimal fraction."""
    text, start, end = match.string, match.start(), match.end()
    before = text[max(0, start - 2) : start]
    fraction = before.endswith(".") and _is_digit(before[:1]) and match.group().isdigit()
    inside = fraction or _is_digit(before[-1:]) or _is_digit(text[end : end + 1])
    return (match.group(), 0) if inside else (mark, 1)


def phone(match: Any, mark: str) -> tuple[str, int]:
    found, before = match.group(), match.string[max(0, match.start() - 1) : match.start()]
    # An addition, or a signed fraction.
    is_sum = found[0] == "+" and ((before.isascii() and before.isalnum()) or _SIGNED.fullmatch(found) is not None)
    return (found, 0) if is_sum else apart(match, mark)


def national(match: Any, mark: str) -> tuple[str, int]:
    """A complete national phone number: the right number of digits, one kind of separator, no adjacent groups."""
    text, start, end = match.string, match.start(), match.end()
    found: str = match.group()
    gaps = [c for c in found if not _is_digit(c) and c not in "()"]
    # A comma may precede a fraction, but more often separates columns of a table.
    before, after = text[max(0, start - 8) : start], text[end : end + 8]
    fraction = _FRACTION.search(before) is not None
    digits = sum(_is_digit(c) for c in found)
    whole = 9 <= digits <= 11 and gaps.count(gaps[0]) == len(gaps)
    beside = _is_word(before[-1:]) or _is_word(after[:1])
    if not whole or beside or fraction or _is_group(before[::-1], gaps[0]) or _is_group(after, gaps[0]):
        return found, 0
    return mark, 1


_FRACTION = re.compile(r"\d\.$|(?<!\d)0,$", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9]*")


def _is_group(beside: str, gap: str) -> bool:
    """Whether the adjacent text, read away from the number, is another group of the same row."""
    word = _WORD.match(beside[1:])
    if beside[:1] != gap or word is None:
        return False
    group = word.group()
    # Words and other numbers may be next to a phone number, but not joined by a hyphen, as in an order number.
    return 2 <= len(group) <= 4 and group.isdigit() if gap.isspace() else bool(group)


def _is_word(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _is_digit(character: str) -> bool:
    return character.isascii() and character.isdigit()


def ssn(match: Any, mark: str) -> tuple[str, int]:
    area, group, serial = re.split(r"\D", match.group())
    issued = area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"
    return apart(match, mark) if issued else (match.group(), 0)


_SIGNED = re.compile(r"\+\d+\.\d+")
_RRN_WEIGHTS = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)


def rrn(match: Any, mark: str) -> tuple[str, int]:
    # Numbers given out since October 2020 have no check digit, so it decides only where no hyphen does: there a
    # timestamp in milliseconds looks the same.
    found = match.group()
    if len(found) == 13:
        total = sum(weight * int(digit) for weight, digit in zip(_RRN_WEIGHTS, found, strict=False))
        if (11 - total % 11) % 10 != int(found[12]):
            return found, 0
    return apart(match, mark)


def ip(match: Any, mark: str) -> tuple[str, int]:
    text, start, end = match.string, match.start(), match.end()
    found = match.group()
    # A colon may belong to the preceding word or to the following text: `IPv6:2001:db8::1`, `2001:db8::1: no route`.
    beside = text[max(0, start - 1) : start]
    word = found.partition(":")[0] if beside.isascii() and beside.isalnum() else ""
    cut = (
        len(word) + 1 if found[len(word) : len(word) + 1] == ":" and found[len(word) + 1 : len(word) + 2] != ":" else 0
    )
    tail = 1 if found.endswith(":") and not found.endswith("::") else 0
    for left, right in ((0, 0), (cut, 0), (0, tail), (cut, tail)):
        begin, stop = start + left, end - right
        if _is_address(text[begin:stop], text[max(0, begin - 2) : begin], text[stop : stop + 2]):
            return text[start:begin] + mark + text[stop:end], 1
    return found, 0


def _is_address(found: str, before: str, after: str) -> bool:
    try:
        address = ipaddress.ip_address(found)
    except ValueError:
        return False
    beside = before[-1:] + after[:1]
    if address.version == 4:
        # A version, or an identifier such as SNMP's, has more parts; a browser version's zeros are no host.
        is_browser = before[-1:] == "/" and found.endswith(".0.0.0")
        longer = (before[-1:] == "." and _is_digit(before[:1])) or (after[:1] == "." and _is_digit(after[1:]))
        return bool(int(address)) and not (longer or is_browser or any(_is_digit(c) for c in beside))
    # `::` alone, in or between names is C++ or Rust; between a few digits it is a slice, not an address.
    short = found.count(":") < 4 and not any(c.isdigit() for c in found)
    is_slice = before[-1:] == "[" and found != "::1" and _SLICE.fullmatch(found) is not None
    return bool(int(address)) and not (short or is_slice or any(c.isascii() and c.isalnum() for c in beside))


_SLICE = re.compile(r"\d{0,3}::\d{0,3}")


def card(match: Any, mark: str) -> tuple[str, int]:
    """Remove whole groups of digits that form a card number; adjacent ones (a CVV, an amount) are kept."""
    before = match.string[max(0, match.start() - 2) : match.start()]
    if before.endswith(".") and _is_digit(before[:1]):
        # Decimals of a fraction.
        return match.group(), 0
    parts = re.split(r"(\D)", match.group())
    groups, gaps = parts[::2], [*parts[1::2], ""]
    out, removed, index = "", 0, 0
    while index < len(groups):
        width = _card_width(groups, index)
        out += (mark if width else groups[index]) + gaps[index + max(width, 1) - 1]
        removed += bool(width)
        index += max(width, 1)
    return out, removed


def _card_width(groups: list[str], start: int) -> int:
    """How many groups from `start` make a card number; 0 if none do."""
    digits, best = "", 0
    for width, group in enumerate(groups[start : start + 19], 1):
        digits += group
        if len(digits) > 19:
            break
        sizes = tuple([len(one) for one in groups[start : start + width]])
        if _is_issued(digits) and (width == 1 or sizes in _CARD_GROUPS) and _luhn(digits):
            best = width
    return best


# As printed on cards.
_CARD_GROUPS = frozenset(
    ((4, 4, 4, 4), (4, 4, 4, 4, 3), (4, 4, 4, 4, 2), (4, 4, 4, 4, 1), (4, 4, 4, 1), (4, 6, 5), (4, 6, 4))
)


def _is_issued(digits: str) -> bool:
    """Whether cards are issued with this prefix and length (ISO/IEC 7812)."""
    size = len(digits)
    if digits[0] == "4":
        return size in (13, 16, 19)
    if digits[:2] in ("34", "37"):
        return size == 15
    if digits[:2] in ("30", "36", "38", "39"):
        return size in (14, 16, 19)
    if "51" <= digits[:2] <= "55" or "2221" <= digits[:4] <= "2720":
        return size == 16
    return (digits[:2] in ("35", "50", "56", "57", "58") or digits[0] == "6") and 13 <= size <= 19


def _luhn(digits: str) -> bool:
    doubled = [sum(divmod(2 * int(d), 10)) if i % 2 else int(d) for i, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def iban(match: Any, mark: str) -> tuple[str, int]:
    """An IBAN of its country's length, complete, and with the right remainder."""
    found, after = match.group(), match.string[match.end() : match.end() + 1]
    if after.isascii() and after.isalnum():
        return found, 0
    return (mark, 1) if _iban_remainder("".join(c for c in found if c.isalnum())) == 1 else (found, 0)


def _iban_remainder(iban: str) -> int:
    moved = iban[4:] + iban[:4]
    return int("".join(str(int(c, 36)) for c in moved)) % 97
