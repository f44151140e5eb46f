"""Secrets that are recognised by the name before them, such as `password=`, `<password>`, `?token=` or `Cookie:`.

The name is kept: it is no secret, JSON needs it, and without it nobody knows what was removed.
"""

from __future__ import annotations

import re

from telltale.redaction.keys import random
from telltale.redaction.shape import THEN_DIGIT, Shape, Span

_SIGN = r"(?:[:=]|:=|=>|\x{FF1A})"
_GIVEN = rf"""[\\\x03]*["'`]?[ \t]{{0,3}}{_SIGN}[ \t]{{0,3}}[\\\x03]*["'`]?"""
_PASS = r"(?i)(?:passw(?:or)?d|passphrase|passcode|pwd|비밀[ ]?번호|비번|패스워드|암호)"  # noqa: S105 - what it finds is one
_CODED = r"(?:[_-]?(?:b64|base64|enc|encoded|hash))?"
# Not a variable or a path, and not past a placeholder for the end of a line.
_VALUE = r"""[^\s\x01-\x17"'`\\,;<>(){}\[\]/$*%&|][^\s\x01-\x17"'`\\,;<>(){}\[\]]{3,}"""
_PASS_GIVEN = (
    rf"(?:{_PASS}{_CODED}|(?i:(?:\b|_)(?:pass|pw|pswd|psw)))(?:{_GIVEN}|[ ][-\x{{2013}}\x{{2014}}][ ])({_VALUE})"
)
# A door's or a card's: digits, which no sentence counts something with.
_PIN = (
    r"(?i)(?:비밀[ ]?번호|비번|\bpin(?:[ ]?(?:code|number))?|passcode)(?:은|는|이|가|[ ]is)?[ ]?:?[ ]?(\d{4,12}[*#]?)"
)
# Letters and then digits or signs, such as no word has.
_PASS_SAID = (
    rf"{_PASS}(?:[ ]?(?:은|는|이|가)|[ ]is|[ ]was)?:?[ ][\"'`]?"
    r"([A-Za-z][A-Za-z_.-]*[0-9!@#$%^&][^\s\x01-\x17\"'`\\,;<>(){}\[\]]+)"
)
_NAMED = (
    r"(?i)(?:api|access|auth(?:entication|orization)?|client|private|secret|signing|encryption|consumer|refresh|session|"
    r"security|webhook|master|admin|service|account|shared|subscription|storage|bot|rest|id|app|deploy|jwt|license)"
    r"[_. -]?(?:access[_. -]?)?(?:key|token|secret)(?:[_-]?id)?"
)
_NAMED_GIVEN = rf"{_NAMED}{_CODED}{_GIVEN}([A-Za-z0-9_.~+/=-]{{16,}})"
_SECRET = r"(?i)(?:secret|credentials?|token|apikey)"  # noqa: S105 - what it finds is one
_SECRET_GIVEN = rf"{_SECRET}{_CODED}{_GIVEN}([A-Za-z0-9_.~+/=-]{{20,}})"
_CLIENT = r"(?i)client[_ -]?secret"
_CLIENT_GIVEN = rf"{_CLIENT}{_GIVEN}([A-Za-z0-9_.~+/=-]{{8,}})"
_KOREAN = r"(?i)(?:api[ ]?키|(?:인증|접근|비밀|시크릿|액세스|엑세스|서비스)[ ]?(?:키|토큰)|토큰|시크릿)(?:[ ]?값)?"
_KOREAN_GIVEN = rf"{_KOREAN}(?:[ ]?(?:은|는))?[ ]?{_SIGN}?[ ]?[\"'`]?([A-Za-z0-9_.~+/=-]{{16,}})"
_AWS = r"(?i)(?:aws_secret_key|secret_?access_?key|sharedaccesskey|account_?key|aws[ _-]secret)"
_AWS_GIVEN = rf"{_AWS}{_GIVEN}([A-Za-z0-9/+=]{{40,}})"
_SESSION = r"(?i)(?:session_?token|security[_-]?token)"
_SESSION_GIVEN = rf"{_SESSION}{_GIVEN}([A-Za-z0-9/+=%]{{40,}})"
_AUTHORIZATION = r"(?i)\b(?:proxy-)?authorization"
_AUTHORIZATION_GIVEN = (
    rf"{_AUTHORIZATION}{_GIVEN}(?:(?:basic|digest|negotiate|apikey|key|token)[ \t]+)([A-Za-z0-9+/=_.-]{{8,}})"
)
_BASIC = r"\bBasic[ \t]+([A-Za-z0-9+/]{12,}={0,2})"
_COOKIE = r"(?i)\b(?:set-)?cookie"
_COOKIE_GIVEN = rf"{_COOKIE}{_GIVEN}([A-Za-z0-9_.$%-]{{1,64}}=[^\s\x01-\x17\"'\\;]{{4,}}[^\r\n\x01-\x17\"'\\]*)"
_ELEMENT = (
    r"(?i)<(?:[a-z0-9]{1,16}:)?(?:password|passwd|pwd|passphrase|secret|token|api[_-]?key|(?:client|access|secret)[_-]?"
    r"(?:key|token|secret)|비밀번호)(?:[ ][^<>]{0,64})?>"
)
_ELEMENT_GIVEN = rf"{_ELEMENT}(?:<!\[CDATA\[)?([^<\s\[\]][^<\s\]]{{3,256}})"
_QUERY = (
    r"(?i)[?&;#](?:amp;)?(?:(?:access|id|refresh|auth|session|api|csrf|reset|security)?[_-]?token|api[_-]?key|key|apikey"
    r"|sig|signature|x-(?:amz|goog)-(?:signature|credential|security-token)|awsaccesskeyid|client[_-]?secret|secret|"
    r"password|passwd|pwd|auth|session(?:id)?|sid|jwt|servicekey|appkey|crtfc_key|code)="
)
_QUERY_GIVEN = _QUERY + r"([^\s\x01-\x17\"'`\\<>&#{}()\[\]$*]{6,})"
_COMMAND = r"\b(?:curl|wget|http|https|xh)\b"
_COMMAND_GIVEN = (
    _COMMAND
    + r"[^\r\n\x01-\x17]*?[ ](?:-[a-zA-Z]{0,6}u|--(?:proxy-)?user)[ =]?[\"']?[^\s:\"'/]{1,128}:([^\s\"'\\]{3,})"
)
_OPTION = (
    r"(?i)[ ]--?(?:[a-z0-9-]{1,32}-)?(?:password|passwd|pass|token|secret|api-?key|access-?key|secret-?key)"
    r"(?:[ ]+|=)[\"']?"
)
_OPTION_GIVEN = _OPTION + r"([^\s\x01-\x17\"'\\<>(){}\[\]$-][^\s\x01-\x17\"'\\<>(){}\[\]]{5,})"
_CLIENTS = r"\b(?:mysql|mysqldump|mysqladmin|mariadb|sshpass|redis-cli|docker login|podman login|az login)\b"
_CLIENTS_GIVEN = _CLIENTS + r"[^\r\n\x01-\x17]*?[ ]-[pa][ ]?[\"']?([^\s\"'\\$-][^\s\"'\\]{3,})"
_ENTRY = rf"{_PASS}[\w-]{{0,16}}[\"']?,?\s{{0,40}}[\"']?value[\"']?[ ]?[:=][ ]?[\"']?"
_ENTRY_GIVEN = rf"{_ENTRY}({_VALUE})"

_PLACEHOLDER = re.compile(rb"(?i)(?:required|optional|string|none|null|true|false|your|example|changed|reset|here)\b")
_FUNCTION = re.compile(rb"[A-Za-z_]\w*[._]\w[\w.]*", re.ASCII)
_ALGORITHM = re.compile(rb"(?i)(?:sha|md|base|utf|argon|pbkdf|bcrypt|aes|rsa|hmac)[_-]?\d")


def given(data: bytes, start: int, end: int) -> list[Span]:
    """A password: with a digit, a sign or as base64, unless it is a call of a function or a placeholder."""
    value = data[start:end].rstrip(b".!?:")
    is_call = data[end : end + 1] == b"(" and _FUNCTION.fullmatch(value) is not None
    if is_call or len(value) < 4 or _PLACEHOLDER.match(value) is not None:
        return []
    if _numerals(value) or _is_signed(value) or _is_base64(value):
        # A sentence's end is no part of it, but may be: then it is removed too.
        return [(start, end)] if len(value) >= 6 or _numerals(value) else []
    return []


def _is_signed(value: bytes) -> bool:
    return len(value) >= 6 and any(code in b"!@#$%^&*" for code in value) and not value.startswith((b"!", b"@", b"&"))


def said(data: bytes, start: int, end: int) -> list[Span]:
    """What a sentence gives as a password: letters and then digits or signs, such as no word of the language."""
    value = data[start:end].rstrip(b".!?:,")
    mixed = value[:1].isalpha() and value.isascii() and len(value) >= 6
    strange = _numerals(value) > 0 or (_is_signed(value) and not value.endswith((b"*", b"%")))
    return [(start, start + len(value))] if mixed and strange and _ALGORITHM.match(value) is None else []


def key(data: bytes, start: int, end: int) -> list[Span]:
    """A random key: several digits, which names of variables hardly ever have, or base64."""
    value = data[start:end]
    is_call = data[end : end + 1] in (b"(", b"[") and _FUNCTION.fullmatch(value) is not None
    return [] if is_call or (_numerals(value) < 2 and not _is_base64(value)) else [(start, end)]


def parameter(data: bytes, start: int, end: int) -> list[Span]:
    """The value of an address's parameter: with a digit, or long."""
    value = data[start:end]
    return [(start, end)] if _numerals(value) or len(value) >= 24 else []


def pin(data: bytes, start: int, end: int) -> list[Span]:
    """Digits by themselves: not a year, and nothing that is counted."""
    after = data[end : end + 3].decode("utf-8", "ignore")[:1]
    counted = after in tuple("년자회번개월일초분시명차%") or (after.isascii() and after.isalnum())
    return [] if counted and after else [(start, end)]


def quoted_key(data: bytes, start: int, end: int) -> list[Span]:
    """A key with signs in it, as frameworks make them: random, no sentence."""
    value = data[start:end]
    return [(start, end)] if _numerals(value) >= 2 and not value.startswith((b"$", b"{", b"<", b"/")) else []


def mixed(data: bytes, start: int, end: int) -> list[Span]:
    """Letters with digits or signs, in ASCII where the words around are Korean."""
    value = data[start:end].rstrip(b".!?:,")
    has_letter = any(chr(code).isalpha() for code in value)
    strange = _numerals(value) or _is_signed(value)
    return [(start, end)] if has_letter and strange and _ALGORITHM.match(value) is None else []


_KOREAN_PASS = (
    r"(?:비밀[ ]?번호|비번|패스워드|암호)(?:[ ]?\([^)\n]{1,16}\))?[ ]?(?:은|는|이|가|을|를|값)?(?:요)?[ ]?"  # noqa: S105 - what it finds is one
    r"(?:[:=-]|->|=>|→|\x{FF1A})?[ ]?[\"'`]?([!#-&(-.0-;=?-\[\]-_a-z|~]{6,})"
)
# Behind a name and a slash.
_BESIDE = (
    r"(?i)(?:계정|아이디|로그인|(?:account|login|\bid|username|credentials?)[ :=])[^\n/?!]{0,24}[ ]?/[ ]?"
    r"([A-Za-z][A-Za-z_.-]*[0-9!@#$%^&][^\s\x01-\x17\"'`\\,;<>(){}\[\]]+)"
)
_QUOTED = rf"{_NAMED}(?:[_-]base)?[\"']?[ \t]{{0,3}}{_SIGN}[ \t]{{0,3}}[\"']([^\s\x01-\x17\"'\\]{{20,}})[\"']"
_VARIABLE = r"\b[A-Z][A-Z0-9_]{0,64}_(?:KEY|TOKEN|SECRET|PAT|CREDENTIALS?)(?:_BASE)?=[\"']?([A-Za-z0-9_.~+/=-]{16,})"
_KEY_SAID = (
    r"(?i)(?:(?:키|토큰|시크릿)(?:[ ]?(?:값|id))?(?:은|는|이|가)?(?:[ ]?[:=(\x{2013}\x{2014}-])?[ ]?"
    r"|\b(?:key|token|secret)(?:[ ]?id)?(?:은|는|이|가|[ ]is|[ ]was)?(?:[ ]?[:=(\x{2013}\x{2014}-][ ]?|[ ]))"
    r"[\"'`]?([A-Za-z0-9_.~+/=-]{20,})"
)
_AUTHORIZATION_RAW = rf"{_AUTHORIZATION}{_GIVEN}([A-Za-z0-9_.~+/=-]{{20,}})"
# A data source's name: `user:password@tcp(host)`, `user/password@host`.
_ADDRESS = r"\b[A-Za-z0-9_.-]{1,64}(?::([^\s:@/\"']{4,128})@(?:tcp|unix)?\()"
# In a container registry's configuration.
_DOCKER = r"\bauth[\"']?[ ]?:[ ]?[\"']([A-Za-z0-9+/]{12,}={0,2})[\"']"


def _numerals(value: bytes) -> int:
    return sum(48 <= code <= 57 for code in value)


def _is_base64(value: bytes) -> bool:
    """Padded, or with capitals in the middle more often than names have."""
    if len(value) < 8 or not value.isascii():
        return False
    return value.endswith(b"=") or (value.isalpha() and len(_HUMPS.findall(value)) * 5 >= len(value))


_HUMPS = re.compile(rb"[a-z][A-Z]")

NAMED = (
    Shape("secret", _AWS_GIVEN, random, _AWS),
    Shape("secret", _SESSION_GIVEN, random, _SESSION),
    Shape("secret", _COOKIE_GIVEN, sign=_COOKIE),
    Shape("secret", _AUTHORIZATION_GIVEN, sign=_AUTHORIZATION),
    Shape("secret", _BASIC, key, r"\bBasic[ \t]+[A-Za-z0-9+/]{12}"),
    Shape("secret", _QUERY_GIVEN, parameter, _QUERY),
    Shape("secret", _NAMED_GIVEN, key, _NAMED),
    Shape("secret", _CLIENT_GIVEN, key, _CLIENT),
    Shape("secret", _KOREAN_GIVEN, quoted_key, _KOREAN + THEN_DIGIT),
    Shape("secret", _ELEMENT_GIVEN, sign=_ELEMENT),
    Shape("secret", _PASS_GIVEN, given),
    Shape("secret", _PASS_SAID, said),
    Shape("secret", _ENTRY_GIVEN, given),
    Shape("secret", _PIN, pin),
    Shape("secret", _DOCKER, key),
    Shape("secret", _BESIDE, said),
    Shape("secret", _KOREAN_PASS, mixed, r"(?:비밀[ ]?번호|비번|패스워드|암호)[^\n]*[0-9!@#$%^&*]"),
    Shape("secret", _QUOTED, quoted_key),
    Shape("secret", _VARIABLE, key),
    Shape("secret", _KEY_SAID, quoted_key, r"(?i)(?:키|토큰|시크릿|\bkey|\btoken|\bsecret)" + THEN_DIGIT),
    Shape("secret", _AUTHORIZATION_RAW, key),
    Shape("secret", _ADDRESS, given),
    Shape("secret", _SECRET_GIVEN, key, _SECRET),
    Shape("secret", _COMMAND_GIVEN, sign=_COMMAND),
    Shape("secret", _OPTION_GIVEN, given, _OPTION),
    Shape("secret", _CLIENTS_GIVEN, given, _CLIENTS),
)
