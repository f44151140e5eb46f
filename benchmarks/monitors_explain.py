"""How true explanations are, of planted changes and of none.

    python -m benchmarks.monitors_explain [--repetitions 400] [--seed 500000]

Planted beginnings and segments in rows of conversations: how often a beginning is named, and lies in its interval; how
often one is named where nothing began; how often the segment is named, and how often one is named where the change is
even. Each figure with its 95 % interval (Wilson), beside what is stated. Seeds are not those of the tests.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from monitors.explaining.onset import ALPHA, onset
from monitors.explaining.segments import FALSE_DISCOVERIES, Marked, segments
from monitors.rows import Rows
from monitors.votes import wilson
from telltale.evidence.explanation import Onset, Unit

ROWS, REFERENCE = 1000, 2000
Values = NDArray[np.float64]


def conversations(
    random: np.random.Generator, rows: int, level: Callable[[int], float], largest: int, unit: Unit
) -> tuple[Values, list[str]]:
    """Rows whose mark has the level of their place; four fifths of a conversation's rows agree with its first."""
    values: list[float] = []
    groups: list[str] = []

    def one(at: float) -> float:
        return float(random.random() < at) if unit == "percent" else float(random.lognormal(at, 1.0))

    while len(values) < rows:
        at, group = level(len(values)), f"c{len(groups)}"
        said = one(at)
        for _ in range(int(random.integers(1, largest + 1))):
            values.append(said if random.random() < 0.8 else one(at))
            groups.append(group)
    return np.array(values[:rows]), groups[:rows]


def beginning(
    seed: int, begins: int, before: float, after: float, largest: int, unit: Unit
) -> tuple[Onset | None, float]:
    """What is found, and when it began in truth."""
    random = np.random.default_rng([seed, begins, largest])
    values, groups = conversations(random, ROWS, lambda at: after if at >= begins else before, largest, unit)
    times = np.sort(random.uniform(0, 7200, ROWS)).tolist()
    return onset(values, times, groups, np.ones(ROWS), unit, after >= before, seed), times[min(begins, ROWS - 1)]


def side(random: np.random.Generator, rows: int, share: float, inside: float, of_all: float, largest: int) -> Marked:
    """Rows of one app that is `of_all` of them, where the share is `inside`, and of three more; six tenants."""
    apps: list[str] = []

    def level(_: int) -> float:
        apps.append("checkout" if random.random() < of_all else str(random.choice(["search", "help", "mail"])))
        return inside if apps[-1] == "checkout" else share

    values, groups = conversations(random, rows, level, largest, "percent")
    numbers = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    tenants = random.integers(0, 6, len(numbers))
    told = Rows(
        ids=tuple(range(rows)),
        times=tuple(map(float, range(rows))),
        groups=tuple(groups),
        weights=(1.0,) * rows,
        categories={"app": tuple(apps[numbers[group]] for group in groups)},
        attributes=tuple({"desk": f"t{tenants[numbers[group]]}"} for group in groups),
    )
    return Marked(told, values, np.ones(rows))


def _line(what: str, hits: int, total: int, stated: str) -> None:
    lower, upper = wilson(hits, total) if total else (0.0, 1.0)
    share = hits / total if total else float("nan")
    print(f"{what:<74} {share:6.1%} ({lower:.1%} to {upper:.1%})  {stated}", flush=True)


def beginnings(repetitions: int, seed: int) -> None:
    planted: list[tuple[int, float, float, int, Unit]] = [
        *((500, 0.01, 0.05, largest, "percent") for largest in (1, 4)),
        *((500, 0.01, 0.12, largest, "percent") for largest in (1, 4, 10)),
        *((900, 0.05, 0.3, largest, "percent") for largest in (1, 4)),
        *((300, 0.3, 0.1, largest, "percent") for largest in (1, 4)),
        *((500, 1.0, 1.5, largest, "number") for largest in (1, 4)),
    ]
    for begins, before, after, largest, unit in planted:
        found = [beginning(seed + i, begins, before, after, largest, unit) for i in range(repetitions)]
        known = [(one, truth) for one, truth in found if one is not None]
        inside = sum(one.earliest <= truth <= one.latest for one, truth in known)
        width = float(np.median([one.latest - one.earliest for one, _ in known])) / 60 if known else float("nan")
        what = f"{before} to {after} at row {begins} of {ROWS} in 2 h, {unit}, conversations to {largest}"
        _line(f"{what}: named", len(known), repetitions, "")
        _line(f"  in its interval of {width:.0f} min (median)", inside, len(known), "stated: 95 %")
    quiet: list[tuple[float, int, Unit]] = [(0.02, 1, "percent"), *((0.1, most, "percent") for most in (4, 10))]
    for level, largest, unit in (*quiet, *((1.0, most, "number") for most in (1, 4))):
        made_up = sum(beginning(seed + i, ROWS, level, level, largest, unit)[0] is not None for i in range(repetitions))
        what = f"{level} all the time, {unit}, conversations to {largest}: a beginning is made up"
        _line(what, made_up, repetitions, f"allowed: {ALPHA:.0%}")


def places(repetitions: int, seed: int) -> None:
    cases = [
        ("even, 0.6 to 11 %", 0.11, 0.11, 0.3, 0.006, "even"),
        ("even, 10 to 5 %", 0.05, 0.05, 0.3, 0.1, "even"),
        ("even, and the app twice as large", 0.3, 0.3, 0.6, 0.1, "even"),
        ("all of the rise in a third of the calls: 0.6 to 11 %", 0.006, 0.35, 0.3, 0.006, "checkout"),
        ("all of the rise in a third of the calls: 0.6 to 4 %", 0.006, 0.12, 0.3, 0.006, "checkout"),
        ("two thirds of the rise in a third of the calls: 0.6 to 11 %", 0.055, 0.24, 0.3, 0.006, "checkout"),
    ]
    for what, share, inside, of_all, before, truth in cases:
        for largest in (1, 4):
            random = np.random.default_rng([seed, largest])
            states = []
            for _ in range(repetitions):
                now = side(random, ROWS // 2, share, inside, of_all, largest)
                told = segments(now, side(random, REFERENCE, before, before, 0.3, largest))
                states.append(told.largest[0].value if told.state == "concentrated" else told.state)
            hits = (
                states.count("checkout") if truth == "checkout" else sum(s not in ("even", "too_few") for s in states)
            )
            stated = "" if truth == "checkout" else f"allowed: {FALSE_DISCOVERIES:.0%}"
            named = "it is named" if truth == "checkout" else "some segment is named"
            _line(f"{what}, conversations to {largest}: {named}", hits, repetitions, stated)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=400)
    parser.add_argument("--seed", type=int, default=500_000)
    options = parser.parse_args()
    began = time.process_time()
    beginnings(options.repetitions, options.seed)
    places(options.repetitions, options.seed)
    print(f"{time.process_time() - began:.0f} s of CPU")


if __name__ == "__main__":
    main()
