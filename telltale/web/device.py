"""The cookie of a browser in which a person has signed in before: it proves nothing but that.

OWASP, Slow Down Online Guessing Attacks with Device Cookies: a random number, and an HMAC of it and the name with the
installation's own key. It lets nobody in; it spares a person the limits that strangers run into (see `throttle`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from starlette.requests import Request
from starlette.responses import Response

from telltale.web.state import State

KEY = "device cookie"
# Browsers keep no cookie for longer (RFC 6265bis, section 5.5).
MAX_AGE_S = 400 * 86400
MAX_LENGTH = 200


def remember(here: State, response: Response, name: str) -> None:
    """Give this browser the cookie for `name`. Raises StoreUnavailable."""
    nonce = secrets.token_urlsafe(16)
    value = f"{nonce}.{_mac(here.secret(KEY), name, nonce)}"
    response.set_cookie(_cookie_name(here), value, MAX_AGE_S, path="/", secure=here.secure, httponly=True)


def known(here: State, request: Request, name: str) -> str | None:
    """What tells this browser from others, if `name` has signed in here before. Raises StoreUnavailable."""
    value = request.cookies.get(_cookie_name(here), "")
    nonce, _, mac = value.partition(".")
    if not mac or len(value) > MAX_LENGTH or not value.isascii():
        return None
    return nonce if hmac.compare_digest(mac, _mac(here.secret(KEY), name, nonce)) else None


def _mac(key: bytes, name: str, nonce: str) -> str:
    # The nonce has no NUL, so no other pair of name and nonce makes the same text.
    digest = hmac.digest(key, f"{nonce}\0{name}".encode(errors="surrogatepass"), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _cookie_name(here: State) -> str:
    return "__Host-telltale-device" if here.secure else "telltale-device"
