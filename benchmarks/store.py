"""The cost of storing samples, in an empty store and in a large one.

    python -m benchmarks.store --samples 500000    SQLite; how many it has in the second case

Figures are CPU of this process in microseconds a row, and bytes that were written for it (log and file), by how many
samples share a commit; the ratio is that of the full store to the empty one, measured in the same run.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.traces import WORDS
from telltale.records import Sample
from telltale.store import Store, open_store, samples

COMMITS = {1: 400, 16: 120, 512: 24}
FILL = 20_000


def rows(number: int, texts: list[str], draw: random.Random, first: int) -> list[Sample]:
    """Samples as a collector keeps them, in the order in which their calls ended."""
    return [
        Sample(
            trace_id=draw.randbytes(16).hex(), span_id=draw.randbytes(8).hex(), observed_at=1.79e9 + 0.01 * place,
            tenant=f"tenant-{draw.randrange(6)}", model=(model := f"model-{draw.randrange(10)}"), version=f"{model}-1",
            layer="client", operation="chat", status="ok", prompt=draw.choice(texts), response=draw.choice(texts),
            inclusion_probability=1.0, duration_s=draw.random(), input_tokens=draw.randrange(4000),
            output_tokens=draw.randrange(900), finish_reason="stop",
        )
        for place in range(first, first + number)
    ]  # fmt: skip


def measure(store: Store, draw: random.Random, first: int) -> Iterator[tuple[int, float, float]]:
    """(samples a commit, us of CPU a row, bytes written a row)."""
    texts = [" ".join(draw.choices(WORDS, k=draw.randint(20, 880))) for _ in range(500)]
    for together, commits in COMMITS.items():
        made = [rows(together, texts, draw, first + number * together) for number in range(commits)]
        begin, written = time.process_time(), _written()
        for group in made:
            _save(store, group)
        total = together * commits
        yield together, (time.process_time() - begin) / total * 1e6, (_written() - written) / total
        first += total


def fill(store: Store, number: int, draw: random.Random) -> None:
    for first in range(0, number, FILL):
        _save(store, rows(min(FILL, number - first), ["as short as can be"], draw, first))
        print(f"\rfilling: {min(first + FILL, number):,} of {number:,}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def _save(store: Store, group: list[Sample]) -> None:
    store.write(lambda connection: samples.save(connection, group, 0.0))


def _written() -> int:
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["wchar"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=500_000, help="how many the full store has (500000)")
    options = parser.parse_args()
    draw = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        empty, full = (open_store(f"sqlite:///{folder}/{name}.db") for name in ("empty", "full"))
        fill(full, options.samples, draw)
        # The first commits write the full store's log back, which is not their cost.
        list(measure(full, draw, options.samples))
        pairs = zip(measure(empty, draw, 0), measure(full, draw, 2 * options.samples), strict=True)
        for (together, cost, size), (_, full_cost, full_size) in pairs:
            print(
                f"{together:4} a commit: empty {cost:6.1f} us {size:8.0f} B, full {full_cost:6.1f} us"
                f" ({full_cost / cost:.2f}x) {full_size:8.0f} B ({full_size / size:.2f}x)"
            )
        for store in (empty, full):
            store.close()


if __name__ == "__main__":
    main()
