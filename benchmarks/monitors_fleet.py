"""False alerts of a whole fleet, and how long a real change takes: windows through the states that the service keeps.

    python benchmarks/monitors_fleet.py [--series 1000] [--days 14] [--seed 9000000]

Each series has hourly windows of conversations that share one reference, so an unlucky reference counts for all of its
windows. A test is a maximum over features: `--features` standard normal differences, of which a change moves one. The
threshold is that of `--alpha`; `--tests` are the signals that a series has. Prints false alert episodes a day with a
95 % interval, the delay of an alert at a given power a window, and an incident of two windows with half of the topics
changed (a difference of 2.5 thresholds, as half new topics give in `monitors_power.py`). Needs a minute.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, norm

from monitors import false_alarms
from monitors.judgement import score
from monitors.persistence import begins_alert, derive_state
from monitors.rows import Comparison, Side
from telltale.records import Score, Series
from telltale.settings import Monitor

HOUR = 3600.0
NOTHING = Side((), np.array([]), {})
SETTINGS = Monitor()
WINDOW_ROWS, INCIDENT = 500, 2.5


def effects(
    random: np.random.Generator, windows: int, features: int, common: float, moved: float = 0.0
) -> NDArray[np.float64]:
    """The largest difference of each window; all share a reference, and one feature is moved."""
    shift = random.normal(size=features) * common**0.5
    own = random.normal(size=(windows, features)) * (1 - common) ** 0.5
    own[:, 0] += moved
    largest: NDArray[np.float64] = np.abs(shift + own).max(axis=1)
    return largest


def play(sizes: NDArray[np.float64], threshold: float) -> list[Score]:
    """The windows' scores with their states."""
    need, last = SETTINGS.persistence
    scores: list[Score] = []
    for number, size in enumerate(sizes):
        window = Comparison(Series("m", "v"), "calls", "prompt", number * HOUR, (number + 1) * HOUR, NOTHING, NOTHING)
        one = score(window, "m", "s", WINDOW_ROWS, effect=float(size), threshold=threshold, p_value=0.5)
        scores.append(derive_state(one, scores[-last:], need, last))
    return scores


def episodes(sizes: NDArray[np.float64], threshold: float) -> int:
    """Alerts that begin; a series in which no stretch of windows could raise one is not played."""
    need, last = SETTINGS.persistence
    hits = (sizes > threshold).astype(int)
    if np.convolve(hits, np.ones(last, int)).max() < need and sizes.max() < 2 * threshold:
        return 0
    return sum(map(begins_alert, play(sizes, threshold)))


def poisson(seen: int) -> tuple[float, float]:
    """The exact 95 % interval of a count (Garwood, 1936)."""
    return float(chi2.ppf(0.025, 2 * seen) / 2) if seen else 0.0, float(chi2.ppf(0.975, 2 * seen + 2) / 2)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=1000)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--tests", type=int, default=12, help="signals of a series")
    parser.add_argument("--features", type=int, default=20)
    parser.add_argument("--alpha", type=float, default=SETTINGS.false_alarms / 12, help="of each signal")
    parser.add_argument("--seed", type=int, default=9_000_000)
    args = parser.parse_args()
    random = np.random.default_rng(args.seed)
    common = WINDOW_ROWS / (WINDOW_ROWS + SETTINGS.reference_rows)
    threshold = float(norm.isf((1 - (1 - args.alpha) ** (1 / args.features)) / 2))
    begun = sum(
        episodes(effects(random, 24 * args.days, args.features, common), threshold)
        for _ in range(args.series * args.tests)
    )
    lower, upper = (bound / args.days for bound in poisson(begun))
    expected = (
        false_alarms.a_week(
            args.alpha, HOUR, SETTINGS.persistence, WINDOW_ROWS, SETTINGS.reference_rows, args.series * args.tests
        )
        / 7
    )
    print(f"false alert episodes a day, {args.series} series of {args.tests} signals, {args.days} days: "
          f"{begun / args.days:.3f} ({lower:.3f} to {upper:.3f}); at most {expected:.3f} expected")  # fmt: skip
    for power in (0.3, 0.6, 0.95):
        moved = threshold + float(norm.ppf(power))
        delays = []
        for _ in range(500):
            states = [one.state for one in play(effects(random, 72, args.features, common, moved), threshold)]
            delays.append(states.index("alert") + 1 if "alert" in states else np.inf)
        found = np.isfinite(delays).mean()
        print(f"power {power:.0%} a window: median delay {np.median(delays):g} h, in three days {found:.0%} found")
    alerted = 0
    for _ in range(500):
        sizes = effects(random, 2, args.features, common, INCIDENT * threshold)
        alerted += any(one.state == "alert" for one in play(sizes, threshold))
    print(f"an incident of two hours with half of the topics changed: alert within it in {alerted / 500:.1%} of 500")
    return 0


if __name__ == "__main__":
    sys.exit(main())
