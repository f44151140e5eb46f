"""SQLite is opened durably; nobody waits for a lock indefinitely."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from telltale.records import Sample
from telltale.store import StoreUnavailable, open_store, samples
from telltale.store.upkeep import Upkeep


@pytest.mark.parametrize(("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)])
def test_writer_is_durable(tmp_path: Path, pragma: str, value: object) -> None:
    store = open_store(f"sqlite:///{tmp_path / 's.db'}")
    assert store.write(lambda c: c.execute(text(f"PRAGMA {pragma}")).scalar()) == value
    store.close()


def test_what_retention_deletes_is_not_left_in_the_file(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 's.db'}")
    texts = [f"my words number {number}" for number in range(500)]
    rows = [
        Sample(f"{number:032x}", "b" * 16, 1.0, "t", "m", "v", "client", "chat", "ok", said * 20, "r", 0.5)
        for number, said in enumerate(texts)
    ]
    store.write(lambda c: samples.save(c, rows, now=1.0))
    with store.read() as connection:
        bodies = connection.scalars(text("SELECT body FROM content_blocks")).all()
    pieces = [body[at : at + 32] for body in bodies for at in range(64, len(body) - 32, 512)]
    written = (tmp_path / "s.db-wal").read_bytes()
    assert all(piece in written for piece in pieces)
    assert len(pieces) > 1
    Upkeep(store, retention=1.0, max_bytes=0).round(now=3.0)
    # In the log it stays until that is written over, or the last one closes.
    store.close()
    left = (tmp_path / "s.db").read_bytes()
    assert not any(piece in left for piece in pieces)


def test_readers_cannot_write(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 's.db'}")
    with pytest.raises(StoreUnavailable, match="readonly"), store.read() as connection:
        connection.execute(text("DELETE FROM samples"))
    store.close()


def test_readers_do_not_wait_for_the_writer(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 's.db'}", busy_timeout=0.2)

    def read_meanwhile(_: object) -> int:
        with store.read() as connection:
            return samples.count(connection)

    assert store.write(read_meanwhile) == 0
    store.close()


def test_a_lock_is_waited_for_only_so_long(url: str) -> None:
    store = open_store(url, busy_timeout=0.3)
    other = create_engine(url)
    with other.connect() as connection:
        # SQLite has one lock, and its transaction begins with the first change.
        lock = "DELETE FROM samples" if url.startswith("sqlite") else "LOCK TABLE samples"
        connection.execute(text(lock))
        with pytest.raises(StoreUnavailable):
            store.submit(lambda c: c.execute(text("DELETE FROM samples")).rowcount).result(10)
        connection.rollback()
    assert store.write(lambda c: c.execute(text("DELETE FROM samples")).rowcount) == 0
    other.dispose()
    store.close()
