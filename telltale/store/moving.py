"""Moves the texts of rows that older versions wrote into blocks, the newest first, a portion at a time."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, bindparam, delete, func, select, update

from telltale.store import contents
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
        places = contents.save(connection, old)
        changes = [
            {"row": row.id, "own": own, "frame": frame, "history": history}
            for row, (own, frame, history) in zip(old, places, strict=True)
        ]
        statement = (
            update(samples)
            .where(samples.c.id == bindparam("row"))
            .values(
                content_id=bindparam("own"),
                frame_id=bindparam("frame"),
                history_id=bindparam("history"),
                prompt="",
                response="",
            )
        )
        connection.execute(statement, changes)
    connection.execute(
        update(content_move).values(next_id=ids[-1] - 1) if len(ids) == AT_ONCE else delete(content_move)
    )
    return len(ids) == AT_ONCE
