"""What the monitors cost: a window, a run without news, a backlog, and how much memory that takes.

    python benchmarks/monitors_load.py [--series 5] [--windows 12] [--rows 500] [--characters 2500]

Fills a store in a process of its own (models of one version each, a reference and windows of an hour), then runs the
monitors over it as after an outage: all windows are due at once. Prints CPU seconds for the references, for each window
(prompts and responses, all monitors), for a run without news, and the peak of memory of the process that judged. Then
the same for a day of calls whose responses nobody recorded. Set OPENBLAS_NUM_THREADS=1, as the service does.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from telltale.cli.demo import texts
from telltale.records import Sample
from telltale.settings import Monitor
from telltale.store import Store, open_store, samples, scores

HOUR = 3600.0
BEGIN = 400_000 * HOUR
REFERENCE = 2000
FOREVER = 1e10
AT_ONCE = 500


def text(random: Random, characters: int) -> str:
    said: list[str] = []
    while sum(map(len, said)) < characters:
        said.append(texts.response(texts.SUPPORT, random))
    return " ".join(said)[:characters]


def fill(store: Store, model: str, begin: float, count: int, characters: int, *, answered: bool = True) -> None:
    """So many calls of a model within an hour."""
    random = Random(f"{model} {begin}")
    for first in range(0, count, AT_ONCE):
        rows = [
            Sample(
                f"{random.getrandbits(128):032x}", f"{random.getrandbits(64):016x}", begin + place * HOUR / count,
                "shop", model, "v1", "client", "chat", "ok" if answered else "error", text(random, characters),
                text(random, characters) if answered else "", 1.0,
            )
            for place in range(first, min(first + AT_ONCE, count))
        ]  # fmt: skip
        store.write(partial(samples.save, rows=rows, now=begin))


def prepare(url: str, args: argparse.Namespace) -> None:
    """In a process of its own: what it takes is not the monitors'."""
    store = open_store(url)
    for number in range(args.series):
        fill(store, f"model-{number}", BEGIN, REFERENCE, args.characters, answered=args.answered)
        for window in range(1, args.windows + 1):
            fill(store, f"model-{number}", BEGIN + window * HOUR, args.rows, args.characters, answered=args.answered)
    store.close()


def judge(url: str, args: argparse.Namespace) -> None:
    from monitors.runs import MOST_AT_ONCE, Runs

    def peak() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    store = open_store(url)
    runs = Runs(store, Monitor(reference_span=0.0), lambda _: None, FOREVER)
    print(f"started: {peak():.0f} MiB")
    began = time.process_time()
    runs.run(BEGIN + HOUR + 100)
    print(f"references: {(time.process_time() - began) / args.series:.2f} CPU s each, peak {peak():.0f} MiB")
    began, end = time.process_time(), BEGIN + (args.windows + 1) * HOUR + 100
    for _ in range(args.windows // MOST_AT_ONCE + 1):
        runs.run(end)
    windows = args.series * args.windows
    print(f"a window: {(time.process_time() - began) / windows:.3f} CPU s over {windows}, peak {peak():.0f} MiB")
    began = time.process_time()
    runs.run(end + 1)
    print(f"a run without news: {time.process_time() - began:.4f} CPU s for {args.series} series")
    runs.close()
    with store.read() as connection:
        print(f"scores: {len(scores.load(connection))}")
    store.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=5)
    parser.add_argument("--windows", type=int, default=12)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--characters", type=int, default=2500)
    parser.add_argument("--step", choices=("fill", "judge"), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--unanswered", dest="answered", action="store_false", help="calls that failed: prompts alone")
    args = parser.parse_args()
    if args.step == "fill":
        prepare(args.url, args)
    elif args.step == "judge":
        judge(args.url, args)
    else:
        with tempfile.TemporaryDirectory() as folder:
            for step in ("fill", "judge"):
                again = [sys.executable, __file__, *sys.argv[1:], "--step", step, "--url", f"sqlite:///{folder}/s.db"]
                subprocess.run(again, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
