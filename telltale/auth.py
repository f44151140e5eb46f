"""API keys of services: how a request carries one, and which key that is. The one check for every part."""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Callable
from typing import NamedTuple

from telltale.store import Store, access
from telltale.store.access import Key

# A key is read from the store once in this time, so a revoked one stops within it. The worst that a longer time does is
# let whoever stole a key go on writing feedback and spans, or reading prompts; the most that this one costs is one
# indexed read a second for each key in use, whatever its rate of requests.
LIFETIME_S = 1.0
MAX_CACHED = 10_000
# Ours have 55 characters. Longer ones are not kept: a cache of what strangers send must stay small.
MAX_SECRET = 128


class Lookup(NamedTuple):
    """A looked-up secret: its key, None for an unknown, revoked or expired one; and the time of the look-up."""

    key: Key | None
    asked_at: float


def secret(authorization: str) -> str | None:
    """The API key in an Authorization header; None where it holds none, or credentials of something else.

    It may come as a bearer token, as the password of Basic, which is how Langfuse's SDKs send their secret key, or
    bare.
    """
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        found = rest.strip()
    elif scheme.lower() == "basic":
        found = _password(rest.strip())
    else:
        found = authorization.strip()
    return found if found.startswith(access.KEY_PREFIX) else None


class ApiKeys:
    """API keys by secret, as the store had them less than LIFETIME_S ago. Safe to use from several threads."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        """`clock`: Unix seconds."""
        self._store = store
        self._clock = clock
        self._lookups: dict[str, Lookup] = {}
        self._lock = threading.Lock()

    def recent(self, secret: str) -> Lookup | None:
        """A recent look-up, without the store; None if the store must be asked."""
        now = self._clock()
        if not _is_well_formed(secret):
            return Lookup(None, now)
        lookup = self._lookups.get(secret)
        if lookup is None or not 0 <= now - lookup.asked_at < LIFETIME_S:
            return None
        key = lookup.key
        is_expired = key is not None and key.expires_at is not None and key.expires_at <= now
        return Lookup(None, lookup.asked_at) if is_expired else lookup

    def look_up(self, secret: str) -> Lookup:
        """Look the secret up in the store. Raises StoreUnavailable."""
        # The time before the look-up: a key revoked while the store was busy must not stay valid for longer.
        now = self._clock()
        if not _is_well_formed(secret):
            return Lookup(None, now)
        with self._store.read() as connection:
            lookup = Lookup(access.find_key(connection, secret, now), now)
        with self._lock:
            # Moved to the end: the first is the least recently looked up.
            self._lookups.pop(secret, None)
            self._lookups[secret] = lookup
            if len(self._lookups) > MAX_CACHED:
                del self._lookups[next(iter(self._lookups))]
        return lookup

    def find(self, secret: str) -> Key | None:
        """The key with this secret, from the cache or else the store. Raises StoreUnavailable."""
        return (self.recent(secret) or self.look_up(secret)).key


def _password(credentials: str) -> str:
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _is_well_formed(secret: str) -> bool:
    """Whether a key can look so; PostgreSQL refuses a text with NUL."""
    return len(secret) <= MAX_SECRET and secret.isascii() and secret.isprintable()
