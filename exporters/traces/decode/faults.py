"""Items of a request that cannot be read. Each is refused by itself: those beside it are taken."""

from __future__ import annotations


class Faults:
    """How many, and why the first one cannot be."""

    __slots__ = ("count", "why")

    def __init__(self) -> None:
        self.count = 0
        self.why = ""

    def add(self, why: str) -> None:
        """One more item that cannot be read."""
        self.count += 1
        self.why = self.why or why
