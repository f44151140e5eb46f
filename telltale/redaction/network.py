"""E-mail and IP addresses."""

from __future__ import annotations

import ipaddress
import re

from telltale.redaction.shape import ALONE, END, Shape, Span, is_word, trimmed

# A name is in Latin, Greek and Cyrillic letters, or only in others: their words come right before an address.
_EMAIL = (
    r"(?i)(?:[a-z0-9\x{C0}-\x{52F}\x{1E00}-\x{1FFF}._%+'-]{1,64}|[\x{A1}-\x{10FFFF}]{1,32})"
    r"@(?:[a-z0-9\x{80}-\x{10FFFF}-]{1,63}\.)+[a-z\x{80}-\x{10FFFF}][a-z0-9\x{80}-\x{10FFFF}-]{1,62}"
)
_AT = r"(?i)[a-z0-9._%+'\x{80}-\x{10FFFF}-]@[a-z0-9\x{80}-\x{10FFFF}-]"
_CODED_EMAIL = r"(?i)(?:[a-z0-9._+'-]|%2b){1,64}%(?:25)?40(?:[a-z0-9-]{1,63}\.)+[a-z]{2,63}"
_CODED_AT = r"(?i)[a-z0-9._+'-]%(?:25)?40[a-z0-9-]"
# As people and web pages hide an address from programs.
_HIDDEN_AT = (
    r"(?:[ ]?[(\[{<][ ]?(?:at|@|골뱅이|앳|엣)[ ]?[)\]}>][ ]?|&#0{0,4}64;|&#x0{0,4}40;|&commat;"
    r"|[ ]?골뱅이[ ]?|[ ][앳엣][ ])"
)
_HIDDEN_DOT = (
    r"(?:\.|[ ]?[(\[{<][ ]?(?:dot|\.|점)[ ]?[)\]}>][ ]?|[ ]dot[ ]|[ ]?(?:쩜|닷|점)[ ]?"
    r"|&#0{0,4}46;|&#x0{0,4}2e;|&period;)"
)
_HIDDEN = (
    rf"(?i)[a-z0-9](?:[a-z0-9_%+'-]|{_HIDDEN_DOT}){{0,64}}{_HIDDEN_AT}"
    rf"(?:[a-z0-9-]{{1,63}}{_HIDDEN_DOT})+[a-z]{{2,24}}\b"
)
_SPOKEN = (
    r"(?i)\b[a-z0-9._%+-]{1,64} at (?:[a-z0-9-]{1,63} dot )+"
    r"(?:com|net|org|edu|gov|info|biz|io|ai|dev|app|co|kr|jp|de|uk|fr|me|us|example)\b"
)
_DOTTED_AT = rf"(?i)[a-z0-9._%+-]{{1,64}}@(?:[a-z0-9-]{{1,63}}{_HIDDEN_DOT})+[a-z]{{2,24}}\b"
_DOT_SIGN = r"(?i)@[a-z0-9.-]{1,63}(?:[ ]?[(\[{<][ ]?(?:dot|\.|점)|[ ]dot[ ]|&#|&period;|[ ]?(?:쩜|닷|점))"


def email(data: bytes, start: int, end: int) -> list[Span]:
    """An address; not a remote of git or ssh (`git@host:path`), an image's scale, a version or a matrix product."""
    name, _, host = data[start:end].lower().rpartition(b"@")
    after = data[end : end + 2]
    labels = host.split(b".")
    if name == b"git" or data[max(0, start - 6) : start] == b"ssh://" or labels[-1] in _FILES:
        return []
    if (after[:1] == b":" and _PATH.match(data, end + 1) is not None) or after[:1] == b"(":
        return []
    if all(label.isdigit() for label in labels[:-1]) or _SCALE.match(host) is not None:
        return []
    return [(start, end)]


def hidden(data: bytes, start: int, end: int) -> list[Span]:
    """An address whose dots are hidden: what is written plainly has been looked at."""
    return [(start, end)] if data[start:end].translate(None, _PLAIN_ADDRESS) else []


_PLAIN_ADDRESS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._%+-@"
_FILES = frozenset((b"png", b"jpg", b"jpeg", b"gif", b"svg", b"webp", b"git"))
_PATH = re.compile(rb"[/~]|[\w.-]{1,100}/|[\w-]{1,100}\.git\b", re.ASCII)
_SCALE = re.compile(rb"\dx\.")

_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = rf"{ALONE}(?:{_OCTET}(?:\.{_OCTET}){{3}}){END}"
_H = r"[0-9a-f]{1,4}"
_DOTTED = r"\d{1,3}(?:\.\d{1,3}){3}"
_GROUPS = rf"{_H}(?::{_H}){{0,6}}"
# Eight groups, or fewer around `::`: times and hardware addresses are neither.
_IPV6 = (
    r"(?i)(?:^|[^0-9a-z:]|[g-z][0-9a-z]*:)"
    rf"({_GROUPS}::(?:(?:{_H}:){{0,5}}{_DOTTED}|{_GROUPS})?|::(?:(?:{_H}:){{0,5}}{_DOTTED}|{_GROUPS})"
    rf"|(?:{_H}:){{6}}{_DOTTED}|(?:{_H}:){{7}}{_H})"
)


def ipv4(data: bytes, start: int, end: int) -> list[Span]:
    """An address of a host: no version, section or longer identifier, such as SNMP's."""
    start, end = trimmed(data, start, end)
    found, after = data[start:end], data[end : end + 2]
    longer = after[:1] == b"." and after[1:].isdigit()
    # A browser version's zeros are no host.
    is_browser = data[max(0, start - 1) : start] == b"/" and found.endswith(b".0.0.0")
    if longer or is_browser or found == b"0.0.0.0" or (after[:1] == b"_" and data[max(0, start - 1) : start] != b"_"):
        return []
    if data[max(0, start - 1) : start] in _NO_WORD:
        return [(start, end)]
    before = data[max(0, start - 24) : start]
    is_version = before.rstrip(_AFTER_WORD).lower().endswith(_VERSIONS) or before.rstrip(b" ").endswith(_PINS)
    return [] if is_version else [(start, end)]


_NO_WORD = (b"", b"\n", b",", b"[", b"/", b"<", b"|", b";")
_AFTER_WORD = b" \t:=\"'("
_PINS = (b"==", b"~=", b">=", b"<=", b"^")
# Words right before a version or a section's number.
_VERSIONS = tuple(
    word.encode()
    for word in (
        *(
            "version",
            "versions",
            "ver",
            "ver.",
            " v",
            "release",
            "build",
            "firmware",
            "driver",
            "upgraded to",
            "update to",
        ),
        *("section", "sec.", "chapter", "clause", "appendix", "table", "figure", "fig.", "oid", "patch", "§"),
        *("버전", "버젼", "릴리스", "릴리즈", "빌드", "펌웨어", "드라이버", "절", "조항", "제", "표", "그림"),
    )
)
_SLICE = re.compile(r"\d{0,3}::\d{0,3}")


def ipv6(data: bytes, start: int, end: int) -> list[Span]:
    """An address that parses; not a name in C++ or Rust, nor a slice."""
    found, before, after = data[start:end].decode(), data[max(0, start - 1) : start], data[end : end + 2]
    if is_word(data, end) or _is_scoped(found, before, after) or (after[:1] == b":" and after[1:] in _JOINED):
        return []
    try:
        address = ipaddress.IPv6Address(found)
    except ValueError:
        return []
    # `::` between names is C++ or Rust; between a few digits it is a slice, not an address.
    short = found.count(":") < 4 and not any(c.isdigit() for c in found)
    is_slice = before == b"[" and found != "::1" and _SLICE.fullmatch(found) is not None
    return [(start, end)] if int(address) and not short and not is_slice else []


def _is_scoped(found: str, before: bytes, after: bytes) -> bool:
    """Whether a longer name in C++ or Rust begins so: with `_`, which may also emphasise an address, or `<`."""
    if after[:1] == b"_":
        return before != b"_" or after[1:].isalnum()
    return after[:1] == b"<" and after[1:] != b"/" and found.count(":") < 4


_JOINED = tuple(bytes((code,)) for code in b"0123456789abcdefABCDEF:")
EMAILS = (
    Shape("email", _EMAIL, email, _AT),
    Shape("email", _CODED_EMAIL, sign=_CODED_AT),
    Shape("email", _HIDDEN, sign=r"(?i)" + _HIDDEN_AT),
    Shape("email", _SPOKEN, sign=r"(?i) at [a-z0-9-]{1,63} dot "),
    Shape("email", _DOTTED_AT, hidden, _DOT_SIGN),
)
ADDRESSES = (Shape("ip", _IPV6, ipv6), Shape("ip", _IPV4, ipv4))
