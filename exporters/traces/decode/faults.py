"""Items of a request that cannot be read. Each is refused by itself: those beside it are taken."""

from __future__ import annotations


class Faults:
    """How many, and why the first one cannot be."""

    __slots__ = ("count", "why")

    def __init__(self) -> None:
        self.count = 0
        self.why = ""

    def add(self, why: str, number: int = 1) -> None:
        """One more item that cannot be read, or so many for one reason."""
        self.count += number
        self.why = self.why or why

    def join(self, others: Faults) -> None:
        """Those of a part of the request, too."""
        self.count += others.count
        self.why = self.why or others.why
