"""Of which windows Evidently makes a report; pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from monitors.persistence import begins_alert
from telltale.records import Score

When = Literal["alarm", "daily", "window", "never"]
Why = Literal["alarm", "schedule"]
DAY_S = 86400.0


def due(when: When, scores: Iterable[Score], end: float, last_end: float | None) -> Why | None:
    """Why a report is made of the window that ended then; `last_end` is that of the series' last report.

    `scores` are those of one series and direction. A day is one of UTC.
    """
    if when == "never":
        return None
    if any(map(begins_alert, scores)):
        return "alarm"
    is_due = when == "window" or (when == "daily" and (last_end is None or last_end // DAY_S != end // DAY_S))
    return "schedule" if is_due else None
