"""The same windows judged inline, in processes and on a Ray cluster of two nodes: are the results equal, how long?

    python benchmarks/monitors_executors.py [--series 8] [--windows 4] [--rows 500] [--characters 400] [--workers 1 2 8]
        [--ray]

Each series has a reference of four times as many rows and windows one after the other. Prints, for each executor,
seconds until the first outcome (the start), seconds for all, the largest worker's peak of memory, and whether every
score equals the inline one. With --ray a cluster of two nodes is started on this machine (`ray.cluster_utils.Cluster`;
needs `pip install ray`). Set OPENBLAS_NUM_THREADS=1, as the service does.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from monitors import references, registry, terms
from monitors.executors import Executor, Job, drive
from monitors.executors.inline import Inline
from monitors.executors.processes import Processes
from monitors.rows import Rows
from monitors.work import Ask, Outcome, Task
from telltale.cli.demo import texts
from telltale.records import Series
from telltale.settings import Monitor as Settings

SETTINGS = Settings()
MONITORS = [kind.of(own) for kind, own in terms.of(registry.MONITORS, SETTINGS).items() if kind.basis == "calls"]


def said(random: Random, characters: int) -> str:
    found: list[str] = []
    while sum(map(len, found)) < characters:
        found.append(texts.response(texts.SUPPORT, random))
    return " ".join(found)[:characters]


def rows(count: int, characters: int, seed: str) -> Rows:
    random = Random(seed)
    return Rows(
        ids=tuple(range(1, count + 1)),
        times=tuple(map(float, range(count))),
        groups=tuple(f"g{place}" for place in range(count)),
        weights=(1.0,) * count,
        texts={side: tuple(said(random, characters) for _ in range(count)) for side in ("prompt", "response")},
    )


def planned(args: argparse.Namespace) -> list[list[Task]]:
    found = []
    for number in range(args.series):
        series = Series(f"m{number}", "v1")
        frozen = references.freeze(
            series, "calls", rows(4 * args.rows, args.characters, f"{number}"), 0.0, 1e3, 1e3, monitors=MONITORS,
            least=SETTINGS.min_rows,
        )  # fmt: skip
        asks = tuple(Ask(monitor, SETTINGS.min_rows, ()) for monitor in MONITORS)
        found.append([
            Task(
                series, "calls", 3600.0 * place, 3600.0 * place + 3600,
                rows(args.rows, args.characters, f"{number} {place}"), frozen, "none", (3, 4), asks,
            )
            for place in range(args.windows)
        ])  # fmt: skip
    return found


def judged(plan: list[list[Task]], executor: Executor) -> tuple[list[list[Outcome]], float, float]:
    """The outcomes of each series, seconds until the first, and until the last."""
    found: list[list[Outcome]] = [[] for _ in plan]
    first: list[float] = []
    began = time.perf_counter()

    def job(tasks: list[Task], mine: list[Outcome]) -> Job:
        for task in tasks:
            mine.append((yield task))
            first.append(time.perf_counter() - began)

    drive((job(tasks, mine) for tasks, mine in zip(plan, found, strict=True)), executor)
    return found, first[0], time.perf_counter() - began


@contextmanager
def two_nodes() -> Iterator[Executor]:
    from ray.cluster_utils import Cluster as Nodes

    from monitors.executors.cluster import Cluster

    nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        nodes.add_node(num_cpus=1)
        with closing(Cluster(nodes.address, 0, SETTINGS.judge_timeout)) as executor:
            print(f"ray: {executor.room} cores on two nodes")
            yield executor
    finally:
        nodes.shutdown()


def peak(executor: Executor) -> str:
    """The most memory that one of its workers ever had."""
    if not isinstance(executor, Processes):
        return "-"
    found = [Path(f"/proc/{worker._child.pid}/status").read_text() for worker in executor._idle]
    most = max(int(line.split()[1]) for text in found for line in text.splitlines() if line.startswith("VmHWM"))
    return f"{most / 1024:.0f} MiB"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=8)
    parser.add_argument("--windows", type=int, default=4)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--characters", type=int, default=400)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2, 8])
    parser.add_argument("--ray", action="store_true")
    args = parser.parse_args()
    plan = planned(args)
    expected, start, whole = judged(plan, Inline())
    total = args.series * args.windows
    print(f"{'executor':<14} {'start s':>8} {'all s':>8} {'s/window':>9} {'ratio':>6} {'worker':>9}  equal to inline")
    print(f"{'inline':<14} {start:>8.2f} {whole:>8.2f} {whole / total:>9.3f} {1:>6.2f} {'-':>9}")
    plain, wrong = whole, 0

    def tell(name: str, executor: Executor) -> int:
        found, start, whole = judged(plan, executor)
        same = [[one.made for one in mine] for mine in found] == [[one.made for one in mine] for mine in expected]
        row = f"{name:<14} {start:>8.2f} {whole:>8.2f} {whole / total:>9.3f} {whole / plain:>6.2f} {peak(executor):>9}"
        print(f"{row}  {'yes' if same else 'NO'}", flush=True)
        return not same

    for workers in args.workers:
        with closing(Processes(workers, SETTINGS.judge_timeout)) as executor:
            wrong += tell(f"{workers} processes", executor)
            wrong += tell("  once more", executor)
    if args.ray:
        with two_nodes() as executor:
            wrong += tell("ray, 2 nodes", executor)
            wrong += tell("  once more", executor)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
