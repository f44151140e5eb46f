"""References: rows of unchanged traffic, frozen, that the windows of a series are compared with.

Old ones are kept. What is in `content` and `features` is the monitors' affair (monitors/references.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from sqlalchemy import Connection, Row, Select, select, update

from telltale.evidence import codec
from telltale.records import Basis, Series
from telltale.store.schema import monitor_references as references


@dataclass(frozen=True, slots=True)
class Reference:
    """A frozen reference: its rows are from [begins_at, ends_at).

    `made_by` is a person's name, or `telltale` where it was frozen by itself; `why` says what it is. `checks` tells
    what was found in it before it was frozen. `frozen_at` is None while it is asked for and not made.
    """

    model: str
    version: str
    tenant: str
    segment: str
    basis: Basis
    begins_at: float
    ends_at: float
    made_by: str
    why: str
    frozen_at: float | None = None
    rows: int = 0
    content: bytes = b""
    features: bytes | None = None
    checks: Mapping[str, object] = field(default_factory=dict)
    is_current: bool = False
    sha256: str = ""
    id: int | None = None

    @property
    def series(self) -> Series:
        return Series(self.model, self.version, self.tenant, self.segment)


_FIELDS = tuple(field.name for field in fields(Reference))
_LARGE = ("content", "features")
_SMALL = [references.c[name] for name in _FIELDS if name not in _LARGE]


def freeze(connection: Connection, reference: Reference) -> Reference:
    """Store a reference, or finish one that was asked for, and make it the current one of its series."""
    connection.execute(update(references).where(_of(reference.series, reference.basis)).values(is_current=False))
    frozen = replace(reference, is_current=True, sha256=hashlib.sha256(reference.content).hexdigest())
    return replace(frozen, id=_put(connection, frozen))


def ask(connection: Connection, reference: Reference) -> Reference:
    """Ask for a reference of a named period; the monitors make it at their next run."""
    return replace(reference, id=_put(connection, reference))


def asked(connection: Connection) -> list[Reference]:
    """References that somebody asked for and that are not made yet, in the order in which they were asked for."""
    return _small(connection, _query().where(references.c.frozen_at.is_(None)).order_by(references.c.id))


def refuse(connection: Connection, reference: Reference, why: str, now: float) -> None:
    """Say that a reference that was asked for cannot be made."""
    values = {"frozen_at": now, "checks": {**reference.checks, "refused": why}, "is_current": False}
    connection.execute(update(references).where(references.c.id == reference.id).values(values))


def load(connection: Connection, reference_id: int) -> Reference:
    """The reference of that id, with its content. Raises KeyError."""
    row = connection.execute(select(references).where(references.c.id == reference_id)).first()
    if row is None:
        raise KeyError(reference_id)
    return Reference(**{**{name: getattr(row, name) for name in _FIELDS}, "checks": _checks(row)})


def current(connection: Connection) -> list[Reference]:
    """The current reference of every series, without contents."""
    return _small(connection, _query().where(references.c.is_current).order_by(references.c.id))


def history(connection: Connection, model: str, limit: int = 100) -> list[Reference]:
    """All references of a model, the newest first, without contents."""
    return _small(connection, _query().where(references.c.model == model).order_by(references.c.id.desc()).limit(limit))


def made(connection: Connection, model: str) -> list[Reference]:
    """All references of a model that were frozen, not refused, the oldest first, without contents."""
    query = _query().where(references.c.model == model, references.c.frozen_at.is_not(None)).order_by(references.c.id)
    return [one for one in _small(connection, query) if "refused" not in one.checks]


def put_features(connection: Connection, reference_id: int, features: bytes) -> None:
    """Store what a monitor that is newer than the reference compares of it."""
    connection.execute(update(references).where(references.c.id == reference_id).values(features=features))


def _put(connection: Connection, reference: Reference) -> int:
    values = {name: getattr(reference, name) for name in _FIELDS if name != "id"}
    values["checks"] = dict(reference.checks)
    if reference.id is not None:
        connection.execute(update(references).where(references.c.id == reference.id).values(values))
        return reference.id
    key = connection.execute(references.insert().values(values)).inserted_primary_key
    if key is None:
        raise RuntimeError("the database gave no id to the reference")
    return int(key[0])


def _of(series: Series, basis: Basis) -> Any:
    same = references.c.basis == basis
    for name in Series._fields:
        same &= references.c[name] == getattr(series, name)
    return same


def _query() -> Select[Any]:
    return select(*_SMALL)


def _small(connection: Connection, query: Select[Any]) -> list[Reference]:
    return [Reference(**{**row._asdict(), "checks": _checks(row)}) for row in connection.execute(query)]


def _checks(row: Row[Any]) -> Mapping[str, object]:
    return codec.load(dict[str, object], row.checks or {})
