"""Numbers that states give out: residents, taxpayers, drivers, travellers, businesses, vehicles."""

from __future__ import annotations

import re

from telltale.redaction.payment import is_ean
from telltale.redaction.shape import (
    ANY_GAP,
    END,
    FIRST,
    GAP,
    THEN_DIGIT,
    UP_TO,
    Shape,
    Span,
    digits,
    in_chain,
    in_row,
)

_DATE = r"\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_RRN = rf"{FIRST}({_DATE}(?:{ANY_GAP})?[1-8]\d{{6}}){END}"
_RRN_WORDS = ("주민", "외국인등록", "거소신고", "resident", "rrn", "alien registration")
_WEIGHTS = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)


def rrn(data: bytes, start: int, end: int) -> list[Span]:
    """A Korean resident or foreigner registration number.

    Numbers given out since October 2020 have no check digit. Without a separator a timestamp in milliseconds or a
    barcode looks the same, and with a dot a number with decimals: there the check digit, a birth since then, or the
    number's name before it decides.
    """
    found = data[start:end]
    before = data[max(0, start - 2) : start]
    if in_chain(data, start, end) or (before[1:] == b"." and before[:1].isdigit()):
        return []
    number, is_bare = digits(found), len(found) == 13
    if is_announced(data, start, _RRN_WORDS):
        return [(start, end)]
    if not is_bare and found[6:7] != b"." and not (b" " in found and in_row(data, start, end)):
        return [(start, end)]
    is_time = is_bare and b"14" <= found[:2] <= b"19"
    return [(start, end)] if not is_time and (_is_checked(number) or (is_bare and _is_recent(number))) else []


def _is_checked(number: bytes) -> bool:
    total = sum(weight * (digit - 48) for weight, digit in zip(_WEIGHTS, number, strict=False))
    # Korean barcodes begin with 880, and some satisfy both.
    return (11 - total % 11) % 10 == number[12] - 48 and not (number[:3] == b"880" and is_ean(number))


def _is_recent(number: bytes) -> bool:
    """Born since October 2020, and not so late that it would be no birth yet."""
    return b"201001" <= number[:6] <= b"301231" and number[6:7] in b"3478"


def is_announced(data: bytes, start: int, words: tuple[str, ...]) -> bool:
    """Whether one of the words stands within 48 bytes before, in the same sentence."""
    before = data[max(0, start - 48) : start].decode("utf-8", "ignore").lower()
    sentence = _SENTENCE_END.split(before)[-1]
    return any(word in sentence for word in words)


_SENTENCE_END = re.compile(r"(?<!\bno)[.?!]\s|[\n\x01\u3002]")


_SSN = rf"{FIRST}(\d{{3}}{GAP}\d{{2}}{GAP}\d{{4}}){END}"
_SSN_NAME = r"(?i)(?:\bssn\b|social[ _-]?security)"
_ITIN_NAME = r"(?i)(?:\bitin\b|taxpayer)"
_NINE = r"\d{3}[ .-]?\d{2}[ .-]?\d{4}"


def ssn(data: bytes, start: int, end: int) -> list[Span]:
    """A United States social security number from an area, group and serial that are given out."""
    number = digits(data[start:end])
    area = number[:3]
    issued = area not in (b"000", b"666") and area < b"900" and number[3:5] != b"00" and number[5:] != b"0000"
    in_table = b" " in data[start:end] and in_row(data, start, end)
    return [(start, end)] if issued and not in_table and not in_chain(data, start, end) else []


def itin(data: bytes, start: int, end: int) -> list[Span]:
    """A United States taxpayer number: it begins with 9, and its group is one that is given out (IRS)."""
    number = digits(data[start:end])
    group = int(number[3:5])
    given_out = 50 <= group <= 65 or 70 <= group <= 88 or (90 <= group <= 99 and group != 93)
    return [(start, end)] if number[:1] == b"9" and given_out and not in_chain(data, start, end) else []


_REGION = r"(?:서울|부산|대구|인천|광주|대전|울산|세종|경기|경기남부|경기북부|강원|충북|충남|전북|전남|경북|경남|제주)"
_LICENCE_NAME = r"(?i)(?:운전[ ]?면허|면허[ ]?번호|driver'?s?[ _-]licen[cs]e)"
# Region, year, serial, check.
_LICENCE = rf"{FIRST}((?:1[1-9]|2[0-8])[-]\d{{2}}[-]\d{{6}}[-]\d{{2}}){END}"
_LICENCE_GIVEN = (
    rf"{_LICENCE_NAME}{UP_TO}(\d{{2}}{ANY_GAP}?\d{{2}}{ANY_GAP}?\d{{6}}{ANY_GAP}?\d{{2}}|[A-Z]{{0,2}}\d{{7,14}}){END}"
)
_LICENCE_OLD = rf"({_REGION}[ ]?-?[ ]?\d{{2}}[ -]\d{{6}}[ -]\d{{2}}){END}"
_PASSPORT_NAME = r"(?i)(?:passport|여권)"
_PASSPORT = rf"{_PASSPORT_NAME}{UP_TO}([A-Z]{{1,2}}\d{{6,8}}|[A-Z]\d{{3}}[A-Z]\d{{4}}|\d{{9}}){END}"
_BUSINESS_NAME = r"(?i)(?:사업자|법인[ ]?등록|business[ _-]reg(?:istration)?(?:[ _-]number)?|\bbrn\b)"
_BUSINESS_CHECKED = rf"{FIRST}([1-9]\d{{2}}-\d{{2}}-\d{{5}}){END}"
_EMPLOYER = rf"(?i)(?:employer identification|\bein\b|\btax id|\bfein\b){UP_TO}(\d{{2}}-?\d{{7}}){END}"
# Two letters of the country, of which some numbers have further letters.
_VAT = (
    r"(?i)\b(?:vat|ust-?id)(?:[ _-]?(?:id|reg|no|number|nr)\.?){0,2}[^0-9a-z\n]{1,4}"
    r"([a-z]{2}[ ]?[0-9a-z]{0,2}\d{6,11}[0-9a-z]{0,3})\b"
)
_KR_SPLIT = rf"(?:주민|외국인[ ]?등록){UP_TO}({_DATE}[^0-9\n]{{1,16}}[1-8]\d{{6}}){END}"
_LICENCE_WORDS = (
    r"(?i)(?:\bdriv(?:er|ing)'?s?[ _-]?licen[cs]e|\bdl[ ]?(?:#|no\b|number)|\blicen[cs]e[ _-](?:no|number|#))"
    r"(?:[ _-]?(?:number|no\.?|num|#|id|is|was|on file))*[^0-9a-z\n]{1,4}([a-z0-9]{1,8}(?:[ -]?[a-z0-9]{2,8}){1,3})\b"
)
_PLATE_SAID = (
    r"(?i)(?:(?:licen[cs]e|number|vehicle|car)[ _-]?plate|plate[ _-]?(?:no|number|#)|\bregistration plate"
    r"|\bvehicle reg(?:istration)?)"
    r"(?:[ _-]?(?:number|no\.?|is|was))*[^0-9a-z\n]{1,4}([a-z0-9]{1,4}(?:[ -]?[a-z0-9]{2,4}){1,2})\b"
)


def business(data: bytes, start: int, end: int) -> list[Span]:
    """A Korean business number by its check digit, where no word announces it."""
    number = [code - 48 for code in digits(data[start:end])]
    total = sum(weight * digit for weight, digit in zip((1, 3, 7, 1, 3, 7, 1, 3, 5), number, strict=False))
    right = (total + number[8] * 5 // 10 + number[9]) % 10 == 0
    return [(start, end)] if right and not in_chain(data, start, end) else []


def some_digits(data: bytes, start: int, end: int) -> list[Span]:
    """A number with letters in it, not words: as people write it until the first word without a digit."""
    size, found = 0, data[start:end]
    for word in found.replace(b"-", b" ").split(b" "):
        if not any(48 <= code <= 57 for code in word) and not (word.isupper() and len(word) <= 4):
            break
        size += len(word) + 1
    kept = found[: max(0, size - 1)]
    return [(start, start + len(kept))] if len(digits(kept)) >= 2 and len(kept) >= 5 else []


_BUSINESS = rf"{_BUSINESS_NAME}{UP_TO}(\d{{3}}{ANY_GAP}?\d{{2}}{ANY_GAP}?\d{{5}}|\d{{6}}{ANY_GAP}?\d{{7}}){END}"
_PLATE_LETTER = "[가나다라마거너더러머버서어저고노도로모보소오조구누두루무부수우주바사아자배하허호육공해국합]"
_PLATE = rf"{FIRST}(\d{{2,3}}{_PLATE_LETTER}[ ]?\d{{4}})"
_PLATE_OLD = rf"({_REGION}[ ]?\d{{1,2}}[ ]?{_PLATE_LETTER}[ ]?\d{{4}})"
_PLATE_WORDS = ("차량", "번호판", "차번호", "자동차", "주차", "차 번호", "운전", "plate", "vehicle", "car ")
# What is counted: `12조3456억` is money.
_COUNTS = "조주호도자수로오부하마사우다나가서어고소보구무배"
_NO_DIGITS = dict.fromkeys(map(ord, "0123456789 "))
_UNITS = ("억", "만", "원", "년", "명", "개", "%", "천", "호", "번지", ",", "월")


def plate(data: bytes, start: int, end: int) -> list[Span]:
    """A Korean plate; with a space inside only where a vehicle is mentioned, as words for numbers have its letters."""
    after = data[end : end + 3].decode("utf-8", "ignore")
    if (after[:1].isascii() and after[:1].isalnum()) or after.startswith(_UNITS):
        return []
    letter = data[start:end].decode().translate(_NO_DIGITS)[:1]
    return (
        []
        if b" " in data[start:end] and letter in _COUNTS and not is_announced(data, start, _PLATE_WORDS)
        else [(start, end)]
    )


ANNOUNCED = (
    Shape("passport", _PASSPORT, sign=_PASSPORT_NAME + THEN_DIGIT),
    Shape("driver_license", _LICENCE_GIVEN, sign=_LICENCE_NAME + THEN_DIGIT),
    Shape("driver_license", _LICENCE),
    Shape("driver_license", _LICENCE_OLD),
    Shape("driver_license", _LICENCE_WORDS, some_digits),
    Shape("business_number", _BUSINESS, sign=_BUSINESS_NAME + THEN_DIGIT),
    Shape("business_number", _BUSINESS_CHECKED, business),
    Shape("business_number", _EMPLOYER),
    Shape("business_number", _VAT),
    Shape("kr_rrn", _KR_SPLIT, sign="(?:주민|외국인[ ]?등록)" + THEN_DIGIT),
    Shape("us_ssn", rf"{_SSN_NAME}{UP_TO}({_NINE}){END}", ssn, _SSN_NAME + THEN_DIGIT),
    Shape("us_itin", rf"{_ITIN_NAME}{UP_TO}({_NINE}){END}", itin, _ITIN_NAME + THEN_DIGIT),
)
"""Recognised by the words before them, or by a shape that nothing else has."""
RESIDENTS = (Shape("kr_rrn", _RRN, rrn),)
TAXPAYERS = (Shape("us_ssn", _SSN, ssn), Shape("us_itin", rf"{FIRST}(9\d\d-\d\d-\d{{4}}){END}", itin))
PLATES = (Shape("plate", _PLATE_SAID, some_digits), Shape("plate", _PLATE_OLD), Shape("plate", _PLATE, plate))
