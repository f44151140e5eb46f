"""How much the reference's own blocks differ beyond chance: real traffic is never quite stationary.

Each feature has a factor of its own. One for all would let a single restless word blind the monitor to everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from monitors.monitor import Monitor
from monitors.permutation import MaxT
from monitors.rows import Comparison, Features, Side
from telltale.records import Basis, Direction, Series

BLOCKS = 4
WHOLE = ""
"""The name under which the factor of all features together is kept: no feature has it."""


def blocks(monitor: Monitor, whole: Side, basis: Basis, direction: Direction, least: int) -> list[Comparison]:
    """Each block of the reference against its rest, in the order of time: shuffling would hide that traffic drifts."""
    size = max(least, len(whole) // BLOCKS)
    every = np.arange(len(whole))
    found = []
    for begin in range(0, len(whole) - size + 1, size):
        is_inner = (every >= begin) & (every < begin + size)
        if not is_inner.all():
            inner, outer = (part(monitor, whole, np.flatnonzero(which)) for which in (is_inner, ~is_inner))
            found.append(Comparison(Series("", ""), basis, direction, 0.0, 0.0, inner, outer))
    return found


def part(
    monitor: Monitor, whole: Side, places: NDArray[np.intp],
    of: Callable[[Features, NDArray[np.intp]], Features] | None = None,
) -> Side:  # fmt: skip
    """The rows of a side at these places; `of` is what the monitor keeps of them, if it is not `part`."""
    weights = whole.weights[places]
    features = (of or monitor.part)(whole.features, places)
    return Side(tuple([whole.groups[place] for place in places]), weights / weights.mean(), features)


def factors(
    comparisons: Iterable[Comparison], compare: Callable[[Comparison], tuple[Sequence[str], MaxT] | None]
) -> Mapping[str, float]:
    """By how much each feature exceeded the threshold in the worst block; those that never did are left out."""
    worst: dict[str, float] = {}
    for comparison in comparisons:
        compared = compare(comparison)
        if compared is None:
            continue
        names, found = compared
        if not found.threshold:
            continue
        beyond = np.abs(found.z) / found.threshold
        for place in map(int, np.flatnonzero(beyond > 1.0)):
            worst[names[place]] = max(worst.get(names[place], 1.0), float(beyond[place]))
        if found.whole > found.threshold:
            worst[WHOLE] = max(worst.get(WHOLE, 1.0), found.whole / found.threshold)
    return worst
