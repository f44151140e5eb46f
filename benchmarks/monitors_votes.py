"""Votes: false alarms and power of the window's test and of the CUSUM, by how much the reference knows.

    python benchmarks/monitors_votes.py [--runs 100] [--seed 9000000] [--alpha ALPHA]

A run freezes a reference of so many votes, judges unchanged votes for as long as the line says, and then 2,000 votes
of the share that the line names, in windows of so many. Scores go through persistence as in service; each window knows
the scores before it. `hit` is a window beyond a threshold of either signal, `alert` the state. Of unchanged votes the
shares are of windows. Nothing was tuned on the default seed. Needs one core and some minutes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from monitors import terms
from monitors.judgement import is_hit
from monitors.persistence import AT_ONCE, derive_state
from monitors.registry import MONITORS
from monitors.rows import Comparison, Rows, Side, side
from monitors.votes import Votes, wilson
from telltale.records import Score, Series
from telltale.settings import Monitor

AFTER = 2000
REFERENCES = (200, 1000, 10_000)
SETTINGS = Monitor()


@dataclass(frozen=True, slots=True)
class Case:
    reference: int
    unchanged: int
    window: int
    before: float
    now: float


CASES = (
    *(Case(reference, 0, 500, 0.1, 0.1) for reference in REFERENCES),
    Case(1000, 0, 50, 0.1, 0.1),
    Case(1000, 0, 500, 0.3, 0.3),
    *(Case(reference, 0, 500, 0.1, 0.15) for reference in REFERENCES),
    *(Case(reference, 4000, 500, 0.1, 0.15) for reference in REFERENCES),
    Case(1000, 4000, 50, 0.1, 0.15),
    Case(200, 0, 500, 0.08, 0.4),
    Case(200, 0, 50, 0.08, 0.2),
)


class Played:
    """Windows of votes judged one after the other."""

    def __init__(self, monitor: Votes, reference: int, share: float, random: Random) -> None:
        self._monitor = monitor
        self._random = random
        self._at = 0
        self._whole = self._cast(reference, share)
        self._scores: list[Score] = []

    def judge(self, size: int, share: float) -> list[Score]:
        current = self._cast(size, share)
        start, earlier = float(self._at - size), tuple(self._scores[-8:])
        comparison = Comparison(
            Series("m", "v"), "votes", "feedback", start, float(self._at), current, self._whole, earlier=earlier
        )
        found = [
            derive_state(
                score, [one for one in earlier if one.signal == score.signal], *SETTINGS.persistence,
                self._monitor.at_once.get(score.signal, AT_ONCE),
            )
            for score in self._monitor.judge(comparison)
        ]  # fmt: skip
        self._scores += found
        return found

    def _cast(self, count: int, share: float) -> Side:
        """Votes of as many people, one a second."""
        times = range(self._at, self._at + count)
        self._at += count
        votes = Rows(
            ids=tuple(times),
            times=tuple(map(float, times)),
            groups=tuple(map(str, times)),
            weights=(1.0,) * count,
            votes=tuple([int(self._random.random() < share) for _ in times]),
        )
        return side(votes, self._monitor.describe(votes, "feedback"))


def play(case: Case, runs: int, seed: int, alpha: float | None) -> str:
    own = terms.of(MONITORS, SETTINGS)[Votes]
    monitor = Votes.of(terms.Terms(own.least, alpha or own.alpha))
    found: list[tuple[list[list[Score]], float]] = []
    for run in range(runs):
        series = Played(monitor, case.reference, case.before, Random(seed + run))
        for _ in range(case.unchanged // case.window):
            series.judge(case.window, case.before)
        begun = float(case.reference + case.unchanged // case.window * case.window)
        found.append(([series.judge(case.window, case.now) for _ in range(AFTER // case.window)], begun))
    if case.before == case.now:
        windows = [window for played, _ in found for window in played]
        alerts = sum(
            "alert" in states and before != "alert" for played, _ in found for before, states in _turns(played)
        )
        return f"{_share(windows, runs)} | - | {alerts} begun in {runs * AFTER:,} votes | - |"
    first = [window for played, _ in found for window in [_joined(played[: max(1, 500 // case.window)])]]
    every = [_joined(played) for played, _ in found]
    alerted = sum(any(score.state == "alert" for score in window) for window in every)
    since = [
        abs(score.since - begun) for played, begun in found for score in played[-1]
        if score.signal == "cusum" and score.since is not None
    ]  # fmt: skip
    lower, upper = wilson(alerted, runs)
    off = f"{median(since):.0f} votes" if since else "-"
    alerts_told = f"{alerted / runs:.0%} ({lower:.0%} to {upper:.0%})"
    return f"{_share(first, runs)} | {_share(every, runs)} | {alerts_told} | {off} |"


def _turns(played: Sequence[Sequence[Score]]) -> list[tuple[str, list[str]]]:
    """The states of each window's scores, with the worst one before."""
    states = [[str(score.state) for score in window] for window in played]
    before = ["ok", *("alert" if "alert" in one else "ok" for one in states)]
    return list(zip(before, states, strict=False))


def _joined(windows: Sequence[Sequence[Score]]) -> list[Score]:
    return [score for window in windows for score in window]


def _share(windows: Sequence[Sequence[Score]], runs: int) -> str:
    """Windows hit by either signal, and by each."""
    hits = [{score.signal for score in window if is_hit(score)} for window in windows]
    total, either = len(hits), sum(map(bool, hits))
    lower, upper = wilson(either, total)
    by = ", ".join(f"{sum(signal in hit for hit in hits) / total:.1%}" for signal in Votes.signals)
    return f"{either / total:.1%} ({lower:.1%} to {upper:.1%}; {by})"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100, help="references, each with votes of its own")
    parser.add_argument("--seed", type=int, default=9_000_000)
    parser.add_argument("--alpha", type=float, help="instead of the share that the settings give")
    args = parser.parse_args()
    began = time.process_time()
    own = terms.of(MONITORS, SETTINGS)[Votes]
    print(f"alpha {args.alpha or own.alpha:g}; of hits: either signal (95 %; {', '.join(Votes.signals)})\n")
    print(
        "| reference, unchanged, a window | votes against | hit by 500 | hit by 2,000 | alert by 2,000 | since off by |"
    )
    print("|---|---|---|---|---|---|")
    for case in CASES:
        told = f"{case.reference:,}, {case.unchanged:,}, {case.window}"
        print(
            f"| {told} | {case.before:.0%} to {case.now:.0%} | {play(case, args.runs, args.seed, args.alpha)}",
            flush=True,
        )
    print(f"\n{time.process_time() - began:.0f} CPU seconds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
