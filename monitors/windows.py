"""Where windows begin and end: at multiples of their length, one after the other. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

# Spans of a window may still be on their way when it is over.
GRACE_SHARE, LONGEST_GRACE = 0.2, 60.0


class Window(NamedTuple):
    """A stretch of time from `start` up to before `end`, with about so many rows: over, or still gathering."""

    start: float
    end: float
    rows: int
    is_over: bool = True


def last_end(now: float, length: float) -> float:
    """The end of the newest window that is over."""
    grace = min(LONGEST_GRACE, GRACE_SHARE * length)
    return (now - grace) // length * length


def number(at: float, length: float) -> int:
    """Which stretch of that length since 1970 a time is in."""
    return int(at // length)


def newest(counts: Mapping[int, int], now: float, length: float) -> float | None:
    """The end of the newest stretch that has rows; None where none has.

    A sender's clock may be far ahead: what it sent is no news for ever. If ours is behind, all rows are ahead of it.
    """
    came = [place for place, rows in counts.items() if rows]
    begun = [place for place in came if place * length <= now]
    return (max(begun) + 1) * length if begun else now if came else None


def following(
    counts: Mapping[int, int], start: float, until: float, length: float, least: int, step: int = 1
) -> Window:
    """The shortest window from `start` with enough rows that ends by `until`, else what there is of it.

    `counts` are the rows of each stretch, by its number. A window has a multiple of `step` stretches.
    """
    first, last = number(start, length), number(until, length)
    total = 0
    for stretch in sorted(place for place in counts if first <= place < last):
        total += counts[stretch]
        steps = -(-(stretch + 1 - first) // step)
        end = (first + steps * step) * length
        if total >= least and end <= until:
            rest = sum(counts.get(place, 0) for place in range(stretch + 1, first + steps * step))
            return Window(start, end, total + rest)
    return Window(start, max(start, until), total, is_over=False)
