"""Pieces: contents that many calls have, stored once. A piece is deleted with the last call that has it.

A piece of history goes on from the piece `before_id`. `uses` counts the samples that name a piece and the pieces that
go on from it. They are found by hash, of which the tenant is a part: no tenant's calls use another's pieces.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

from sqlalchemy import Connection, delete, select

from telltale.conversation import Message
from telltale.store.contents import blocks, form
from telltale.store.contents.blocks import BlockWriter
from telltale.store.contents.form import Packed
from telltale.store.schema import content_pieces as pieces

# Databases take a bounded number of values in one statement.
AT_ONCE: Final = 500

T = TypeVar("T")


class PieceWriter:
    """Finds or stores the pieces of calls that are stored together. `close` writes how often each is used."""

    def __init__(self, connection: Connection, writer: BlockWriter, packed: Iterable[Packed]) -> None:
        self._connection = connection
        self._blocks = writer
        hashes = {one.frame_hash for one in packed if one.frame is not None}
        hashes.update(turns.hash for one in packed for turns in one.turns)
        self._known = _find(connection, hashes)
        self._uses: Counter[int] = Counter()
        self._new: dict[int, tuple[bytes, int | None]] = {}

    def frame(self, packed: Packed) -> int | None:
        """The id of a call's system instructions and tools."""
        if packed.frame is None:
            return None
        return self._use(self._known.get(packed.frame_hash) or self._add(packed.frame_hash, packed.frame, None))

    def history(self, packed: Packed) -> int | None:
        """The id of a call's history: of the longest one that is known, or of what goes on from there."""
        if not packed.turns:
            return None
        whole = packed.turns[-1].hash
        found = self._known.get(whole)
        if found is None:
            longest = next((turns for turns in reversed(packed.turns) if turns.hash in self._known), None)
            before = None if longest is None else self._use(self._known[longest.hash])
            more = packed.history if longest is None else packed.history[longest.length :]
            found = self._add(whole, form.piece_of_history(more), before)
        return self._use(found)

    def close(self) -> None:
        """Write what is new, and what is used more often than before."""
        new = [
            (content_id, hashed, before, self._uses.pop(content_id))
            for content_id, (hashed, before) in self._new.items()
        ]
        if new:
            self._connection.exec_driver_sql(_marked(self._connection, _INSERT), new)
        _change_uses(self._connection, self._uses)

    def _add(self, hashed: bytes, content: bytes, before: int | None) -> int:
        content_id = self._known[hashed] = self._blocks.add(content)
        self._new[content_id] = (hashed, before)
        return content_id

    def _use(self, content_id: int) -> int:
        self._uses[content_id] += 1
        return content_id


def release(connection: Connection, used: Iterable[int | None]) -> set[int]:
    """Count these uses of pieces as ended. Returns the ids of the contents that nobody uses any longer."""
    dead: set[int] = set()
    ended = Counter(content_id for content_id in used if content_id is not None)
    while ended:
        _change_uses(connection, {content_id: -number for content_id, number in ended.items()})
        # With a piece ends its use of the one before it.
        following: Counter[int] = Counter()
        for ids in _portions(ended):
            unused = pieces.c.content_id.in_(ids) & (pieces.c.uses <= 0)
            rows = connection.execute(select(pieces.c.content_id, pieces.c.before_id).where(unused)).all()
            connection.execute(delete(pieces).where(unused))
            dead.update(row.content_id for row in rows)
            following.update(row.before_id for row in rows if row.before_id is not None)
        ended = following
    return dead


def histories(connection: Connection, ids: Iterable[int]) -> dict[int, list[Message]]:
    """The messages of each of these pieces of history, with all that came before."""
    wanted = set(ids)
    before = _before(connection, wanted)
    contents = {content_id: form.read(line) for content_id, line in blocks.read(connection, before).items()}
    return {
        content_id: [message for piece in _line(before, content_id) for message in contents.get(piece, [])]
        for content_id in wanted
    }


def _before(connection: Connection, ids: Iterable[int]) -> dict[int, int | None]:
    """Of these pieces and of all that came before them, the one that each goes on from."""
    found: dict[int, int | None] = {}
    for portion in _portions(ids):
        query = select(pieces.c.content_id, pieces.c.before_id)
        first = query.where(pieces.c.content_id.in_(portion)).cte("line", recursive=True)
        line = first.union(query.where(pieces.c.content_id == first.c.before_id))
        found |= {row.content_id: row.before_id for row in connection.execute(select(line))}
    return found


def _line(before: Mapping[int, int | None], content_id: int) -> list[int]:
    """A piece and all before it, the first one first."""
    found: list[int] = []
    at: int | None = content_id
    while at is not None:
        found.append(at)
        at = before.get(at)
    return found[::-1]


# As text: every stored call runs these, and building them would take as long as all the rest.
_INSERT = "INSERT INTO content_pieces (content_id, hash, before_id, uses) VALUES (%s, %s, %s, %s)"
_USE = "UPDATE content_pieces SET uses = uses + %s WHERE content_id = %s"
_FIND = "SELECT hash, content_id FROM content_pieces WHERE hash IN "


def _find(connection: Connection, hashes: Iterable[bytes]) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    for portion in _portions(hashes):
        query = _marked(connection, f"{_FIND}({', '.join(['%s'] * len(portion))})")
        rows = connection.exec_driver_sql(query, tuple(portion))
        found |= {bytes(hashed): content_id for hashed, content_id in rows}
    return found


def _change_uses(connection: Connection, changes: Mapping[int, int]) -> None:
    rows = [(change, content_id) for content_id, change in sorted(changes.items()) if change]
    if rows:
        connection.exec_driver_sql(_marked(connection, _USE), rows)


def _marked(connection: Connection, statement: str) -> str:
    """The statement with its parameters marked as the database's driver wants them."""
    return statement.replace("%s", "?") if connection.dialect.name == "sqlite" else statement


def _portions(values: Iterable[T]) -> Iterable[list[T]]:
    found = list(values)
    return [found[start : start + AT_ONCE] for start in range(0, len(found), AT_ONCE)]
