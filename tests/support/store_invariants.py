"""What must hold of a store's contents whatever was done to it, by however many processes, killed at any time."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import Connection, select

from telltale.store import samples
from telltale.store.contents import blocks
from telltale.store.schema import content_blocks, content_pieces
from telltale.store.schema import sample_traces as entries
from telltale.store.schema import samples as table


def violations(connection: Connection) -> list[str]:
    """What does not hold, in words."""
    found: list[str] = []
    rows = connection.execute(select(table.c.id, table.c.content_id, table.c.frame_id, table.c.history_id)).all()
    pieces = connection.execute(select(content_pieces)).all()
    owned = Counter(row.content_id for row in rows if row.content_id is not None)
    owned.update(piece.content_id for piece in pieces)
    found += [f"content {one} has {number} owners" for one, number in owned.items() if number > 1]
    uses = Counter(one for row in rows for one in (row.frame_id, row.history_id) if one is not None)
    uses.update(piece.before_id for piece in pieces if piece.before_id is not None)
    for piece in pieces:
        if piece.uses != uses[piece.content_id]:
            found.append(f"piece {piece.content_id} says {piece.uses} uses, there are {uses[piece.content_id]}")
        if piece.before_id is not None and piece.before_id >= piece.content_id:
            found.append(f"piece {piece.content_id} comes before the one that it goes on from")
    found += [f"piece {one} is used and not there" for one in uses.keys() - {piece.content_id for piece in pieces}]
    stored = _stored(connection, found)
    found += [f"content {one} is nobody's" for one in stored.keys() - owned.keys()]
    found += [f"content {one} is lost" for one in owned.keys() - stored.keys()]
    if blocks.read(connection, owned) != {one: stored[one] for one in owned.keys() & stored.keys()}:
        found.append("contents are read that are not those stored")
    found += _of_traces(connection, [row.id for row in rows])
    if not found and len(samples.load(connection, whole=True)) != len(rows):
        found.append("not every sample is loaded")
    return found


def _stored(connection: Connection, found: list[str]) -> dict[int, bytes]:
    stored: dict[int, bytes] = {}
    before = 0
    for block in connection.execute(select(content_blocks).order_by(content_blocks.c.id)):
        contents = blocks._contents(block.body)
        if not contents or sum(map(len, contents.values())) != block.raw_bytes:
            found.append(f"block {block.id} has {len(contents)} contents, and says {block.raw_bytes} bytes of them")
        if any(not before < one // blocks.PLACES <= block.id for one in contents):
            found.append(f"block {block.id} holds what another should")
        stored |= contents
        before = block.id
    return stored


def _of_traces(connection: Connection, ids: list[int]) -> list[str]:
    present = set(ids)
    known = Counter(connection.scalars(select(entries.c.sample_id)).all())
    wrong = [one for one in {*present, *known} if known[one] != (one in present)]
    return [f"sample {one} has {known[one]} entries by trace" for one in wrong]
