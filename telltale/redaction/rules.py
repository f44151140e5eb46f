"""What is removed: shapes of personal data and secrets, as RE2 expressions."""

from __future__ import annotations

from typing import NamedTuple

from telltale.redaction.checks import (
    Check,
    always,
    behind,
    card,
    given,
    given_key,
    has_digit,
    iban,
    ip,
    national,
    phone,
    plain,
    rrn,
    ssn,
)


class Shape(NamedTuple):
    """One form of one kind.

    `sign` is a simpler expression that every match contains, which the first pass uses instead of `expression`. Counted
    repetitions need a state per count, and two of them one per pair: on real text `sign` takes an eighth to a third of
    the time.
    """

    kind: str
    expression: str
    check: Check
    sign: str | None = None


# Cut off by a length limit, a private key has no end line: then it reaches to the end of the text.
_PRIVATE_KEY = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-[^-])*(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----)?"
)
# `_` is part of a word, and precedes a key in names such as CI_ghp_….
_START = r"(?:\b|_)"
_URL = r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/:@]{0,128}:[^\s/@]{1,256}@"
# Groq, xAI, Perplexity, Replicate, Jina, Stripe's hooks, Linear, Grafana, Shopify, DigitalOcean, LangSmith.
_PREFIXES = (
    _START
    + r"(?:gsk_|xai-|pplx-|r8_|jina_|whsec_|lin_api_|gl(?:sa|c)_|shp(?:at|ca|pa|ss)_|do[opr]_v1_|lsv2_(?:pt|sk)_)"
)
# NVIDIA, Tavily, Vault, Google, Docker, PyPI, Slack's apps, GitLab's triggers, Atlassian, Postman, Figma.
_DASHED_PREFIXES = (
    _START + r"(?:nvapi-|tvly-|hv[bs]\.|ya29\.|GOCSPX-|dckr_pat_|pypi-AgE|xapp-|glptt-|ATATT3|PMAK-|figd_)"
)
_HOOKS = r"\b(?:hooks\.slack\.com/services/|discord(?:app)?\.com/api/webhooks/)"
_KEY_OF = r"(?i)\b(?:aws_secret_key|(?:aws_)?secret_?access_?key|(?:account|sharedaccess)key)"
_GIVEN = r"""\\*["']?[ \t]{0,3}[:=\x{FF1A}][ \t]{0,3}\\*["']?"""
_PASS = r"(?i)(?:passw(?:or)?d|passphrase|pwd)"  # noqa: S105 - what it finds is one
# Not a variable or a path, and not past a placeholder for the end of a line.
_PASS_GIVEN = "(" + _PASS + _GIVEN + r""")[^\s\x01-\x17"'\\,;<>(){}\[\]/$][^\s\x01-\x17"'\\,;<>(){}\[\]]{5,}"""
_NAMED = r"(?i)(?:api|access|auth|client|private|secret)[_-]?(?:key|token|secret)"
_BASIC = r"(?i)(\bauthorization" + _GIVEN + r"basic[ \t]+)[A-Za-z0-9+/=]{8,}"
# A name is in Latin, Greek and Cyrillic letters, or only in others: their words come right before an address.
_EMAIL = (
    r"(?i)(?:[a-z0-9\x{C0}-\x{52F}\x{1E00}-\x{1FFF}._%+'-]{1,64}|[\x{80}-\x{10FFFF}]{1,32})"
    r"@(?:[a-z0-9\x{80}-\x{10FFFF}-]{1,63}\.)+[a-z\x{80}-\x{10FFFF}][a-z0-9\x{80}-\x{10FFFF}-]{1,62}"
)
_AT = r"(?i)[a-z0-9._%+'\x{80}-\x{10FFFF}-]@[a-z0-9\x{80}-\x{10FFFF}-]"
# Separators of digit groups, as people and word processors write them.
_GAP = r"[ \x{A0}\x{2007}\x{202F}\x{2010}-\x{2015}\x{2212}-]"
_PHONE_GAP = _GAP.replace("[", "[.")
_ANY_GAP = _GAP.replace("[", "[.()")
# Digits as Chinese, Japanese and Korean keyboards produce them (U+FF10 to U+FF19), with their separators.
_WIDE = (
    r"[\x{FF0B}\x{FF08}\x{FF10}-\x{FF19}][\x{FF08}\x{FF09}\x{FF0D}\x{FF10}-\x{FF19}\x{30FC}\x{3000}"
    r" \x{2010}-\x{2015}\x{2212}-]{5,}[\x{FF10}-\x{FF19}]"
)
_WIDE_AT = r"(?i)[a-z0-9._%+'-]\x{FF20}[a-z0-9-]"
_CODED_EMAIL = r"(?i)(?:[a-z0-9._+'-]|%2b){1,64}%40(?:[a-z0-9-]{1,63}\.)+[a-z]{2,63}"
_CODED_AT = r"(?i)[a-z0-9._+'-]%40[a-z0-9-]"
# SWIFT's IBAN registry: countries by the length of their numbers.
_IBANS = {
    15: "no", 16: "be", 18: "dk fi fk fo gl nl sd", 19: "mk si", 20: "at ba ee kz lt lu mn xk", 21: "ch hr li lv",
    22: "bg bh cr de gb ge ie me rs va", 23: "ae gi il iq om so tl", 24: "ad cz es md pk ro sa se sk tn vg",
    25: "ly pt st", 26: "is tr", 27: "dj fr gr it mc mr sm", 28: "al az by cy do gt hn hu lb ni pl sv",
    29: "br eg ps qa ua", 30: "jo kw mu ye", 31: "mt sc", 32: "lc", 33: "ru",
}  # fmt: skip
_IBAN_HEADS = "|".join(_IBANS.values()).replace(" ", "|")
_IBANS_WHOLE = [
    rf"(?:{countries.replace(' ', '|')})\d{{2}}(?:{_GAP}?[a-z0-9]){{{length - 4}}}"
    for length, countries in _IBANS.items()
]
_IBAN = rf"(?i)\b(?:{'|'.join(_IBANS_WHOLE)})"

SHAPES = (
    Shape("", _WIDE, plain),
    Shape("", _WIDE_AT, plain),
    Shape("secret", _PRIVATE_KEY, has_digit),
    Shape("secret", _START + r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?", has_digit),
    Shape("secret", _START + r"(?:sk|pk)-[A-Za-z0-9_-]{16,}", has_digit),
    Shape("secret", _START + r"(?:sk|pk|rk)_(?:live|test|prod)_[A-Za-z0-9]{8,}", has_digit),
    Shape("secret", _START + r"gh[pousr]_[A-Za-z0-9]{20,}", has_digit),
    Shape("secret", _START + r"github_pat_[A-Za-z0-9_]{20,}", has_digit),
    Shape("secret", _START + r"glpat-[A-Za-z0-9_-]{16,}", has_digit),
    Shape("secret", _START + r"(?:AKIA|ASIA)[0-9A-Z]{16}", has_digit),
    Shape("secret", _START + r"AIza[A-Za-z0-9_-]{30,}", has_digit),
    Shape("secret", _START + r"hf_[A-Za-z0-9]{20,}", has_digit),
    Shape("secret", _START + r"npm_[A-Za-z0-9]{30,}", has_digit),
    Shape("secret", _START + r"xox[abeoprs]-[A-Za-z0-9-]{10,}", has_digit),
    Shape("secret", _START + r"tt_[0-9a-f]{8}_[A-Za-z0-9_-]{32,}", has_digit),
    Shape("secret", _PREFIXES + r"[A-Za-z0-9]{30,}(?:_[A-Za-z0-9]+)?", has_digit, _PREFIXES),
    Shape("secret", _DASHED_PREFIXES + r"[A-Za-z0-9_-]{20,}", has_digit, _DASHED_PREFIXES),
    Shape("secret", _START + r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}", has_digit),
    Shape("secret", _START + r"dapi[0-9a-f]{32}", has_digit),
    Shape("secret", _HOOKS + r"[A-Za-z0-9/_-]{16,}", has_digit),
    Shape("secret", "(" + _KEY_OF + _GIVEN + r")[A-Za-z0-9/+=]{40,}", given, _KEY_OF),
    Shape("secret", r"(?i)\bbearer[ \t]+[A-Za-z0-9._~+/=-]{16,}", has_digit),
    Shape("secret", _URL, has_digit, r"://[^\s/@]*@"),
    Shape("secret", "(" + _NAMED + _GIVEN + r")[A-Za-z0-9_.~+/=-]{16,}", given_key, _NAMED),
    Shape("secret", _PASS_GIVEN, given, _PASS),
    Shape("secret", _BASIC, behind, r"(?i)\bauthorization"),
    Shape("email", _EMAIL, always, _AT),
    Shape("email", _CODED_EMAIL, always, _CODED_AT),
    Shape("iban", _IBAN, iban, rf"(?i)\b(?:{_IBAN_HEADS})\d{{2}}{_GAP}?[a-z0-9]"),
    Shape("kr_rrn", r"\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])" + _GAP + r"?[1-8]\d{6}", rrn),
    Shape("card", rf"\d(?:{_GAP}?\d){{12,}}", card),
    Shape("us_ssn", rf"\d{{3}}{_GAP}\d{{2}}{_GAP}\d{{4}}", ssn),
    Shape("phone", rf"\+\d(?:{_ANY_GAP}{{0,2}}\d){{6,14}}", phone),
    Shape("phone", rf"\(?0(?:1[016789]|2|[3-6]\d|70|50\d)\)?{_PHONE_GAP}{{0,2}}\d{{3,4}}{_PHONE_GAP}?\d{{4}}", phone),
    Shape("phone", rf"(?:\([2-9]\d{{2}}\){_PHONE_GAP}?|[2-9]\d{{2}}{_PHONE_GAP})\d{{3}}{_PHONE_GAP}\d{{4}}", phone),
    # The United Kingdom, Italy, Japan; France; Germany.
    Shape("phone", rf"(?:\(|\b)0[1-9]\d{{0,3}}\)?{_GAP}\d{{3,4}}{_GAP}\d{{3,4}}", national),
    Shape("phone", rf"\b0[1-9](?:{_PHONE_GAP}\d{{2}}){{4}}", national),
    Shape("phone", rf"\b0[1-9]\d{{1,3}}(?:/|{_GAP})\d{{6,8}}", national),
    Shape("ip", r"\d{1,3}(?:\.\d{1,3}){3}", ip),
    Shape("ip", r"(?i)[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?:(?:\.\d{1,3}){3})?", ip),
)
"""In the order of matching: a card's digits must be removed before a phone pattern can match half of them."""
