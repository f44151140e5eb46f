"""What callers need to tell apart: try again later, or never."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, TimeoutError


class StoreUnavailable(Exception):
    """The store cannot be used now (locked, full, gone); the same call may work later."""


class StoreBusy(StoreUnavailable):
    """Too many writes wait already; the sender must wait before it tries again."""


class StoreUnusable(Exception):
    """What the settings name can never be our store: a URL that is none, a file of something else, a newer store."""


class Conflict(Exception):
    """The store already holds something else under this key."""


def is_passing(error: BaseException) -> bool:
    """Whether the database's state, not the statement, made it fail."""
    if isinstance(error, (OperationalError, InterfaceError, TimeoutError, OSError)):
        return True
    return isinstance(error, DBAPIError) and error.connection_invalidated


def reason(error: BaseException) -> str:
    """The driver's own words without the statement, which would carry the row's content into logs."""
    return (str(getattr(error, "orig", None) or error).strip().splitlines() or [type(error).__name__])[0]
