"""What others notice when a part is attacked: how long they wait, and how much memory the part takes.

    python -m benchmarks.attacks --list
    python -m benchmarks.attacks [--attack NAME…] [--seconds 8] [--site DIR]

For each attack the part is started anew, attacked from one process and asked by honest clients from another, all on
this machine. One row each: resident memory before and at most (MiB), the clients' waits (ms), and how many requests of
theirs failed. A name stands for all attacks that contain it. `--site` attacks other packages than this checkout's: an
unpacked compiled wheel (TELLTALE_COMPILE=1), or another checkout.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.attacks import catalogue, others, part
from benchmarks.attacks.catalogue import ATTACKS

HEAD = "| attack | memory, MiB | others' p50, ms | p99 | slowest | requests | errors |\n|---|---|---|---|---|---|---|"
# Whatever is started here ends in so many seconds after it is told to.
END_S = 60.0
_processes = multiprocessing.get_context("spawn")


def row(name: str, seconds: float, site: Path | None) -> str:
    """Run an attack, and say what it did."""
    attack = ATTACKS[name]
    with part.started(attack.part, attack.files, site) as attacked:
        clients, theirs = _processes.Pipe()
        watching = _processes.Process(target=others.run, args=(attack.part, attacked.ports, theirs), daemon=True)
        attacker, its = _processes.Pipe()
        flooding = _processes.Process(target=catalogue.run, args=(name, attacked.ports, seconds, its), daemon=True)
        try:
            watching.start()
            theirs.close()
            _said(clients)
            attacked.forget_most()
            before = attacked.memory()
            flooding.start()
            its.close()
            _said(attacker)
            clients.send("begin")
            flooding.join(seconds + END_S)
            clients.send("end")
            waits, errors = _said(clients)
            most = attacked.most_memory()
        finally:
            for process in (watching, flooding):
                if process.pid is not None:
                    process.kill()
    ms = sorted(1000 * wait for wait in waits)
    cells = [
        name, f"{before:.0f} → {most:.0f}", f"{statistics.median(ms):.0f}", f"{ms[int(len(ms) * 0.99)]:.0f}",
        f"{ms[-1]:.0f}", str(len(ms)), str(len(errors)),
    ]  # fmt: skip
    kinds = "; ".join(f"{count} times {error}" for error, count in Counter(errors).most_common(2))
    return f"| {' | '.join(cells)}{' (' + kinds + ')' if kinds else ''} |"


def _said(end: Connection) -> tuple[list[float], list[str]]:
    if not end.poll(END_S):
        raise SystemExit("a process of the benchmark does not go on")
    found: tuple[list[float], list[str]] = end.recv()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="print the attacks' names")
    parser.add_argument("--attack", nargs="+", metavar="NAME", default=[""], help="only those whose names contain it")
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each attack lasts (8)")
    parser.add_argument("--site", type=Path, metavar="DIR", help="attack the packages in this folder")
    options = parser.parse_args()
    names = [name for name in ATTACKS if any(wanted in name for wanted in options.attack)]
    if not names:
        parser.error(f"no attack's name contains {' or '.join(options.attack)}; see --list")
    if options.list:
        print("\n".join(names))
        return
    print(HEAD)
    for name in names:
        print(row(name, options.seconds, options.site), flush=True)


if __name__ == "__main__":
    main()
