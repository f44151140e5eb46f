"""How many bytes of a database are in use: what is deleted counts no longer, though its file stays as large."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

# Rows in PostgreSQL with their entries in indexes, those of `sample_traces` included.
_SAMPLE_BYTES: Final = 450
_PIECE_BYTES: Final = 180
# What shrinks when samples and evidence go is counted by rows: the size of a table that was large once says nothing.
_SERVER: Final = """
SELECT (SELECT coalesce(sum(octet_length(body)), 0) * 1.05 FROM content_blocks)
     + (SELECT coalesce(sum(octet_length(content_gzip)), 0) * 1.05 FROM evidence)
     + (SELECT coalesce(sum(n_live_tup), 0) FROM pg_stat_user_tables
        WHERE relid = 'samples'::regclass) * :sample_bytes
     + (SELECT coalesce(sum(n_live_tup), 0) FROM pg_stat_user_tables
        WHERE relid = 'content_pieces'::regclass) * :piece_bytes
     + (SELECT coalesce(sum(pg_total_relation_size(relid)), 0) FROM pg_stat_user_tables
        WHERE relid NOT IN ('samples'::regclass, 'sample_traces'::regclass, 'content_blocks'::regclass,
                            'content_pieces'::regclass, 'evidence'::regclass))
"""


def used(connection: Connection) -> int:
    """Bytes in use: SQLite's pages; on PostgreSQL an estimate, since it gives no bytes back where rows are deleted."""
    if connection.dialect.name == "sqlite":
        pages, free, page = (
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * page)
    return int(
        connection.execute(text(_SERVER), {"sample_bytes": _SAMPLE_BYTES, "piece_bytes": _PIECE_BYTES}).scalar_one()
    )
