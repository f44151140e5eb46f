"""How long a data set takes to export: `python -m benchmarks.data_sets [--rows 10000] [--format dpo] [--profile]`.

Fills a store of its own with calls of 20 to 350 words, each with a correction, and exports them in this process as the
command does: reading, redacting, pairing, near-duplicates, hashing, writing. The goal is 10,000 rows of DPO in 5 s.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from feedback.data_sets import scope, snapshot
from telltale.records import Feedback, Sample
from telltale.settings import Settings
from telltale.store import Store, feedback, open_store, samples

START = 1_790_000_000.0
WORDS = [f"word{number}" for number in range(4_000)]


def fill(store: Store, rows: int) -> None:
    draw = random.Random(20_261_130)

    def say(least: int, most: int) -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(least, most)))

    for begin in range(0, rows, 500):
        numbers = range(begin, min(rows, begin + 500))
        calls = [
            Sample(
                *(f"{number + 1:032x}", f"{number + 1:016x}", START + number, "shop", "chat", "chat-1", "client"),
                *("chat", "ok", say(20, 150), say(40, 200), 0.5),
            )
            for number in numbers
        ]
        events = [
            Feedback(
                *(
                    START + number,
                    "shop",
                    f"{number + 1:032x}",
                    None,
                    kind,
                    "helpful",
                    value,
                    "user",
                    f"{kind}{number}",
                ),
                comment=say(40, 200) if kind == "correction" else None,
                subject=f"person-{number}",
            )
            for number in numbers
            for kind, value in (("correction", None), ("thumb", float(number % 2)))
        ]  # type: ignore[arg-type]  # kinds

        def save(connection: Any, calls: list[Sample] = calls, events: list[Feedback] = events) -> None:
            samples.save(connection, calls, START)
            for event in events:
                feedback.append(connection, event, "0" * 64)

        store.write(save)


def export(store: Store, settings: Settings, output: Path, format: Any) -> dict[str, Any]:
    with store.read() as connection:
        spec = scope.make_spec(connection, settings, format=format, model="chat", test_share=0.1)
        return snapshot.write(connection, spec, snapshot.output(output), snapshot.About())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--format", default="dpo")
    parser.add_argument("--profile", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/telltale.db")
        fill(store, args.rows)
        settings = Settings(data_dir=Path(folder))
        profile = cProfile.Profile() if args.profile else None
        gc.disable()  # as the command does
        began, cpu = time.perf_counter(), time.process_time()
        if profile:
            profile.enable()
        made = export(store, settings, Path(folder) / "set", args.format)
        if profile:
            profile.disable()
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
        store.close()
    print(f"{made['rows']:,} rows of {args.format}: {wall:.2f} s, {cpu:.2f} s of CPU")
    if profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)


if __name__ == "__main__":
    main()
