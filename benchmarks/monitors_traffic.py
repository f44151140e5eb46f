"""Real traffic that nobody changed: how many windows does the monitor of data quality take for changed?

    python benchmarks/monitors_traffic.py TRACE.csv [--reference 2000] [--rows 200 500 1000]

TRACE.csv has columns TIMESTAMP, ContextTokens, GeneratedTokens, as the Azure LLM inference traces (CC BY 4.0) do; it
holds numbers and no texts. The first rows are the frozen reference, the others are judged one window after the other.
"""

from __future__ import annotations

import argparse
import csv
import sys
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from monitors import references, terms
from monitors.judgement import is_hit
from monitors.quality import Quality
from monitors.registry import MONITORS
from monitors.rows import Comparison, Rows, side
from monitors.votes import wilson
from telltale.records import Series
from telltale.settings import Monitor

SETTINGS = Monitor()


def read(path: Path) -> Rows:
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    times = tuple(datetime.fromisoformat(line["TIMESTAMP"][:26]).timestamp() for line in lines)
    columns = {name: tuple(float(line[of]) for line in lines) for name, of in
               (("input_tokens", "ContextTokens"), ("output_tokens", "GeneratedTokens"))}  # fmt: skip
    count = len(lines)
    said = ("x",) * count
    return Rows(tuple(range(count)), times, tuple(map(str, range(count))), (1.0,) * count,
                {"prompt": said, "response": said}, columns)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", type=Path)
    parser.add_argument("--reference", type=int, default=SETTINGS.reference_rows)
    parser.add_argument("--rows", type=int, nargs="+", default=[200, 500, 1000])
    args = parser.parse_args()
    whole, monitor = read(args.trace), Quality(terms.of(MONITORS, SETTINGS)[Quality])
    known = references.freeze(
        Series("m", "v"), "calls", whole.take(range(args.reference)),
        0.0, 1.0, 2.0, monitors=[monitor], least=SETTINGS.min_rows,
    )  # fmt: skip
    for size in args.rows:
        for direction in monitor.directions:
            learned = references.learned(known, monitor, direction)
            if learned is None:
                continue
            hits = []
            for begin in range(args.reference, len(whole) - size + 1, size):
                part = whole.take(np.arange(begin, begin + size).tolist())
                now = side(part, monitor.describe(part, direction))
                one = Comparison(Series("m", "v"), "calls", direction, 0.0, 1.0, now, learned.side, learned.factors)
                hits.append(any(map(is_hit, monitor.judge(one))))
            lower, upper = wilson(sum(hits), len(hits))
            print(f"{size} rows, {direction}: {sum(hits)} of {len(hits)} windows "
                  f"= {np.mean(hits):.1%} ({lower:.1%} to {upper:.1%}); factors {dict(learned.factors)}")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
