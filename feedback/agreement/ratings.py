"""What people said of items: the one form that every figure of agreement is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

Value = str | float
"""A category by its name, or a number on a scale."""
Item = Mapping[str, Value]
"""The label of each person who labelled an item, by the person's name; who did not label it is absent."""


def doubled(items: Iterable[Item]) -> list[Item]:
    """The items that at least two people labelled: the others say nothing of agreement."""
    return [item for item in items if len(item) > 1]


def patterns(items: Iterable[Item], order: Sequence[Value]) -> Counter[tuple[int, ...]]:
    """How often each set of labels occurs: per item, how many people gave each of the values in `order`.

    Who gave which is left out. Few patterns stand for many items.
    """
    place = {value: number for number, value in enumerate(order)}
    found: Counter[tuple[int, ...]] = Counter()
    for item in items:
        counts = [0] * len(order)
        for value in item.values():
            counts[place[value]] += 1
        found[tuple(counts)] += 1
    return found


def values(items: Iterable[Item]) -> list[Value]:
    """All values that occur, numbers by size and names by alphabet. Raises ValueError where both occur."""
    found = {value for item in items for value in item.values()}
    if len({isinstance(value, str) for value in found}) > 1:
        raise ValueError("labels are either names or numbers, not both")
    return sorted(found)


def pairs(items: Iterable[Item], one: str, other: str) -> list[tuple[Value, Value]]:
    """What two people said of the items that both labelled."""
    return [(item[one], item[other]) for item in items if one in item and other in item]


def raters(items: Iterable[Item]) -> list[str]:
    """Everybody who labelled any of the items."""
    return sorted({name for item in items for name in item})
