"""Upkeep: what is deleted and when, blocks that are merged, contents of older versions that are moved."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, bindparam, delete, func, select, text, update

from telltale.conversation import Conversation, Message
from telltale.conversation import text as part
from telltale.records import Sample, Score
from telltale.store import Store, evidence, moving, open_store, samples, scores, size, upkeep
from telltale.store.contents import blocks
from telltale.store.schema import content_blocks, content_move
from telltale.store.schema import samples as table
from telltale.store.upkeep import Upkeep, to_merge

WORDS = [f"word{number}" for number in range(200)]


def sample(number: int, length: int = 400) -> Sample:
    draw = random.Random(number)
    return Sample(
        trace_id=f"{number:032x}", span_id=f"{number:016x}", observed_at=float(number), tenant="t", model="m",
        version="m-1", layer="client", operation="chat", status="ok", prompt=f"question {number}",
        response=" ".join(draw.choices(WORDS, k=length // 7)), inclusion_probability=1.0,
    )  # fmt: skip


def save(store: Store, rows: list[Sample]) -> None:
    store.write(lambda connection: samples.save(connection, rows, now=0.0))


def load(store: Store) -> list[Sample]:
    with store.read() as connection:
        return [row._replace(id=None) for row in samples.load(connection)]


def number_of_blocks(store: Store) -> int:
    with store.read() as connection:
        return int(connection.execute(select(func.count()).select_from(content_blocks)).scalar_one())


def bytes_of_blocks(store: Store) -> int:
    with store.read() as connection:
        return sum(map(len, connection.scalars(select(content_blocks.c.body))))


def in_use(store: Store) -> int:
    with store.read() as connection:
        return size.used(connection)


def test_contents_that_came_one_by_one_are_merged_and_stay_what_they_were(store: Store) -> None:
    rows = [sample(number) for number in range(300)]
    for row in rows:
        save(store, [row])
    keeper, before = Upkeep(store, retention=1e9, max_bytes=0), bytes_of_blocks(store)
    assert keeper.round(now=300.0).is_done
    assert number_of_blocks(store) < 10
    assert bytes_of_blocks(store) < 0.8 * before
    assert load(store) == rows
    # What comes later is merged too, and ids go on.
    for number in range(300, 340):
        save(store, [sample(number)])
    keeper.round(now=340.0)
    assert load(store) == [*rows, *(sample(number) for number in range(300, 340))]


@given(st.lists(st.integers(1, 2 * blocks.MERGED_BYTES), max_size=80))
def test_merging_ends_and_never_passes_over_a_block_that_could_be_merged(sizes: list[int]) -> None:
    merged, looked, rounds = list(enumerate(sizes, 1)), 0, 0
    while rounds < 10:
        groups, following = to_merge([one for one in merged if one[0] > looked], looked)
        assert following >= looked
        for group in groups:
            assert sum(size for key, size in merged if key in group) < 2 * blocks.MERGED_BYTES
            merged = [
                (key, sum(size for key, size in merged if key in group) if key == group[-1] else size)
                for key, size in merged
                if key not in group[:-1]
            ]
        if not groups:
            break
        rounds += 1
    assert sum(size for _, size in merged) == sum(sizes)
    assert rounds < 10
    small = [size for key, size in merged if key > looked and size < blocks.MERGED_BYTES // 2]
    assert len(small) < upkeep.MANY + len(sizes) // 2


def test_the_oldest_samples_go_when_the_store_is_too_large(store: Store) -> None:
    rows = [sample(number, 4000) for number in range(2400)]
    for start in range(0, len(rows), 100):
        save(store, rows[start : start + 100])
    assert Upkeep(store, retention=1e9, max_bytes=2 * in_use(store)).round(now=3000.0).over_limit == 0
    if store.url.get_backend_name() == "postgresql":
        wait_for_use(store, lambda bytes_used: bytes_used > bytes_of_blocks(store) + 400 * len(rows))
    limit = in_use(store) - 300_000
    report = Upkeep(store, retention=1e9, max_bytes=limit).round(now=3000.0)
    assert report.over_limit > 0
    assert report.expired == 0
    assert in_use(store) <= limit
    left = load(store)
    assert left == rows[-len(left) :]
    assert len(left) == len(rows) - report.over_limit > 1000


def test_what_is_deleted_is_in_use_no_longer_though_the_server_gives_nothing_back(store: Store) -> None:
    empty = in_use(store)
    asked: Message = {"role": "user", "parts": [part("question")]}
    # Each has a history of its own, so that there are many pieces.
    for first in range(0, 6000, 500):
        rows = [
            sample(number)._replace(
                conversation=Conversation(messages=[{"role": "assistant", "parts": [part(f"answer {number}")]}, asked])
            )
            for number in range(first, first + 500)
        ]
        save(store, rows)
    wait_for_use(store, lambda bytes_used: bytes_used > empty + 300_000)
    while store.write(lambda connection: samples.remove(connection, samples.oldest(connection))):
        pass
    wait_for_use(store, lambda bytes_used: bytes_used <= empty + 200_000)


def wait_for_use(store: Store, is_right: Callable[[int], bool]) -> None:
    """PostgreSQL counts rows when it has the time, after a transaction."""
    until = time.monotonic() + 30
    while not is_right(in_use(store)):
        assert time.monotonic() < until, in_use(store)
        time.sleep(0.5)
        store.write(lambda connection: connection.execute(text("DELETE FROM samples WHERE id < 0")))


def test_old_evidence_goes_with_the_scores_that_point_to_it_a_portion_at_a_time(store: Store) -> None:
    count = evidence.AT_ONCE + 5

    def put(connection: Connection) -> None:
        for at in range(count):
            key = evidence.put(connection, b"report", kind="k", media_type="text/html", now=float(at))
            ended = Score("length", "s", "prompt", "m", "v", at - 9.0, float(at), 50, "ok", evidence_id=key)
            scores.save(connection, [ended])

    store.write(put)
    assert store.write(lambda connection: scores.prune(connection, 10.0, most=4)) == 4
    assert Upkeep(store, retention=5.0, max_bytes=0).round(now=count + 3.0).is_done
    with store.read() as connection:
        left = [row.evidence_id for row in scores.load(connection)]
        kept = [key for key in range(1, count + 1) if evidence.get(connection, key)]
    assert left == kept == [count - 1, count]


def test_deleting_evidence_reads_no_scores_but_its_own(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 's.db'}")
    with store.read() as connection:
        plan = connection.execute(text("EXPLAIN QUERY PLAN SELECT id FROM scores WHERE evidence_id = :key"), {"key": 7})
        assert "ix_scores_evidence_id" in str(plan.all())
    store.close()


def old_rows(store: Store, count: int) -> list[Sample]:
    """Rows as they were before contents had blocks."""
    rows = [sample(number) for number in range(count)]
    rows[3] = rows[3]._replace(prompt='[{"role":"system","content":"typed"}]', response="")
    save(store, rows)

    def undo(connection: Connection) -> None:
        texts = update(table).where(table.c.observed_at == bindparam("at"))
        changes = [{"at": row.observed_at, "asked": row.prompt, "said": row.response} for row in rows]
        statement = texts.values(prompt=bindparam("asked"), response=bindparam("said"), content_id=None)
        connection.execute(statement, changes)
        connection.execute(delete(content_blocks))
        connection.execute(text("INSERT INTO content_move SELECT max(id) FROM samples"))

    store.write(undo)
    return rows


def test_texts_of_older_versions_are_read_all_the_time_while_they_are_moved(store: Store) -> None:
    rows = old_rows(store, 3 * moving.AT_ONCE + 7)
    assert load(store) == rows
    save(store, [sample(9000)])
    portions = 0
    while store.write(moving.move):
        portions += 1
        assert load(store) == [*rows, sample(9000)]
        if portions == 1:
            # A sample that is deleted meanwhile is not moved.
            with store.read() as connection:
                ids = samples.oldest(connection, 2)
            store.write(lambda connection, ids=ids: samples.remove(connection, ids))
            rows = rows[2:]
    assert load(store) == [*rows, sample(9000)]
    with store.read() as connection:
        assert moving.left(connection) == 0
        assert connection.execute(select(content_move)).first() is None
        assert (
            connection.execute(text("SELECT count(*) FROM samples WHERE prompt <> '' OR content_id IS NULL")).scalar()
            == 0
        )
    with store.read() as connection:
        [typed] = [row for row in samples.load(connection, whole=True) if row.prompt.startswith("[")]
    assert typed.conversation is not None
    assert [turn["role"] for turn in typed.conversation.messages] == ["user"]


def test_a_store_whose_texts_are_moved_is_smaller_than_before(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 's.db'}")
    rows = old_rows(store, 3000)
    before = in_use(store)
    while store.write(moving.move):
        pass
    assert in_use(store) < 0.7 * before
    assert load(store) == rows
    store.close()


def test_moving_goes_on_where_it_was_broken_off(url: str) -> None:
    first = open_store(url)
    rows = old_rows(first, 2 * moving.AT_ONCE)
    assert first.write(moving.move)
    first.close()
    second = open_store(url)
    with second.read() as connection:
        assert moving.left(connection) == moving.AT_ONCE
    assert Upkeep(second, retention=1e9, max_bytes=0).round(now=1.0).is_done
    with second.read() as connection:
        assert moving.left(connection) == 0
    assert load(second) == rows
    second.close()


def test_nothing_is_moved_while_the_disk_is_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(f"sqlite:///{tmp_path / 's.db'}")
    rows = old_rows(store, 10)
    keeper = Upkeep(store, retention=1e9, max_bytes=0)
    monkeypatch.setattr(upkeep, "FREE_BYTES", 1 << 60)
    assert keeper.round(now=1.0).is_done
    with store.read() as connection:
        assert moving.left(connection) == 10
    monkeypatch.undo()
    keeper.round(now=2.0)
    with store.read() as connection:
        assert moving.left(connection) == 0
    assert load(store) == rows
    store.close()


def test_nothing_is_deleted_for_a_limit_that_moving_makes_room_under(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a store of an older version, three times as large for the same calls, would lose most of them at an update."""
    rows = old_rows(store, 2 * moving.AT_ONCE)
    limit = 1_000
    # As many as are not moved yet are too many; nothing else counts here.
    monkeypatch.setattr(size, "used", lambda connection: limit * (1 + moving.left(connection)))
    keeper = Upkeep(store, retention=1e9, max_bytes=limit)
    monkeypatch.setattr(upkeep, "ROUND_S", 0.0)
    assert keeper.round(now=1.0).over_limit == 0
    monkeypatch.setattr(upkeep, "ROUND_S", 60.0)
    assert keeper.round(now=2.0).over_limit == 0
    assert load(store) == rows


def test_a_round_that_is_stopped_does_nothing_more(store: Store) -> None:
    save(store, [sample(1)])
    keeper = Upkeep(store, retention=1.0, max_bytes=0)
    keeper.stop()
    assert not keeper.round(now=100.0).is_done
    assert len(load(store)) == 1


class Watch:
    """A clock that moves by a second for each of a store's blocks that is gone."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._first = number_of_blocks(store)

    def __call__(self) -> float:
        return float(self._first - number_of_blocks(self._store))


def test_a_round_is_over_between_two_merges_and_the_next_goes_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [sample(number, 60_000) for number in range(40)]
    for row in rows:
        save(store, [row])
    monkeypatch.setattr(upkeep, "ROUND_S", 1.0)
    keeper = Upkeep(store, retention=1e9, max_bytes=0, clock=Watch(store))
    assert not keeper.round(now=300.0).is_done
    assert 20 < number_of_blocks(store) < 40
    rounds = 1
    while not keeper.round(now=300.0).is_done:
        rounds += 1
    assert rounds > 1
    assert number_of_blocks(store) < 12
    assert load(store) == rows


def test_blocks_are_merged_after_all_that_were_merged_before_are_gone(store: Store) -> None:
    keeper = Upkeep(store, retention=1e9, max_bytes=0)
    for number in range(40):
        save(store, [sample(number, 60_000)])
    keeper.round(now=300.0)
    with store.read() as connection:
        ids = samples.oldest(connection)
    store.write(lambda connection: samples.remove(connection, ids))
    rows = [sample(number) for number in range(20)]
    for row in rows:
        save(store, [row])
    keeper.round(now=301.0)
    assert number_of_blocks(store) == 1
    assert load(store) == rows
