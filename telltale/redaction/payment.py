"""Cards, IBANs and bank accounts."""

from __future__ import annotations

import re

from telltale.redaction.shape import (
    ALONE,
    ANY_GAP,
    DASH,
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
    trimmed,
)

_CARD_GAP = r"[^0-9A-Za-z]{1,4}"
_FOUR = r"(?:4\d|5[0-8]|6[02-57]|3[04-9]|2[2-7])\d\d"
_CARD = (
    # Four groups of four, some with a fifth; American Express and Diners Club; halves; together. The first Visa cards
    # had 13 digits.
    rf"(?:{_FOUR}(?:{_CARD_GAP}\d{{4}}){{3}}(?:{ANY_GAP}?\d{{1,3}})?"
    # With some gaps left out; over two lines.
    rf"|{_FOUR}(?:[ -]?\d{{4}}){{3}}|3[47]\d\d(?:{ANY_GAP}\d{{4}}){{2}}{ANY_GAP}\d{{3}}"
    rf"|{_FOUR}{ANY_GAP}\d{{4}}\n\d{{4}}{ANY_GAP}\d{{4}}|{_FOUR}(?:{ANY_GAP}\d{{4}}){{2}}\n\d{{4}}"
    rf"|3[4-9]\d\d{ANY_GAP}\d{{6}}{ANY_GAP}\d{{4,5}}"
    rf"|{_FOUR}\d{{4}}{ANY_GAP}\d{{8}}|{_FOUR}\d\d{ANY_GAP}\d{{10}}"
    rf"|{_FOUR}\d{{12,15}}|3[4-9]\d{{12,13}}|4\d{{12}}){END}"
)
# Groups of four behind the first: of bytes, and so short that `re`, which is faster there, cannot take long.
_NEXT = re.compile(
    rb"\d+[^0-9A-Za-z]{1,12}((?:4\d|5[0-8]|6[02-57]|3[04-9]|2[2-7])\d\d(?:[^0-9A-Za-z]{1,12}\d{4}){3}"
    rb"(?:[ ./_:~-]\d{1,3})?)(?![0-9A-Za-z])"
)


def card(data: bytes, start: int, end: int) -> list[Span]:
    """Groups of digits that form a card number; adjacent ones (a CVV, an amount) and rows of a table are kept."""
    start, end = trimmed(data, start, end)
    last = end
    while start < last:
        size = _card_size(data[start:end])
        if size:
            return [] if _in_row(data, start, start + size) else [(start, start + size)]
        # The number may begin with the second group.
        if data[start:end].isdigit():
            break
        found = _NEXT.match(data, start, end + 24)
        if found is None:
            break
        start, end = found.span(1)
    return []


def _card_size(found: bytes) -> int:
    """How many bytes from the beginning are a card number; what follows the last separator may be a CVV."""
    if is_card(digits(found)):
        return len(found)
    without = found[:-3].rstrip(b"0123456789").rstrip(b" ./_:~-") if found[-4:].isdigit() is False else b""
    return len(without) if len(without) >= 16 and is_card(digits(without)) else 0


def _in_row(data: bytes, start: int, end: int) -> bool:
    """Whether groups of four digits that are no card stand before or behind it, as in a table."""
    before, after = data[max(0, start - 25) : start], data[end : end + 20]
    if data[start:end].translate(None, _CELLS) != data[start:end]:
        left, right = before[-6:].rstrip(_BETWEEN), after[:6].lstrip(_BETWEEN)
        return left[-1:].isdigit() or right[:1].isdigit()
    if before[-1:] + before[-6:-5] == b"  " and before[-5:-1].isdigit():
        longer = len(before) == 25 and before[:4].isdigit() and before[4:5] == b" "
        return longer or not is_card(digits(before))
    return after[:1] + after[5:6] == b"  " and (after[1:5] + after[6:10]).isdigit() and not is_card(digits(after))


# What separates a table's columns and lines more often than a card's groups.
_CELLS, _BETWEEN = b',|;\n"', b',|;\n" '


def is_card(number: bytes) -> bool:
    """Whether cards are issued with this prefix and length (ISO/IEC 7812), and the check digit is right."""
    return luhn(number) and _is_issued(number) and not (len(number) == 13 and is_ean(number))


def _is_issued(number: bytes) -> bool:
    size, two = len(number), number[:2]
    if number[:1] == b"4":
        return size in (13, 16, 19)
    if two in (b"34", b"37"):
        return size == 15
    if two in (b"30", b"36", b"38", b"39"):
        return size in (14, 16, 19)
    if b"51" <= two <= b"55" or b"2221" <= number[:4] <= b"2720":
        return size == 16
    return (two in (b"35", b"50", b"56", b"57", b"58") or two[:1] == b"6") and 16 <= size <= 19


# Twice a digit, and the sum of that number's digits; as numbers, not characters.
_DOUBLED = bytes.maketrans(b"0123456789", bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)))
_ONCE = bytes.maketrans(b"0123456789", bytes(range(10)))


def luhn(number: bytes) -> bool:
    """Whether the last digit checks the others (ISO/IEC 7812-1)."""
    return (sum(number[-1::-2].translate(_ONCE)) + sum(number[-2::-2].translate(_DOUBLED))) % 10 == 0


def is_ean(number: bytes) -> bool:
    """Whether the last of 13 digits checks the others as in a barcode (GS1 EAN-13)."""
    values = number.translate(_ONCE)
    return (sum(values[::2]) + 3 * sum(values[1::2])) % 10 == 0


# SWIFT's IBAN registry: countries by the length of their numbers.
_IBANS = {
    15: "no", 16: "be", 18: "dk fi fk fo gl nl sd", 19: "mk si", 20: "at ba ee kz lt lu mn xk", 21: "ch hr li lv",
    22: "bg bh cr de gb ge ie me rs va", 23: "ae gi il iq om so tl", 24: "ad cz es md pk ro sa se sk tn vg",
    25: "ly pt st", 26: "is tr", 27: "dj fr gr it mc mr sm", 28: "al az by cy do gt hn hu lb ni pl sv",
    29: "br eg ps qa ua", 30: "jo kw mu ye", 31: "mt sc", 32: "lc", 33: "ru",
}  # fmt: skip
_IBAN_HEADS = "|".join(_IBANS.values()).replace(" ", "|")
_IBAN_GAP = rf"[.{DASH} \x{{A0}}\x{{2007}}\x{{202F}}]"
_IBAN = "|".join(
    rf"(?:{countries.replace(' ', '|')})\d{{2}}(?:{_IBAN_GAP}?[a-z0-9]){{{length - 4}}}"
    for length, countries in _IBANS.items()
)


def iban(data: bytes, start: int, end: int) -> list[Span]:
    """An IBAN of its country's length, complete, and with the right remainder (ISO 13616)."""
    if data[end : end + 1].isalnum():
        return []
    number = bytes(code for code in data[start:end] if code < 128 and chr(code).isalnum()).decode()
    remainder = int("".join(str(int(c, 36)) for c in number[4:] + number[:4])) % 97
    return [(start, end)] if remainder == 1 else []


_BANK = (
    r"(?i)(?:계좌|입금|송금|이체|예금|통장|은행|뱅크|농협|수협|신협|우체국|새마을금고"
    r"|\b(?:bank[ _-]?)?(?:account|acct|a/c)[ _-]?(?:no|num|number|nr|#)\b"
    r"|\b(?:bank|checking|savings|current)[ _-]account|\brouting[ _-]?(?:no|number)\b)"
)
_ACCOUNT = rf"{_BANK}{UP_TO}(\d{{2,6}}(?:{GAP}\d{{1,7}}){{1,4}}|\d{{8,17}}){END}"
_TIME = re.compile(rb"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d*")


def account(data: bytes, start: int, end: int) -> list[Span]:
    """A number that words announce as an account's: long enough, no date, no time."""
    found = data[start:end]
    number = digits(found)
    least = 8 if found == number and data[:start].isascii() else 10
    is_time = _TIME.fullmatch(number) is not None or b":" in data[end : end + 1]
    return [(start, end)] if least <= len(number) <= 17 and not is_time else []


# Digit by digit.
_SPELLED = rf"{ALONE}([3-6](?:[ ./_-]\d){{13,18}}){END}"


def spelled(data: bytes, start: int, end: int) -> list[Span]:
    """A card's digits one by one, and no more of them."""
    alone = not in_chain(data, start, end) and not in_row(data, start, end)
    return [(start, end)] if alone and is_card(digits(data[start:end])) else []


# Cards that are valid in Korea only begin with 9, as much else does: a word announces them or comes right after.
_CARD_WORD = r"(?i)(?:카드|국내[ ]?전용|\bcard)"
_NINE = rf"9\d{{3}}(?:{_CARD_GAP}\d{{4}}){{3}}|9\d{{7}}{ANY_GAP}\d{{8}}|9\d{{5}}{ANY_GAP}\d{{10}}|9\d{{15}}"
_LOCAL = rf"{_CARD_WORD}{UP_TO}({_NINE}|9(?:[ ./_-]\d){{15}}){END}"
_LOCAL_BEFORE = rf"{ALONE}(9\d{{3}}(?:[ .-]\d{{4}}){{3}})[^0-9\n.?!]{{0,12}}카드"


def local(data: bytes, start: int, end: int) -> list[Span]:
    """Sixteen digits with the right check digit, and no more of them."""
    number = digits(data[start:end])
    alone = not in_chain(data, start, end) and not _in_row(data, start, end)
    return [(start, end)] if alone and luhn(number) else []


CARDS = (
    Shape("card", ALONE + _CARD, card),
    Shape("card", _SPELLED, spelled),
    Shape("card", _LOCAL, local, _CARD_WORD + THEN_DIGIT),
    Shape("card", _LOCAL_BEFORE, local),
)
IBANS = (Shape("iban", rf"(?i)(?:\b|_)({_IBAN})", iban, rf"(?i)(?:\b|_)(?:{_IBAN_HEADS})\d{{2}}{_IBAN_GAP}?[a-z0-9]"),)
_ACCOUNT_OF = (
    rf"{FIRST}(\d{{3,6}}-\d{{2,6}}-\d{{3,7}}(?:-\d{{1,5}})?)[ (]{{0,2}}"
    r"(?:[가-힣A-Z]{1,6}(?:은행|뱅크)|농협|신협|우체국)"
)
ACCOUNTS = (Shape("bank_account", _ACCOUNT, account, _BANK + THEN_DIGIT), Shape("bank_account", _ACCOUNT_OF, account))
