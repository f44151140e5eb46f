"""Which rows stand first in a file of JSON, so that its readers infer types that fit all of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final


class Examples:
    """Finds them among rows in their order.

    Readers look at the first megabytes: a column that is empty there, or an object that has no such key there, has no
    type or a wrong one. A row stands first if it shows a place in rows something that no row before it showed there.
    Where objects of different keys stand in one place, readers keep JSON, whatever is in them.
    """

    def __init__(self) -> None:
        self._kinds: dict[tuple[object, ...], set[object]] = {}
        self._mixed: set[tuple[object, ...]] = set()

    def shows_more(self, row: Mapping[str, Any]) -> bool:
        """Whether this row shows what none before it did."""
        return sum(self._is_new(value, (name,)) for name, value in row.items()) > 0

    def _is_new(self, value: Any, path: tuple[object, ...]) -> bool:
        if value is None or path in self._mixed:
            return False
        kind = _kind(value)
        kinds = self._kinds.setdefault(path, set())
        is_new = kind not in kinds
        kinds.add(kind)
        if isinstance(value, (dict, list)) and len(kinds) > 1:
            self._mixed.add(path)
            return is_new
        parts: Iterable[tuple[object, Any]] = ()
        if isinstance(value, dict):
            parts = value.items()
        elif isinstance(value, list):
            parts = ((0, one) for one in value)
        # All of them are looked at, whatever the first ones show.
        return sum(self._is_new(one, (*path, name)) for name, one in parts) > 0 or is_new


# What readers take for a time.
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d")


def _kind(value: Any) -> object:
    if isinstance(value, dict):
        return frozenset(value)
    if isinstance(value, str):
        return "time" if _TIME.match(value) else "text"
    return type(value)
