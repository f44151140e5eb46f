"""Which refused attempts the audit log keeps: all that matters about them, and never so many that they fill it."""

from __future__ import annotations

import threading
from typing import NamedTuple

PERIOD_S = 3600.0
MAX_SUBJECTS = 20
OTHERS = "(further names)"


class Refusal(NamedTuple):
    """The `times`th refusal of this subject since the period began."""

    subject: str
    times: int


class Refusals:
    """Of each subject's refusals in a period the first, second, fourth, eighth … is worth an entry.

    Subjects beyond `subjects` are counted as one. So an hour has at most 21 entries for each doubling, and the newest
    entry of a subject tells its number of refusals to within a factor of two.
    """

    def __init__(self, period: float = PERIOD_S, subjects: int = MAX_SUBJECTS) -> None:
        self._period, self._subjects = period, subjects
        self._began = float("-inf")
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()

    def note(self, subject: str, now: float) -> Refusal | None:
        """Count a refusal; returns what to record, if anything."""
        with self._lock:
            if now - self._began >= self._period:
                self._began, self._counts = now, {}
            if subject not in self._counts and len(self._counts) >= self._subjects:
                subject = OTHERS
            times = self._counts[subject] = self._counts.get(subject, 0) + 1
        return Refusal(subject, times) if times & (times - 1) == 0 else None
