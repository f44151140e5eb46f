"""Data sets that were written: by name and version, with their manifests, and whose calls they hold."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from telltale.store.schema import data_set_traces, data_sets

AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class DataSet:
    """One version of a data set, which is never changed.

    `sha256` is that of its manifest, `place` the folder where the web application keeps it, empty for one that was
    written elsewhere. A stale one holds what was erased since: `stale_why` says what.
    """

    tenant: str
    name: str
    made_at: float
    made_by: str
    format: str
    model: str
    rows: int
    sha256: str
    manifest: Mapping[str, Any]
    place: str = ""
    version: int = 1
    removed_at: float | None = None
    stale_since: float | None = None
    stale_why: str | None = None
    id: int | None = None


_COLUMNS = [data_sets.c[one.name] for one in fields(DataSet)]
_VALUES = [one.name for one in fields(DataSet) if one.name not in ("id", "version")]


def add(connection: Connection, new: DataSet) -> DataSet:
    """Store a data set as the next version of its tenant's name. Returns it with its version and id."""
    of_name = (data_sets.c.tenant == new.tenant, data_sets.c.name == new.name)
    last = connection.execute(select(func.max(data_sets.c.version)).where(*of_name)).scalar() or 0
    values = {name: getattr(new, name) for name in _VALUES}
    values |= {"manifest": dict(new.manifest), "version": last + 1}
    made = connection.execute(data_sets.insert().values(**values).returning(*_COLUMNS)).one()
    return DataSet(**made._asdict())


def hold(connection: Connection, data_set_id: int, traces: Sequence[str]) -> None:
    """Note that a data set holds calls of these traces."""
    insert: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    rows = [{"trace_id": trace_id, "data_set_id": data_set_id} for trace_id in traces]
    if rows:
        connection.execute(insert(data_set_traces).on_conflict_do_nothing(), rows)


def same(connection: Connection, tenant: str, name: str, sha256: str) -> DataSet | None:
    """The newest version of that name with this manifest, and with its files where the web application kept them."""
    query = select(*_COLUMNS).where(
        data_sets.c.tenant == tenant,
        data_sets.c.name == name,
        data_sets.c.sha256 == sha256,
        data_sets.c.removed_at.is_(None),
    )
    row = connection.execute(query.order_by(data_sets.c.version.desc()).limit(1)).first()
    return None if row is None else DataSet(**row._asdict())


def get(connection: Connection, data_set_id: int, tenant: str | None = None) -> DataSet | None:
    """A data set by its id; of another tenant than the one named there is none."""
    query = select(*_COLUMNS).where(data_sets.c.id == data_set_id)
    if tenant is not None:
        query = query.where(data_sets.c.tenant == tenant)
    row = connection.execute(query).first()
    return None if row is None else DataSet(**row._asdict())


def load(
    connection: Connection, *, tenant: str | None = None, before_id: int | None = None, limit: int = 100
) -> list[DataSet]:
    """Data sets, newest first; of one tenant where it is named."""
    query = select(*_COLUMNS).order_by(data_sets.c.id.desc()).limit(limit)
    if tenant is not None:
        query = query.where(data_sets.c.tenant == tenant)
    if before_id is not None:
        query = query.where(data_sets.c.id < before_id)
    return [DataSet(**row._asdict()) for row in connection.execute(query)]


def kept(connection: Connection) -> int:
    """How many the web application keeps."""
    query = select(func.count()).select_from(data_sets).where(data_sets.c.place != "", data_sets.c.removed_at.is_(None))
    return connection.execute(query).scalar_one()


def holding(connection: Connection, traces: Iterable[str]) -> list[DataSet]:
    """The data sets that hold calls of any of these traces, oldest first."""
    wanted, found = list(traces), set()
    for begin in range(0, len(wanted), AT_ONCE):
        query = select(data_set_traces.c.data_set_id).where(
            data_set_traces.c.trace_id.in_(wanted[begin : begin + AT_ONCE])
        )
        found |= set(connection.scalars(query.distinct()))
    of_these = select(*_COLUMNS).where(data_sets.c.id.in_(found)).order_by(data_sets.c.id)
    return [DataSet(**row._asdict()) for row in connection.execute(of_these)]


def mark_stale(connection: Connection, ids: Sequence[int], why: str, now: float) -> None:
    """Note that something in these data sets was erased; the first time stands."""
    of_these = (data_sets.c.id.in_(ids), data_sets.c.stale_since.is_(None))
    connection.execute(update(data_sets).where(*of_these).values(stale_since=now, stale_why=why))


def erased(connection: Connection, traces: Collection[str], now: float) -> None:
    """Note in every data set that holds calls of these traces that they were erased."""
    if held := [one.id for one in holding(connection, traces) if one.id is not None]:
        mark_stale(connection, held, "Something that it holds was erased", now)


def mark_removed(connection: Connection, data_set_id: int, now: float) -> bool:
    """Note that a data set's files are deleted. Returns whether they were there."""
    there = (data_sets.c.id == data_set_id, data_sets.c.removed_at.is_(None))
    return connection.execute(update(data_sets).where(*there).values(removed_at=now)).rowcount > 0
