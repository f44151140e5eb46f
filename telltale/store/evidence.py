"""Evidence: documents kept with a score or a ticket, such as an Evidently report. They may hold redacted prompts."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, update

from telltale.store.schema import evidence, scores

# How many are deleted in one transaction: a document may be megabytes long, and others write in between.
AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Evidence:
    id: int
    created_at: float
    kind: str
    media_type: str
    sha256: str
    content: bytes


def put(connection: Connection, content: bytes, *, kind: str, media_type: str, now: float) -> int:
    """Store a document; returns its id."""
    values = {
        "created_at": now,
        "kind": kind,
        "media_type": media_type,
        "sha256": hashlib.sha256(content).hexdigest(),
        "content_gzip": gzip.compress(content, 6, mtime=0),
    }
    key = connection.execute(evidence.insert().values(values)).inserted_primary_key
    if key is None:
        raise RuntimeError("the database gave no id to the evidence")
    return int(key[0])


def get(connection: Connection, evidence_id: int) -> Evidence | None:
    row = connection.execute(select(evidence).where(evidence.c.id == evidence_id)).first()
    if row is None:
        return None
    values = row._asdict()
    return Evidence(content=gzip.decompress(values.pop("content_gzip")), **values)


def prune(connection: Connection, before: float, most: int = AT_ONCE) -> int:
    """Delete documents older than that, at most so many. Returns how many."""
    old = select(evidence.c.id).where(evidence.c.created_at < before).limit(most)
    return connection.execute(delete(evidence).where(evidence.c.id.in_(old))).rowcount


def keep_newest(connection: Connection, kind: str, most: int) -> int:
    """Delete the oldest documents of that kind beyond `most`; scores then point to none. Returns how many."""
    over = select(evidence.c.id).where(evidence.c.kind == kind).order_by(evidence.c.id.desc()).offset(most)
    ids = list(connection.scalars(over.limit(AT_ONCE)))
    connection.execute(update(scores).where(scores.c.evidence_id.in_(ids)).values(evidence_id=None))
    return connection.execute(delete(evidence).where(evidence.c.id.in_(ids))).rowcount
