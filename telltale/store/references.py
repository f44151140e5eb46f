"""References: the frozen rows of unchanged traffic that windows are compared with."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select, update

from telltale.evidence import codec
from telltale.records import Direction, Rows
from telltale.store.schema import monitor_references as references


@dataclass(frozen=True, slots=True)
class Reference:
    """A frozen reference: windows are compared with its rows. The newest of them is from `end`.

    `calibration` maps a monitor's name to the factor, at least 1, by which this reference's own blocks, compared with
    each other, raise its threshold.
    """

    model: str
    direction: Direction
    frozen_at: float
    rows: Rows
    end: float
    calibration: Mapping[str, float]
    tenant: str = ""
    sha256: str = ""
    id: int | None = None


def freeze(connection: Connection, reference: Reference) -> Reference:
    """Store a reference and make it the current one of its series. Returns it with id and hash."""
    content = {**codec.dump(Rows, reference.rows), "end": reference.end}
    text = json.dumps(content, sort_keys=True, ensure_ascii=False).encode()
    values = {
        "model": reference.model,
        "tenant": reference.tenant,
        "direction": reference.direction,
        "frozen_at": reference.frozen_at,
        "rows": len(reference.rows.ids),
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
    return _record(row)


def current(connection: Connection, model: str, direction: Direction, tenant: str = "") -> Reference | None:
    """The reference that windows of this series are compared with now."""
    query = select(references).where(
        references.c.model == model,
        references.c.tenant == tenant,
        references.c.direction == direction,
        references.c.is_current,
    )
    row = connection.execute(query).first()
    return None if row is None else _record(row)


def frozen(connection: Connection) -> list[tuple[str, str, float]]:
    """(model, direction, when it was frozen) of every current reference."""
    query = select(references.c.model, references.c.direction, references.c.frozen_at).where(references.c.is_current)
    return [(model, direction, at) for model, direction, at in connection.execute(query)]


def _record(row: Row[tuple[Any, ...]]) -> Reference:
    """Raises pydantic.ValidationError for rows in an unknown form."""
    content = json.loads(zlib.decompress(row.content))
    return Reference(
        model=row.model,
        direction=row.direction,
        frozen_at=row.frozen_at,
        rows=codec.load(Rows, content),
        # References were once frozen without it.
        end=content.get("end", row.frozen_at),
        calibration=codec.load(dict[str, float], row.calibration),
        tenant=row.tenant,
        sha256=row.sha256,
        id=row.id,
    )
