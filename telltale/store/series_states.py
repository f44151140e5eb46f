"""The state that each series is in now, of each monitor and signal, and how far each monitor has judged it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from telltale.records import Direction, Series, SeriesState
from telltale.store.schema import series_states as states

_KEY = ("monitor", "signal", "direction", "model", "version", "tenant", "segment")


@dataclass(frozen=True, slots=True)
class SeriesStatus:
    """What one monitor says of one series, and why.

    `changed_at` is when it turned to this state, `seen_at` when that was last found true, `judged_until` the end of the
    last window that the monitor is done with. `rows` are those of the window that is judged or gathered. `score_id` is
    the newest score, `reference_id` what windows are compared with.
    """

    monitor: str
    signal: str
    direction: Direction
    model: str
    version: str
    tenant: str
    segment: str
    state: SeriesState
    reason: str
    changed_at: float
    seen_at: float
    judged_until: float | None = None
    rows: int = 0
    score_id: int | None = None
    reference_id: int | None = None

    @property
    def series(self) -> Series:
        return Series(self.model, self.version, self.tenant, self.segment)


_FIELDS = tuple(field.name for field in fields(SeriesStatus))
_COLUMNS = [states.c[name] for name in _FIELDS]
_VALUES = [name for name in _FIELDS if name not in _KEY]


def save(connection: Connection, found: Sequence[SeriesStatus]) -> None:
    """Store statuses in place of those that are known."""
    if not found:
        return
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(states)
    statement = statement.on_conflict_do_update(
        index_elements=_KEY, set_={name: statement.excluded[name] for name in _VALUES}
    )
    connection.execute(statement, [{name: getattr(one, name) for name in _FIELDS} for one in found])


def load(connection: Connection, *, model: str | None = None, since: float | None = None) -> list[SeriesStatus]:
    """All that were found true since then, in the order of their names."""
    query = select(*_COLUMNS).order_by(*(states.c[name] for name in _KEY))
    if model is not None:
        query = query.where(states.c.model == model)
    if since is not None:
        query = query.where(states.c.seen_at >= since)
    return [SeriesStatus(**row._asdict()) for row in connection.execute(query)]


def prune(connection: Connection, before: float) -> int:
    """Forget series that were last seen before that time. Returns how many rows."""
    return connection.execute(delete(states).where(states.c.seen_at < before)).rowcount
