"""The audit log: who changed what, chained by hashes so that a changed or missing row shows.

A row's hash is SHA-256 over the previous row's hash and the row itself as canonical JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, text

from telltale.store.audit_head import Head, HeadFile
from telltale.store.schema import audit_log
from telltale.store.writer import COMMITTED

GENESIS = "0" * 64
_APPEND_LOCK = 0x7E11_A0D1


@dataclass(frozen=True, slots=True)
class Entry:
    at: float
    actor: str
    action: str
    subject: str
    details: Mapping[str, object]
    previous_hash: str
    hash: str
    id: int | None = None


def record(
    connection: Connection, *, actor: str, action: str, subject: str, now: float, details: Mapping[str, object] = {}
) -> None:
    """Append an entry in the caller's transaction, so that change and record are stored together or not at all."""
    if connection.dialect.name == "postgresql":
        # Two writers would otherwise chain to the same row; SQLite has one writer anyway.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _APPEND_LOCK})
    last = connection.execute(select(audit_log.c.hash).order_by(audit_log.c.id.desc()).limit(1)).scalar()
    previous = last or GENESIS
    values = {"at": now, "actor": actor, "action": action, "subject": subject, "details": dict(details)}
    digest = _hash(previous, values)
    row = connection.execute(audit_log.insert().values(**values, previous_hash=previous, hash=digest))
    key = row.inserted_primary_key
    count = connection.execute(select(func.count()).select_from(audit_log)).scalar_one()
    connection.info[COMMITTED] = Head(count, int(key[0]) if key else 0, digest, now)


def entries(connection: Connection, limit: int = 200) -> list[Entry]:
    """The newest entries, newest first."""
    query = select(audit_log).order_by(audit_log.c.id.desc()).limit(limit)
    return [Entry(**row._asdict()) for row in connection.execute(query)]


def verify(connection: Connection) -> int | None:
    """The id of the first entry that does not fit the chain; None when all do."""
    previous = GENESIS
    for row in connection.execute(select(audit_log).order_by(audit_log.c.id)):
        values = {name: getattr(row, name) for name in ("at", "actor", "action", "subject", "details")}
        if row.previous_hash != previous or row.hash != _hash(previous, values):
            return int(row.id)
        previous = row.hash
    return None


def fault(connection: Connection, head: HeadFile | None) -> str | None:
    """What is wrong with the log, for people: an entry that was changed, or newest ones that are missing; None if none.

    Entries beyond the head are no fault: it is written after the commit, and other machines keep their own.
    """
    broken = verify(connection)
    if broken is not None:
        return f"the audit log's chain breaks at entry {broken}: it or the one before was changed"
    return head.fault(connection) if head else None


def _hash(previous: str, values: Mapping[str, object]) -> str:
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256((previous + text).encode()).hexdigest()
