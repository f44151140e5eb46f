"""Removes personal data and secrets from text before it is stored.

Every pattern is RE2, so the time is linear in the text whatever the text is. One pass of a pattern set says which
patterns occur at all; only those are substituted. What a pattern finds is checked where a check exists (Luhn, IBAN's
remainder, a date of birth, an address that parses), so that order numbers and versions mostly stay.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

# How many characters behind a length limit are looked at too.
BEYOND = 512

Counts = dict[str, int]
Check = Callable[[Any, str], tuple[str, int]]

_URL = r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/:@]{0,128}:[^\s/@]{1,256}@"
# Groq, xAI, Perplexity, Replicate, Jina, Stripe's hooks, Linear, Grafana, Shopify, DigitalOcean, LangSmith.
_PREFIXES = (
    r"\b(?:gsk_|xai-|pplx-|r8_|jina_|whsec_|lin_api_|gl(?:sa|c)_|shp(?:at|ca|pa|ss)_|do[opr]_v1_|lsv2_(?:pt|sk)_)"
)
# NVIDIA, Tavily, Vault, Google, Docker, PyPI, Slack's apps, GitLab's triggers, Atlassian, Postman, Figma.
_DASHED_PREFIXES = r"\b(?:nvapi-|tvly-|hv[bs]\.|ya29\.|GOCSPX-|dckr_pat_|pypi-AgE|xapp-|glptt-|ATATT3|PMAK-|figd_)"
_HOOKS = r"\b(?:hooks\.slack\.com/services/|discord(?:app)?\.com/api/webhooks/)"
_KEY_OF = r"(?i)\b(?:aws_secret_key|(?:aws_)?secret_?access_?key|(?:account|sharedaccess)key)"
_GIVEN = r"""\\*["']?\s{0,3}[:=]\s{0,3}\\*["']?"""
_PREFIXED = _PREFIXES + r"[A-Za-z0-9]{30,}(?:_[A-Za-z0-9]+)?"
_PREFIXED_DASHED = _DASHED_PREFIXES + r"[A-Za-z0-9_-]{20,}"
_NAMED_KEY = _KEY_OF + _GIVEN + r"[A-Za-z0-9/+=]{40,}"
_SECRETS = (
    # Cut off by a length limit, a private key has no end line: then it reaches to the end of the text.
    r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-[^-])*(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----)?",
    r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?",
    r"\b(?:sk|pk)-[A-Za-z0-9_-]{16,}",
    r"\b(?:sk|pk|rk)_(?:live|test|prod)_[A-Za-z0-9]{8,}",
    r"\bgh[pousr]_[A-Za-z0-9]{20,}",
    r"\bgithub_pat_[A-Za-z0-9_]{20,}",
    r"\bglpat-[A-Za-z0-9_-]{16,}",
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}",
    r"\bAIza[A-Za-z0-9_-]{30,}",
    r"\bhf_[A-Za-z0-9]{20,}",
    r"\bnpm_[A-Za-z0-9]{30,}",
    r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    r"\btt_[0-9a-f]{8}_[A-Za-z0-9_-]{32,}",
    _PREFIXED,
    _PREFIXED_DASHED,
    r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
    r"\bdapi[0-9a-f]{32}",
    _HOOKS + r"[A-Za-z0-9/_-]{16,}",
    _NAMED_KEY,
    r"(?i)\bbearer[ \t]+[A-Za-z0-9._~+/=-]{16,}",
    _URL,
)
_BASIC = r"(?i)\bauthorization" + _GIVEN + r"basic[ \t]+[A-Za-z0-9+/=]{8,}"
# A name is in Latin, Greek and Cyrillic letters, or in others alone: words of those stand right before an address.
_EMAIL = (
    r"(?i)(?:[a-z0-9\x{C0}-\x{52F}\x{1E00}-\x{1FFF}._%+'-]{1,64}|[\x{80}-\x{10FFFF}]{1,32})"
    r"@(?:[a-z0-9\x{80}-\x{10FFFF}-]{1,63}\.)+[a-z\x{80}-\x{10FFFF}][a-z0-9\x{80}-\x{10FFFF}-]{1,62}"
)
# The IBAN registry of SWIFT: countries by how many characters their numbers have.
_IBANS = {
    15: "no", 16: "be", 18: "dk fi fk fo gl nl sd", 19: "mk si", 20: "at ba ee kz lt lu mn xk", 21: "ch hr li lv",
    22: "bg bh cr de gb ge ie me rs va", 23: "ae gi il iq om so tl", 24: "ad cz es md pk ro sa se sk tn vg",
    25: "ly pt st", 26: "is tr", 27: "dj fr gr it mc mr sm", 28: "al az by cy do gt hn hu lb ni pl sv",
    29: "br eg ps qa ua", 30: "jo kw mu ye", 31: "mt sc", 32: "lc", 33: "ru",
}  # fmt: skip
_IBAN_HEADS = "|".join(_IBANS.values()).replace(" ", "|")
_IBANS_WHOLE = [
    rf"(?:{countries.replace(' ', '|')})\d{{2}}(?:[ -]?[a-z0-9]){{{length - 4}}}"
    for length, countries in _IBANS.items()
]
_IBAN = rf"(?i)\b(?:{'|'.join(_IBANS_WHOLE)})"
_DIGITS = r"\d(?:[ -]?\d){12,}"
_KR_RRN = r"\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])[ -]?[1-8]\d{6}"
_US_SSN = r"\d{3}[- ]\d{2}[- ]\d{4}"
_PHONES = (
    r"\+\d(?:[ .()-]{0,2}\d){6,14}",
    r"\(?0(?:1[016789]|2|[3-6]\d|70|50\d)\)?[ .-]{0,2}\d{3,4}[ .-]?\d{4}",
    r"(?:\([2-9]\d{2}\)[ .-]?|[2-9]\d{2}[ .-])\d{3}[ .-]\d{4}",
)
_IPV4 = r"\d{1,3}(?:\.\d{1,3}){3}"
_IPV6 = r"(?i)[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?:(?:\.\d{1,3}){3})?"

# What a match cannot be without, which the first look takes in place of the expression. One that counts has a state for
# each count, and two of them one for each pair: on real text that took an eighth to a third of the time.
_SIGNS = {
    _PREFIXED: _PREFIXES,
    _PREFIXED_DASHED: _DASHED_PREFIXES,
    _NAMED_KEY: _KEY_OF,
    _BASIC: r"(?i)\bauthorization",
    _IBAN: rf"(?i)\b(?:{_IBAN_HEADS})\d{{2}}[ -]?[a-z0-9]",
    _URL: r"://[^\s/@]*@",
    _EMAIL: r"(?i)[a-z0-9._%+'\x{80}-\x{10FFFF}-]@[a-z0-9\x{80}-\x{10FFFF}-]",
}


def redact(text: str, extra_rules: Mapping[str, str] | None = None) -> tuple[str, Counts]:
    """The text with `[KIND]` in place of what was found, and how many of each kind were removed.

    `extra_rules` maps a kind to an RE2 expression and runs before the built-in rules. Escapes such as `\\u0040` are
    resolved first, or an escaped address would pass; NUL and lone surrogates, which no store takes, are replaced.
    Raises ValueError for an expression that RE2 does not take.
    """
    [redacted], counts = _redactor(tuple(sorted((extra_rules or {}).items()))).redact(text)
    return redacted, counts


def redact_within(text: str, most: int, extra_rules: Mapping[str, str] | None = None) -> str:
    """At most so many characters of the text as `redact` leaves it; what its end cuts in two is seen for what it is."""
    redacted, _ = redact(text[: most + BEYOND], extra_rules)
    return within(redacted, len(text), most)


def within(redacted: str, size: int, most: int) -> str:
    """At most so many characters of what is left of a text of that size, of which `most` and BEYOND were looked at.

    What the look's own end cut in two may stand at the end, before `most` where marks have made the text shorter.
    """
    return (redacted[:-BEYOND] if size > most + BEYOND else redacted)[:most]


def pseudonym(key: bytes, name: str) -> str:
    """What stands for a name wherever the same one is told from others: only who has the key can make it."""
    return hmac.new(key, name.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Rule:
    """`check` maps a match and the kind's mark to what stands in for the match, and how many things that removed."""

    kind: str
    pattern: Any
    check: Check


class Redactor:
    """Compiled rules. Build it once: compiling costs milliseconds, redacting a prompt microseconds."""

    def __init__(self, extra_rules: Mapping[str, str] | None = None) -> None:
        """Raises ValueError, naming the kind, for an expression that RE2 does not take."""
        expressions: list[tuple[str, str, Check]] = [
            (kind, text, _always) for kind, text in sorted((extra_rules or {}).items())
        ]
        # Somebody else's expression may ask for a text's beginning or end.
        self._one_by_one = bool(expressions)
        expressions += [("secret", text, _has_digit) for text in _SECRETS]
        expressions += [
            ("secret", _BASIC, _always),
            ("email", _EMAIL, _always),
            ("iban", _IBAN, _iban),
            ("kr_rrn", _KR_RRN, _rrn),
        ]
        expressions += [("card", _DIGITS, _card), ("us_ssn", _US_SSN, _ssn)]
        expressions += [("phone", text, _phone) for text in _PHONES]
        expressions += [("ip", _IPV4, _ip), ("ip", _IPV6, _ip)]
        options = re2.Options()
        options.log_errors = False
        self._set = re2.Set.SearchSet(options)
        self._rules = []
        for kind, expression, check in expressions:
            self._rules.append(Rule(kind, _compile(kind, expression, options), check))
            self._set.Add(_SIGNS.get(expression, expression))
        self._set.Compile()

    def redact(self, *texts: str) -> tuple[list[str], Counts]:
        """As the function `redact`, of several texts at once: one look finds that there is nothing in any of them."""
        cleaned, counts = [_storable(_resolve_escapes(text)) for text in texts], Counts()
        breaks = _stand_ins(cleaned) if any("\\" in text for text in cleaned) else []
        for stand_in, written in breaks:
            cleaned = [text.replace(written, stand_in) for text in cleaned]
        last = -1
        # In the rules' order: a card's digits must go before a phone pattern can take half of them.
        while due := sorted(index for index in self._look(cleaned) if index > last):
            for last in due:
                applied = [_apply(self._rules[last], text, counts) for text in cleaned]
                changed = self._one_by_one and [text for text, _ in applied] != cleaned
                cleaned = [text for text, _ in applied]
                if changed or any(joined for _, joined in applied):
                    # A later rule may find now what it did not, such as a word that begins where this one's ended.
                    break
            else:
                break
        for stand_in, written in breaks:
            cleaned = [text.replace(stand_in, written) for text in cleaned]
        return cleaned, counts

    def _look(self, texts: list[str]) -> set[int]:
        """The places of the rules that may find something in any of these texts."""
        # Of rules that match over a border, none finds anything in the texts themselves.
        looked_at = texts if self._one_by_one else ["\n".join(texts)]
        return {index for text in looked_at for index in self._set.Match(text.encode()) or ()}


@lru_cache(maxsize=8)
def _redactor(extra_rules: tuple[tuple[str, str], ...]) -> Redactor:
    return Redactor(dict(extra_rules))


def _compile(kind: str, expression: str, options: Any) -> Any:
    try:
        compiled = re2.compile(expression, options)
    except re2.error as error:
        raise ValueError(f"redaction.rules.{kind} = {expression!r}: RE2 does not take it: {error}") from error
    if compiled.search(""):
        raise ValueError(f"redaction.rules.{kind} = {expression!r}: matches the empty text")
    return compiled


def _apply(rule: Rule, text: str, counts: Counts) -> tuple[str, bool]:
    """The text without what the rule finds, and whether a mark now stands joined to other characters.

    Between spaces a mark lets no other built-in rule find anything new: none of them reaches across both.
    """
    mark = f"[{rule.kind.upper()}]"
    joined: list[int] = []

    def replace(match: Any) -> str:
        replaced, removed = rule.check(match, mark)
        if removed:
            counts[rule.kind] = counts.get(rule.kind, 0) + removed
            start, end = match.start(), match.end()
            if replaced != mark or (text[max(0, start - 1) : start] + text[end : end + 1]).strip(_SPACES):
                joined.append(start)
        return replaced

    result: str = rule.pattern.sub(replace, text)
    return result, bool(joined)


_WRITTEN = ("\\n", "\\r", "\\t", "\\f", "\\b")
# Neither letters nor RE2's spaces, and hardly ever in a text.
_CONTROLS = "\x01\x02\x03\x04\x05\x06\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17"
# As RE2 has them: to a rule any other space is a character like letters.
_SPACES = " \t\n\f\r"
_ESCAPE = re.compile(r"(?<!\\)\\+u([0-9a-fA-F]{4})(?:\\+u([dD][c-fC-F][0-9a-fA-F]{2}))?")


def _resolve_escapes(text: str) -> str:
    # One character is found fifty times faster than two.
    if "\\" in text and "\\u" in text:
        text = _ESCAPE.sub(_unescape, text)
    # PostgreSQL's text has no NUL.
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _stand_ins(texts: list[str]) -> list[tuple[str, str]]:
    """For a line's end or a tab that JSON writes with a letter, which is none of the word behind it."""
    free = (mark for mark in _CONTROLS if not any(mark in text for text in texts))
    return list(zip(free, _WRITTEN, strict=False))


def _storable(text: str) -> str:
    # UTF-8 has no lone surrogates.
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return text.encode("utf-8", "replace").decode()
    return text


def _unescape(match: re.Match[str]) -> str:
    units = bytes.fromhex(match[1]) + bytes.fromhex(match[2] or "")
    decoded = units.decode("utf-16-be", "replace")
    # Quotes, backslashes and control characters stay escaped: resolved, they would break the JSON around them.
    return decoded if all(c.isprintable() and c not in '"\\' for c in decoded) else match[0]


def _always(_match: Any, mark: str) -> tuple[str, int]:
    return mark, 1


def _has_digit(match: Any, mark: str) -> tuple[str, int]:
    # Random keys hold a digit; `sk-learn-documentation` does not.
    found = match.group()
    secret = "://" in found or "PRIVATE KEY" in found or any(c.isdigit() for c in found)
    return (mark, 1) if secret else (found, 0)


def _apart(match: Any, mark: str) -> tuple[str, int]:
    """A number of its own, not a piece of a longer one or of a decimal fraction."""
    text, start, end = match.string, match.start(), match.end()
    before = text[max(0, start - 2) : start]
    fraction = before.endswith(".") and _is_digit(before[:1]) and match.group().isdigit()
    inside = fraction or _is_digit(before[-1:]) or _is_digit(text[end : end + 1])
    return (match.group(), 0) if inside else (mark, 1)


def _phone(match: Any, mark: str) -> tuple[str, int]:
    found, before = match.group(), match.string[max(0, match.start() - 1) : match.start()]
    # A sum, or a fraction with its sign.
    is_sum = found[0] == "+" and ((before.isascii() and before.isalnum()) or _SIGNED.fullmatch(found) is not None)
    return (found, 0) if is_sum else _apart(match, mark)


def _is_digit(character: str) -> bool:
    return character.isascii() and character.isdigit()


def _ssn(match: Any, mark: str) -> tuple[str, int]:
    area, group, serial = re.split("[- ]", match.group())
    issued = area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"
    return _apart(match, mark) if issued else (match.group(), 0)


_SIGNED = re.compile(r"\+\d+\.\d+")
_RRN_WEIGHTS = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)


def _rrn(match: Any, mark: str) -> tuple[str, int]:
    # Numbers given out since October 2020 have no check digit, so it decides only where no hyphen does: there a
    # timestamp in milliseconds looks the same.
    found = match.group()
    if len(found) == 13:
        total = sum(weight * int(digit) for weight, digit in zip(_RRN_WEIGHTS, found, strict=False))
        if (11 - total % 11) % 10 != int(found[12]):
            return found, 0
    return _apart(match, mark)


def _ip(match: Any, mark: str) -> tuple[str, int]:
    text, start, end = match.string, match.start(), match.end()
    found = match.group()
    # A colon may belong to a word before it or to what follows: `IPv6:2001:db8::1`, `2001:db8::1: no route`.
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
        # A version, or a number of a tree such as SNMP's, has more parts; the zeros of a browser's are no host.
        is_browser = before[-1:] == "/" and found.endswith(".0.0.0")
        longer = (before[-1:] == "." and _is_digit(before[:1])) or (after[:1] == "." and _is_digit(after[1:]))
        return bool(int(address)) and not (longer or is_browser or any(_is_digit(c) for c in beside))
    # `::` alone, inside a name or between two of them is C++ and Rust, between few digits a slice, not an address.
    short = found.count(":") < 4 and not any(c.isdigit() for c in found)
    is_slice = before[-1:] == "[" and found != "::1" and _SLICE.fullmatch(found) is not None
    return bool(int(address)) and not (short or is_slice or any(c.isascii() and c.isalnum() for c in beside))


_SLICE = re.compile(r"\d{0,3}::\d{0,3}")


def _card(match: Any, mark: str) -> tuple[str, int]:
    """Whole groups of the digits that make a card number: what stands beside it (a CVV, an amount) stays."""
    before = match.string[max(0, match.start() - 2) : match.start()]
    if before.endswith(".") and _is_digit(before[:1]):
        # Decimals of a fraction.
        return match.group(), 0
    parts = re.split("([ -])", match.group())
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


# As cards show them.
_CARD_GROUPS = frozenset(
    ((4, 4, 4, 4), (4, 4, 4, 4, 3), (4, 4, 4, 4, 2), (4, 4, 4, 4, 1), (4, 4, 4, 1), (4, 6, 5), (4, 6, 4))
)


def _is_issued(digits: str) -> bool:
    """Whether somebody issues cards that begin so and are so long (ISO/IEC 7812)."""
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


def _iban(match: Any, mark: str) -> tuple[str, int]:
    """As long as its country has them, whole, and with the right remainder."""
    found, after = match.group(), match.string[match.end() : match.end() + 1]
    if after.isascii() and after.isalnum():
        return found, 0
    return (mark, 1) if _iban_remainder("".join(c for c in found if c not in " -")) == 1 else (found, 0)


def _iban_remainder(iban: str) -> int:
    moved = iban[4:] + iban[:4]
    return int("".join(str(int(c, 36)) for c in moved)) % 97
