"""In how many ways the rows of two samples can be split in two, whole groups at a time: draws of permutations.

The draws depend on the sizes of the groups and the seed alone, so all monitors of a window share them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

# Each draw takes a number for every group, and for every feature.
AT_ONCE: Final = 50
# Blocks of draws that are kept: those of both directions of a window, each of two sets of rows.
KEPT: Final = 64


@dataclass(frozen=True, slots=True)
class Split:
    """Two samples' rows as groups. A group that both samples have counts as two.

    `member` is the group of each row, those of the first sample first. `observed` is 1 for groups of the first sample
    and 0 for the others. `rows` is the size of the first sample.
    """

    member: NDArray[np.intp]
    sizes: NDArray[np.intp]
    observed: NDArray[np.float64]
    rows: int

    @classmethod
    def of(cls, current: Sequence[str], reference: Sequence[str]) -> Split:
        member, groups = _numbered(tuple(current), tuple(reference))
        observed = np.zeros(groups)
        observed[member[: len(current)]] = 1.0
        return cls(member, np.bincount(member, minlength=groups), observed, len(current))

    def draws(self, begin: int, end: int, seed: int) -> Iterator[NDArray[np.float64]]:
        """The draws of these numbers, as blocks of columns: 1 for groups that are on the first sample's side.

        About as many rows are on that side as the sample has.
        """
        sizes = self.sizes.astype(np.int32).tobytes()
        for number in range(begin // AT_ONCE, -(-end // AT_ONCE)):
            first = number * AT_ONCE
            block = _block(sizes, self.rows, seed, number)
            yield block[:, max(begin - first, 0) : end - first].astype(np.float64)


@lru_cache(maxsize=4)
def _numbered(current: tuple[str, ...], reference: tuple[str, ...]) -> tuple[NDArray[np.intp], int]:
    """The number of each row's group, and how many groups there are."""
    numbers: dict[tuple[int, str], int] = {}
    named = [*((0, group) for group in current), *((1, group) for group in reference)]
    member = np.array([numbers.setdefault(name, len(numbers)) for name in named], dtype=np.intp)
    member.flags.writeable = False
    return member, len(numbers)


@lru_cache(maxsize=KEPT)
def _block(sizes: bytes, rows: int, seed: int, number: int) -> NDArray[np.bool_]:
    """Groups by draws: whether each is on the first side."""
    of_groups = np.frombuffer(sizes, dtype=np.int32)
    random = np.random.default_rng([seed, number])
    sides = np.zeros((of_groups.size, AT_ONCE), dtype=bool)
    for column in range(AT_ONCE):
        sides[_first(of_groups, rows, random), column] = True
    return sides


def _first(sizes: NDArray[np.int32], rows: int, random: np.random.Generator) -> NDArray[np.intp]:
    """The first groups of a random order that have so many rows together."""
    likely = int(1.2 * rows * sizes.size / max(1, int(sizes.sum()))) + 20
    order = random.choice(sizes.size, min(likely, sizes.size), replace=False)
    filled = np.cumsum(sizes[order])
    if filled[-1] < rows and order.size < sizes.size:
        rest = np.setdiff1d(np.arange(sizes.size), order)
        order = np.concatenate([order, random.permutation(rest)])
        filled = np.cumsum(sizes[order])
    return order[: int(np.searchsorted(filled, rows)) + 1]
