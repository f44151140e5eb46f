"""Engines: SQLite in WAL with `synchronous=FULL`, or PostgreSQL, behind the same SQLAlchemy Core."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from telltale.store.errors import StoreUnavailable, StoreUnusable, is_passing, reason

# Rows are prompts of some kB: a page fits one, so that a write touches few pages.
PAGE_SIZE = 16384
_PAUSE_S = 0.02
_HOST = re.compile(r"[\w.-]*|[0-9A-Fa-f:.%]+")
_DATABASE = re.compile(r"[^/:@?#]*")
_EMPTY_PORT = re.compile(r"://[^/?@]*:(?:[/?]|$)")
_USER = re.compile(r"[^/:?#]*")
_MEND = "write sqlite:///path/to/file.db or postgresql://user:password@host/database"


def parse_url(url: str) -> URL:
    """The URL with its driver named. Raises StoreUnusable, which does not repeat the password."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        # Without the value, which may contain a password anywhere, and without the cause, which repeats it.
        raise StoreUnusable(f"store.url = (secret): no database URL: {_MEND}") from error
    if _is_ambiguous(url, parsed):
        raise StoreUnusable(
            "store.url = (secret): cannot tell user, password, host and database apart: write the password's own "
            f"@ : / ? # % as %40 %3A %2F %3F %23 %25: {_MEND}"
        )
    if parsed.get_backend_name() not in ("sqlite", "postgresql", "postgres"):
        raise StoreUnusable(f"{named(parsed)}: {parsed.drivername} is not supported: {_MEND}")
    if parsed.drivername in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise StoreUnusable(f"{named(parsed)}: names no file, and one part's memory is no other's: {_MEND}")
    return parsed


def named(url: URL) -> str:
    """The setting with its value, for an error's message. A password may be among the options too."""
    return f"store.url = {shown(url)}"


def shown(url: URL) -> str:
    """The URL for people: without password and options. A user alone may be a password whose colon was left out."""
    is_lone = url.username is not None and not url.password and "password" not in url.query
    kept = url.set(query={}, username="***" if is_lone else url.username)
    text = kept.render_as_string(hide_password=True)
    # Unchanged if it has no password, whose characters might need escaping.
    return unquote(text) if url.get_backend_name() == "sqlite" else text


def _is_ambiguous(written: str, url: URL) -> bool:
    """Whether a part that errors name may hold a piece of the password, because of characters that stand as they are.

    Drivers name hosts in their messages, so such a URL is not used at all.
    """
    if url.get_backend_name() == "sqlite":
        return "@" in written.partition("?")[2] or url.username is not None or url.host is not None
    return (
        # Each @ but the one before the host belongs to something else that is not shown, or to a password.
        written.count("@") != (url.username is not None)
        or url.password == ""
        or _EMPTY_PORT.search(written) is not None
        or not _HOST.fullmatch(url.host or "")
        or not _DATABASE.fullmatch(url.database or "")
        or (url.port or 0) > 65535
        or (url.username is not None and not _USER.fullmatch(url.username))
    )


@contextmanager
def explained(url: URL) -> Iterator[None]:
    """Translate errors while a store is opened. Raises StoreUnusable, or StoreUnavailable where it may pass."""
    try:
        yield
    except (NoSuchModuleError, ImportError) as error:
        driver = f"the driver {url.drivername} is missing ({error})"
        raise StoreUnusable(f"{named(url)}: {driver}: write postgresql://…, install telltale-llm[postgres]") from error
    except Exception as error:
        if is_passing(error):
            raise StoreUnavailable(_without_password(url, reason(error))) from error
        if not isinstance(error, DBAPIError):
            raise
        mend = "name another file, or bring back this one's copy" if database_file(url) else "see to that there"
        raise StoreUnusable(f"{named(url)}: {_without_password(url, reason(error))}: {mend}") from error


def _without_password(url: URL, said: str) -> str:
    """A driver's message, should it repeat the password."""
    for password in (url.password, *url.normalized_query.get("password", ())):
        if password:
            said = said.replace(password, "***")
    return said


def make_engine(url: URL, busy_timeout: float, *, is_patient: bool = False) -> Engine:
    """An engine whose every SQLite transaction begins with the lock it will need (`BEGIN IMMEDIATE`).

    On PostgreSQL, too, nobody waits for a lock longer than `busy_timeout` unless `is_patient`, nor for a server that
    does not acknowledge what is sent to it. Parameters are user content, so error messages never include them.
    """
    if url.get_backend_name() == "postgresql":
        server = create_engine(
            url, pool_size=4, pool_pre_ping=True, hide_parameters=True, connect_args=_patience(url, busy_timeout)
        )
        if not is_patient:
            event.listen(server, "connect", lambda connection, _record: _lock_timeout(connection, busy_timeout))
        return server
    engine = create_engine(
        url, pool_size=1, max_overflow=0, hide_parameters=True, connect_args=_connect_args(busy_timeout)
    )
    event.listen(engine, "connect", lambda connection, _record: _pragmas(connection, busy_timeout))
    event.listen(engine, "begin", _begin_immediate)
    return engine


def make_reader(url: URL, busy_timeout: float) -> Engine:
    """An engine for reads, each in one snapshot: on SQLite a connection that never waits for the writer."""
    if url.get_backend_name() == "postgresql":
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        return make_engine(url, busy_timeout).execution_options(**options)
    engine = create_engine(url, hide_parameters=True, connect_args=_connect_args(busy_timeout))
    event.listen(engine, "connect", _query_only)
    event.listen(engine, "begin", _begin)
    return engine


def database_file(url: URL) -> Path | None:
    """The file of a SQLite URL; None for a database server."""
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def _patience(url: URL, busy_timeout: float) -> dict[str, object]:
    # In seconds, tcp_user_timeout in milliseconds; values in the URL take precedence. Without them a lost host
    # is waited for for two hours.
    seconds = max(1, int(busy_timeout))
    found: dict[str, object] = {
        "connect_timeout": seconds, "tcp_user_timeout": seconds * 1000, "keepalives_idle": seconds,
        "keepalives_interval": seconds, "keepalives_count": 2,
    }  # fmt: skip
    return {name: value for name, value in found.items() if name not in url.query}


def _lock_timeout(connection: Any, busy_timeout: float) -> None:
    # Not as a parameter of the connection's start, which a pooler in between refuses.
    connection.execute(f"SET lock_timeout = {max(1, int(busy_timeout * 1000))}")
    connection.commit()


def _connect_args(busy_timeout: float) -> dict[str, object]:
    # isolation_level None leaves every BEGIN to us: Python's own would begin without the write lock.
    return {"timeout": busy_timeout, "check_same_thread": False, "isolation_level": None}


def _pragmas(connection: Any, busy_timeout: float) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA page_size={PAGE_SIZE}")
    _use_wal(cursor, busy_timeout)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    # What retention deletes is user content. Debian's SQLite overwrites it by default, others leave it in the file.
    cursor.execute("PRAGMA secure_delete=ON")
    # A large transaction's pages are written once, at its end; its rows are in memory anyway.
    cursor.execute("PRAGMA cache_spill=OFF")
    cursor.close()


def _use_wal(cursor: Any, busy_timeout: float) -> None:
    # SQLite's busy timeout does not apply while another connection is about to write to a file without WAL: parts
    # that start together meet there.
    deadline = time.monotonic() + busy_timeout
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_PAUSE_S)


def empty_log(engine: Engine) -> bool:
    """Write SQLite's log into its file and leave it empty; False where readers kept it from that for too long."""
    connection = engine.raw_connection()
    try:
        (busy, *_) = connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError:
        return False
    finally:
        connection.close()
    return not busy


def _query_only(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA query_only=ON")


def _begin_immediate(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN")
