"""Rubrics by name and version. A version stays as it is; a change makes the next one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, func, select

from telltale.labels import Field, Rubric, check_rubric, digest
from telltale.store import audit
from telltale.store.schema import rubrics


class Version(NamedTuple):
    """A rubric's version, and who wrote it when."""

    rubric: Rubric
    made_at: float
    made_by: str


def publish(connection: Connection, rubric: Rubric, *, actor: str, now: float) -> Rubric:
    """Store a rubric as the next version under its name; the newest one again if that asks the same.

    Raises InvalidLabel.
    """
    check_rubric(rubric)
    known = newest(connection, rubric.name)
    if known is not None and digest(known) == digest(rubric):
        return known
    number = known.number + 1 if known else 1
    values = {
        "name": rubric.name,
        "number": number,
        "fields": [asdict(field) for field in rubric.fields],
        "guidelines": rubric.guidelines,
        "sha256": digest(rubric),
        "made_at": now,
        "made_by": actor,
    }
    made = connection.execute(rubrics.insert().values(**values).returning(rubrics.c.id)).scalar_one()
    details = {"version": number, "sha256": digest(rubric)}
    audit.record(connection, actor=actor, action="review.rubric.publish", subject=rubric.name, now=now, details=details)
    return Rubric(rubric.name, number, rubric.fields, rubric.guidelines, int(made))


def newest(connection: Connection, name: str) -> Rubric | None:
    query = select(rubrics).where(rubrics.c.name == name).order_by(rubrics.c.number.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else _rubric(row)


def get(connection: Connection, ids: Collection[int]) -> dict[int, Rubric]:
    """The rubrics with these ids, by id."""
    query = select(rubrics).where(rubrics.c.id.in_(list(ids)))
    return {row.id: _rubric(row) for row in connection.execute(query)}


def all_newest(connection: Connection) -> list[Rubric]:
    """The newest version of each rubric, by name."""
    last = select(func.max(rubrics.c.id)).group_by(rubrics.c.name)
    query = select(rubrics).where(rubrics.c.id.in_(last)).order_by(rubrics.c.name)
    return [_rubric(row) for row in connection.execute(query)]


def versions(connection: Connection, name: str) -> list[Version]:
    """All versions of a rubric, the newest first."""
    query = select(rubrics).where(rubrics.c.name == name).order_by(rubrics.c.number.desc())
    return [Version(_rubric(row), row.made_at, row.made_by) for row in connection.execute(query)]


def _rubric(row: Row[Any]) -> Rubric:
    fields = tuple(Field(**{**field, "options": tuple(field["options"])}) for field in row.fields)
    return Rubric(row.name, row.number, fields, row.guidelines, row.id)
