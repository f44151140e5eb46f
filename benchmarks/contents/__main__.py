"""Bytes and CPU that a call takes in the store, by kind of traffic, against the bytes of its redacted text.

    python -m benchmarks.contents [--calls 2000] [--texts FILE.jsonl… --field prompt --field response]

Each kind of traffic is stored 1, 10 and 100 calls a commit, and looked after until its blocks are merged; and in plain
columns, as before contents were compressed, but with the whole conversation. Bytes are those of whole pages, with which
figures of few calls are rough; CPU is this process', and only ratios of one run hold.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.contents import calls, plain, texts
from benchmarks.contents.calls import Traffic
from telltale.records import Sample
from telltale.store import Store, open_store, samples
from telltale.store.upkeep import Upkeep

COMMITS = (1, 10, 100)
WINDOW = 500
READS = 5
WARM_UP = 10
FOREVER_S = 1e12
# What the database's trees are for.
PARTS = {
    "rows": ("samples",),
    "uq_samples": ("uq_samples",),
    "sample_traces": ("sample_traces",),
    "blocks": ("content_blocks",),
    "pieces": ("content_pieces", "sqlite_autoindex_content_pieces_1"),
}


class Cost(NamedTuple):
    """Of a call: bytes stored, and microseconds of CPU."""

    size: float
    cpu: float

    def against(self, text: float) -> str:
        return f"{self.size:8,.0f} ({self.size / text:5.3f}x) {self.cpu:6.0f} us"


class Stored(NamedTuple):
    """One kind of traffic, so many calls a commit; `parts` are bytes a call by what they are for, after merging."""

    plain: Cost
    stored: Cost
    merged: Cost
    parts: dict[str, float]


def measure(rows: Sequence[Sample], together: int, folder: Path) -> tuple[Stored, Store, Store]:
    """Store all rows in both ways. Returns the two stores too, the plain one last."""
    ours, columns = (open_store(f"sqlite:///{folder}/{name}.db") for name in ("ours", "columns"))
    number = len(rows)

    def cost(work: Callable[[], object], store: Store) -> Cost:
        begin = time.process_time()
        work()
        spent = time.process_time() - begin
        return Cost(sum(sizes(store).values()) / number, spent / number * 1e6)

    groups = [rows[first : first + together] for first in range(0, number, together)]
    in_columns = cost(lambda: [columns.write(lambda c, group=group: plain.save(c, group)) for group in groups], columns)
    stored = cost(lambda: [ours.write(lambda c, group=group: samples.save(c, group, 0.0)) for group in groups], ours)
    merged = cost(lambda: look_after(ours), ours)
    parts = {part: size / number for part, size in sizes(ours).items()}
    return Stored(in_columns, stored, merged, parts), ours, columns


def look_after(store: Store) -> None:
    upkeep = Upkeep(store, FOREVER_S, 0)
    while not upkeep.round(time.time()).is_done:
        pass


def sizes(store: Store) -> dict[str, float]:
    """Bytes by what they are for: of each tree's last page, half is taken as free."""
    query = "SELECT name, sum(pgsize) - max(pgsize) / 2 FROM dbstat GROUP BY name HAVING sum(ncell) > 0"
    with store.read() as connection:
        found = dict(connection.exec_driver_sql(query).all())
    return {part: sum(found.get(tree, 0.0) for tree in trees) for part, trees in PARTS.items()}


def reading(rows: Sequence[Sample], ours: Store, columns: Store) -> dict[str, tuple[float, float]]:
    """Milliseconds of CPU by what is read: here, and in plain columns."""
    last = {row.conversation_id: row.trace_id for row in rows}
    ends = [*last.values()][-WINDOW:]
    window = len(rows[-WINDOW:])
    since = rows[-window].observed_at
    jobs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        f"texts of {window} calls": (
            lambda: _read(ours, lambda c: samples.load(c, model=calls.MODEL, since=since)),
            lambda: _read(columns, lambda c: samples.load(c, model=calls.MODEL, since=since)),
        ),
        "one whole conversation": (
            lambda: _read(ours, lambda c: samples.load(c, trace_ids=ends[:1], whole=True)),
            lambda: _read(columns, lambda c: plain.conversations(c, ends[:1])),
        ),
        f"{len(ends)} whole conversations": (
            lambda: _read(ours, lambda c: samples.load(c, trace_ids=ends, whole=True)),
            lambda: _read(columns, lambda c: plain.conversations(c, ends)),
        ),
    }
    return {what: (_median(here), _median(there)) for what, (here, there) in jobs.items()}


def _read(store: Store, job: Callable[[object], object]) -> None:
    with store.read() as connection:
        job(connection)


def _median(job: Callable[[], object]) -> float:
    spent = []
    for _ in range(READS):
        begin = time.process_time()
        job()
        spent.append(time.process_time() - begin)
    return statistics.median(spent) * 1e3


def report(traffic: Traffic, source: texts.Texts, number: int, commits: Sequence[int]) -> None:
    """Measure one kind of traffic, and print it."""
    rows = calls.calls(traffic, source, number, seed=1)
    if not rows:
        print(f"{traffic.name}: the texts do not suffice for one\n")
        return
    text = statistics.fmean(calls.size(row.conversation) for row in rows if row.conversation)
    print(f"{traffic.name}: {len(rows):,} calls, {text:,.0f} bytes of redacted text each")
    with tempfile.TemporaryDirectory() as folder:
        # The first statements are prepared, which is nobody's cost.
        for store in measure(rows[:WARM_UP], 1, Path(folder))[1:]:
            store.close()
    for together in commits:
        with tempfile.TemporaryDirectory() as folder:
            found, ours, columns = measure(rows, together, Path(folder))
            print(
                f"  {together:3} a commit: in columns {found.plain.against(text)}; stored {found.stored.against(text)};"
                f" merged {found.merged.against(text)}"
            )
            if together == commits[-1]:
                print("  of that: " + ", ".join(f"{part} {size:,.0f}" for part, size in found.parts.items()))
                for what, (here, there) in reading(rows, ours, columns).items():
                    print(f"  reading {what}: {here:,.1f} ms, from columns {there:,.1f} ms")
            ours.close()
            columns.close()
    print(flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=2000, help="how many of each kind (2000)")
    parser.add_argument("--texts", type=Path, nargs="+", help="JSONL files with texts; without they are made up")
    parser.add_argument("--field", action="append", help="a field of theirs with text (prompt, response); repeatable")
    parser.add_argument("--together", type=int, nargs="+", default=COMMITS, help="calls a commit (1 10 100)")
    options = parser.parse_args()
    fields = options.field or ["prompt", "response"]
    print(f"texts: {', '.join(path.name for path in options.texts or ()) or 'made up'}\n")
    for number, traffic in enumerate(calls.TRAFFIC):
        made = texts.of_files(options.texts, fields) if options.texts else texts.made(number)
        report(traffic, texts.Texts(made), options.calls, options.together)


if __name__ == "__main__":
    main()
