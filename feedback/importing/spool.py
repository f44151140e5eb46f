"""Events read from files, on disk, in the order of their time: files come newest first, and the store takes what is
stored later for newer. And the names of traces.

Both are in one nameless file of SQLite, which is gone with the process however it ends.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import fields
from operator import attrgetter
from typing import Final, NamedTuple

from feedback.importing.plan import Named, Row
from telltale.records import Feedback

_AT_ONCE: Final = 1000
_NAMES: Final = [field.name for field in fields(Feedback) if field.name != "id"]
_get_values = attrgetter(*_NAMES)


class Spooled(NamedTuple):
    """An event to store, and where it was read: the number of its file, and the line."""

    file: int
    line: int
    row: Row


class Spool:
    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("CREATE TABLE event (at REAL, file INTEGER, line INTEGER, row TEXT)")
        self._db.execute("CREATE TABLE trace (id TEXT PRIMARY KEY, trace TEXT, span TEXT) WITHOUT ROWID")
        self.count = 0
        self._waiting: list[tuple[float, int, int, str]] = []

    def add(self, events: Iterable[Spooled]) -> None:
        """Keep events; `finish` makes the last ones readable."""
        for one in events:
            event, body = one.row
            self._waiting.append((event.received_at, one.file, one.line, json.dumps([*_get_values(event), body])))
            self.count += 1
        if len(self._waiting) >= _AT_ONCE:
            self.finish()

    def finish(self) -> None:
        self._db.execute("BEGIN")
        self._db.executemany("INSERT INTO event VALUES (?, ?, ?, ?)", self._waiting)
        self._db.execute("COMMIT")
        self._waiting.clear()

    def by_time(self) -> Iterator[Spooled]:
        """All of them, the oldest first; of the same time in the order of the files."""
        return self._ordered("at, file, line, rowid")

    def by_key(self) -> Iterator[Spooled]:
        """All of them, those under the same idempotency key one after another, the oldest first."""
        return self._ordered(f"json_extract(row, '$[{_NAMES.index('idempotency_key')}]'), at, file, line, rowid")

    def _ordered(self, by: str) -> Iterator[Spooled]:
        for file, line, text in self._db.execute(f"SELECT file, line, row FROM event ORDER BY {by}"):  # noqa: S608 - ours
            *values, body = json.loads(text)
            yield Spooled(file, line, (Feedback(**dict(zip(_NAMES, values, strict=True))), body))

    def name_trace(self, id: str, named: Named) -> bool:
        """Say which trace an id means. Returns False where it was said to be another."""
        self._db.execute("INSERT OR IGNORE INTO trace VALUES (?, ?, ?)", (id, *named))
        return self.trace_of(id) == named

    def trace_of(self, id: str) -> Named | None:
        found: Named | None = self._db.execute("SELECT trace, span FROM trace WHERE id = ?", (id,)).fetchone()
        return found

    def close(self) -> None:
        self._db.close()
