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

Counts = dict[str, int]
Check = Callable[[Any, str], tuple[str, int]]

_URL = r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/:@]{0,128}:[^\s/@]{1,256}@"
# Groq, xAI, Perplexity, Replicate, Jina, Stripe's hooks, Linear, Grafana, Shopify, DigitalOcean, LangSmith.
_PREFIXES = (
    r"\b(?:gsk_|xai-|pplx-|r8_|jina_|whsec_|lin_api_|gl(?:sa|c)_|shp(?:at|ca|pa|ss)_|do[opr]_v1_|lsv2_(?:pt|sk)_)"
)
# NVIDIA, Tavily, Vault, Google, Docker, PyPI.
_DASHED_PREFIXES = r"\b(?:nvapi-|tvly-|hv[bs]\.|ya29\.|GOCSPX-|dckr_pat_|pypi-AgE)"
_KEY_OF = r"(?i)\b(?:aws_secret_access_key|(?:account|sharedaccess)key)"
_GIVEN = r"""\\*["']?\s{0,3}[:=]\s{0,3}\\*["']?"""
_PREFIXED = _PREFIXES + r"[A-Za-z0-9]{30,}(?:_[A-Za-z0-9]+)?"
_PREFIXED_DASHED = _DASHED_PREFIXES + r"[A-Za-z0-9_-]{20,}"
_NAMED_KEY = _KEY_OF + _GIVEN + r"[A-Za-z0-9/+=]{40,}"
_SECRETS = (
    # Cut off by a length limit, a private key has no end line: then it reaches to the end of the text.
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[^-]|-[^-])*(?:-----END [A-Z ]*PRIVATE KEY-----)?",
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
    _NAMED_KEY,
    r"(?i)\bbearer[ \t]+[A-Za-z0-9._~+/=-]{16,}",
    _URL,
)
_BASIC = r"(?i)\bauthorization" + _GIVEN + r"basic[ \t]+[A-Za-z0-9+/=]{8,}"
_EMAIL = (
    r"(?i)(?:[a-z0-9._%+'-]{1,64}|[\x{80}-\x{10FFFF}]{1,32})"
    r"@[a-z0-9\x{80}-\x{10FFFF}-]{1,63}(?:\.[a-z0-9\x{80}-\x{10FFFF}-]{2,63})+"
)
_IBAN = r"(?i)\b[a-z]{2}\d{2}(?:[ -]?[a-z0-9]){11,30}"
_DIGITS = r"\d(?:[ -]?\d){12,}"
_KR_RRN = r"\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])[ -]?[1-8]\d{6}"
_US_SSN = r"\d{3}[- ]\d{2}[- ]\d{4}"
_PHONES = (
    r"\+\d{1,3}[ .-]?\(?\d{1,4}\)?(?:[ .-]?\d{2,4}){2,4}",
    r"0(?:1[016789]|2|[3-6]\d|70|50\d)[ .-]?\d{3,4}[ .-]?\d{4}",
    r"\(?[2-9]\d{2}\)?[ .-]\d{3}[ .-]\d{4}",
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
        expressions += [("phone", text, _apart) for text in _PHONES]
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


# As RE2 has them: to a rule any other space is a character like letters.
_SPACES = " \t\n\f\r"
_ESCAPE = re.compile(r"\\+u([0-9a-fA-F]{4})(?:\\+u([dD][c-fC-F][0-9a-fA-F]{2}))?")


def _resolve_escapes(text: str) -> str:
    # One character is found fifty times faster than two.
    if "\\" in text and "\\u" in text:
        text = _ESCAPE.sub(_unescape, text)
    # PostgreSQL's text has no NUL.
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


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


def _is_digit(character: str) -> bool:
    return character.isascii() and character.isdigit()


def _ssn(match: Any, mark: str) -> tuple[str, int]:
    area, group, serial = re.split("[- ]", match.group())
    issued = area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"
    return _apart(match, mark) if issued else (match.group(), 0)


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
    found = match.group()
    try:
        address = ipaddress.ip_address(found)
    except ValueError:
        return found, 0
    text, start, end = match.string, match.start(), match.end()
    beside = text[max(0, start - 1) : start] + text[end : end + 1]
    # `::` alone, inside a name or between two of them is C++ and Rust, not an address.
    short = found.count(":") < 4 and not any(c.isdigit() for c in found)
    name = address.version == 6 and (short or any(c.isascii() and c.isalnum() for c in beside))
    return _apart(match, mark) if int(address) and not name else (found, 0)


def _card(match: Any, mark: str) -> tuple[str, int]:
    """Whole groups of the digits that make a card number: what stands beside it (a CVV, an amount) stays."""
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
        if len(digits) >= 13 and digits[0] in "23456" and _luhn(digits):
            best = width
    return best


def _luhn(digits: str) -> bool:
    doubled = [sum(divmod(2 * int(d), 10)) if i % 2 else int(d) for i, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def _iban(match: Any, mark: str) -> tuple[str, int]:
    """The longest beginning of the match whose remainder is right: words may follow the number."""
    found = match.group()
    kept = [index for index, c in enumerate(found) if c not in " -"]
    for length in range(len(kept), 14, -1):
        end = kept[length - 1] + 1
        if _iban_remainder("".join(c for c in found[:end] if c not in " -")) == 1:
            return mark + found[end:], 1
    return found, 0


def _iban_remainder(iban: str) -> int:
    moved = iban[4:] + iban[:4]
    return int("".join(str(int(c, 36)) for c in moved)) % 97
