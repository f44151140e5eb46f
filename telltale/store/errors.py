"""What callers need to distinguish: retry later, or never."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, OperationalError, TimeoutError

from telltale.exits import UsageError


class StoreUnavailable(Exception):
    """The store cannot be used now (locked, full, gone, damaged); the same call may work later."""


class StoreBusy(StoreUnavailable):
    """Too many writes wait already; the sender must wait before it tries again."""


class StoreUnusable(UsageError):
    """The settings name what cannot be our store: an invalid URL, another program's file, a newer version's store."""


class Conflict(Exception):
    """The store already has something else under this key."""


def is_passing(error: BaseException) -> bool:
    """Whether the database's state, not the statement, made it fail."""
    if isinstance(error, (OperationalError, InterfaceError, TimeoutError, OSError)):
        return True
    return isinstance(error, DBAPIError) and error.connection_invalidated


def is_damage(error: BaseException) -> bool:
    """Whether the database reports corruption (SQLITE_CORRUPT, SQLITE_NOTADB; PostgreSQL's class XX).

    An operator must repair it or restore a copy; what senders retry after that is not lost.
    """
    if not isinstance(error, DBAPIError):
        return False
    if isinstance(error.orig, sqlite3.DatabaseError):
        # Its driver has no class of its own for these two.
        return type(error) is DatabaseError
    return str(getattr(error.orig, "sqlstate", "")).startswith("XX")


def reason(error: BaseException) -> str:
    """The driver's message without the statement, which would put the row's content into logs."""
    return (str(getattr(error, "orig", None) or error).strip().splitlines() or [type(error).__name__])[0]
