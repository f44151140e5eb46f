"""Where is the change? What each value of each attribute adds to it, and which add more than their size explains.

The difference of two means m - m0 is, over the values v of an attribute with shares q of the rows and means r in them,
the sum of q r - q0 r0 - m0 (q - q0): q (r - r0) changed within the segment, (q - q0)(r0 - m0) is its growth (Kitagawa,
Components of a difference between two rates, 1955). If the change is even, a segment adds its share of the rows. What
it adds beyond that is the difference of the covariances of mark and segment on both sides; that is tested, with whole
groups as units, and the tests of all segments are corrected together (Benjamini and Hochberg, 1995).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, norm

from monitors.rows import Rows
from telltale.evidence.explanation import Segment, Segments, Where

# The share of false ones among the segments that are said to stand out.
FALSE_DISCOVERIES: Final = 0.05
# What a segment adds beyond its size must be this much of the change, or nobody need look there first.
LEAST_BEYOND: Final = 0.15
LEAST_ROWS, LEAST_GROUPS = 20, 5
# Of fewer that show it, that no segment stands out says nothing.
LEAST_SHOWN: Final = 25
MOST_VALUES: Final = 20
MOST_ATTRIBUTES: Final = 30
REPORTED: Final = 12
# A segment that holds nearly all rows of one that stands out is the same finding by another, or a wider, name.
SAME: Final = 0.95
# These say what became of a call, not where it came from.
OUTCOMES: Final = ("status", "finish_reason", "error_type")

Values = NDArray[np.float64]
Column = NDArray[np.object_]


class Marked(NamedTuple):
    """Rows of one side with the mark of each, their groups, and their weights, which are 1 on average."""

    rows: Rows
    values: Values
    weights: Values


def segments(now: Marked, before: Marked) -> Segments:
    """What each segment adds to the change of the mark's mean; both sides have rows."""
    whole = _mean(now) - _mean(before)
    if abs(whole) < 1e-12:
        return Segments("unknown")
    sides = _Side.of(now), _Side.of(before)
    found: list[_Found] = []
    told_apart = []
    for attribute, column, column_before in _columns(now.rows, before.rows):
        tested = list(_tested(attribute, column, column_before, sides, whole))
        found += tested
        told_apart += [attribute] if tested else []
    if not found:
        return Segments("unknown")
    kept = _corrected(found)
    state: Where = "concentrated" if any(one.stands_out for one in kept) else "even"
    if state == "even" and _shown(sides, whole) < LEAST_SHOWN:
        state = "too_few"
    return Segments(state, tuple(kept[:REPORTED]), len(found), tuple(told_apart))


def _shown(sides: tuple[_Side, _Side], whole: float) -> int:
    """How many conversations or users show it, on the side that has more of it."""
    side = sides[0 if whole > 0 else 1]
    return int(np.unique(side.member[side.values != 0]).size)


@dataclass(frozen=True, slots=True)
class _Side:
    """A side as numbers; `member` is the group of each row, weights are shares of 1."""

    values: Values
    weights: Values
    member: NDArray[np.intp]
    mean: float

    @classmethod
    def of(cls, marked: Marked) -> _Side:
        member = np.unique(marked.rows.groups, return_inverse=True)[1]
        return cls(marked.values, marked.weights / marked.weights.sum(), member, _mean(marked))


class _Found(NamedTuple):
    segment: Segment
    beyond: float
    inside: NDArray[np.bool_]


def _columns(now: Rows, before: Rows) -> Iterator[tuple[str, Column, Column]]:
    """Every attribute by which rows of now can be told apart; where calls came from before what became of them."""
    names = sorted(now.categories, key=lambda name: name in OUTCOMES)
    own = Counter(name for told in now.attributes for name in told)
    others = [name for name, _ in own.most_common(MOST_ATTRIBUTES) if name not in names]
    for name in names:
        yield name, _column(now.categories.get(name), len(now)), _column(before.categories.get(name), len(before))
    for name in others:
        own_now, own_before = ([told.get(name) for told in rows.attributes] for rows in (now, before))
        yield name, _column(own_now, len(now)), _column(own_before, len(before))


def _column(values: Sequence[str | None] | None, size: int) -> Column:
    known = values if values is not None and len(values) == size else (None,) * size
    column = np.empty(size, dtype=object)
    column[:] = list(known)
    return column


def _tested(
    attribute: str, column: Column, column_before: Column, sides: tuple[_Side, _Side], whole: float
) -> Iterator[_Found]:
    counts = Counter(value for value in (*column, *column_before) if value is not None)
    missing = sum(value is None for value in column)
    # What nobody records now tells nothing apart, nor does what all have.
    if missing == len(column) or (len(counts) < 2 and not missing):
        return
    for value, rows in counts.most_common(MOST_VALUES):
        inside, inside_before = column == value, column_before == value
        groups = np.unique(sides[0].member[inside]).size + np.unique(sides[1].member[inside_before]).size
        is_all = inside.all() and inside_before.all()
        if rows >= LEAST_ROWS and groups >= LEAST_GROUPS and not is_all:
            yield _found(attribute, value, (inside, inside_before), sides, whole)


def _found(
    attribute: str, value: str, inside: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    sides: tuple[_Side, _Side], whole: float,
) -> _Found:  # fmt: skip
    now, before = sides
    share, share_before = (float(side.weights[which].sum()) for side, which in zip(sides, inside, strict=True))
    mean, mean_before = (_mean_inside(side, which) for side, which in zip(sides, inside, strict=True))
    adds = share * (mean - before.mean if mean is not None else 0.0)
    adds -= share_before * (mean_before - before.mean if mean_before is not None else 0.0)
    grown = (share - share_before) * ((mean_before if mean_before is not None else before.mean) - before.mean)
    beyond = adds - share * whole
    variance = _variance(now, inside[0]) + _variance(before, inside[1])
    z = beyond / np.sqrt(variance) if variance > 1e-300 else 0.0
    # Too few who show it are those few, not the segment.
    shows = now if whole > 0 else before
    which = inside[0] if whole > 0 else inside[1]
    marked = np.unique(shows.member[which & (shows.values != 0)]).size
    segment = Segment(
        attribute, value, adds / whole, share, share_before, grown / whole, mean if mean is not None else before.mean,
        mean_before, int(np.count_nonzero(inside[0])), float(2 * norm.sf(abs(z))),
        stands_out=beyond / whole >= LEAST_BEYOND and marked >= LEAST_GROUPS,
    )  # fmt: skip
    return _Found(segment, beyond / whole, inside[0])


def _variance(side: _Side, inside: NDArray[np.bool_]) -> float:
    """Of the weighted covariance of mark and segment, by its influence function over groups."""
    share = float(side.weights[inside].sum())
    product = (side.values - side.mean) * (inside - share)
    by_group = np.bincount(side.member, side.weights * (product - side.weights @ product))
    return float(np.square(by_group).sum())


def _corrected(found: Sequence[_Found]) -> list[Segment]:
    """Those that stand out first, the largest part first; of several names for the same rows one stands out."""
    is_false = false_discovery_control([one.segment.p_value for one in found]) > FALSE_DISCOVERIES
    ordered = sorted(
        zip(found, is_false, strict=True),
        key=lambda pair: (pair[1] or not pair[0].segment.stands_out, -pair[0].beyond),
    )
    kept: list[Segment] = []
    taken: list[NDArray[np.bool_]] = []
    for one, false in ordered:
        is_same = any(_held(one.inside, other) >= SAME for other in taken)
        stands_out = one.segment.stands_out and not false and not is_same
        taken += [one.inside] if stands_out else []
        kept.append(replace(one.segment, stands_out=stands_out))
    return kept


def _held(by: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """The share of the other's rows that are there too."""
    rows = int(np.count_nonzero(other))
    return int(np.count_nonzero(by & other)) / rows if rows else 0.0


def _mean(marked: Marked) -> float:
    return float(marked.weights @ marked.values / marked.weights.sum())


def _mean_inside(side: _Side, inside: NDArray[np.bool_]) -> float | None:
    total = float(side.weights[inside].sum())
    return float(side.weights[inside] @ side.values[inside] / total) if total > 0 else None
