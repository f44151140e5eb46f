"""The store: SQLite by default, PostgreSQL by URL; one writer with group commit, many readers.

A future of `Store.submit` is done only after the commit, so whatever is acknowledged on its result is durable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import Connection, text
from sqlalchemy.engine import URL

from telltale import private
from telltale.store.audit_head import HeadFile
from telltale.store.engine import database_file, empty_log, explained, make_engine, make_reader, named, parse_url, shown
from telltale.store.errors import Conflict, StoreBusy, StoreUnavailable, StoreUnusable, is_damage, is_passing, reason
from telltale.store.writer import Writer

if TYPE_CHECKING:
    from telltale.settings import Settings

T = TypeVar("T")

__all__ = [
    "Conflict",
    "Store",
    "StoreBusy",
    "StoreUnavailable",
    "StoreUnusable",
    "open_configured",
    "open_existing",
    "open_store",
    "require_existing",
]


class Store:
    """An open store. `close` commits what is queued, as long as the database accepts writes."""

    def __init__(self, url: URL, busy_timeout: float, queue_rows: int, head: HeadFile | None = None) -> None:
        self.url = url
        self._file = database_file(url)
        self._identity = self._inode()
        self._engine = make_engine(url, busy_timeout)
        self._reader = make_reader(url, busy_timeout)
        self._writer = Writer(self._engine, queue_rows, self._is_replaced, head.advance if head else None)
        self.head = head

    def submit(self, write: Callable[[Connection], T]) -> Future[T]:
        """Queue a write; its future is done after the commit.

        `write` may run twice, so it must only use its connection. Raises StoreBusy at once when too many
        writes wait; the future raises StoreUnavailable when the store is locked, full or gone (both: try again later).
        """
        return self._writer.submit(write)

    def write(self, write: Callable[[Connection], T]) -> T:
        """Submit and wait for the commit."""
        return self.submit(write).result()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading, in one consistent snapshot. Raises StoreUnavailable."""
        try:
            with self._reader.connect() as connection, connection.begin():
                yield connection
        except Exception as error:
            if is_passing(error) or is_damage(error):
                self._reader.dispose()
                raise StoreUnavailable(reason(error)) from error
            raise

    def unready(self) -> str | None:
        """Why the store cannot be read now; None if it can."""
        try:
            with self.read() as connection:
                connection.execute(text("SELECT 1"))
        except StoreUnavailable:
            return "the store cannot be used"
        return None

    @property
    def place(self) -> str:
        """Where it is, for people: the absolute path of SQLite's file, or the server's URL without its password."""
        return str(self._file.absolute()) if self._file else shown(self.url)

    @property
    def waiting(self) -> int:
        """How many writes are queued."""
        return self._writer.waiting

    @property
    def committed(self) -> tuple[int, int]:
        """How many groups of writes were committed since it was opened, and how many writes in them."""
        return self._writer.commits, self._writer.writes

    @property
    def refusal(self) -> str | None:
        """Why the database refused the last write; None when it accepted it."""
        return self._writer.refusal

    def try_again(self) -> None:
        """After a refused write, check whether the database accepts writes again, for callers that write nothing."""
        if self.refusal is None or self.waiting:
            return
        with suppress(StoreUnavailable):
            # A write that changes nothing: reading would succeed on a full disk too.
            self.submit(
                lambda connection: connection.execute(text("UPDATE alembic_version SET version_num=version_num"))
            )

    def forget_deleted(self) -> bool:
        """Empty SQLite's log, which holds what was deleted until it begins anew. Whether it could: nobody was reading.

        PostgreSQL does so itself: its vacuum removes deleted rows, and its log is recycled.
        """
        return self._file is None or empty_log(self._engine)

    def prepare_to_close(self) -> None:
        """Prepare to close: from now on, one refused group refuses all waiting writes, lest each wait for a lock."""
        self._writer.prepare_to_close()

    def close(self) -> None:
        self._writer.close()
        self._engine.dispose()
        self._reader.dispose()

    def _inode(self) -> int | None:
        try:
            return self._file.stat().st_ino if self._file else None
        except OSError:
            return None

    def _is_replaced(self) -> bool:
        """Whether SQLite's file was replaced by another with our tables: the open handle would write to the old one.

        Raises StoreUnavailable when it is gone, or has other tables.
        """
        if self._file is None:
            return False
        inode = self._inode()
        if inode == self._identity:
            return False
        if inode is None:
            raise StoreUnavailable(f"{self._file} is gone")
        self._engine.dispose()
        self._reader.dispose()
        _require_schema(self)
        self._identity = inode
        return True


def open_store(url: str, busy_timeout: float = 5.0, queue_rows: int = 10_000, head: HeadFile | None = None) -> Store:
    """Open the store at `url`, bringing its tables up to date first.

    Raises StoreUnusable for a URL or a store that can never be ours, StoreUnavailable when it cannot be reached now.
    """
    from telltale.store.migrations import upgrade

    parsed = parse_url(url)
    with explained(parsed):
        if file := database_file(parsed):
            private.make_folder(file.parent)
            private.make_file(file)
        upgrade(parsed, busy_timeout)
        if file:
            # Only now is it known to be ours. SQLite gives its log and index the file's own mode.
            for suffix in ("", "-wal", "-shm", "-journal", ".migrate.lock"):
                private.tighten(file.with_name(file.name + suffix))
    return Store(parsed, busy_timeout, queue_rows, head)


def open_configured(settings: Settings) -> Store:
    """Open the store that the settings name. Raises SettingsError for an unreadable URL file, and as `open_store`."""
    head_file = settings.audit.head_file or settings.data_dir / "audit.head"
    head = HeadFile(head_file, settings.data_dir / "audit.key")
    try:
        return open_store(settings.store_url, settings.store.busy_timeout, settings.store.queue_rows, head)
    except StoreUnusable as error:
        if settings.store.url_file is None:
            raise
        raise StoreUnusable(f"store.url_file = {settings.store.url_file}: {error}") from error


def open_existing(settings: Settings) -> Store:
    """As `open_configured`, but never makes a store: a command that reads or administers one must not start another."""
    require_existing(settings)
    return open_configured(settings)


def require_existing(settings: Settings) -> None:
    """Raise StoreUnusable when there is no store where the settings say, with the place, the setting and the remedy."""
    from telltale.store.migrations import current

    url = parse_url(settings.store_url)
    file = database_file(url)
    if file is None or file.is_file():
        with explained(url):
            engine = make_reader(url, settings.store.busy_timeout)
            try:
                if current(engine) is not None:
                    return
            finally:
                engine.dispose()
    place = file.absolute() if file else shown(url)
    setting = named(url) if settings.store.url or settings.store.url_file else f"data_dir = {settings.data_dir}"
    raise StoreUnusable(
        f"{setting}: no store at {place}; name the settings file of the one that is meant (--config), or make this one "
        "with `telltale up` or `telltale db upgrade`"
    )


def _require_schema(store: Store) -> None:
    from telltale.store.migrations import HEAD, current

    found = current(store._engine)
    if found != HEAD:
        raise StoreUnavailable(f"{store._file} was replaced by a file without our tables")
