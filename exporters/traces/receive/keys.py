"""API keys looked up beside the event loop: a store that is slow to reply must hold up only those it is asked about."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

from exporters.traces.decode.bodies import Refused
from telltale.auth import ApiKeys, Lookup

OTLP_SCOPE = "otlp:write"
FEEDBACK_SCOPE = "feedback:write"
# So many lookups wait for the database at once.
WORKERS = 4


class KeyLookups:
    """Lookups of keys, one at a time for each secret. Safe to use from several threads."""

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys
        self._pending: dict[str, Future[Lookup]] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="keys")

    def look_up(self, secret: str) -> Lookup | Future[Lookup]:
        """What is known about a secret, or a future of it, which raises StoreUnavailable."""
        recent = self._keys.recent(secret)
        if recent is not None:
            return recent
        with self._lock:
            if secret not in self._pending:
                self._pending[secret] = self._pool.submit(self._look_up, secret)
            return self._pending[secret]

    def close(self) -> None:
        """Start no more lookups; those that run end by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _look_up(self, secret: str) -> Lookup:
        try:
            return self._keys.look_up(secret)
        finally:
            with self._lock:
                del self._pending[secret]


def tenant(lookup: Lookup, scope: str) -> str:
    """Whose key it is. Raises Refused for one that is not good for this scope."""
    if lookup.key is None or scope not in lookup.key.scopes:
        raise Refused("unauthenticated", f"the key is unknown, expired or without the scope {scope}")
    return lookup.key.tenant
