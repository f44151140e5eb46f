"""From the spool into the store: in batches that leave others their turn, recorded in the audit log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection

from feedback.importing.report import Report
from feedback.importing.spool import Spool, Spooled
from telltale.store import Conflict, Store, audit, feedback

AT_ONCE: Final = 500
CHANGED: Final = "was stored before with other content, which stays"
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Stored:
    """How many events of each file (by its number) are new in the store, and how many were there."""

    new: Counter[int] = field(default_factory=Counter)
    known: Counter[int] = field(default_factory=Counter)


def store_all(
    store: Store, spool: Spool, report: Report, *, tenant: str, actor: str, clock: Callable[[], float],
    files: Sequence[Mapping[str, object]], progress: Progress,
) -> Stored:  # fmt: skip
    """Store every event once. What is stored and that it was begun are committed together, so nothing is unrecorded.

    Raises StoreUnavailable; what is stored by then stays, and the same import again stores the rest.
    """
    done = Stored()
    begun = False

    def note(connection: Connection, action: str, details: Mapping[str, Any]) -> None:
        audit.record(connection, actor=actor, action=action, subject=tenant, now=clock(), details=details)

    for batch in _batches(spool.by_time()):
        rows = [one.row for one in batch]

        def write(connection: Connection, rows: Any = rows, is_first: bool = not begun) -> Any:
            if is_first:
                note(connection, "feedback import begun", {"files": list(files), "events": spool.count})
            return feedback.append_all(connection, rows)

        for one, result in zip(batch, store.write(write), strict=True):
            if isinstance(result, Conflict):
                report.refuse(one.file, one.line, "id", CHANGED)
            else:
                (done.known if result[1] else done.new)[one.file] += 1
        begun = True
        progress("events stored", (done.new.total() + done.known.total() + 1) / (spool.count + 1))
    counts = {"new": done.new.total(), "known": done.known.total(), "refused": report.refused.total()}
    store.write(lambda connection: note(connection, "feedback imported", {"files": list(files), **counts}))
    return done


def look(store: Store, spool: Spool, report: Report, *, tenant: str) -> Stored:
    """What `store_all` would do."""
    done = Stored()
    last_key, last_body = "", ""
    for batch in _batches(spool.by_key()):
        keys = [one.row[0].idempotency_key for one in batch]
        with store.read() as connection:
            there = {event.idempotency_key: body for event, body in feedback.under_keys(connection, tenant, keys)}
        for one in batch:
            key, body = one.row[0].idempotency_key, one.row[1]
            known = last_body if key == last_key else there.get(key)
            if known not in (None, body):
                report.refuse(one.file, one.line, "id", CHANGED)
            else:
                (done.new if known is None else done.known)[one.file] += 1
            last_key, last_body = key, known or body
    return done


def _batches(rows: Iterator[Spooled]) -> Iterator[list[Spooled]]:
    while batch := list(islice(rows, AT_ONCE)):
        yield batch
