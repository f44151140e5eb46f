"""Vectors of sampled texts (float16, little-endian). They tell much of the text, and go when the sample goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from telltale.records import Direction, Vector
from telltale.store.schema import sample_vectors, samples

AT_ONCE = 500
BROUGHT: Final = "spans "
"""What the names of spaces begin with whose vectors calls brought along."""
_c = sample_vectors.c


def load(connection: Connection, space: str, direction: Direction, ids: Sequence[int]) -> dict[int, bytes]:
    """The vectors of these samples' texts in that space, by the sample's id; those that have none are left out."""
    found: dict[int, bytes] = {}
    for begin in range(0, len(ids), AT_ONCE):
        query = select(_c.sample_id, _c.vector).where(
            _c.sample_id.in_(ids[begin : begin + AT_ONCE]), _c.direction == direction, _c.space == space
        )
        found |= {row.sample_id: row.vector for row in connection.execute(query)}
    return found


def load_brought(connection: Connection, direction: Direction, ids: Sequence[int]) -> dict[int, Vector]:
    """The vectors that calls brought along with these samples' texts, by the sample's id."""
    found: dict[int, Vector] = {}
    for begin in range(0, len(ids), AT_ONCE):
        query = select(_c.sample_id, _c.space, _c.vector).where(
            _c.sample_id.in_(ids[begin : begin + AT_ONCE]), _c.direction == direction, _c.space.startswith(BROUGHT)
        )
        query = query.order_by(_c.space)
        found |= {row.sample_id: Vector(row.space, row.vector) for row in connection.execute(query)}
    return found


def save(connection: Connection, space: str, direction: Direction, made: Mapping[int, bytes]) -> None:
    """Store vectors; one that is there already stays, and that of a sample that is gone is left out."""
    there = set(connection.scalars(select(samples.c.id).where(samples.c.id.in_(made))))
    rows = [
        {"sample_id": sample_id, "direction": direction, "space": space, "vector": vector}
        for sample_id, vector in made.items()
        if sample_id in there
    ]
    insert: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    if rows:
        connection.execute(insert(sample_vectors).on_conflict_do_nothing(), rows)


def remove(connection: Connection, ids: Sequence[int]) -> None:
    """Delete all vectors of these samples."""
    connection.execute(delete(sample_vectors).where(_c.sample_id.in_(ids)))
