"""The audit log's signed head: how many entries there were and the newest one's hash, kept outside the database.

A chain shows a change within it, not that its newest entries were cut off. So each process that writes an entry then
writes the head to a file, signed (HMAC-SHA256) with a key in the data folder. It is written after the commit: a crash
leaves it behind the log, never ahead. Every machine keeps its own, and each vouches for what came before it. Each head
is in the process's log too, out of reach of who can write to this machine's disk; whoever has both files and the
database can forge all three.
"""

from __future__ import annotations

import fcntl
import hmac
import json
import logging
import os
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, func, select

from telltale import private
from telltale.store.schema import audit_log

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Head:
    """After `entries` entries, the newest has this id and hash and was written `at` (Unix seconds)."""

    entries: int
    id: int
    hash: str
    at: float


class Forged(Exception):
    """The head's file is not what its key signed."""


class HeadFile:
    """The head of one store's log as this machine knows it."""

    def __init__(self, file: Path, key_file: Path) -> None:
        self._file = file
        self._key_file = key_file

    def read(self) -> Head | None:
        """The head; None before the first entry. Raises Forged when it does not fit its key, or only one is there."""
        if not self._key_file.exists() and (_aside(self._key_file).exists() or not self._file.exists()):
            return None
        try:
            written = json.loads(self._file.read_text())
            head = Head(**written["head"])
            is_signed = hmac.compare_digest(str(written["hmac_sha256"]), self._sign(head, self._key_file.read_bytes()))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Forged(f"{self._file}: the head of the audit log is missing or damaged") from error
        if not is_signed:
            raise Forged(f"{self._file}: the head of the audit log was changed: {self._key_file} has not signed it")
        return head

    def fault(self, connection: Connection) -> str | None:
        """What the head says that the log does not hold; None if nothing."""
        try:
            head = self.read()
        except Forged as error:
            return str(error)
        return None if head is None else _missing(connection, head)

    def advance(self, connection: Connection, head: Head) -> None:
        """Write a newer head. One that the log does not hold stays, as evidence. Never raises: the entry is stored."""
        try:
            private.make_folder(self._key_file.parent)
            with open(self._key_file.with_name(self._key_file.name + ".lock"), "w", opener=private.opener) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._advance(connection, head)
        except (OSError, Forged) as error:
            log.error("the audit log's head is not kept: %s", error)

    def _advance(self, connection: Connection, head: Head) -> None:
        known = self.read()
        if known is not None:
            with connection.begin():
                fault = _missing(connection, known)
            if fault:
                log.error("%s", fault)
                return
            if known.id >= head.id:
                return
        key = self._key_file.read_bytes() if known else secrets.token_bytes(32)
        if known is None:
            # Its place is taken last: a crash before that means that there is no head yet.
            _write_aside(self._key_file, key)
        signature = self._sign(head, key)
        _write(self._file, json.dumps({"head": asdict(head), "hmac_sha256": signature}).encode())
        if known is None:
            _aside(self._key_file).replace(self._key_file)
        log.info("audit head: entries=%d id=%d hash=%s hmac_sha256=%s", head.entries, head.id, head.hash, signature)

    @staticmethod
    def _sign(head: Head, key: bytes) -> str:
        return hmac.new(key, json.dumps(asdict(head), sort_keys=True).encode(), "sha256").hexdigest()


def _missing(connection: Connection, head: Head) -> str | None:
    found = connection.execute(select(audit_log.c.hash).where(audit_log.c.id == head.id)).scalar()
    count, last = connection.execute(select(func.count(), func.max(audit_log.c.id)).select_from(audit_log)).one()
    if found == head.hash and count >= head.entries:
        return None
    when = datetime.fromtimestamp(head.at, UTC).isoformat(timespec="seconds")
    says = f"its head says {head.entries} entries at {when}"
    if count < head.entries:
        end = f"the audit log ends at entry {last}" if last else "the audit log is empty"
        return f"{end}, {says}: {head.entries - count} newest entries are missing, or an older copy was restored"
    return f"entry {head.id} of the audit log is not the one that was there: {says}: newest entries were replaced"


def _aside(file: Path) -> Path:
    return file.with_name(file.name + ".new")


def _write(file: Path, content: bytes) -> None:
    _write_aside(file, content)
    _aside(file).replace(file)


def _write_aside(file: Path, content: bytes) -> None:
    with open(_aside(file), "wb", opener=private.opener) as written:
        written.write(content)
        written.flush()
        os.fsync(written.fileno())
