"""References: the frozen rows of unchanged traffic that windows are compared with."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from telltale.records import Direction
from telltale.store.schema import monitor_references as references


@dataclass(frozen=True, slots=True)
class Reference:
    """A frozen reference: `content` (JSON) is compared with, `calibration` is what the monitors learnt from it."""

    model: str
    direction: Direction
    frozen_at: float
    rows: int
    content: Mapping[str, object]
    calibration: Mapping[str, object]
    tenant: str = ""
    sha256: str = ""
    id: int | None = None


def freeze(connection: Connection, reference: Reference) -> Reference:
    """Store a reference and make it the current one of its series. Returns it with id and hash."""
    text = json.dumps(reference.content, sort_keys=True, ensure_ascii=False).encode()
    values = {
        "model": reference.model,
        "tenant": reference.tenant,
        "direction": reference.direction,
        "frozen_at": reference.frozen_at,
        "rows": reference.rows,
        "sha256": hashlib.sha256(text).hexdigest(),
        "content": zlib.compress(text, 6),
        "calibration": dict(reference.calibration),
        "is_current": True,
    }
    same = (
        (references.c.model == reference.model)
        & (references.c.tenant == reference.tenant)
        & (references.c.direction == reference.direction)
    )
    connection.execute(update(references).where(same).values(is_current=False))
    key = connection.execute(references.insert().values(values)).inserted_primary_key
    return load(connection, key[0]) if key else reference


def load(connection: Connection, reference_id: int) -> Reference:
    """The reference of that id. Raises KeyError."""
    row = connection.execute(select(references).where(references.c.id == reference_id)).first()
    if row is None:
        raise KeyError(reference_id)
    return _record(row._asdict())


def current(connection: Connection, model: str, direction: Direction, tenant: str = "") -> Reference | None:
    """The reference that windows of this series are compared with now."""
    query = select(references).where(
        references.c.model == model,
        references.c.tenant == tenant,
        references.c.direction == direction,
        references.c.is_current,
    )
    row = connection.execute(query).first()
    return None if row is None else _record(row._asdict())


def frozen(connection: Connection) -> list[tuple[str, str, float]]:
    """(model, direction, when it was frozen) of every current reference."""
    query = select(references.c.model, references.c.direction, references.c.frozen_at).where(references.c.is_current)
    return [(model, direction, at) for model, direction, at in connection.execute(query)]


def _record(values: dict[str, object]) -> Reference:
    content = values.pop("content")
    if not isinstance(content, bytes):
        raise TypeError("a reference's content is bytes")
    del values["is_current"]
    return Reference(**values, content=json.loads(zlib.decompress(content)))  # type: ignore[arg-type]  # a database row
