"""Moves the texts of rows that older versions wrote into blocks, the newest first, a portion at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select, update

from telltale.store import contents
from telltale.store.contents import Places
from telltale.store.samples import without_place
from telltale.store.schema import content_move, samples

AT_ONCE: Final = 200


def left(connection: Connection) -> int:
    """How many rows are still to do, at most."""
    next_id = connection.execute(select(content_move.c.next_id)).scalar()
    if next_id is None:
        return 0
    first = connection.execute(select(func.min(samples.c.id))).scalar()
    return max(0, next_id - first + 1) if first is not None else 0


def move(connection: Connection) -> bool:
    """Move the contents of the next rows. Returns whether there are more."""
    contents.claim(connection)
    next_id = connection.execute(select(content_move.c.next_id)).scalar()
    if next_id is None:
        return False
    query = select(samples.c.id).where(samples.c.id <= next_id).order_by(samples.c.id.desc()).limit(AT_ONCE)
    ids = list(connection.scalars(query))
    old = without_place(connection, ids)
    if old:
        _put(connection, dict(zip([row.id or 0 for row in old], contents.save(connection, old), strict=True)))
    connection.execute(
        update(content_move).values(next_id=ids[-1] - 1) if len(ids) == AT_ONCE else delete(content_move)
    )
    return len(ids) == AT_ONCE


def _put(connection: Connection, places: Mapping[int, Places]) -> None:
    """Write rows anew, by id, without their texts. A row that only becomes shorter leaves SQLite its page as it was."""
    these = samples.c.id.in_(places)
    rows = connection.execute(select(samples).where(these)).all()
    connection.execute(delete(samples).where(these))
    emptied = {"prompt": "", "response": ""}
    connection.execute(insert(samples), [row._asdict() | emptied | places[row.id]._asdict() for row in rows])
