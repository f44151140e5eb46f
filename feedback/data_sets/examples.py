"""Which rows stand first in a file of JSON, so that its readers infer types that fit all of it.

Readers look at the first megabytes: a column that is empty there, or an object that has no such key there, has no type
or a wrong one. So a row stands first if it shows a place in rows something that no row before it showed there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

Shown = frozenset[tuple[int, object]]
"""What a row shows: the kind of thing in each place."""
# What readers take for a time.
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d")


class Examples:
    """What each of many rows shows; most show the same."""

    def __init__(self) -> None:
        self._places: dict[tuple[int, object], int] = {}
        self._first: dict[int, object] = {}
        # Where objects of different keys stand in one place, readers keep JSON, whatever is in them.
        self._mixed: set[int] = set()
        self._numbers: dict[Shown, int] = {}
        self._of_rows: list[int] = []

    def add(self, row: Mapping[str, Any]) -> None:
        """The next row."""
        found: set[tuple[int, object]] = set()
        waiting: list[tuple[int, object, Any]] = [(0, name, value) for name, value in row.items()]
        while waiting:
            outer, name, value = waiting.pop()
            if value is None:
                continue
            place = self._places.setdefault((outer, name), len(self._places) + 1)
            kind = _kind(value)
            found.add((place, kind))
            if isinstance(value, (dict, list)) and self._is_alike(place, kind):
                inner = value.items() if isinstance(value, dict) else ((0, one) for one in value)
                waiting += ((place, key, one) for key, one in inner)
        self._of_rows.append(self._numbers.setdefault(frozenset(found), len(self._numbers)))

    def among(self, rows: Iterable[int]) -> Iterator[int]:
        """Of these rows, by their numbers, those that stand first."""
        shown = list(self._numbers)
        known: set[tuple[int, object]] = set()
        looked_at: set[int] = set()
        for row in rows:
            number = self._of_rows[row]
            if number not in looked_at:
                looked_at.add(number)
                if not shown[number] <= known:
                    known |= shown[number]
                    yield row

    def _is_alike(self, place: int, kind: object) -> bool:
        if place not in self._mixed and self._first.setdefault(place, kind) != kind:
            self._mixed.add(place)
        return place not in self._mixed


def _kind(value: Any) -> object:
    if isinstance(value, dict):
        return frozenset(value)
    if isinstance(value, str):
        return "time" if _TIME.match(value) else "text"
    return type(value)
