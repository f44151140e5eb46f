"""The newest Evidently report of each series and direction. What its numbers are is the monitors' affair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from telltale.records import Direction, Series
from telltale.store.schema import evidently_reports as reports

_KEY = ("model", "version", "tenant", "segment", "direction")


@dataclass(frozen=True, slots=True)
class EvidentlyReport:
    """On the window from `window_start` to `window_end`. `evidence_id` is None once the page is deleted."""

    model: str
    version: str
    tenant: str
    segment: str
    direction: Direction
    window_start: float
    window_end: float
    evidence_id: int | None
    numbers: Mapping[str, object] = field(default_factory=dict)

    @property
    def series(self) -> Series:
        return Series(self.model, self.version, self.tenant, self.segment)


_FIELDS = tuple(field.name for field in fields(EvidentlyReport))
_COLUMNS = [reports.c[name] for name in _FIELDS]


def save(connection: Connection, report: EvidentlyReport) -> None:
    """Store a report in place of an older one; one on an earlier window than what is stored changes nothing."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(reports).values({name: getattr(report, name) for name in _FIELDS})
    values = {name: statement.excluded[name] for name in _FIELDS if name not in _KEY}
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=_KEY, set_=values, where=statement.excluded.window_end >= reports.c.window_end
        )
    )


def last_end(connection: Connection, series: Series, direction: Direction) -> float | None:
    """The end of the window that the series' newest report is on."""
    query = select(reports.c.window_end).where(
        reports.c.direction == direction, *(reports.c[name] == value for name, value in series._asdict().items())
    )
    return connection.execute(query).scalar()


def newest(connection: Connection, most: int) -> list[EvidentlyReport]:
    """At most so many, those on the newest windows first."""
    query = select(*_COLUMNS).order_by(reports.c.window_end.desc(), *(reports.c[name] for name in _KEY)).limit(most)
    return [EvidentlyReport(**row._asdict()) for row in connection.execute(query)]


def of_model(connection: Connection, model: str, most: int) -> list[EvidentlyReport]:
    """At most so many of a model, without their numbers, those on the newest windows first."""
    small = [column for column in _COLUMNS if column.name != "numbers"]
    query = select(*small).where(reports.c.model == model).order_by(reports.c.window_end.desc(), reports.c.direction)
    return [EvidentlyReport(**row._asdict()) for row in connection.execute(query.limit(most))]


def count(connection: Connection) -> int:
    return int(connection.execute(select(func.count()).select_from(reports)).scalar_one())


def prune(connection: Connection, before: float) -> int:
    """Forget reports on windows that ended before that time. Returns how many."""
    return connection.execute(delete(reports).where(reports.c.window_end < before)).rowcount
