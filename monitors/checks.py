"""What is in a reference that should not be: bots, load tests, a burst of one text. It is found before it is frozen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

from monitors import near_identical
from monitors.rows import Rows

LEAST_ROWS: Final = 20
LEAST_SHARE: Final = 0.01
# A burst: nearly all of it within a quarter of the time.
STRETCHES: Final = 8
MOST_STRETCHES: Final = 2
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
        Repeated((prompts[places[0]] or "")[:EXAMPLE], places, _is_burst([rows.times[place] for place in places], rows))
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


def _is_burst(times: Sequence[float], rows: Rows) -> bool:
    """Whether nearly all of these rows are in two of the eight stretches, each with an eighth of all rows."""
    order = sorted(rows.times)
    bounds = [order[len(order) * place // STRETCHES] for place in range(1, STRETCHES)]
    counts = [0] * STRETCHES
    for at in times:
        counts[sum(at >= bound for bound in bounds)] += 1
    return sum(sorted(counts)[-MOST_STRETCHES:]) >= 0.9 * len(times)
