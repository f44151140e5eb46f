"""Do several people who pull items at once ever get one too often? `python -m benchmarks.review_leases [--url URL]`.

Nobody takes time to think: the worst case. Over PostgreSQL each puller is a process of its own to the database. Some
leases are abandoned, each label is sent twice. Beside our way the usual one: read the next item, then write who has it.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from statistics import quantiles

from sqlalchemy import Connection, func, select

from telltale.labels import DEFAULT, Rubric
from telltale.store import Store, open_store
from telltale.store.review import labels, leases, queues, rubrics
from telltale.store.review.labels import Label
from telltale.store.review.queues import Item, Queue
from telltale.store.schema import labels as said
from telltale.store.schema import review_items as items

NOW = 1_800_000_000.0


def make(store: Store, name: str, count: int, overlap: int) -> tuple[int, Rubric]:
    def write(connection: Connection) -> tuple[int, Rubric]:
        rubric = rubrics.publish(connection, DEFAULT, actor="benchmark", now=NOW)
        number = queues.make(connection, Queue(name, rubric.id or 0, overlap, 60.0, NOW, "benchmark"))
        rows = (Item(number, "t", "m", "v", f"{n:032x}", f"{n:016x}", needed=overlap) for n in range(count))
        queues.add(connection, rows)
        return number, rubric

    return store.write(write)


def pull(store: Store, number: int, rubric: Rubric, who: str, took: list[float]) -> None:
    """Label until nothing is left; of 20 leases one is abandoned, each label is sent twice."""
    clock, count = NOW, 0
    while True:
        began = time.perf_counter()
        lease = store.write(partial(leases.take, queue_id=number, reviewer=who, now=clock))
        took.append(time.perf_counter() - began)
        if lease is None:
            return
        clock, count = clock + 0.01, count + 1
        if count % 20 == 0:
            continue
        label = Label(lease.item_id, who, {"verdict": "good"}, f"{lease.item_id}", clock)
        for _ in range(2):
            store.write(partial(labels.submit, label=label, token=lease.token, rubric=rubric))


def pull_usual(store: Store, number: int, _: Rubric, who: str, took: list[float]) -> None:
    """Read the next free item, then write that it is taken: two people may read the same."""
    free = select(items.c.id).where(items.c.queue_id == number, items.c.taken < items.c.needed).order_by(items.c.id)
    while True:
        began = time.perf_counter()
        with store.read() as connection:
            item = connection.execute(free.limit(1)).scalar()
        if item is None:
            return
        store.write(lambda c, item=item: _write(c, item, who))
        took.append(time.perf_counter() - began)


def _write(connection: Connection, item: int, who: str) -> None:
    connection.execute(items.update().where(items.c.id == item).values(taken=items.c.needed, done=1))
    last = connection.execute(select(func.max(said.c.revision)).where(said.c.item_id == item)).scalar() or 0
    label = {"item_id": item, "reviewer": who, "revision": last + 1, "is_current": True, "answers": {}, "comment": ""}
    rest = {"correction": "", "idempotency_key": f"usual-{item}-{who}-{last}", "made_at": NOW}
    connection.execute(said.insert().values(**label, **rest))


def run(url: str, name: str, way: Callable[..., None], count: int, overlap: int, people: int) -> None:
    # One process serves the pages over SQLite, and several may over PostgreSQL.
    stores = [open_store(url) for _ in range(1 if url.startswith("sqlite") else people)]
    number, rubric = make(stores[0], f"{name}-{time.time()}", count, overlap)
    took: list[float] = []
    threads = [
        threading.Thread(target=way, args=(stores[n % len(stores)], number, rubric, f"p{n}", took))
        for n in range(people)
    ]
    began = time.perf_counter()
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    seconds = time.perf_counter() - began
    with stores[0].read() as connection:
        query = (
            select(said.c.item_id, func.count().label("count"))
            .join(items, items.c.id == said.c.item_id)
            .where(items.c.queue_id == number, said.c.is_current)
            .group_by(said.c.item_id)
        )
        counts = {row.item_id: row.count for row in connection.execute(query)}
    over = sum(1 for labelled in counts.values() if labelled > overlap)
    p50, p99 = (quantiles(took, n=100)[place] * 1000 for place in (49, 98))
    print(
        f"{name:<28} {count:,} items, overlap {overlap}, {people} people: {sum(counts.values()):,} labels, "
        f"{over} items with too many; take p50 {p50:.1f} ms, p99 {p99:.0f} ms; {seconds:.0f} s"
    )
    for store in stores:
        store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a PostgreSQL database that may be filled; default: SQLite in a new folder")
    parser.add_argument("--items", type=int, default=2000)
    parser.add_argument("--people", type=int, default=8)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = asked.url or f"sqlite:///{folder}/store.db"
        run(url, "read, then write (baseline)", pull_usual, asked.items, 1, asked.people)
        for overlap in (1, 2, 3):
            run(url, "one statement", pull, asked.items, overlap, asked.people)


if __name__ == "__main__":
    main()
