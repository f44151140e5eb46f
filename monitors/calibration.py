"""How much more the reference's own blocks differ than chance says: real traffic is never quite stationary."""

from __future__ import annotations

from typing import Protocol

from monitors.windows import Rows
from telltale.records import Score, Window
from telltale.settings import Monitor


class TextMonitor(Protocol):
    """A module that judges windows of texts."""

    MONITOR: str

    def judge(self, window: Window, *, min_rows: int, alpha: float, seed: int, inflation: float = 1.0) -> Score:
        """The score of one window by itself; `inflation` multiplies the threshold."""


def inflation(monitor: TextMonitor, rows: Rows, settings: Monitor) -> float:
    """The factor by which the threshold must grow so that no block of the reference would alarm; at least 1.

    Blocks are in the order of time: a shuffle would hide that traffic moves by itself.
    """
    size = max(settings.min_rows, len(rows.texts) // 4)
    worst = 1.0
    for begin in range(0, len(rows.texts) - size + 1, size):
        block = slice(begin, begin + size)
        window = Window(
            *("", "", "prompt", 0.0, 0.0),
            texts=rows.texts[block],
            groups=rows.groups[block],
            reference_texts=rows.texts[:begin] + rows.texts[begin + size :],
            reference_groups=rows.groups[:begin] + rows.groups[begin + size :],
        )
        score = monitor.judge(window, min_rows=1, alpha=settings.alpha, seed=settings.seed)
        if score.effect and score.threshold:
            worst = max(worst, score.effect / score.threshold)
    return worst
