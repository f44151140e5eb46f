"""Which pages' scripts may send OTLP from a browser (the Fetch standard's CORS protocol)."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from exporters.traces.receive.http1 import Field, Request

ANY: Final = "*"
# Seconds; Chromium's most.
MAX_AGE: Final = 7200
# Names of header fields as a preflight lists them: SDKs let their users set any.
_NAMES: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,1024}")
_VARY: Final = (b"vary", b"origin, access-control-request-method, access-control-request-headers")


class Cors:
    """What responses say of it. Of an origin that is not named they say nothing: its browser keeps them from the page.

    `navigator.sendBeacon` asks with credentials, so a named origin is allowed them, though nothing here reads cookies.
    Any origin is not: whoever needs no name needs a key.
    """

    def __init__(self, origins: Collection[str]) -> None:
        """`origins` as browsers write them; ANY for all; none for no CORS."""
        self._origins = frozenset(origins)

    def fields(self, origin: str) -> tuple[Field, ...]:
        """What every response to a request from there carries, errors too."""
        if not self._origins:
            return ()
        if not origin or not self._allows(origin):
            return (_VARY,)
        named = origin.encode("latin-1") if origin in self._origins else ANY.encode()
        found = [
            (b"access-control-allow-origin", named),
            (b"access-control-expose-headers", b"retry-after"),
            _VARY,
        ]
        if origin in self._origins:
            found.append((b"access-control-allow-credentials", b"true"))
        return tuple(found)

    def preflight(self, request: Request) -> tuple[Field, ...] | None:
        """What the response to a preflight carries beside that; None for a request that is none, or is not allowed."""
        origin = request.field(b"origin")
        if request.method != "OPTIONS" or not request.field(b"access-control-request-method"):
            return None
        if not origin or not self._allows(origin):
            return None
        found: list[Field] = [
            (b"access-control-allow-methods", b"POST"),
            (b"access-control-max-age", str(MAX_AGE).encode()),
        ]
        names = request.fields.get(b"access-control-request-headers", b"")
        if _NAMES.fullmatch(names):
            found.append((b"access-control-allow-headers", names))
        return tuple(found)

    def _allows(self, origin: str) -> bool:
        return origin in self._origins or ANY in self._origins
