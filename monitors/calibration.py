"""How much more the reference's own blocks differ than by chance: real traffic is never quite stationary."""

from __future__ import annotations

from monitors.monitor import Monitor
from telltale.records import Rows, Window
from telltale.settings import Monitor as MonitorSettings


def inflation(kind: type[Monitor], rows: Rows, settings: MonitorSettings) -> float:
    """The factor by which the threshold must grow so that no block of the reference would alarm; at least 1.

    Blocks are in chronological order: shuffling would hide that traffic drifts by itself.
    """
    size = max(settings.min_rows, len(rows.texts) // 4)
    # The rest of the reference may be smaller than a window.
    monitor = kind.of(settings.model_copy(update={"min_rows": 1}))
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
        for score in monitor.judge(window):
            if score.effect and score.threshold:
                worst = max(worst, score.effect / score.threshold)
    return worst
