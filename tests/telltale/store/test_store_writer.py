"""The writer: group commit, back-pressure, and a database that is locked, gone or killed under it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DatabaseError
from support.collector_process import until

from telltale.records import Sample
from telltale.store import Conflict, Store, StoreBusy, StoreUnavailable, open_store, samples, writer


def row(number: int) -> Sample:
    return Sample(f"{number:032x}", "b" * 16, 1.0, "t", "m", "v", "client", "chat", "ok", "p", "r", 0.5)


def save(number: int, connection: Connection) -> int:
    return samples.save(connection, [row(number)], now=1.0)


def test_a_failing_write_fails_alone(store: Store) -> None:
    gate = threading.Event()
    store.submit(lambda _: gate.wait(10))

    def refuse(_: Connection) -> None:
        raise Conflict("mine")

    futures: list[Future[object]] = [
        store.submit(lambda c: save(1, c)), store.submit(refuse), store.submit(lambda c: save(2, c)),
    ]  # fmt: skip
    gate.set()
    assert futures[0].result(10) == 1
    with pytest.raises(Conflict, match="mine"):
        futures[1].result(10)
    assert futures[2].result(10) == 1
    assert store.write(samples.count) == 2


def test_a_full_queue_says_so_at_once_and_drains(url: str) -> None:
    store = open_store(url, queue_rows=3)
    gate, running = threading.Event(), threading.Event()

    def hold(_: Connection) -> None:
        running.set()
        gate.wait(10)

    first = store.submit(hold)
    assert running.wait(10)
    futures = [store.submit(lambda c, n=n: save(n, c)) for n in range(3)]
    with pytest.raises(StoreBusy, match="3 writes"):
        store.submit(lambda c: save(9, c))
    gate.set()
    first.result(10)
    assert [future.result(10) for future in futures] == [1, 1, 1]
    store.close()


def test_close_commits_what_was_queued(url: str) -> None:
    store = open_store(url)
    futures = [store.submit(lambda c, n=n: save(n, c)) for n in range(50)]
    store.close()
    assert all(future.result(0) == 1 for future in futures)
    with pytest.raises(StoreUnavailable, match="closed"):
        store.submit(lambda c: save(99, c))
    again = open_store(url)
    assert again.write(samples.count) == 50
    again.close()


def test_a_locked_database_is_unavailable_and_then_recovers(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 's.db'}", busy_timeout=0.2)
    other = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        store.write(lambda c: save(1, c))
    other.execute("ROLLBACK")
    assert store.write(lambda c: save(1, c)) == 1
    other.close()
    store.close()


def test_why_the_last_write_was_refused_is_known_until_one_succeeds(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 's.db'}", busy_timeout=0.1)
    other = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert store.refusal is None
    with pytest.raises(StoreUnavailable):
        store.write(lambda c: save(1, c))
    assert store.refusal == "database is locked"
    store.try_again()
    until(lambda: store.waiting == 0)
    assert store.refusal == "database is locked"
    other.execute("ROLLBACK")
    other.close()
    store.try_again()
    until(lambda: store.refusal is None)

    def refuse(_: Connection) -> None:
        raise Conflict("mine")

    with pytest.raises(Conflict):
        store.write(refuse)
    assert store.refusal is None, "a write that is at fault itself says nothing of the store"
    store.close()
    store.try_again()


def test_what_waits_at_the_end_is_refused_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would wait for the lock on its own: together longer than a process manager waits for the process to stop."""
    monkeypatch.setattr(writer, "MAX_GROUP", 1)
    store = open_store(f"sqlite:///{tmp_path / 's.db'}", busy_timeout=1.0)
    other = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    futures = [store.submit(lambda c, n=n: save(n, c)) for n in range(20)]
    store.prepare_to_close()
    begun = time.monotonic()
    for future in futures:
        with pytest.raises(StoreUnavailable, match="locked"):
            future.result(20)
    assert time.monotonic() - begun < 5.0
    other.execute("ROLLBACK")
    assert store.write(lambda c: save(1, c)) == 1, "what comes then may still be stored"
    other.execute("BEGIN IMMEDIATE")
    futures = [store.submit(lambda c, n=n: save(n, c)) for n in range(20)]
    begun = time.monotonic()
    store.close()
    assert time.monotonic() - begun < 5.0
    assert all(isinstance(future.exception(0), StoreUnavailable) for future in futures)
    other.close()


def test_a_full_disk_is_unavailable_and_then_recovers(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 's.db'}")
    # SQLite reports SQLITE_FULL at this limit exactly as at the end of a disk.
    pages = store.write(lambda c: c.execute(text("PRAGMA page_count")).scalar_one())
    store.write(lambda c: c.execute(text(f"PRAGMA max_page_count={pages + 2}")))
    big = [
        Sample(
            f"{n:032x}",
            "b" * 16,
            1.0,
            "t",
            "m",
            "v",
            "client",
            "chat",
            "ok",
            random.Random(n).randbytes(4500).hex(),
            "r",
            0.5,
        )
        for n in range(50)
    ]
    with pytest.raises(StoreUnavailable, match="full"):
        store.write(lambda c: samples.save(c, big, now=1.0))
    assert store.write(lambda c: samples.save(c, big, now=1.0)) == 50  # a new connection has no limit
    store.close()


def test_a_deleted_file_accepts_no_writes(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 's.db'}")
    (tmp_path / "s.db").rename(tmp_path / "moved.db")
    with pytest.raises(StoreUnavailable, match="gone"):
        store.write(lambda c: save(1, c))
    (tmp_path / "s.db").write_bytes(b"")
    with pytest.raises(StoreUnavailable, match="without our tables"):
        store.write(lambda c: save(1, c))
    (tmp_path / "moved.db").rename(tmp_path / "s.db")
    assert store.write(lambda c: save(1, c)) == 1
    store.close()


def test_a_file_deleted_while_it_is_written_accepts_no_more(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 's.db'}")
    assert store.write(lambda c: save(0, c)) == 1
    (tmp_path / "s.db").rename(tmp_path / "moved.db")
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="gone"):
            store.write(lambda c: save(1, c))
    (tmp_path / "moved.db").rename(tmp_path / "s.db")
    assert store.write(lambda c: save(2, c)) == 1
    with store.read() as connection:
        assert [int(one.trace_id, 16) for one in samples.load(connection)] == [0, 2]
    store.close()


def test_a_damaged_file_is_unavailable_until_its_copy_is_back(tmp_path: Path) -> None:
    file, copy = tmp_path / "s.db", tmp_path / "copy.db"
    store = open_store(f"sqlite:///{file}")
    store.write(lambda c: [save(n, c) for n in range(20_000)])
    store.close()
    shutil.copy(file, copy)
    with file.open("r+b") as damaged:
        # Beyond the pages that its opening reads.
        half = file.stat().st_size // 2
        damaged.seek(half)
        damaged.write(b"\xa5" * half)
    store = open_store(f"sqlite:///{file}")
    with pytest.raises(StoreUnavailable, match="malformed"):
        store.write(lambda c: save(20_000, c))
    assert store.refusal is not None
    with pytest.raises(StoreUnavailable, match="malformed"), store.read() as connection:
        samples.load(connection)
    copy.replace(file)
    assert store.write(lambda c: save(20_000, c)) == 1
    with store.read() as connection:
        assert samples.count(connection) == 20_001
    store.close()


def test_a_rule_of_the_databases_owner_is_no_damage(new_database: Callable[[], str]) -> None:
    """An error of a class unknown to the driver: retrying would never end."""
    store = open_store(new_database())
    with pytest.raises(DatabaseError, match="not here"):
        store.write(lambda c: c.execute(text("DO $$ BEGIN RAISE EXCEPTION 'not here' USING ERRCODE='T0001'; END $$")))
    assert store.refusal is None
    store.close()


def test_a_connection_that_nobody_uses_goes_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "IDLE_S", 0.05)
    assert store.write(lambda c: save(1, c)) == 1
    # The one that was waited with when the limit changed, and the next.
    assert store.write(lambda c: save(2, c)) == 1
    until(lambda: store._engine.pool.checkedout() == 0)  # type: ignore[attr-defined]  # a queue's, which both have
    assert store.write(lambda c: save(3, c)) == 1


KILLED = """
import sys
from telltale.records import Sample
from telltale.store import open_store, samples
store = open_store(sys.argv[1])
n = 0
while True:
    futures = [store.submit(lambda c, i=i: samples.save(
        c, [Sample(f"{i:032x}", "b" * 16, 1.0, "t", "m", "v", "client", "chat", "ok", "p", "r", 0.5)], now=1.0))
        for i in range(n, n + 20)]
    for i, future in enumerate(futures, n):
        future.result()
        print(i, flush=True)
    n += 20
"""


def test_kill_9_loses_nothing_that_was_acknowledged(url: str) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, url], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )  # fmt: skip
    assert child.stdout is not None
    acknowledged = [int(child.stdout.readline()) for _ in range(200)]
    child.send_signal(signal.SIGKILL)
    acknowledged += [int(line) for line in child.stdout.read().splitlines() if line]
    child.wait()
    child.stdout.close()
    store = open_store(url)
    with store.read() as connection:
        stored = {int(found.trace_id, 16) for found in samples.load(connection)}
    store.close()
    assert set(acknowledged) <= stored


def test_what_is_committed_together_is_counted(store: Store) -> None:
    """As the metrics of a part show it: groups, writes in them, and what waits."""
    from prometheus_client import CollectorRegistry

    from telltale.metrics import WriterMetrics

    registry = CollectorRegistry()
    registry.register(WriterMetrics(store))
    names = ("commits_total", "writes_total", "writes_waiting")

    def counted() -> tuple[float | None, ...]:
        return tuple(registry.get_sample_value(f"telltale_store_{name}") for name in names)

    assert counted() == (0, 0, 0)
    begun, go_on = threading.Event(), threading.Event()
    first = store.submit(lambda _: (begun.set(), go_on.wait(30)))
    assert begun.wait(30)
    waiting = [store.submit(lambda _: None) for _ in range(5)]
    assert counted() == (0, 0, 5)
    go_on.set()
    for one in (first, *waiting):
        one.result()
    assert counted()[0] in (2, 3)
    assert counted()[1:] == (6, 0)
