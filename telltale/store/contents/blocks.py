"""Blocks: contents compressed together, which takes half the bytes of each by itself.

A content's id is 1,024 times the block's that it was first put into, plus its place. Blocks next to each other may be
merged, under the last one's id; so a content is in the first block whose id is not below its own block's.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

import zstandard
from sqlalchemy import Connection, delete, func, select, text, update

from telltale.store.schema import content_blocks

FULL_BYTES: Final = 256 << 10
"""Bytes of contents from which on a new block is full."""
MERGED_BYTES: Final = 1 << 20
"""Bytes of contents of blocks that are merged: they compress better, and take a millisecond longer to read."""
PLACES: Final = 1024
# Of one content alone; the collector keeps less of a call.
MAX_BYTES: Final = 1 << 30
# Contents are compressed quickly while their sender waits, and well once they are merged.
LEVEL: Final = 1
MERGED_LEVEL: Final = 9
_LOCK: Final = 0x7E11_7A1F
_local = threading.local()


class Block(NamedTuple):
    """A block's contents by id. `last` is the block's own id."""

    last: int
    contents: dict[int, bytes]


def claim(connection: Connection) -> None:
    """Be the only one who changes contents until the transaction ends. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


class BlockWriter:
    """Puts contents into new blocks. They are stored once a block is full, and by `close`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._contents: dict[int, bytes] = {}
        self._block = 0
        self._size = 0

    def add(self, content: bytes) -> int:
        """Returns the content's id. It must not hold a line break: JSON has none."""
        if not self._contents:
            self._block = _next_id(self._connection)
        content_id = self._block * PLACES + len(self._contents)
        self._contents[content_id] = content
        self._size += len(content)
        if self._size >= FULL_BYTES or len(self._contents) == PLACES:
            self.close()
        return content_id

    def close(self) -> None:
        """Store what is left."""
        if self._contents:
            size, body = _packed(self._contents)
            is_sqlite = self._connection.dialect.name == "sqlite"
            self._connection.exec_driver_sql(_INSERT_SQLITE if is_sqlite else _INSERT, (self._block, size, body))
            self._contents, self._size = {}, 0


# As text: every stored call runs these, and building them would take as long as all the rest.
_INSERT = "INSERT INTO content_blocks (id, raw_bytes, body) VALUES (%s, %s, %s)"
_INSERT_SQLITE = _INSERT.replace("%s", "?")
_NEXT_ID = "SELECT nextval(pg_get_serial_sequence('content_blocks', 'id'))"
# The last block keeps the highest id however blocks are merged, so no id is given twice.
_NEXT_ID_SQLITE = "SELECT coalesce(max(id), 0) + 1 FROM content_blocks"


def read(connection: Connection, content_ids: Iterable[int]) -> dict[int, bytes]:
    """These contents; one that is not there is left out."""
    found: dict[int, bytes] = {}
    block: Block | None = None
    for content_id in sorted(set(content_ids)):
        number = content_id // PLACES
        if block is None or number > block.last:
            block = _find(connection, number)
            if block is None:
                break
        content = block.contents.get(content_id)
        if content is not None:
            found[content_id] = content
    return found


def remove(connection: Connection, content_ids: Collection[int]) -> None:
    """Delete these contents, for good: no block holds them any longer."""
    gone = sorted(content_ids)
    start = 0
    while start < len(gone):
        block = _find(connection, gone[start] // PLACES)
        if block is None:
            return
        stop = start + 1
        while stop < len(gone) and gone[stop] // PLACES <= block.last:
            stop += 1
        dead = set(gone[start:stop])
        left = {content_id: content for content_id, content in block.contents.items() if content_id not in dead}
        if len(left) < len(block.contents):
            _put(connection, block.last, left)
        start = stop


def merge(connection: Connection, block_ids: Collection[int]) -> None:
    """Put the contents of blocks into one; nothing if they are not, or no longer, all that are next to each other."""
    claim(connection)
    last = max(block_ids)
    query = select(content_blocks.c.id, content_blocks.c.body)
    found = connection.execute(query.where(content_blocks.c.id.between(min(block_ids), last))).all()
    if {row.id for row in found} != set(block_ids):
        return
    contents: dict[int, bytes] = {}
    for row in found:
        contents |= _contents(row.body)
    connection.execute(delete(content_blocks).where(content_blocks.c.id.in_(set(block_ids) - {last})))
    _put(connection, last, dict(sorted(contents.items())))


def sizes(connection: Connection, after: int, most: int) -> list[tuple[int, int]]:
    """(id, bytes of contents) of the blocks after that one, at most so many."""
    query = select(content_blocks.c.id, content_blocks.c.raw_bytes).where(content_blocks.c.id > after)
    return [(key, size) for key, size in connection.execute(query.order_by(content_blocks.c.id).limit(most))]


def last_id(connection: Connection) -> int:
    """The last block's id; 0 when there is none."""
    return connection.execute(select(func.max(content_blocks.c.id))).scalar() or 0


def _find(connection: Connection, number: int) -> Block | None:
    query = select(content_blocks.c.id, content_blocks.c.body).where(content_blocks.c.id >= number)
    row = connection.execute(query.order_by(content_blocks.c.id).limit(1)).first()
    return None if row is None else Block(row.id, _contents(row.body))


def _put(connection: Connection, block_id: int, contents: dict[int, bytes]) -> None:
    this = content_blocks.c.id == block_id
    if contents:
        size, body = _packed(contents)
        connection.execute(update(content_blocks).where(this).values(raw_bytes=size, body=body))
    else:
        connection.execute(delete(content_blocks).where(this))


def _packed(contents: dict[int, bytes]) -> tuple[int, bytes]:
    """(bytes of contents, the block's body)."""
    size = sum(map(len, contents.values()))
    lines = [json.dumps(list(contents), separators=(",", ":")).encode(), *contents.values()]
    # Of more than a new block has, it was merged.
    level = LEVEL if size < 2 * FULL_BYTES else MERGED_LEVEL
    return size, _compressor(level).compress(b"\n".join(lines))


def _contents(body: bytes) -> dict[int, bytes]:
    ids, *lines = zstandard.ZstdDecompressor().decompress(body, max_output_size=MAX_BYTES).split(b"\n")
    return dict(zip(json.loads(ids), lines, strict=True))


def _compressor(level: int) -> zstandard.ZstdCompressor:
    """One for each thread: making one takes longer than compressing a short text, and threads must not share one."""
    found = getattr(_local, "compressors", None)
    if found is None:
        found = _local.compressors = {}
    if level not in found:
        found[level] = zstandard.ZstdCompressor(level=level)
    compressor = found[level]
    assert isinstance(compressor, zstandard.ZstdCompressor)
    return compressor


def _next_id(connection: Connection) -> int:
    query = _NEXT_ID_SQLITE if connection.dialect.name == "sqlite" else _NEXT_ID
    return int(connection.exec_driver_sql(query).scalar_one())
