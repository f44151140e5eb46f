"""What single values may be: durations, addresses, URLs, names. Each refuses with the mend in its message."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from telltale.exits import UsageError
from telltale.serving.listen import parse_address

# More than a life; beyond it, times overflow.
_LONGEST = 100 * 366 * 86400.0
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class SettingsError(UsageError):
    """Settings that cannot be used. Each line of the message names the key, the value and the mend."""


def parse_seconds(text: str) -> float:
    """The seconds of a duration such as 15s or 7d. Raises ValueError."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*", text)
    if not match:
        raise ValueError("write a duration such as 15s, 2m, 12h or 7d")
    return float(match[1]) * _UNITS[match[2]]


def _seconds(value: object) -> object:
    return parse_seconds(value) if isinstance(value, str) else value


def _address(value: object) -> object:
    parse_address(value if isinstance(value, str) else "")
    return value


Seconds = Annotated[float, BeforeValidator(_seconds), Field(ge=0.001, le=_LONGEST)]
"""A duration in seconds; written as a number or as 500ms, 15s, 2m, 12h, 7d."""

NotNegative = Annotated[float, BeforeValidator(_seconds), Field(ge=0, le=_LONGEST)]
"""A duration in seconds that may be none."""

Address = Annotated[str, BeforeValidator(_address)]
"""host:port to listen on."""


def _whole_seconds(value: float) -> float:
    if value < 1 or value != int(value):
        raise ValueError("write whole seconds, such as 15s")
    return value


def _service(value: str) -> str:
    """A URL in which a name and password may stand, for the service that it leads to."""
    if not value:
        return value
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or not value.isprintable() or " " in value:
        raise ValueError("write it with its scheme, such as https://telltale.example.org")
    if parts.query or parts.fragment:
        raise ValueError("leave out what follows the path")
    return value


def _url(value: str) -> str:
    # Anywhere: with one sign too few, a password may look like a path or a fragment.
    if "@" in value:
        raise ValueError("leave name and password out: they would stand in links and logs")
    return _service(value)


def _origin(value: str) -> str:
    if urlsplit(_url(value)).path not in ("", "/"):
        raise ValueError("leave out the path: pages are served from the root")
    return value


def _cors_origin(value: str) -> str:
    """As browsers write it: in lower case, without the port that its scheme has anyway."""
    if value == "*":
        return value
    origin = _origin(value).lower().rstrip("/")
    if not origin or "*" in origin:
        raise ValueError("write whole origins, such as https://app.example.org, or * alone")
    return origin.removesuffix(":80" if origin.startswith("http:") else ":443")


def _named(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise ValueError("an empty name, or one that cannot be printed")
    return value


def _attribute(value: str) -> str:
    # The store finds attributes by the name as JSON writes it, which escapes all others.
    if not re.fullmatch(r"[ !#-\[\]-~]+", value) or not value.strip():
        raise ValueError("an attribute's name here has printable ASCII alone, without quotation marks and backslashes")
    return value


def _host(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]", value):
        raise ValueError("write host names alone, without scheme, port or *")
    return value


def _kind(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", value):
        raise ValueError("a kind has up to 32 small letters, digits and _")
    return value


def _label(value: str) -> str:
    if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", value) or value.startswith("__"):
        raise ValueError("a label has letters, digits and _, and does not begin with __")
    return value


WholeSeconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0, le=_LONGEST), AfterValidator(_whole_seconds)]
"""A duration that is handed on in whole seconds."""

Url = Annotated[str, AfterValidator(_url)]
"""http(s)://host, with a port or a path; empty for none."""

ServiceUrl = Annotated[str, AfterValidator(_service)]
"""As Url; name and password may stand in it."""

Origin = Annotated[str, AfterValidator(_origin)]
"""http(s)://host without a path; empty for none."""

CorsOrigin = Annotated[str, AfterValidator(_cors_origin)]
"""http(s)://host of pages, or * for all."""

Named = Annotated[str, AfterValidator(_named)]
Attribute = Annotated[str, AfterValidator(_attribute)]
Host = Annotated[str, AfterValidator(_host)]
Kind = Annotated[str, AfterValidator(_kind)]
Label = Annotated[str, AfterValidator(_label)]
