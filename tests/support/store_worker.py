"""A process that writes, deletes, merges and moves in a store at random until it is killed: `URL SEED SECONDS`.

It says on standard output what it is about to delete (`- KEY …`) and what is stored (`+ KEY …`).
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable

from sqlalchemy import Connection

from telltale.conversation import Conversation, Message, text, texts
from telltale.records import Sample
from telltale.store import Store, StoreUnavailable, moving, open_store, samples
from telltale.store.contents import blocks
from telltale.store.upkeep import to_merge

TURNS = 12
CONVERSATIONS = 40


def call(key: int) -> Sample:
    """A call whose content its key tells: one of a conversation, some of which begin alike and go on differently."""
    talk, turn = divmod(key, TURNS)
    said = [_message(talk if place > 5 else talk % 3, place) for place in range(2 * turn + 1)]
    system = [text(f"system {talk % 4} " * 30)] if talk % 5 else []
    whole = Conversation(system, said, [_message(talk, 2 * turn + 1)], documents=[{"id": key}] if key % 7 == 0 else [])
    return Sample(
        trace_id=f"{key + 1:032x}", span_id=f"{key + 1:016x}", observed_at=float(key), tenant="ab"[talk % 2],
        model=f"m{talk % 3}", version="1", layer="client", operation="chat", status="ok", prompt=texts.prompt(whole),
        response=texts.response(whole), inclusion_probability=1.0, conversation=whole,
    )  # fmt: skip


def _message(talk: int, place: int) -> Message:
    length = random.Random(talk * 1000 + place).choice([3, 30, 300, 3000])
    return {"role": "assistant" if place % 2 else "user", "parts": [text(f"{talk} said {place} " + "word " * length)]}


class Worker:
    def __init__(self, store: Store, draw: random.Random) -> None:
        self._store = store
        self._draw = draw
        self._merged = 0

    def step(self) -> None:
        """Do one thing."""
        work = self._draw.choices((self._save, self._remove, self._merge, self._move), (8, 3, 1, 1))[0]
        try:
            work()
        except StoreUnavailable:
            # Refused, as it may be: another process was faster.
            return

    def _save(self) -> None:
        first, count = self._draw.randrange(TURNS * CONVERSATIONS), self._draw.choice([1, 1, 2, 5, 30])
        rows = [call(key) for key in range(first, min(first + count, TURNS * CONVERSATIONS))]
        self._draw.shuffle(rows)
        self._store.write(lambda connection: samples.save(connection, rows, now=0.0))
        print("+", *[int(row.observed_at) for row in rows], flush=True)

    def _remove(self) -> None:
        oldest = self._draw.random() < 0.5
        with self._store.read() as connection:
            found = samples.load(connection)
        some = sorted(found, key=lambda row: row.id or 0)[:20] if oldest else found
        some = self._draw.sample(some, min(len(some), self._draw.choice([1, 3, 20])))
        print("-", *[int(row.observed_at) for row in some], flush=True)
        ids = [row.id or 0 for row in some]
        self._store.write(lambda connection: samples.remove(connection, ids))

    def _merge(self) -> None:
        with self._store.read() as connection:
            groups, self._merged = to_merge(blocks.sizes(connection, 0, 1000), self._merged)
        for group in groups:
            self._write(lambda connection, ids=group: blocks.merge(connection, ids))  # type: ignore[misc]

    def _move(self) -> None:
        self._write(moving.move)

    def _write(self, write: Callable[[Connection], object]) -> None:
        self._store.write(write)


def main(url: str, seed: str, seconds: str) -> None:
    worker, until = Worker(open_store(url), random.Random(int(seed))), time.monotonic() + float(seconds)
    while time.monotonic() < until:
        worker.step()


if __name__ == "__main__":
    main(*sys.argv[1:])
