"""Which header fields a request and its trailers may have (RFC 9113, 8.1 to 8.3)."""

from __future__ import annotations

import re
from typing import Final

PSEUDO: Final = frozenset((b":method", b":scheme", b":path", b":authority"))
OF_CONNECTION: Final = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))
# A token (RFC 9110, 5.6.2) in lower case.
_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
# Neither begins nor ends with white space, and has no NUL, CR or LF.
_VALUE: Final = re.compile(rb"(?![ \t])[^\0\r\n]*(?<![ \t])")


def request(pairs: list[tuple[bytes, bytes]]) -> dict[bytes, bytes] | None:
    """A request's headers by name; None where they are malformed."""
    found: dict[bytes, bytes] = {}
    regular = False
    for name, value in pairs:
        if name.startswith(b":"):
            if regular or name not in PSEUDO or name in found or _VALUE.fullmatch(value) is None:
                return None
            found[name] = value
            continue
        regular = True
        if not _is_regular(name, value):
            return None
        if name in found:
            found[name] += (b"; " if name == b"cookie" else b", ") + value
        else:
            found[name] = value
    return found if _is_whole(found) else None


def are_trailers(pairs: list[tuple[bytes, bytes]]) -> bool:
    """Whether these may follow a body: no pseudo-headers."""
    return all(_is_regular(name, value) for name, value in pairs)


def _is_regular(name: bytes, value: bytes) -> bool:
    return (
        _NAME.fullmatch(name) is not None
        and _VALUE.fullmatch(value) is not None
        and name not in OF_CONNECTION
        and (name != b"te" or value == b"trailers")
    )


def _is_whole(found: dict[bytes, bytes]) -> bool:
    path, authority = found.get(b":path", b""), found.get(b":authority")
    if not found.get(b":method") or not found.get(b":scheme") or (not path.startswith(b"/") and path != b"*"):
        return False
    if authority is not None and (b"@" in authority or found.get(b"host", authority) != authority):
        return False
    announced = found.get(b"content-length", b"0")
    # Repeated it is "1, 1".
    return announced.isdigit() and len(announced) < 19
