"""Sampled calls of a model as a few columns, bounded in number: whom a change hits, and what was new at that time.

Promoted calls are left out: they do not represent traffic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from telltale.store.schema import samples
from telltale.store.traffic import attribute

_COLUMNS = ("observed_at", "tenant", "user_hash", "version", "layer", "status", "inclusion_probability")


class Call(NamedTuple):
    """A call that was kept, and how many calls it stands for.

    `user` is a keyed hash; `values` are those of the attributes that were asked for, in their order. None is what a
    call does not have.
    """

    observed_at: float
    tenant: str
    user: str | None
    version: str
    layer: str
    status: str
    weight: float
    values: tuple[str | None, ...]


def newest(
    connection: Connection, model: str, since: float, until: float, names: Sequence[str], most: int
) -> list[Call]:
    """The newest calls of a model that ended in [since, until], at most so many, oldest first."""
    query = (
        select(*(samples.c[name] for name in _COLUMNS), *(attribute(name) for name in names))
        .where(samples.c.model == model, samples.c.observed_at >= since, samples.c.observed_at <= until)
        .where(samples.c.inclusion_probability.is_not(None))
        .order_by(samples.c.observed_at.desc())
        .limit(most)
    )
    rows = reversed(connection.execute(query).all())
    return [
        Call(at, tenant, user, version, layer, status, 1.0 / kept, tuple(values))
        for at, tenant, user, version, layer, status, kept, *values in rows
    ]
