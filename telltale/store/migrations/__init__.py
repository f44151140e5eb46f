"""Bring a store's tables up to date, once, however many parts start together."""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event, inspect, text
from sqlalchemy.engine import URL

from telltale import private
from telltale.store.engine import database_file, make_engine, named
from telltale.store.errors import StoreUnusable

log = logging.getLogger(__name__)

HEAD = "0014"
"""The newest revision in `versions/`; a test keeps the two equal."""

_ADVISORY_LOCK = 0x7E11_7A1E


def current(engine: Engine) -> str | None:
    """The revision of the tables that are there; None for an empty database."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def upgrade(url: URL, busy_timeout: float) -> None:
    """Run the migrations that are missing. Raises StoreUnusable for a store whose revision is none of ours."""
    engine = make_engine(url, busy_timeout, is_patient=True)
    if database_file(url):
        event.listen(engine, "connect", _spill)
    try:
        found = current(engine)
        if found == HEAD:
            return
        if found is not None and found > HEAD:
            raise _foreign(url, found)
        if found is not None:
            log.warning("bringing the store from revision %s to %s: a large one takes minutes", found, HEAD)
        with _alone(url, engine):
            _run(url, engine)
    finally:
        engine.dispose()


def _spill(connection: Any, _record: object) -> None:
    # A table that is rewritten may be more than memory holds. Not within the migration: SQLite heeds it before a BEGIN.
    connection.execute("PRAGMA cache_spill=ON")


def _run(url: URL, engine: Engine) -> None:
    # Alembic costs 0.2 s to import: only a store that is behind pays for it.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise _foreign(url, current(engine)) from error


def _foreign(url: URL, found: str | None) -> StoreUnusable:
    what = f"written by a newer Telltale, or by another program (revision {found}; this one knows {HEAD})"
    return StoreUnusable(f"{named(url)}: {what}: start that version, or name another store")


@contextmanager
def _alone(url: URL, engine: Engine) -> Iterator[None]:
    """Hold the right to migrate: a lock file beside SQLite's file, an advisory lock in PostgreSQL."""
    file = database_file(url)
    if file is None:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ADVISORY_LOCK})
            yield
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _ADVISORY_LOCK})
        return
    with open(file.with_name(file.name + ".migrate.lock"), "w", opener=private.opener) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
