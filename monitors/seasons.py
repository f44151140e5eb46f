"""Whether traffic differs by the hour of the day, or the day of the week, and which rows of a reference are of the
same hours as a window. Pure.

Stretches of a reference are exchanged, not rows: what differs between any two hours is no season. Only what comes again
at the same hours of the other days is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitors import calibration
from monitors.judgement import is_hit
from monitors.monitor import Monitor
from monitors.rows import Comparison, Side
from telltale.records import Basis, Direction, Series

Times = NDArray[np.float64]

HOUR_S: Final = 3600.0
DAY_S: Final = 24 * HOUR_S
PERIODS: Final[Mapping[str, float]] = {"week": 7 * DAY_S, "day": DAY_S}
# A season is seen when it came twice.
LEAST_PERIODS: Final = 2
# Parts of a period that are compared with the rest of it, and the stretches that are exchanged.
PARTS: Final[Mapping[str, int]] = {"week": 7, "day": 4}
STRETCH_S: Final[Mapping[str, float]] = {"week": DAY_S, "day": HOUR_S}
LEAST_ROWS: Final = 50
LEAST_STRETCHES: Final = 3
# The chance to take for a season what is none.
ALPHA: Final = 0.05
# Rows this far from a window's hours are still of the same time of the day.
NEAR_S, FARTHEST_S = HOUR_S, 3 * HOUR_S


def found(monitor: Monitor, whole: Side, times: Times, basis: Basis, direction: Direction) -> str:
    """The longest season in which this side differs more than chance makes it, and so much that it matters; or none."""
    for season, period in PERIODS.items():
        if times.size and times.max() - times.min() >= LEAST_PERIODS * period - STRETCH_S[season]:
            judged = [monitor.judge(one) for one in _parts(monitor, whole, times, basis, direction, season)]
            tests = sum(map(len, judged))
            if any(is_hit(one) and (one.p_value or 0.0) * tests <= ALPHA for scores in judged for one in scores):
                return season
    return ""


def same_hours(times: Times, start: float, end: float, season: str, least: int, wanted: int) -> NDArray[np.intp] | None:
    """The places of the rows of a window's hours in other periods of that season; None where all are to be compared.

    Of the nearest hours up to three away so many are taken that `wanted` rows are there. Where the same days of the
    week have not even `least`, those of all days are asked, and then there is no season.
    """
    for name in {"week": ("week", "day"), "day": ("day",)}.get(season, ()):
        period = PERIODS[name]
        apart = np.abs((times - (start + end) / 2 + period / 2) % period - period / 2) - (end - start) / 2
        enough = np.partition(apart, wanted - 1)[wanted - 1] if apart.size >= wanted else np.inf
        places = np.flatnonzero(apart <= min(max(NEAR_S, enough), FARTHEST_S))
        if places.size >= least:
            return places if places.size < times.size else None
    return None


def blocks(
    monitor: Monitor, whole: Side, times: Times, basis: Basis, direction: Direction, season: str
) -> list[Comparison]:
    """Each period of the reference against its others: all have the same hours."""
    number = ((times - times.min()) // PERIODS[season]).astype(np.intp)
    # What is left over at the end is not much of a period.
    number[number == number.max()] -= int(
        np.count_nonzero(number == number.max()) < len(times) / (2 * number.max() + 2)
    )
    return [
        _against(monitor, whole, number == one, basis, direction)
        for one in np.unique(number)
        if LEAST_ROWS <= np.count_nonzero(number == one) <= len(times) - LEAST_ROWS
    ]


def _parts(
    monitor: Monitor, whole: Side, times: Times, basis: Basis, direction: Direction, season: str
) -> Iterator[Comparison]:
    """Each part of the period against the rest of it, with stretches of time as groups."""
    period, parts = PERIODS[season], PARTS[season]
    stretches = (times // STRETCH_S[season]).astype(np.int64)
    by_time = replace(whole, groups=tuple(map(str, stretches.tolist())))
    part = (times % period // (period / parts)).astype(np.int64)
    for number in range(parts):
        inside = part == number
        rows = int(np.count_nonzero(inside))
        if (
            min(rows, len(times) - rows) >= LEAST_ROWS
            and min(np.unique(stretches[which]).size for which in (inside, ~inside)) >= LEAST_STRETCHES
        ):
            yield _against(monitor, by_time, inside, basis, direction)


def _against(
    monitor: Monitor, whole: Side, inside: NDArray[np.bool_], basis: Basis, direction: Direction
) -> Comparison:
    now, rest = (calibration.part(monitor, whole, np.flatnonzero(which)) for which in (inside, ~inside))
    return Comparison(Series("", ""), basis, direction, 0.0, 0.0, now, rest)
