"""Samples are found by their trace at either level of the index."""

from __future__ import annotations

import random
import threading
from collections import Counter, defaultdict
from typing import Any

import pytest
from sqlalchemy import event, func, select

from telltale.records import Sample
from telltale.store import Store, open_store, sample_traces, samples, schema

LENGTHS = (16, 16, 16, 8, 7, 2)


@pytest.fixture(autouse=True)
def turns_come_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_traces, "TURN", 8)


def sample(draw: random.Random, trace_id: str) -> Sample:
    return Sample(
        trace_id=trace_id, span_id=draw.randbytes(8).hex(), observed_at=draw.uniform(0, 1000), tenant="t",
        model=draw.choice("mn"), version="v", layer="client", operation="chat", status="ok", prompt="p", response="r",
        inclusion_probability=0.5,
    )  # fmt: skip


def traces(draw: random.Random, number: int) -> list[str]:
    found = [draw.randbytes(draw.choice(LENGTHS)).hex() for _ in range(number)]
    # Two ids that differ only in the part that the index leaves out.
    return [*found, *(f"{draw.randbytes(9).hex()}{one[-14:]}" for one in found[:20] if len(one) == 32)]


def save(store: Store, rows: list[Sample]) -> None:
    store.write(lambda connection: samples.save(connection, rows, 1.0))


def levels(store: Store) -> dict[int, int]:
    entries = schema.sample_traces.c
    with store.read() as connection:
        query = select(entries.level, func.count()).group_by(entries.level)
        return {row[0]: row[1] for row in connection.execute(query)}


def test_each_trace_finds_its_own_samples_at_either_level(store: Store) -> None:
    draw = random.Random(3)
    known = traces(draw, 900)
    rows = [sample(draw, draw.choice(known)) for _ in range(3000)]
    at = 0
    while at < len(rows):
        size = draw.choice((1, 3, 20, 70, 200)) if at < 2900 else 3
        save(store, rows[at : at + size])
        at += size
    wanted = defaultdict(set)
    for row in rows:
        wanted[row.trace_id].add(row.span_id)

    asked = draw.sample(known, 300)
    with store.read() as connection:
        found = samples.load(connection, trace_ids=asked)
        alone = {one: samples.load(connection, trace_ids=[one]) for one in asked[:100]}

    assert Counter((row.trace_id, row.span_id) for row in found) == Counter(
        (trace_id, span_id) for trace_id in asked for span_id in wanted[trace_id]
    )
    assert {one: {row.span_id for row in there} for one, there in alone.items()} == {
        one: wanted[one] for one in asked[:100]
    }
    filled = levels(store)
    assert sum(filled.values()) == len(rows)
    # A part gathers for as many turns as there are parts.
    assert 0 < filled[0] < 2 * sample_traces.PARTS * sample_traces.TURN
    assert filled[1] > len(rows) / 2


def test_a_call_that_is_stored_already_gets_no_second_entry(store: Store) -> None:
    draw = random.Random(4)
    rows = [sample(draw, one) for one in traces(draw, 60)]
    save(store, rows[:40])
    save(store, [*rows[20:], *rows[:5], rows[-1]])
    assert sum(levels(store).values()) == len(rows)
    with store.read() as connection:
        assert len(samples.load(connection, trace_ids=[row.trace_id for row in rows])) == len(rows)


def test_what_is_pruned_leaves_no_entry(store: Store) -> None:
    draw = random.Random(5)
    known = traces(draw, 300)
    # A trace may have begun before the cut and end after it.
    rows = [sample(draw, draw.choice(known)) for _ in range(1000)]
    for at in range(0, len(rows), 50):
        save(store, rows[at : at + 50])
    kept = [row for row in rows if row.observed_at >= 600.0]
    assert store.write(lambda c: samples.prune(c, before=600.0, most=1000)) == len(rows) - len(kept)
    assert sum(levels(store).values()) == len(kept)
    with store.read() as connection:
        found = samples.load(connection, trace_ids=known)
    assert {row.span_id for row in found} == {row.span_id for row in kept}


def test_writers_that_meet_lose_no_entry(url: str) -> None:
    draw = random.Random(6)
    rows = [sample(draw, draw.randbytes(16).hex()) for _ in range(1600)]
    stores = [open_store(url) for _ in range(2)]

    def write(store: Store, mine: list[Sample]) -> None:
        for at in range(0, len(mine), 20):
            save(store, mine[at : at + 20])

    threads = [threading.Thread(target=write, args=(store, rows[number::2])) for number, store in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with stores[0].read() as connection:
        found = samples.load(connection, trace_ids=[row.trace_id for row in rows])
    total = sum(levels(stores[0]).values())
    for store in stores:
        store.close()
    assert len(found) == total == len(rows)


def test_sqlite_looks_at_each_trace_once(tmp_path: object) -> None:
    """A plan that combines every trace with every id took a hundred times as long to prune."""
    store = open_store(f"sqlite:///{tmp_path}/store.db")
    statements: list[tuple[str, Any]] = []
    event.listen(
        store._engine, "before_cursor_execute", lambda _c, _cursor, text, values, *_: statements.append((text, values))
    )
    draw = random.Random(7)
    save(store, [sample(draw, "ab" * 16)])
    store.write(lambda c: samples.prune(c, before=2000.0))
    [(deletion, values)] = [one for one in statements if one[0].startswith("DELETE FROM sample_traces")]
    with store.read() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {deletion}", values).all()
    store.close()
    assert "SEARCH sample_traces USING PRIMARY KEY (level=? AND trace_tail=?)" in [row[-1] for row in plan]
