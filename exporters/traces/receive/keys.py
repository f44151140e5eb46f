"""Whose a request is: the tenant of its API key, which goes before what a span claims."""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from exporters.traces.decode.bodies import Refused
from telltale.store import Store, access

SCOPE = "otlp:write"
FEEDBACK_SCOPE = "feedback:write"
# A key is looked up in the store once in this time: a revoked one works no longer than that.
CACHE_S = 30.0
MOST_KEYS = 1000
# A database that does not answer is waited for by so many at once.
WORKERS = 4

Asked = tuple[str, str]
"""A key's secret, and what is asked for with it."""


class Keys:
    """Tenants by key, as the store had them lately. Safe to use from several threads."""

    def __init__(self, store: Store, clock: Callable[[], float], is_required: bool) -> None:
        """`is_required`: whether nobody may send without a key."""
        self._store = store
        self._clock = clock
        self._is_required = is_required
        # What each one's tenant is (None: it is none's), and since when that is known.
        self._known: dict[Asked, tuple[str | None, float]] = {}
        self._pending: dict[Asked, Future[None]] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="keys")

    def ask(self, authorization: str, scope: str = SCOPE) -> Future[None] | None:
        """Have the store asked, in another thread: what is done once `tenant` need not. None: it need not now.

        The future raises StoreUnavailable.
        """
        asked = _secret(authorization), scope
        if not _is_key(asked) or self._lately(asked) is not None:
            return None
        with self._lock:
            if asked not in self._pending:
                self._pending[asked] = self._pool.submit(self._fetch, asked)
            return self._pending[asked]

    def tenant(self, authorization: str, scope: str = SCOPE) -> str | None:
        """Whose key it is; None without one. Asks the store if nobody did lately.

        Raises Refused for a key that is not good for this, and for none where one is required; StoreUnavailable.
        """
        asked = _secret(authorization), scope
        if not _is_key(asked):
            if self._is_required:
                raise Refused("unauthenticated", 401, "send Authorization: Bearer tt_…; `telltale key add` makes a key")
            return None
        known = self._lately(asked)
        tenant = self._look_up(asked) if known is None else known[0]
        if tenant is None:
            raise Refused("unauthenticated", 401, f"the key is unknown, expired or without the scope {scope}")
        return tenant

    def close(self) -> None:
        """Ask no more: what is asked now ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _lately(self, asked: Asked) -> tuple[str | None, float] | None:
        known = self._known.get(asked)
        return known if known is not None and known[1] >= self._clock() - CACHE_S else None

    def _fetch(self, asked: Asked) -> None:
        try:
            self._look_up(asked)
        finally:
            with self._lock:
                del self._pending[asked]

    def _look_up(self, asked: Asked) -> str | None:
        secret, scope = asked
        key = None
        # PostgreSQL takes no NUL.
        if secret.isascii() and secret.isprintable():
            with self._store.read() as connection:
                key = access.find_key(connection, secret, self._clock())
        tenant = key.tenant if key and scope in key.scopes else None
        with self._lock:
            # Behind all others: the first one is the one that was asked for the longest ago.
            self._known.pop(asked, None)
            # Not since it was asked: an answer may take longer than it is good for.
            self._known[asked] = tenant, self._clock()
            if len(self._known) > MOST_KEYS:
                del self._known[next(iter(self._known))]
        return tenant


def _is_key(asked: Asked) -> bool:
    return asked[0].startswith(access.KEY_PREFIX)


def _secret(authorization: str) -> str:
    """The key in a header: as a bearer token, or as the password of Langfuse's pair of keys."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() != "basic":
        return rest.strip() if scheme.lower() == "bearer" else authorization.strip()
    try:
        return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
