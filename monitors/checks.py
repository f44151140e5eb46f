"""What is in a reference that should not be: bots, load tests, a burst of one text. It is found before it is frozen."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

from monitors import near_identical
from monitors.rows import Rows

LEAST_ROWS: Final = 20
LEAST_SHARE: Final = 0.01
# A burst: nearly all of it within a quarter of the time.
STRETCHES: Final = 8
MOST_STRETCHES: Final = 2
NEARLY_ALL: Final = 0.9
MOST_REPORTED: Final = 10
EXAMPLE: Final = 200


class Repeated(NamedTuple):
    """Prompts that are nearly identical: where they are in the rows, and whether they came in a burst.

    A burst is no traffic to compare with, and is left out. What is repeated all the time belongs to the service.
    """

    example: str
    places: list[int]
    is_burst: bool


def repeated(rows: Rows) -> list[Repeated]:
    """The largest groups of nearly identical prompts, the largest first."""
    prompts = rows.texts.get("prompt", ())
    asked = [place for place, prompt in enumerate(prompts) if prompt]
    by_first: dict[int, list[int]] = defaultdict(list)
    for place, first in zip(asked, near_identical.clusters([prompts[place] or "" for place in asked]), strict=True):
        by_first[first].append(place)
    least = max(LEAST_ROWS, LEAST_SHARE * len(rows))
    large = sorted((places for places in by_first.values() if len(places) >= least), key=len, reverse=True)
    return [
        Repeated((prompts[places[0]] or "")[:EXAMPLE], places, _is_burst(places, rows.times))
        for places in large[:MOST_REPORTED]
    ]


def told(found: Sequence[Repeated], total: int) -> list[dict[str, object]]:
    """What is kept of it with a reference."""
    return [
        {
            "example": one.example,
            "rows": len(one.places),
            "share": round(len(one.places) / total, 4),
            "left_out": one.is_burst,
        }
        for one in found
    ]


def without_bursts(rows: Rows, found: Sequence[Repeated]) -> Rows:
    """The rows that are traffic to compare with."""
    bursts = {place for one in found if one.is_burst for place in one.places}
    return rows.take([place for place in range(len(rows)) if place not in bursts]) if bursts else rows


def _is_burst(places: Sequence[int], times: Sequence[float]) -> bool:
    """Whether nearly all of these rows came within two of eight stretches of time, each with an eighth of the others.

    Where there are hardly any others, nothing tells a burst from what the service is asked.
    """
    own = set(places)
    others = sorted(at for place, at in enumerate(times) if place not in own)
    if len(others) < STRETCHES:
        return False
    bounds = [others[len(others) * number // STRETCHES] for number in range(1, STRETCHES)]
    counts = Counter(bisect_right(bounds, times[place]) for place in places)
    return sum(count for _, count in counts.most_common(MOST_STRETCHES)) >= NEARLY_ALL * len(places)
