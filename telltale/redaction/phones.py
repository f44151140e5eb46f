"""Telephone numbers: international, and as Korea, the United States and some of Europe and Japan write them at home."""

from __future__ import annotations

import re

from telltale.redaction.shape import (
    ALONE,
    DASH,
    END,
    FIRST,
    SPACE,
    THEN_DIGIT,
    UP_TO,
    Shape,
    Span,
    digits,
    in_chain,
    in_row,
    is_word,
)

_GAP = rf"(?:{SPACE}|{SPACE}?[.){DASH}]{SPACE}?)"
_MOBILE_GAP = rf"(?:{SPACE}|(?:에|의|국에|[ ]다시)[ ]?|{SPACE}?[./){DASH}]{SPACE}?)"
_NARROW = rf"[{DASH} \x{{A0}}\x{{2007}}\x{{202F}}]"
_ABROAD = (
    rf"(?:^|[^0-9A-Za-z])(\+[1-9](?:[(){DASH}/ \x{{A0}}\x{{2007}}\x{{202F}}]{{0,2}}\d){{6,14}}"
    # One dot is a signed fraction.
    r"|\+[1-9]\d{0,2}(?:\.\d{2,4}){2,5})" + END
)
_MOBILE = r"01[016789]"
_AREA = r"0(?:2|[3-6]\d|70|50\d|80)"
_KOREA = (
    rf"{FIRST}(\({_MOBILE}\){_GAP}?\d{{3,4}}{_GAP}?\d{{4}}|{_MOBILE}{_MOBILE_GAP}\d{{3,4}}{_MOBILE_GAP}?\d{{4}}"
    r"|01[016789][^0-9A-Za-z\n]{1,3}\d{3,4}[^0-9A-Za-z\n]{1,3}\d{4})" + END
)
_KOREA_HOME = rf"{FIRST}(\({_AREA}\){_GAP}?\d{{3,4}}{_GAP}?\d{{4}}|{_AREA}{_GAP}\d{{3,4}}{_GAP}?\d{{4}}){END}"
_KOREA_BARE = (
    rf"{ALONE}({_MOBILE}\d{{7,8}}|{_MOBILE}\d{{3,4}}{_GAP}\d{{4}}"
    r"|0(?:2|3[1-3]|4[1-4]|5[1-5]|6[1-4]|70|50\d)\d{7,8})" + END
)
# Korea's country code without a plus.
_KOREA_82 = (
    rf"{FIRST}((?:00)?82{_GAP}(?:\(0\){_GAP}?)?0?(?:1[016789]{_GAP}?|(?:2|[3-6]\d|70){_GAP})\d{{3,4}}{_GAP}?\d{{4}}"
    r"|821[016789](?:\d{7,8}|-\d{3,4}-\d{4}))" + END
)
_US = rf"{FIRST}((?:1{_GAP})?(?:\([2-9]\d{{2}}\){_GAP}?|[2-9]\d{{2}}{_GAP})[2-9]\d{{2}}{_GAP}\d{{4}}){END}"
_CALL = r"(?i)(?:phone|\btel\b|\bcall|mobile|\bcell|\bfax|\bsms\b|whatsapp|전화|연락처|휴대폰|핸드폰|팩스)"
_US_BARE = rf"{_CALL}{UP_TO}((?:\+?1)?[2-9]\d{{2}}[ ]?[2-9]\d{{2}}[ -]?\d{{4}}){END}"


def abroad(data: bytes, start: int, end: int) -> list[Span]:
    """A plus, and a number of eight digits or more."""
    return apart(data, start, end) if len(digits(data[start:end])) >= 8 else []


def apart(data: bytes, start: int, end: int) -> list[Span]:
    """A number by itself, not part of a longer one."""
    after = data[end : end + 1] in (b"-", b".") and data[end + 1 : end + 2].isdigit()
    return [] if after else [(start, end)]


def american(data: bytes, start: int, end: int) -> list[Span]:
    """Ten digits in groups; between spaces alone not in a row with other numbers, as in a table."""
    found = data[start:end]
    if in_chain(data, start, end):
        return []
    return [] if not found.translate(None, b" 0123456789") and in_row(data, start, end) else [(start, end)]


def national(data: bytes, start: int, end: int) -> list[Span]:
    """A complete national number: the right number of digits, one kind of separator, no adjacent groups."""
    found = data[start:end].decode()
    gaps = [c for c in found if not (c.isascii() and c.isdigit()) and c not in "()"]
    # A comma may precede a fraction, but more often separates columns of a table.
    before = data[max(0, start - 8) : start].decode("utf-8", "ignore")
    after = data[end : end + 8].decode("utf-8", "ignore")
    whole = 9 <= len(digits(data[start:end])) <= 11 and gaps.count(gaps[0]) == len(gaps)
    beside = is_word(data, start - 1) or is_word(data, end)
    fraction = _FRACTION.search(before) is not None
    if not whole or beside or fraction or _is_group(before[::-1], gaps[0]) or _is_group(after, gaps[0]):
        return []
    return [(start, end)]


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


_NATIONAL_GAP = rf"[.{DASH} \x{{A0}}\x{{2007}}\x{{202F}}]"
_ANNOUNCED = (
    r"(?i)(?:phone|\btel|mobile|whatsapp|전화번호|전화|연락처|휴대폰|핸드폰)[^0-9A-Za-z\n]{1,4}(\+?\d{9,14})" + END
)
_SPOKEN = r"공일[공일육칠팔구][ -]?[공영일이삼사오육칠팔구]{3,4}[ -]?[공영일이삼사오육칠팔구]{4}"
PHONES = (
    Shape("phone", _SPOKEN),
    Shape("phone", _ANNOUNCED, apart),
    Shape("phone", _ABROAD, abroad),
    Shape("phone", _KOREA_82, apart),
    Shape("phone", _KOREA, apart),
    Shape("phone", _KOREA_HOME, apart),
    Shape("phone", _KOREA_BARE, apart),
    Shape("phone", _US, american),
    Shape("phone", _US_BARE, apart, _CALL + THEN_DIGIT),
    # The United Kingdom, Italy, Japan; France; Germany.
    Shape("phone", rf"(?:\(|\b)0[1-9]\d{{0,3}}\)?{_NARROW}\d{{3,4}}{_NARROW}\d{{3,4}}", national),
    Shape("phone", rf"\b0[1-9](?:{_NATIONAL_GAP}\d{{2}}){{4}}", national),
    Shape("phone", rf"\b0[1-9]\d{{1,3}}(?:/|{_NARROW})\d{{6,8}}", national),
)
