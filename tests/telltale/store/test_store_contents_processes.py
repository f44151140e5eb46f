"""Contents while several processes write, delete, merge and move at once, some of which are killed."""

from __future__ import annotations

import os
import random
import select
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from support import store_worker
from support.store_invariants import violations

from telltale.conversation import Conversation, Message, texts
from telltale.conversation import text as part
from telltale.records import Sample
from telltale.store import Store, moving, open_store, samples

SYSTEM = "You book hotels."


def sample(number: int, turns: int) -> Sample:
    said = [spoken(turn) for turn in range(2 * turns - 1)]
    whole = Conversation([part(SYSTEM)], said, [spoken(2 * turns - 1)])
    return Sample(
        trace_id=f"{number:032x}", span_id=f"{number:016x}", observed_at=float(number), tenant="t", model="m",
        version="m-1", layer="client", operation="chat", status="ok", prompt=texts.prompt(whole),
        response=texts.response(whole), inclusion_probability=1.0, conversation=whole,
    )  # fmt: skip


def spoken(turn: int) -> Message:
    return {"role": "assistant" if turn % 2 else "user", "parts": [part(f"turn {turn}")]}


def save(store: Store, rows: list[Sample]) -> None:
    store.write(lambda connection: samples.save(connection, rows, now=0.0))


def broken(store: Store) -> list[str]:
    with store.read() as connection:
        return violations(connection)


def during(store: Store, first: Callable[[Connection], Any], meanwhile: Callable[[], Any]) -> None:
    """Run a write, and before it is committed another one, of another process, for as far as that comes."""
    begun = threading.Event()
    other = threading.Thread(target=lambda: (begun.wait(), meanwhile()))

    def write(connection: Connection) -> None:
        first(connection)
        begun.set()
        # However long it needs to reach what it has to wait for.
        other.join(0.3)

    other.start()
    store.write(write)
    other.join()


def test_two_that_delete_the_same_samples_delete_them_once(url: str) -> None:
    one, two = open_store(url), open_store(url)
    save(one, [sample(number, turns=3) for number in range(4)])
    with one.read() as connection:
        ids = samples.oldest(connection, 2)
    deleted: list[int] = []

    def remove(connection: Connection) -> None:
        deleted.append(samples.remove(connection, ids))

    during(one, remove, lambda: two.write(remove))
    assert broken(one) == []
    assert deleted == [2, 0]
    with one.read() as connection:
        rows = samples.load(connection, whole=True)
    assert [row._replace(id=None) for row in rows] == [sample(number, turns=3) for number in (2, 3)]
    one.close()
    two.close()


def test_what_is_deleted_while_it_is_moved_leaves_nothing(url: str) -> None:
    one, two = open_store(url), open_store(url)
    save(one, [sample(number, turns=1) for number in range(3)])

    def undo(connection: Connection) -> None:
        connection.execute(text("UPDATE samples SET prompt = 'asked', content_id = NULL, frame_id = NULL"))
        connection.execute(text("DELETE FROM content_blocks"))
        connection.execute(text("DELETE FROM content_pieces"))
        connection.execute(text("INSERT INTO content_move SELECT max(id) FROM samples"))

    one.write(undo)
    with one.read() as connection:
        ids = samples.oldest(connection, 2)
    during(one, moving.move, lambda: two.write(lambda connection: samples.remove(connection, ids)))
    assert broken(one) == []
    with one.read() as connection:
        assert [row.prompt for row in samples.load(connection)] == ["asked"]
    one.close()
    two.close()


def test_what_is_sent_again_while_it_is_deleted_is_whole_or_gone(url: str) -> None:
    one, two = open_store(url), open_store(url)
    save(one, [sample(number, turns=1) for number in range(3)])
    with one.read() as connection:
        ids = samples.oldest(connection, 2)
    during(
        one,
        lambda connection: samples.remove(connection, ids),
        lambda: two.write(lambda connection: samples.save(connection, [sample(0, turns=1)], now=0.0)),
    )
    assert broken(one) == []
    one.close()
    two.close()


@pytest.mark.timeout(180)
def test_contents_stay_whole_whoever_is_killed_whenever(url: str) -> None:
    store = open_store(url)
    draw = random.Random(1)
    for turn in range(3):
        # One worker goes on all the time; the other is killed at some moment, twice a turn.
        steady = start(url, 100 + turn)
        for life in range(2):
            killed = start(url, 10 * turn + life)
            assert killed.stdout is not None
            killed.stdout.readline()
            select.select([], [], [], draw.uniform(0, 0.3))
            killed.kill()
            killed.wait()
            killed.stdout.close()
        steady.kill()
        steady.wait()
        assert steady.stdout is not None
        steady.stdout.close()
        assert broken(store) == []
    with store.read() as connection:
        rows = samples.load(connection, whole=True)
    expected = [store_worker.call(int(row.observed_at)).conversation for row in rows]
    assert [row.conversation for row in rows] == expected
    assert rows
    store.close()


def start(url: str, seed: int) -> subprocess.Popen[str]:
    worker = Path(store_worker.__file__)
    return subprocess.Popen(
        [sys.executable, worker, url, str(seed), "60"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(worker.parents[2])},
    )
